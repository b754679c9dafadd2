"""How large text is, and text made to fit."""

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
# No line is wide enough for more, so measuring them would be in vain.
_MOST_CHARACTERS = 200
_BRIEF = 60
# Lines may end here: names of settings have few spaces. Numbers like 1e-05 and 0.5 stay whole.
_SPACE = re.compile(r"(?<=\s)(?=\S)")
_BREAK = re.compile(r"(?<=\s)(?=\S)|(?<=[^\s\d][_/=:;,|])(?=\w)|(?<=\w[_/=:;,|.\-])(?=[^\W\d])")


@lru_cache(maxsize=1)
def _drawable() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=FONT))).get_charmap())


def one_line(text: str) -> str:
    """The text without line ends and with a mark for each character that does not print."""
    return "".join(c if c.isprintable() else _UNKNOWN for c in " ".join(text.split()))


def clean(text: str) -> str:
    """One line of characters that can be drawn; others become a mark."""
    return "".join(c if ord(c) in _drawable() else _UNKNOWN for c in one_line(text))


def brief(text: str) -> str:
    """One line of at most 60 characters, for sentences."""
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
    """Width and height in inches of text as it will be drawn, all its lines."""
    scratch, renderer = _scratch()
    scratch.set(text=text, fontsize=points, fontweight="bold" if bold else "normal")
    box = scratch.get_window_extent(renderer)
    return float(box.width) / DPI, float(box.height) / DPI


def width(text: str, points: float = BODY, *, bold: bool = False) -> float:
    """Width in inches."""
    return size(text, points, bold=bold)[0]


def words(text: str) -> list[str]:
    """Where lines may end, the text is cut."""
    return [word.strip() for word in _BREAK.split(clean(text))]


def widest(texts: Sequence[str], points: float = BODY, *, bold: bool = False) -> float:
    """Width in inches of the widest; 0 of none."""
    return max((width(text, points, bold=bold) for text in texts if text), default=0.0)


def height(lines: int, points: float = BODY) -> float:
    """Height in inches of so many lines."""
    return size("\n".join(["Ág"] * lines), points)[1] if lines else 0.0


def shortened(text: str, room: float, points: float = BODY, *, bold: bool = False) -> str:
    """One line: the text, or its beginning and end where it is wider than so many inches; the end tells many apart."""
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
    """The text in lines of at most so many inches, broken at spaces where that is enough.

    Args:
        text: of one line; may hold anything. Where it is too long, its last line is shortened.
        room: inches.
        points: size of the letters.
        lines: at most so many.
        bold: wider letters.
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
    """Lines as full as they can be."""
    found = [pieces[0]]
    for piece in pieces[1:]:
        if width((found[-1] + piece).rstrip(), points, bold=bold) <= room:
            found[-1] += piece
        else:
            found.append(piece)
    return found


def _hard(piece: str, room: float, points: float, bold: bool) -> list[str]:
    """A piece wider than a line is cut anywhere."""
    parts = []
    while len(piece) > 1 and width(piece.rstrip(), points, bold=bold) > room:
        low, high = 1, len(piece) - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if width(piece[:middle], points, bold=bold) <= room else (low, middle - 1)
        parts.append(piece[:low])
        piece = piece[low:]
    return [*parts, piece]
