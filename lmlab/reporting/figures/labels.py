"""The texts of figures: numbers, names, labels at the ends of lines, and notes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Bbox

from lmlab.reporting.figures.data import Figure, Result
from lmlab.reporting.figures.style import FONT, MUTED, SMALL, WIDTH, canvas

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_MOST, _BRIEF = 300, 60  # characters of a name in a figure and in a sentence
_LINE, _GAP, _ROOM = SMALL * 1.25 / 72, 0.05, 1.8  # inches: a line of text, between labels, and the width of labels


def number(value: float, digits: int = 4) -> str:
    """Formats a number with some decimals, fewer for large numbers."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    digits = max(0, digits - sum(abs(value) >= limit for limit in (10, 100, 1_000, 10_000)))
    text = f"{value:.2e}" if abs(value) >= 1e7 or 0 < abs(value) < 1e-3 else f"{value:,.{digits}f}"
    return text.replace("-", "−")


def measured(result: Result, digits: int = 4) -> str:
    """Formats a result: 1.2345, or 1.2345 ± 0.0067."""
    return number(result.mean, digits) + (f" ± {number(result.half_width, digits)}" if result.half_width else "")


def few(parts: Sequence[str], most: int = 6) -> str:
    """Joins parts with semicolons; those that are too many are counted."""
    return "; ".join(parts[:most]) + (f" and {len(parts) - most} more" if len(parts) > most else "")


def beyond(values: Iterable[tuple[str, float]], high: float) -> list[str]:
    """Returns a note on named values above the range and on those that are no numbers; empty if there are none."""
    above = [f"{brief(name)} {number(value)}" for name, value in values if not value <= high]
    return [f"Beyond the picture: {few(above)}."] if above else []


def brief(text: str) -> str:
    """Returns one line of at most 60 characters, for sentences; unprintable characters are replaced."""
    return _cut("".join(c if c.isprintable() else _UNKNOWN for c in " ".join(text.split())), _BRIEF)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}…{text[len(text) - (most - 1) // 2 :]}"


@lru_cache(maxsize=1)
def _drawable() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=FONT))).get_charmap())


@lru_cache(maxsize=8192)
def width(text: str, points: float = SMALL) -> float:
    """Returns the width in inches of a line of bold text."""
    font = FontProperties(family=FONT, size=points, weight="bold")
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0]) / 72 if text else 0.0


def shortened(text: str, room: float, points: float = SMALL) -> str:
    """Returns one line that is no wider than some inches; what is too long loses its middle."""
    whole = _cut(" ".join(text.split()), _MOST)
    cut = whole = "".join(c if c.isprintable() and ord(c) in _drawable() else _UNKNOWN for c in whole)
    kept = len(whole)
    while kept > 1 and (wide := width(cut, points)) > room:
        kept = max(1, min(kept - 1, int(kept * room / wide) + 1))
        cut = _cut(whole, kept)
    return cut


def wrapped(text: str, room: float, lines: int = 3, points: float = SMALL) -> str:
    """Breaks the text into lines of some inches at spaces, or else within names; what is too long is shortened."""
    found = [""]
    for word in shortened(text, 0.85 * lines * room, points).split():
        parts = [word] if width(word, points) <= room else re.split(r"(?<=[_/=:,])(?=[^\W\d])", word)
        pieces = [piece for part in parts for piece in ([part] if width(part, points) <= room else part)]
        for i, piece in enumerate(pieces):
            longer = found[-1] + " " * (i == 0 and bool(found[-1])) + piece
            found[-1:] = [longer] if width(longer, points) <= room or not found[-1] else [found[-1], piece]
    return "\n".join(found)


class EndLabel(NamedTuple):
    """A label at the end of a line: its name and more lines on it, where it ends, a sample, and whether it is best."""

    name: str
    more: str
    y: float
    sample: Line2D
    bold: bool = False


def label_ends(axes: Axes, labels: Sequence[EndLabel]) -> None:
    """Writes labels to the right of the axes, near their lines but apart; the figure grows if needed."""
    drawing = axes.get_figure(root=True)
    assert drawing is not None
    texts = ["\n".join(filter(None, [wrapped(label.name, _ROOM), label.more])) or "-" for label in labels]
    heights = [(1 + text.count("\n")) * _LINE + _GAP for text in texts]
    drawing.draw_without_rendering()
    lacking = sum(heights) - axes.get_window_extent().height / drawing.dpi
    if lacking > 0:
        drawing.set_figheight(drawing.get_figheight() + 1.4 * lacking + 0.05)
        drawing.draw_without_rendering()
    room = axes.get_window_extent().height / drawing.dpi
    ends = [axes.transAxes.inverted().transform(axes.transData.transform((1, label.y)))[1] for label in labels]
    places = spread([min(1.0, max(0.0, float(end))) * room for end in ends], heights, room)
    for label, text, place in zip(labels, texts, places, strict=True):
        at = (1, place / room)
        legend = Legend(
            axes, [label.sample], ["-"], loc="center left", bbox_to_anchor=at, borderpad=0, handlelength=2.4
        )
        legend.get_texts()[0].set(text=text, fontweight="bold" if label.bold else "normal", linespacing=1.1)
        axes.add_artist(legend).set_clip_on(False)  # what is clipped gets no room


def spread(wanted: Sequence[float], heights: Sequence[float], room: float) -> list[float]:
    """Returns middles of labels of some heights, moved apart as little as possible, between 0 and the room."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    below = [sum(heights[j] for j in order[:place]) + heights[i] / 2 for place, i in enumerate(order)]
    # Labels that touch move as one block, whose place is the mean of what its labels want.
    blocks: list[list[float]] = []
    for i, own in zip(order, below, strict=True):
        blocks.append([wanted[i] - own])
        while len(blocks) > 1 and _mean(blocks[-2]) > _mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    starts = [min(max(0.0, _mean(block)), max(0.0, room - sum(heights))) for block in blocks for _ in block]
    return [start + own for _, start, own in sorted(zip(order, starts, below, strict=True))]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def finish(
    drawing: MatplotlibFigure, alt: str, notes: Sequence[str] = (), ends: tuple[Axes, Sequence[EndLabel]] | None = None
) -> Figure:
    """Writes notes under a figure and labels at the ends of lines, lays the figure out and returns it."""
    text = "\n".join(wrapped(note, WIDTH - 0.2, lines=5) for note in notes)
    if text:
        drawing.supxlabel(text, x=0.015, ha="left", fontsize=SMALL, color=MUTED, linespacing=1.1)
        drawing.set_figheight(drawing.get_figheight() + (1 + text.count("\n")) * _LINE)
    if ends:
        label_ends(*ends)
    drawing.draw_without_rendering()
    for axes in drawing.axes:
        _thin_out(axes.xaxis)
        _thin_out(axes.yaxis)
    drawing.draw_without_rendering()
    drawing.set_layout_engine("none")
    return Figure(drawing, alt)


def _thin_out(axis: Axis) -> None:
    """Hides names of ticks that would touch."""
    kept: Bbox | None = None
    for label in reversed(axis.get_ticklabels()):
        box = label.get_window_extent().padded(1.5)
        if kept is not None and box.overlaps(kept):
            label.set_visible(False)
        elif label.get_text():
            kept = box


def empty_figure(what: str, why: str) -> Figure:
    """Returns a figure that only says why there is nothing to show."""
    drawing, (axes,) = canvas(1.2)
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, ha="center", va="center", color=MUTED, transform=axes.transAxes)
    return finish(drawing, f"{brief(what)}: {why}")
