"""A coloured table of the results of two parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from lmlab.reporting.figures.axes import in_order, sensible_view
from lmlab.reporting.figures.data import Figure, Result
from lmlab.reporting.figures.labels import (
    beyond,
    brief,
    empty_figure,
    few,
    finish,
    measured,
    number,
    shortened,
    width,
    wrapped,
)
from lmlab.reporting.figures.style import BEST, FAINT, INK, PAPER, SMALL, WIDTH, canvas, ink_on, styled

_MANY = 6  # columns; if there are more, rows and columns are swapped
_COLOURS = matplotlib.colormaps["viridis"]


@dataclass(frozen=True)
class Cell:
    """The result of a pair of values.

    Args:
        row: value of the first parameter.
        column: value of the second parameter.
        value: mean over seeds; None if no run finished.
        half_width: of the confidence interval; None for a single seed.
        note: why there is no value: `failed`, `interrupted`, `not run`.
    """

    row: str
    column: str
    value: float | None
    half_width: float | None = None
    note: str = ""

    @property
    def result(self) -> Result:
        """The result with its position in words."""
        return Result(f"{brief(self.row)}, {brief(self.column)}", self.value, self.half_width)

    @property
    def known(self) -> bool:
        """Whether there is a finite value."""
        return math.isfinite(self.result.mean)


@styled()
def heat_map(cells: Sequence[Cell], *, row_name: str, column_name: str, what: str) -> Figure:
    """Draws a coloured table of the results of pairs of values and outlines the best.

    Args:
        cells: one for each pair; pairs without a cell count as not run, and those that diverged stretch no colours.
        row_name: the first parameter.
        column_name: the second parameter.
        what: what the values are, with their unit; lower is better.
    """
    known = sorted((cell for cell in cells if cell.known), key=lambda cell: cell.result.mean)
    if not known:
        return empty_figure(f"{what} by {row_name} and {column_name}", "No run left a finite number.")
    best, values = known[0], [cell.result.mean for cell in known]
    rows, columns = in_order(cell.row for cell in cells), in_order(cell.column for cell in cells)
    found, names = {(cell.row, cell.column): cell for cell in cells}, (row_name, column_name)
    if len(columns) > max(_MANY, len(rows)):
        rows, columns, names = columns, rows, names[::-1]
        found = {(column, row): cell for (row, column), cell in found.items()}
    table = [[found.get((row, column), Cell(row, column, None, None, "not run")) for column in columns] for row in rows]
    labels = [shortened(row, 1.3) for row in rows]
    room = WIDTH - 0.4 - max(map(width, labels))
    texts = _texts(table, room / len(columns) - 0.08)
    drawing, (axes,) = canvas(0.9 + min(7.0, (0.42 if texts else 0.22) * len(rows)))
    high = max(value for value in values if value <= sensible_view(values).high)
    norm = Normalize(values[0], high if high > values[0] else values[0] + 1)
    _draw(axes, table, texts, norm, best)
    axes.set_xticks(range(len(columns)), labels=[wrapped(c, max(0.3, room / len(columns) - 0.1)) for c in columns])
    axes.set_yticks(range(len(rows)), labels=labels)
    axes.set_xlabel(shortened(names[1], room, 10))
    axes.set_title(wrapped(f"{what}; rows: {names[0]}", room, 2, points=10))
    if not texts:
        drawing.colorbar(ScalarMappable(norm, _COLOURS), ax=axes, aspect=30)
    where = f"{brief(row_name)} {brief(best.row)}, {brief(column_name)} {brief(best.column)}: {measured(best.result)}"
    others = few([f"{cell.result.label} {number(cell.result.mean)}" for cell in known[1:]], 8)
    alt = f"{what[:1].upper()}{what[1:]}, lowest for {where}" + (f"; then {others}." if others else ".")
    notes = [f"Outlined, the best: {where}."]
    return finish(drawing, alt, notes + beyond([(cell.result.label, cell.result.mean) for cell in cells], high))


def _texts(table: Sequence[Sequence[Cell]], room: float) -> list[list[str]]:
    """Returns the texts of the cells with as many decimals as fit; empty if not even few fit."""
    for digits, half in ((4, True), (3, True), (4, False), (3, False), (2, False)):
        texts = [[_text(cell, digits, room, half=half) for cell in row] for row in table]
        if len(table) <= 20 and all(width(line) <= room for row in texts for text in row for line in text.split("\n")):
            return texts
    return []


def _text(cell: Cell, digits: int, room: float, *, half: bool) -> str:
    if not cell.known:
        return shortened(cell.note or "no number", room)
    return measured(cell.result, digits).replace(" ±", "\n±") if half else number(cell.result.mean, digits)


def _draw(axes: Axes, table: list[list[Cell]], texts: list[list[str]], norm: Normalize, best: Cell) -> None:
    """Draws the cells with their texts, hatches those without a result and outlines the best."""
    axes.set(xlim=(-0.5, len(table[0]) - 0.5), ylim=(len(table) - 0.5, -0.5))
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    means = np.ma.masked_invalid([[cell.result.mean for cell in row] for row in table])
    axes.pcolormesh(*np.meshgrid(*map(np.arange, means.shape[::-1])), means, cmap=_COLOURS, norm=norm, edgecolors=PAPER)
    for (y, x), mean in np.ndenumerate(means.filled(math.nan)):
        cell, look = table[y][x], {"facecolor": PAPER, "edgecolor": FAINT, "hatch": "///", "linewidth": 0}
        if cell is best:
            look = {"fill": False, "edgecolor": BEST, "linewidth": 3, "clip_on": False, "zorder": 3}
        if cell is best or not cell.known:
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **look))
        if texts:
            colour = ink_on(_COLOURS(norm(mean))) if cell.known else INK
            text = axes.text(x, y, texts[y][x], ha="center", va="center", size=SMALL, color=colour)
            text.set_fontweight("bold" if cell is best else "normal")
            text.set_bbox(None if cell.known else {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5})
