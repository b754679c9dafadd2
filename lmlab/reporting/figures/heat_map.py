"""A coloured table of the results of two parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from lmlab.reporting.figures.data import Figure, Result, in_order, sensible_view
from lmlab.reporting.figures.labels import empty_figure, finish
from lmlab.reporting.figures.style import BEST, GRID, PAPER, WIDTH, canvas, styled
from lmlab.reporting.figures.text import beyond, brief, listed, measured, shortened, width, wrapped


class Cell(NamedTuple):
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
    """Draws a coloured table of the results of pairs of values, lower is better, and outlines the best.

    Pairs without a cell count as not run; those that diverged stretch no colours.
    """
    known = sorted((cell.result for cell in cells if math.isfinite(cell.result.mean)), key=lambda result: result.mean)
    if not known:
        return empty_figure(f"{what} by {row_name} and {column_name}", "No run left a finite number.")
    rows, columns = in_order(cell.row for cell in cells), in_order(cell.column for cell in cells)
    found = {(cell.row, cell.column): cell for cell in cells}
    table = [[found.get((row, column), Cell(row, column, None, note="not run")) for column in columns] for row in rows]
    labels = [shortened(row, 1.3) for row in rows]
    room = WIDTH - 0.4 - max(map(width, labels))
    each = room / len(columns) - 0.1
    texts = _texts(table, each)
    drawing, (axes,) = canvas(0.9 + min(7.0, (0.42 if texts else 0.22) * len(rows)))
    high = sensible_view(result.mean for result in known).high
    means = np.ma.masked_invalid([[cell.result.mean for cell in row] for row in table])
    norm = Normalize(known[0].mean, means[means <= high].max())
    mesh = axes.pcolormesh(means, norm=norm, cmap="viridis", edgecolors=PAPER)
    axes.invert_yaxis()
    axes.set(facecolor=GRID)  # of cells without a result
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(columns)) + 0.5, labels=[wrapped(column, max(0.3, each)) for column in columns])
    axes.set_yticks(np.arange(len(rows)) + 0.5, labels=labels)
    axes.tick_params(length=0)
    axes.set_xlabel(shortened(column_name, room, 10))
    axes.set_title(wrapped(f"{what}; rows: {row_name}", room, 2, points=10))
    if not texts:
        drawing.colorbar(mesh, ax=axes, aspect=30)
    for (y, x), mean in np.ndenumerate(means.filled(math.nan)):
        if best := table[y][x].result == known[0]:
            axes.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor=BEST, linewidth=3, clip_on=False, zorder=3))
        if texts:
            colour = PAPER if norm(mean) < 0.44 else "black"  # the easier to read
            text = axes.text(x + 0.5, y + 0.5, texts[y][x], ha="center", va="center", size=9, color=colour)
            text.set_fontweight("bold" if best else "normal")
    notes = [f"Outlined, the best: {brief(row_name)}, {brief(column_name)} {known[0].label}."]
    alt = f"{brief(row_name)} and {brief(column_name)} in order of {brief(what)}: "
    alt += f"{listed([(result.label, measured(result)) for result in known], 8)}."
    return finish(drawing, alt, notes + beyond([(result.label, result.mean) for result in known], high))


def _texts(table: Sequence[Sequence[Cell]], room: float) -> list[list[str]]:
    """Returns the texts of the cells with as many decimals as fit; empty if not even few fit."""
    for digits, lines in ((4, 2), (4, 1), (2, 1)):
        texts = [[_text(cell, digits, lines, room) for cell in row] for row in table]
        if len(table) <= 20 and all(width(line) <= room for row in texts for text in row for line in text.split("\n")):
            return texts
    return []


def _text(cell: Cell, digits: int, lines: int, room: float) -> str:
    if not math.isfinite(cell.result.mean):
        return shortened(cell.note or "no number", room)
    return "\n±".join(measured(cell.result, digits).split(" ±")[:lines])
