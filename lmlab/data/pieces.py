"""Splits a long text into pieces, so that processing it never needs a multiple of its size in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

# Characters of a piece: its words take some 20 MB as Python strings.
PIECE = 250_000

# Before the first white space after a word. No token and no rule of lower-casing extends across this position, and
# white space stays with the text after it, as byte-level BPE needs it.
_CUT = re.compile(r"(?<=\S)[ \t\n]")


class LongText(Protocol):
    """A text that is not in memory; ``str()`` reads all of it into memory."""

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: slice, /) -> LongText: ...

    def endswith(self, suffix: str, /) -> bool:
        """Returns whether the text ends in a string."""

    def blocks(self) -> Iterator[str]:
        """Yields the text in pieces of at most some hundred thousand characters, cut anywhere."""


Text = str | LongText


def pieces(text: Text, *, length: int | None = None) -> Iterator[str]:
    """Yields the text in pieces, each of which but the first begins with a space, tab or line end after a word.

    Args:
        text: any.
        length: least number of characters of each piece but the last, and of a long text but the last few; None for
            `PIECE`. A longer stretch without white space is not cut.
    """
    least = PIECE if length is None else length
    if isinstance(text, str):
        yield from _pieces(text, least)
        return
    kept = ""
    for block in text.blocks():
        kept += block
        if len(kept) > least:
            *cut, kept = _pieces(kept, least)
            yield from cut
    yield from _pieces(kept, least)


def _pieces(text: str, least: int) -> Iterator[str]:
    start = 0
    while start < len(text):
        cut = _CUT.search(text, start + least)
        end = cut.start() if cut else len(text)
        yield text[start:end]
        start = end


def slices(text: Text) -> Iterator[str]:
    """Yields the text in pieces of at most `PIECE` characters, or of blocks of a file, cut anywhere."""
    if not isinstance(text, str):
        yield from text.blocks()
        return
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]
