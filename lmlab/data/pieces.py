"""Splits a long text into pieces, so that processing it never needs a multiple of its size in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Characters of a piece: its words take some 20 MB as Python strings.
PIECE = 250_000

# Before the first white space after a word. No token and no rule of lower-casing extends across this position, and
# white space stays with the text after it, as byte-level BPE needs it.
_CUT = re.compile(r"(?<=\S)[ \t\n]")


def pieces(text: str, *, length: int | None = None) -> Iterator[str]:
    """Yields the text in pieces, each of which but the first begins with a space, tab or line end after a word.

    Args:
        text: any.
        length: least number of characters of each piece but the last; None for `PIECE`. A longer stretch without
            white space is not cut.
    """
    least = PIECE if length is None else length
    start = 0
    while start < len(text):
        cut = _CUT.search(text, start + least)
        end = cut.start() if cut else len(text)
        yield text[start:end]
        start = end


def slices(text: str) -> Iterator[str]:
    """Yields the text in pieces of exactly `PIECE` characters, cut anywhere; the last may be shorter."""
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]
