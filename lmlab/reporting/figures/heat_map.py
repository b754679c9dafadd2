"""A coloured table of the results of two parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from lmlab.reporting.figures.data import Figure, Result, in_order, sensible_view
from lmlab.reporting.figures.labels import empty_figure, finish
from lmlab.reporting.figures.style import BEST, FAINT, PAPER, WIDTH, canvas, styled
from lmlab.reporting.figures.text import beyond, brief, few, measured, shortened, width, wrapped

_COLOURS = matplotlib.colormaps["viridis"]


@dataclass(frozen=True)
class Cell:
    """The result of a pair of values as in `Result`, or a note why there is none, such as `failed`."""

    row: str
    column: str
    value: float | None
    half_width: float | None = None
    note: str = ""

    @property
    def result(self) -> Result:
        """The result with its position in words."""
        return Result(f"{brief(self.row)}, {brief(self.column)}", self.value, self.half_width)


@styled()
def heat_map(cells: Sequence[Cell], *, row_name: str, column_name: str, what: str) -> Figure:
    """Draws a coloured table of the results of pairs of values and outlines the best.

    Args:
        cells: one for each pair; pairs without a cell count as not run, and those that diverged stretch no colours.
        row_name: the first parameter.
        column_name: the second parameter.
        what: what the values are, with their unit; lower is better.
    """
    known = sorted((c for c in cells if math.isfinite(c.result.mean)), key=lambda cell: cell.result.mean)
    if not known:
        return empty_figure(f"{what} by {row_name} and {column_name}", "No run left a finite number.")
    rows, columns = in_order(cell.row for cell in cells), in_order(cell.column for cell in cells)
    found, names, best = {(cell.row, cell.column): cell for cell in cells}, (row_name, column_name), known[0]
    if len(columns) > max(6, len(rows)):  # numbers would have no room
        rows, columns, names = columns, rows, names[::-1]
        found = {(column, row): cell for (row, column), cell in found.items()}
    table = [[found.get((row, column), Cell(row, column, None, None, "not run")) for column in columns] for row in rows]
    labels = [shortened(row, 1.3) for row in rows]
    room = WIDTH - 0.4 - max(map(width, labels))
    texts = _texts(table, room / len(columns) - 0.08)
    drawing, (axes,) = canvas(0.9 + min(7.0, (0.42 if texts else 0.22) * len(rows)))
    values = [cell.result.mean for cell in known]
    high = max(value for value in values if value <= sensible_view(values).high)
    norm = Normalize(values[0], high if high > values[0] else values[0] + 1)
    _draw(axes, table, texts, norm, best)
    axes.set_xticks(range(len(columns)), labels=[wrapped(c, max(0.3, room / len(columns) - 0.1)) for c in columns])
    axes.set_yticks(range(len(rows)), labels=labels)
    axes.set_xlabel(shortened(names[1], room, 10))
    axes.set_title(wrapped(f"{what}; rows: {names[0]}", room, 2, points=10))
    if not texts:
        drawing.colorbar(ScalarMappable(norm, _COLOURS), ax=axes, aspect=30)
    listed = few([f"{cell.result.label}: {measured(cell.result)}" for cell in known], 8)
    notes = [f"Outlined, the best: {brief(row_name)} {brief(best.row)}, {brief(column_name)} {brief(best.column)}."]
    alt = f"{brief(row_name)} and {brief(column_name)} in order of {brief(what)}: {listed}."
    return finish(drawing, alt, notes + beyond([(cell.result.label, cell.result.mean) for cell in known], high))


def _texts(table: Sequence[Sequence[Cell]], room: float) -> list[list[str]]:
    """Returns the texts of the cells with as many decimals as fit; empty if not even few fit."""
    for digits, lines in ((4, 2), (3, 2), (4, 1), (3, 1), (2, 1)):
        texts = [[_text(cell, digits, lines, room) for cell in row] for row in table]
        if len(table) <= 20 and all(width(line) <= room for row in texts for text in row for line in text.split("\n")):
            return texts
    return []


def _text(cell: Cell, digits: int, lines: int, room: float) -> str:
    if not math.isfinite(cell.result.mean):
        return shortened(cell.note or "no number", room)
    return "\n±".join(measured(cell.result, digits).split(" ±")[:lines])


def _draw(axes: Axes, table: list[list[Cell]], texts: list[list[str]], norm: Normalize, best: Cell) -> None:
    """Draws the cells with their texts, hatches those without a result and outlines the best."""
    means = np.ma.masked_invalid([[cell.result.mean for cell in row] for row in table])
    axes.pcolormesh(np.arange(means.shape[1]), np.arange(len(table)), means, cmap=_COLOURS, norm=norm, edgecolors=PAPER)
    axes.set(xlim=(-0.5, means.shape[1] - 0.5), ylim=(len(table) - 0.5, -0.5))
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for (y, x), mean in np.ndenumerate(means.filled(math.nan)):
        known = math.isfinite(mean)
        look: dict[str, Any] = {"facecolor": PAPER, "edgecolor": FAINT, "hatch": "///", "linewidth": 0}
        if table[y][x] is best:
            look = {"fill": False, "edgecolor": BEST, "linewidth": 3, "clip_on": False, "zorder": 3}
        if table[y][x] is best or not known:
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **look))
        if texts:
            colour = PAPER if known and norm(mean) < 0.44 else "black"  # the easier to read
            text = axes.text(x, y, texts[y][x], ha="center", va="center", size=9, color=colour)
            text.set_fontweight("bold" if table[y][x] is best else "normal")
            text.set_bbox(None if known else {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5})
