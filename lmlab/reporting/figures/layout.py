"""The layout of a figure: title, rows of axes and notes, each as high as its text needs, so that nothing overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from lmlab.reporting.figures.axes import tick_texts, ticks_between
from lmlab.reporting.figures.data import Figure
from lmlab.reporting.figures.style import BODY, DPI, GRID, INK, MUTED, PAPER, SMALL, TITLE, WIDTH, Stroke
from lmlab.reporting.figures.text import height, one_line, shortened, size, widest, width, wrapped

_EDGE = 0.1  # inches of margin on each side
_GAP = 0.1  # between title, rows and notes
_TICK_PAD = 0.08  # between an axis and its numbers
# Room above axes for the name of the vertical axis, which is written horizontally.
NAME_ABOVE = 0.33


@dataclass(frozen=True)
class Row:
    """A row of axes; all sizes are in inches.

    Args:
        plot: height of the axes.
        above: room for names above them.
        below: room for tick labels and the name of the horizontal axis.
    """

    plot: float
    above: float = NAME_ABOVE
    below: float = 0.0


def below(lines: int = 1, *, named: bool = True) -> float:
    """Returns the room below axes whose tick labels have this many lines."""
    return _TICK_PAD + height(lines) + (0.06 + height(1) if named else 0.0) + 0.04


class Layout:
    """Lays out a figure from top to bottom.

    Args:
        title: of the figure.
        rows: of axes.
        notes: sentences below them.
        key: strokes with their names, in a line above the axes, for lines without a label of their own.
    """

    def __init__(
        self, title: str, rows: Sequence[Row], notes: Sequence[str] = (), key: Sequence[tuple[Stroke, str]] = ()
    ) -> None:
        room = WIDTH - 2 * _EDGE
        self._rows = rows
        heading = wrapped(title, room, TITLE, lines=3, bold=True)
        remarks = [wrapped(note, room, SMALL) for note in notes]
        chips = _flowed(key, room)
        line = height(1) + 0.06
        key_height = line * (1 + max((row for *_, row in chips), default=-1))
        self._top = _EDGE + size(heading, TITLE, bold=True)[1] + _GAP + (key_height + 0.04 if key else 0.0)
        plots = sum(row.above + row.plot + row.below for row in rows) + _GAP * max(0, len(rows) - 1)
        notes_at = self._top + plots + _GAP
        self.height = notes_at + sum(size(remark, SMALL)[1] + 0.06 for remark in remarks) + _EDGE / 2
        self.drawing = MatplotlibFigure(figsize=(WIDTH, self.height), dpi=DPI, facecolor=PAPER)
        FigureCanvasAgg(self.drawing)
        self.write(_EDGE, _EDGE, heading, points=TITLE, bold=True)
        for stroke, name, x, row in chips:
            self._chip(stroke, name, x, self._top - key_height - 0.04 + row * line)
        for remark in remarks:
            self.write(_EDGE, notes_at, remark, points=SMALL, colour=MUTED)
            notes_at += size(remark, SMALL)[1] + 0.06

    def write(
        self, x: float, y: float, text: str, *, points: float = BODY, bold: bool = False, colour: str = INK
    ) -> None:
        """Writes text; `x` and `y` are its upper left corner in inches from that of the figure."""
        self.drawing.text(
            x / WIDTH,
            1 - y / self.height,
            text,
            fontsize=points,
            fontweight="bold" if bold else "normal",
            color=colour,
            va="top",
        )

    def _chip(self, stroke: Stroke, name: str, x: float, y: float) -> None:
        middle = 1 - (y + height(1) / 2) / self.height
        ends = [x / WIDTH, (x + _CHIP / 2) / WIDTH, (x + _CHIP) / WIDTH]
        self.drawing.add_artist(
            Line2D(ends, [middle] * 3, color=stroke.colour, linestyle=stroke.dash, marker=stroke.marker, markevery=[1])
        )
        self.write(x + _CHIP + 0.07, y, name, colour=stroke.text_colour)

    def finish(self, alt: str) -> Figure:
        """Returns the finished figure.

        Args:
            alt: its description.
        """
        return Figure(self.drawing, one_line(alt))

    def axes(self, row: int, *, left: float, right: float) -> Axes:
        """Adds axes to a row; `left` and `right` are their distances from the figure's edges in inches."""
        start = self._top + sum(r.above + r.plot + r.below + _GAP for r in self._rows[:row]) + self._rows[row].above
        plot = self._rows[row].plot
        return self.drawing.add_axes(
            (left / WIDTH, 1 - (start + plot) / self.height, (WIDTH - left - right) / WIDTH, plot / self.height)
        )


_CHIP = 0.36


def empty_figure(title: str, why: str) -> Figure:
    """Returns a figure that only says why there is nothing to show."""
    return Layout(title, [], [why]).finish(f"{title}. {why}")


def _flowed(key: Sequence[tuple[Stroke, str]], room: float) -> list[tuple[Stroke, str, float, int]]:
    """Returns each entry of a key with its position: inches from the left, and line."""
    x, row, found = _EDGE, 0, []
    for stroke, name in key:
        name = shortened(name, room - _CHIP - 0.1)
        needed = _CHIP + 0.07 + width(name)
        if x > _EDGE and x + needed > room + _EDGE:
            x, row = _EDGE, row + 1
        found.append((stroke, name, x, row))
        x += needed + 0.25
    return found


def inches(axes: Axes) -> tuple[float, float]:
    """Returns width and height of axes in inches."""
    box = axes.get_window_extent()
    return float(box.width) / DPI, float(box.height) / DPI


def left_margin(texts: Sequence[str], points: float = BODY) -> float:
    """Returns the room that tick labels need to the left of axes."""
    return max(0.35, _EDGE + widest(texts, points) + _TICK_PAD + 0.02)


def name_axes(
    axes: Axes,
    *,
    x: str = "",
    y: str = "",
    left: float = 0.0,
    right: float = _EDGE,
    tick_lines: int = 1,
    y_lines: int = 1,
) -> None:
    """Names both axes; the name of the vertical axis is written horizontally above it.

    Args:
        axes: with ticks set.
        x: name of the horizontal axis with its unit.
        y: name of the vertical axis with its unit.
        left: margin to the left of the axes in inches, so that the name begins at the figure's edge.
        right: width in inches, from the figure's right edge, that other text above the axes takes.
        tick_lines: lines of the horizontal axis' tick labels.
        y_lines: most lines of the vertical axis' name.
    """
    across, up = inches(axes)
    if x:
        room = WIDTH - 2 * _EDGE
        axes.set_xlabel(shortened(x, min(room, across + 2 * _least_margin(axes))), va="top", labelpad=0)
        axes.xaxis.set_label_coords(0.5, -(_TICK_PAD + height(tick_lines) + 0.06) / up)
    if y:
        start = -(left - _EDGE) if left else 0.0
        room = WIDTH - right - start - float(axes.get_position().x0) * WIDTH
        axes.set_ylabel(wrapped(y, room, lines=y_lines), rotation=0, ha="left", va="bottom", labelpad=0)
        axes.yaxis.set_label_coords(start / across, 1 + 0.1 / up)


def _least_margin(axes: Axes) -> float:
    box = axes.get_position()
    return float(min(box.x0, 1 - box.x1)) * WIDTH - _EDGE


def set_ticks(
    axes: Axes, which: str, places: Sequence[float], texts: Sequence[str], *, points: float = BODY, grid: bool = False
) -> None:
    """Sets fixed ticks with labels; labels of the horizontal axis that would touch are left out."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    if which == "x" and places:
        kept = _apart(axes, places, texts, points)
        texts = [text if i in kept else "" for i, text in enumerate(texts)]
    axis.set_ticks(list(places), labels=list(texts))
    axis.set_tick_params(pad=_TICK_PAD * 72 - (3 if which == "x" else 0), labelsize=points)
    axis.set_minor_locator(NullLocator())
    if grid:
        axis.grid(True, color=GRID)


def _apart(axes: Axes, places: Sequence[float], texts: Sequence[str], points: float) -> list[int]:
    """Returns the indices of labels that do not touch, chosen from the right so that the last one is among them."""
    inside = axes.get_ylim()[0]
    at = [float(axes.transData.transform((place, inside))[0]) / DPI for place in places]
    order = sorted(range(len(places)), key=lambda i: at[i])
    widths = [size(text, points)[0] if text else 0.0 for text in texts]
    kept: list[int] = []
    for i in reversed(order):
        if not kept or at[kept[-1]] - widths[kept[-1]] / 2 - 0.1 >= at[i] + widths[i] / 2:
            kept.append(i)
    return kept[::-1]


def numbered(axes: Axes, which: str, low: float, high: float, *, most: int = 6, grid: bool = True) -> list[str]:
    """Sets round numbers as ticks of an axis, whose limits must be set before."""
    ticks = ticks_between(low, high, most)
    texts = tick_texts(ticks)
    set_ticks(axes, which, ticks, texts, grid=grid)
    return texts
