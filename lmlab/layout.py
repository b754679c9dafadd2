"""Fits text to the width of a terminal: sentences wrapped at blanks, tables in blocks, one column for a narrow sign.

Widths are in columns of the terminal, of which a wide sign (Chinese, emoji) takes two and a combining one none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

# Control characters but for line end and tab, line separators that some programs obey, and those that change the
# direction of text, by which it can be shown as another; half of a pair of UTF-16 has no bytes of its own.
_HARMFUL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSHOWN = "\ufffd"
# What stands before a text, under which its further lines are indented: blanks, or a word or two and two blanks.
_LABEL = re.compile(r" +|\S+(?: \S+)? {2,}")
_MOST_INDENTED = 16
# Never broken: a command to its end, a quoted path, a word.
_PIECES = re.compile(r"(?:python -m lmlab|tensorboard --logdir)\b.*|'[^']*'(?=\s|$)|\S+")


def visible(text: str) -> str:
    """Returns a text that moves no cursor, gives no command to a terminal and reads in its own order.

    Line ends and tabs are kept; what is left out is shown as the sign for it.
    """
    return _HARMFUL.sub(_UNSHOWN, text)


def one_line(text: str) -> str:
    """Returns a visible text without line ends and tabs."""
    return re.sub(r"[\n\t]", _UNSHOWN, visible(text))


def columns(text: str) -> int:
    """Returns the number of columns that a line takes."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrapped(text: str, width: int | None) -> str:
    """Returns lines that are too wide broken at blanks, their further lines indented; None for any width.

    Words are never broken, nor are commands and quoted paths, which are for copying.
    """
    if width is None:
        return text
    return "\n".join(part for line in text.split("\n") for part in _broken(line, width))


def _broken(line: str, width: int) -> Iterator[str]:
    """Yields the lines of a line; blanks between words that stay on the same line are kept."""
    if columns(line) <= width:
        yield line
        return
    label = _LABEL.match(line)
    begin = label[0] if label else ""
    is_short = columns(begin) <= _MOST_INDENTED
    indent = " " * (columns(begin) if label and is_short else 4)
    now, at = begin, len(begin)
    for piece in _PIECES.finditer(line, at):
        longer = now + line[at : piece.start()] + piece[0]
        at = piece.end()
        # A short label keeps its first word, however long that is.
        if columns(longer) <= width or (now == begin and is_short):
            now = longer
        else:
            yield now.rstrip()
            now = indent + piece[0]
    yield now.rstrip()


def aligned(rows: Sequence[Sequence[str]], *, left: int, width: int | None = None) -> list[str]:
    """Returns a table as lines: the first `left` columns, with words, to the left, the rest to the right.

    Args:
        rows: all as long; each cell is shown in one line.
        left: number of columns with words.
        width: of the terminal; a wider table is shown in blocks, each of which begins with the first column. None for
            any width.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    blocks = _blocks(widths, width)
    return [line for block in blocks for line in _table(cells, widths, block, left)]


def _blocks(widths: Sequence[int], width: int | None) -> list[list[int]]:
    """Returns the numbers of the columns that fit beside each other."""
    blocks, used = [[0]], widths[0]
    for i, own in enumerate(widths[1:], 1):
        used += 2 + own
        if width is not None and used > width and len(blocks[-1]) > 1:
            blocks.append([0])
            used = widths[0] + 2 + own
        blocks[-1].append(i)
    return blocks


def _table(cells: Sequence[Sequence[str]], widths: Sequence[int], block: Sequence[int], left: int) -> Iterator[str]:
    for row in cells:
        filled = []
        for i in block:
            blanks = " " * (widths[i] - columns(row[i]))
            filled.append(row[i] + blanks if i < left else blanks + row[i])
        yield "  ".join(filled).rstrip()
