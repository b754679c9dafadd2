"""Measures text, and wraps or shortens it to fit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text

from lmlab.reporting.figures.style import BODY, DPI, FONT

ELLIPSIS = "…"
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
# No line is wide enough for more, so that the rest need not be measured.
_MOST_CHARACTERS = 200
_BRIEF = 60
# Where lines may end: names of settings have few spaces. Numbers like 1e-05 and 0.5 are not broken.
_SPACE = re.compile(r"(?<=\s)(?=\S)")
_BREAK = re.compile(r"(?<=\s)(?=\S)|(?<=[^\s\d][_/=:;,|])(?=\w)|(?<=\w[_/=:;,|.\-])(?=[^\W\d])")


@lru_cache(maxsize=1)
def _drawable() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=FONT))).get_charmap())


def one_line(text: str) -> str:
    """Returns the text without line ends, with unprintable characters replaced."""
    return "".join(c if c.isprintable() else _UNKNOWN for c in " ".join(text.split()))


def clean(text: str) -> str:
    """Returns the text on one line, with characters that the font does not have replaced."""
    return "".join(c if ord(c) in _drawable() else _UNKNOWN for c in one_line(text))


def brief(text: str) -> str:
    """Returns one line of at most 60 characters, for sentences."""
    text = one_line(text)
    return text if len(text) <= _BRIEF else _cut(text, _BRIEF)


@lru_cache(maxsize=1)
def _scratch() -> tuple[Text, RendererAgg]:
    figure = Figure(figsize=(1, 1), dpi=DPI)
    text = figure.text(0, 0, "", fontfamily=FONT, parse_math=False, usetex=False)
    FigureCanvasAgg(figure)
    return text, RendererAgg(DPI, DPI, DPI)  # type: ignore[no-untyped-call]


@lru_cache(maxsize=8192)
def size(text: str, points: float = BODY, *, bold: bool = False) -> tuple[float, float]:
    """Returns width and height in inches of text with all its lines, as it will be drawn."""
    scratch, renderer = _scratch()
    scratch.set(text=text, fontsize=points, fontweight="bold" if bold else "normal")
    box = scratch.get_window_extent(renderer)
    return float(box.width) / DPI, float(box.height) / DPI


def width(text: str, points: float = BODY, *, bold: bool = False) -> float:
    """Returns the width in inches."""
    return size(text, points, bold=bold)[0]


def words(text: str) -> list[str]:
    """Splits the text where lines may end."""
    return [word.strip() for word in _BREAK.split(clean(text))]


def widest(texts: Sequence[str], points: float = BODY, *, bold: bool = False) -> float:
    """Returns the largest width in inches; 0 without any text."""
    return max((width(text, points, bold=bold) for text in texts if text), default=0.0)


def height(lines: int, points: float = BODY) -> float:
    """Returns the height in inches of this many lines."""
    return size("\n".join(["Ág"] * lines), points)[1] if lines else 0.0


def shortened(text: str, room: float, points: float = BODY, *, bold: bool = False) -> str:
    """Returns the text on one line, without its middle if it is wider than the room in inches.

    The end is kept because many names differ only there.
    """
    text = clean(text)
    if width(text, points, bold=bold) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        kept = (low + high + 1) // 2
        if width(_cut(text, kept), points, bold=bold) <= room:
            low = kept
        else:
            high = kept - 1
    return _cut(text, low)


def _cut(text: str, kept: int) -> str:
    tail = kept // 2
    return text[: kept - tail].rstrip() + ELLIPSIS + (text[-tail:].lstrip() if tail else "")


def wrapped(
    text: str, room: float, points: float = BODY, *, lines: int = 99, bold: bool = False, tail: str = ""
) -> str:
    """Wraps the text into lines of at most this many inches, at spaces if possible.

    Args:
        text: may contain anything. If it is too long, its last line is shortened.
        room: inches.
        points: size of the letters.
        lines: most lines.
        bold: whether the letters are bold.
        tail: follows the text and is never shortened.
    """
    text = clean(text)
    if len(text) > lines * _MOST_CHARACTERS:
        text = _cut(text, lines * _MOST_CHARACTERS)
    words = _SPACE.split(text)
    whole = max(width(word.rstrip(), points, bold=bold) for word in words) <= room
    found = _filled([*words, tail], room, points, bold) if whole else []
    if not found or len(found) > lines:
        pieces = [part for piece in _BREAK.split(text) for part in _hard(piece, room, points, bold)]
        found = _filled([*pieces, tail], room, points, bold)
    if len(found) > lines:
        rest = "".join(found[lines - 1 :]).removesuffix(tail).strip()
        room -= width(tail, points, bold=bold) if tail else 0.0
        found = [*found[: lines - 1], shortened(rest, room, points, bold=bold) + tail]
    return "\n".join(line.strip() for line in found)


def _filled(pieces: Sequence[str], room: float, points: float, bold: bool) -> list[str]:
    """Joins pieces into lines that are as full as possible."""
    found = [pieces[0]]
    for piece in pieces[1:]:
        if width((found[-1] + piece).rstrip(), points, bold=bold) <= room:
            found[-1] += piece
        else:
            found.append(piece)
    return found


def _hard(piece: str, room: float, points: float, bold: bool) -> list[str]:
    """Cuts a piece that is wider than a line at any character."""
    parts = []
    while len(piece) > 1 and width(piece.rstrip(), points, bold=bold) > room:
        low, high = 1, len(piece) - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if width(piece[:middle], points, bold=bold) <= room else (low, middle - 1)
        parts.append(piece[:low])
        piece = piece[low:]
    return [*parts, piece]
