"""A long text piece by piece, so that no multiple of it is ever in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Characters of a piece: its words take some 20 MB as Python strings.
PIECE = 250_000

# In front of the first white space behind a word. No tokenizer's token and no rule of lower-casing reaches across, and
# white space stays with what follows it, as byte-level BPE wants it.
_CUT = re.compile(r"(?<=\S)[ \t\n]")


def pieces(text: str, *, length: int | None = None) -> Iterator[str]:
    """The text in pieces, of which all but the first begin with a blank, tab or line end behind a visible character.

    Args:
        text: any.
        length: least characters of a piece but the last; `PIECE` where it is None. A longer stretch without white
            space is not cut.
    """
    least = PIECE if length is None else length
    start = 0
    while start < len(text):
        cut = _CUT.search(text, start + least)
        end = cut.start() if cut else len(text)
        yield text[start:end]
        start = end


def slices(text: str) -> Iterator[str]:
    """The text in pieces of exactly `PIECE` characters, but the last, cut anywhere."""
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]
