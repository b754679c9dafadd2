"""A corpus: named splits of documents, and where they came from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from lmlab.data.pieces import Text
from lmlab.data.stored_text import concatenated
from lmlab.errors import UserError

SPLITS = ("train", "validation", "test")
# Most characters of texts on the disk that are searched for passages, by split. The search needs a copy or two of the
# training text and 60 bytes for a character of the other.
SEARCHED = {"train": 50_000_000, "others": 2_000_000}
SEARCHES = "copies are searched in the first {:,} characters of the training text and {:,} of another split".format(
    *SEARCHED.values()
)
# What files are called that are for a split.
_NAMES = {
    "train": ("train", "training"),
    "validation": ("valid", "validation", "val", "dev", "eval"),
    "test": ("test", "testing"),
}
_SPLITS = {name: split for split, names in _NAMES.items() for name in names}
_ANY = "|".join(_SPLITS)
# `train`, `ptb.train`, `en_train`, `train-en`: a split's name, alone or as the last or first word of the name.
_WORD = re.compile(rf"(?:.*[._-])?({_ANY})|({_ANY})[._-].*", re.IGNORECASE | re.DOTALL)


def split_of(stem: str) -> str | None:
    """Returns the split that a file is for by its name without suffix (`ptb.valid`); None if it names none."""
    match = _WORD.fullmatch(stem)
    return None if match is None else _SPLITS[(match[1] or match[2]).lower()]


@dataclass(frozen=True)
class Document:
    """A text with its name, as it will be tokenized: line ends are ``\\n``, nothing else was changed.

    The text is a string; lmlab's own text files of many megabytes stay on the disk.
    """

    name: str
    text: Text


@dataclass(frozen=True)
class Corpus:
    """Splits of documents.

    Args:
        splits: documents by split, in the order of the source. A split that the source lacks is absent.
        provenance: lines that say where the text came from.
        notes: automatic decisions that the user should know about (an encoding guessed, a licence removed).
        warnings: reasons why the results may differ from what is expected.
        sentences: each document is a sentence, read from a fresh state.
        source_nats: by split, the total nats of its strings under the source that made them; empty for natural text.
    """

    splits: dict[str, tuple[Document, ...]]
    provenance: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    sentences: bool = False
    source_nats: dict[str, float] = field(default_factory=dict)

    def texts(self, split: str) -> list[Text]:
        """Returns the split's documents, each but the last ending in a line end; sentences are unchanged.

        Raises:
            UserError: the corpus has no such split.
        """
        if split not in self.splits:
            there = ", ".join(self.splits)
            remedy = f"its splits are {there}; use one of them, or data.split with a share for {split}"
            raise UserError("split", split, "this text has no such split", remedy)
        texts = [document.text for document in self.splits[split]]
        return texts if self.sentences else joined(texts)

    def strings(self, split: str) -> list[str]:
        """Returns the split's documents as strings; of texts on the disk the first `SEARCHED` characters.

        Raises:
            UserError: the corpus has no such split.
        """
        texts = self.texts(split)
        left = SEARCHED["train" if split == "train" else "others"]
        found: list[str] = []
        for text in texts:
            if isinstance(text, str):
                found.append(text)
            elif left > 0:
                found.append(str(text[:left]))
                left -= len(found[-1])
        return found

    def beginning(self, split: str, characters: int = 100_000) -> str:
        """Returns the first characters of the split's first document."""
        return str(self.texts(split)[0][:characters])


def joined(texts: Sequence[Text]) -> list[Text]:
    """Returns the texts, with a line end added to each but the last unless it already ends in one."""
    last = len(texts) - 1
    return [t if t.endswith("\n") or i == last else concatenated([t, "\n"]) for i, t in enumerate(texts)]


def split_documents(
    documents: Sequence[Document], shares: Sequence[float], *, whole_words: bool = True
) -> dict[str, tuple[Document, ...]]:
    """Splits contiguously: by document if there are at least as many documents as splits, else by position in the text.

    By document, the boundaries are those whose sizes come closest to the shares. By position, the text is cut at the
    exact share; a cut inside a word is moved to its end.

    Args:
        documents: in order.
        shares: of train, validation and (if given and above 0) test; normalised by their sum.
        whole_words: False to cut at the exact share even inside a word.

    Raises:
        UserError: the text is too short to give every split a character.
    """
    names = [name for name, share in zip(SPLITS, shares, strict=False) if share > 0]
    kept = [share for share in shares if share > 0]
    fractions = [share / sum(kept) for share in kept]
    if len(documents) >= len(names):
        return _by_document(documents, names, fractions)
    return _by_position(documents, names, fractions, whole_words=whole_words)


def _by_document(
    documents: Sequence[Document], names: list[str], fractions: list[float]
) -> dict[str, tuple[Document, ...]]:
    sizes = [len(document.text) for document in documents]
    before = [0, *accumulate(sizes)]
    total = max(1, before[-1])
    ends: list[int] = []
    target = 0.0
    for i, fraction in enumerate(fractions[:-1]):
        target += fraction * total
        first = (ends[-1] if ends else 0) + 1
        last = len(documents) - (len(names) - 1 - i)
        ends.append(min(range(first, last + 1), key=lambda end: abs(before[end] - target)))
    starts = [0, *ends]
    return {name: tuple(documents[a:b]) for name, a, b in zip(names, starts, [*ends, len(documents)], strict=True)}


def _by_position(
    documents: Sequence[Document], names: list[str], fractions: list[float], *, whole_words: bool
) -> dict[str, tuple[Document, ...]]:
    text = concatenated(joined([document.text for document in documents]))
    label = " + ".join(document.name for document in documents)
    cuts, target = [0], 0.0
    for fraction in fractions[:-1]:
        target += fraction
        cut = int(target * len(text) + 1e-9)
        cuts.append(_whole_word(text, cut) if whole_words else cut)
    cuts.append(len(text))
    if any(a >= b for a, b in pairwise(cuts)):
        counted = f"{len(text)} characters are" if len(text) != 1 else "1 character is"
        problem = f"{counted} too few for {len(names)} splits"
        raise UserError("data.path", label, problem, "give a longer text")
    return {
        name: (Document(f"{label} [{a}:{b}]", text[a:b]),)
        for name, a, b in zip(names, cuts[:-1], cuts[1:], strict=True)
    }


def _whole_word(text: Text, cut: int) -> int:
    """Returns `cut`, moved to the end of the word that contains it (a word of more than 100 characters is cut)."""
    if cut == 0:
        return 0
    # The characters by which a position is judged begin two before it and end two after it.
    begin = max(0, cut - 2)
    around = str(text[begin : cut + 102])
    for position in range(cut, min(cut + 100, len(text))):
        if not _inside_word(around, position - begin):
            return position
    return cut


def _inside_word(text: str, position: int) -> bool:
    """Returns whether a letter or digit is on both sides of a position, possibly with an apostrophe between them."""
    before, after = text[position - 1], text[position]
    if after in "'’":
        after = text[position + 1 : position + 2]
    elif before in "'’":
        before = text[position - 2 : position - 1] if position > 1 else ""
    return before.isalnum() and after.isalnum()
