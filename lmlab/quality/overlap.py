"""Validation text that stands in the training text: such text flatters every figure measured on it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, NamedTuple

import numpy as np

from lmlab.quality.passages import as_compared, find_windows, unused_characters

# Least characters of a passage that counts as copied, measured on texts without a leak, by character and by word.
# Stock phrases and repeated lines make up to 8% of the validation text at 30 characters. At 60 it is nothing of Oz
# books 6 and 7 given those before, of tiny Shakespeare and of Dickens, but 2.8% of the Python reference, mostly borders
# of tables; from 80 on, nothing of any. This is a quarter above that, and a licence that was not removed still shows
# whole: 6.0% of Oz book 6, at 100 as at 60.
PASSAGE = 100
# Shorter sentences are written twice by chance: "i liked it ."
SENTENCE = 20
# Memorised text costs next to nothing, so a share of 1% lowers the nats per token by up to 1%, as much as the
# differences that are reported. Texts without a leak are at 0.
ALARM = 0.01

# Most characters of an example, and of the one in a warning.
_EXAMPLE = 300
_QUOTED = 60


class Place(NamedTuple):
    """Where a passage stands: numbers of documents and positions in them from 0, in the texts as they are compared."""

    document: int
    position: int
    train_document: int
    train_position: int


@dataclass(frozen=True)
class Overlap:
    """What validation and training text share.

    Args:
        share: of the validation text's characters, or of its sentences; NaN where it has none.
        example: the first such passage, at most 300 characters of it, or sentence; empty for none.
        where: its place; None for none.
        of: what the share is one of.
    """

    share: float
    example: str
    where: Place | None
    of: Literal["text", "sentences"]


def overlap(
    train_texts: Sequence[str],
    validation_texts: Sequence[str],
    *,
    by_character: bool,
    sentences: bool = False,
    passage: int = PASSAGE,
) -> Overlap:
    """The share of the validation text that is copied from the training text, exactly.

    Of running text it is the share of characters that lie in a passage of at least `passage` characters which occurs
    in a training document; of sentences, those of at least `SENTENCE` characters that are a training sentence, over
    all. A few hundredths of a second a million characters of training text; memory beside the texts about 60 bytes a
    character of the validation text, and for words a copy of both texts.

    Args:
        train_texts: documents, or sentences.
        validation_texts: the same.
        by_character: whether tokens are characters. If not, texts are compared as words are: without regard to case
            and kind of white space.
        sentences: whether each text is a sentence.
        passage: least characters of a copied passage of running text.
    """
    train = [as_compared(text, by_character=by_character) for text in train_texts]
    validation = [as_compared(text, by_character=by_character) for text in validation_texts]
    return _of_sentences(train, validation) if sentences else _of_text(train, validation, passage)


def leak_warning(found: Overlap) -> str | None:
    """One line for the user where the share is `ALARM` or more; None below."""
    if not found.share >= ALARM:  # NaN alarms no one
        return None
    example = " ".join(found.example.split())
    quoted = example if len(example) <= _QUOTED else example[:_QUOTED].rstrip() + "..."
    stand, what = ("stands", "passages") if found.of == "text" else ("stand", "sentences")
    return (
        f"leak: {found.share:.1%} of the validation {found.of} {stand} in the training text word for word, for example "
        f"'{quoted}'; its perplexity is flattered: remove the {what} or split the text otherwise"
    )


def _of_text(train: list[str], validation: list[str], passage: int) -> Overlap:
    num_characters = sum(map(len, validation))
    if not num_characters:
        return Overlap(float("nan"), "", None, "text")
    # One stands between the documents of each side and nowhere else, so no passage reaches across documents.
    between_validation, between_train = unused_characters([*train, *validation], 2)
    wanted, text = between_validation.join(validation), between_train.join(train)
    places = find_windows(wanted, text, passage)
    starts = np.flatnonzero(places >= 0)
    if not len(starts):
        return Overlap(0.0, "", None, "text")
    # A window covers `passage` characters or, where the next begins earlier, those up to it.
    covered = int(np.minimum(np.diff(starts), passage).sum()) + passage
    first, place = int(starts[0]), int(places[starts[0]])
    example = _common_start(wanted[first : first + _EXAMPLE], text[place : place + _EXAMPLE])
    where = Place(*_in_document(validation, first), *_in_document(train, place))
    return Overlap(covered / num_characters, example, where, "text")


def _of_sentences(train: list[str], validation: list[str]) -> Overlap:
    if not validation:
        return Overlap(float("nan"), "", None, "sentences")
    known = set(train)
    copied = [i for i, sentence in enumerate(validation) if len(sentence) >= SENTENCE and sentence in known]
    if not copied:
        return Overlap(0.0, "", None, "sentences")
    first = copied[0]
    where = Place(first, 0, train.index(validation[first]), 0)
    return Overlap(len(copied) / len(validation), validation[first], where, "sentences")


def _common_start(a: str, b: str) -> str:
    return a[: next((i for i, (c, d) in enumerate(zip(a, b, strict=False)) if c != d), min(len(a), len(b)))]


def _in_document(documents: list[str], position: int) -> tuple[int, int]:
    """Number of the document and position in it, of a position in all of them with one character between."""
    starts = list(accumulate((len(document) + 1 for document in documents), initial=0))
    number = bisect_right(starts, position) - 1
    return number, position - starts[number]
