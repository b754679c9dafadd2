"""Finds validation text that also occurs in the training text, which makes all figures on it too good."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, NamedTuple

import numpy as np

from lmlab.data.passages import as_compared, find_windows, unused_characters
from lmlab.diagnostics.rules import Diagnostic, noted
from lmlab.diagnostics.run_rules import LEAK

# Least number of characters of a passage that counts as copied, chosen by measurements on texts without a leak, by
# character and by word. With 30 characters, stock phrases and repeated lines are up to 8% of the validation text. With
# 60 it is 0% of Oz books 6 and 7 (given those before), of tiny Shakespeare and of Dickens, but 2.8% of the Python
# reference, mostly borders of tables. With 80 it is 0% of all. The value is a quarter above that and still finds all of
# a licence that was not removed: 6.0% of Oz book 6, with 100 as with 60.
PASSAGE = 100
# Shorter sentences occur twice by chance: "i liked it ."
SENTENCE = 20

# Most characters of an example, and of an example in a diagnostic.
_EXAMPLE = 300
_QUOTED = 60


class Place(NamedTuple):
    """The place of a passage: document and position, both from 0, in the texts as they are compared."""

    document: int
    position: int
    train_document: int
    train_position: int


@dataclass(frozen=True)
class Overlap:
    """What validation and training text share.

    Args:
        share: of the characters of the validation text, or of its sentences; NaN if it is empty.
        example: the first shared sentence or passage, at most 300 characters of it; empty if nothing is shared.
        where: its place; None if nothing is shared.
        of: what the share is a share of.
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
    """Returns the exact share of the validation text that is copied from the training text.

    For running text it is the share of characters that lie in a passage of at least `passage` characters that occurs in
    a training document. For sentences it is the share of sentences that have at least `SENTENCE` characters and are
    training sentences. Takes a few hundredths of a second for a million characters of training text. Needs about 60
    bytes of memory for a character of the validation text and, unless `by_character`, a copy of both texts.

    Args:
        train_texts: documents or sentences.
        validation_texts: documents or sentences.
        by_character: whether tokens are characters. If not, texts are compared by words: case and kind of white space
            are ignored.
        sentences: whether each text is a sentence.
        passage: least number of characters of a copied passage of running text.
    """
    train = [as_compared(text, by_character=by_character) for text in train_texts]
    validation = [as_compared(text, by_character=by_character) for text in validation_texts]
    return _of_sentences(train, validation) if sentences else _of_text(train, validation, passage)


def leak(found: Overlap) -> Diagnostic | None:
    """Returns the diagnostic of a share that makes the figures too good; None if the share is small."""
    if not found.share >= LEAK:  # also if the share is NaN
        return None
    example = " ".join(found.example.split())
    quoted = example if len(example) <= _QUOTED else example[:_QUOTED].rstrip() + "..."
    of = "text stands" if found.of == "text" else "sentences stand"
    return noted("leak", share=found.share, of=of, example=quoted)


def _of_text(train: list[str], validation: list[str], passage: int) -> Overlap:
    num_characters = sum(map(len, validation))
    if not num_characters:
        return Overlap(float("nan"), "", None, "text")
    # These characters separate the documents and occur nowhere else, so that no passage spans two documents.
    between_validation, between_train = unused_characters([*train, *validation], 2)
    wanted, text = between_validation.join(validation), between_train.join(train)
    places = find_windows(wanted, text, passage)
    starts = np.flatnonzero(places >= 0)
    if not len(starts):
        return Overlap(0.0, "", None, "text")
    # A window covers `passage` characters, or those up to the next window if that begins earlier.
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
    """Converts a position in the joined documents, with one character between them, to document and position in it."""
    starts = list(accumulate((len(document) + 1 for document in documents), initial=0))
    number = bisect_right(starts, position) - 1
    return number, position - starts[number]
