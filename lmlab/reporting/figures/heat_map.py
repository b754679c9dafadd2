"""The results of two parameters as a coloured table."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from lmlab.reporting.figures.axes import View, counted, number, results_view, tick_texts, ticks_between
from lmlab.reporting.figures.data import Figure, best_result
from lmlab.reporting.figures.grid import Cell, Grid, arranged
from lmlab.reporting.figures.layout import Layout, Row, below, empty_figure, name_axes, set_ticks
from lmlab.reporting.figures.style import COLOURS, FAINT, INK, MUTED, PAPER, SEQUENTIAL, SMALL, WIDTH, ink_on, styled
from lmlab.reporting.figures.text import brief, clean, height, shortened, size, widest, width, words, wrapped

# Inches.
_ROW, _MOST_HEIGHT = 0.55, 7.0
_LEAST_ROW = 0.2
_BAR, _BAR_GAP = 0.16, 0.2
_ROW_LABELS = 1.7
_DIGITS = (4, 3, 2)
_MEASURED = 20  # number of longest texts whose width is measured
# As in `results_view`: how many times as far as the better half of the cells the colours reach.
_REACH = 3.0
_COLOURS = matplotlib.colormaps[SEQUENTIAL]  # from dark, the best, to light


@styled()
def heat_map(
    cells: Sequence[Cell],
    *,
    row_name: str,
    column_name: str,
    what: str = "validation loss, nats a token",
    title: str | None = None,
) -> Figure:
    """Draws a coloured table of the results of pairs of values and outlines the best.

    Numbers are sorted, other values keep their order. If there are many columns, the parameter with more values becomes
    the rows. The colours are not stretched by cells that diverged.

    Args:
        cells: one for each pair; pairs without a cell count as not run.
        row_name: the first parameter.
        column_name: the second parameter.
        what: what the values are, with their unit; lower is better.
        title: of the figure.
    """
    title = title or f"{_capital(what.partition(',')[0])} by {brief(row_name)} and {brief(column_name)}"
    best = best_result([cell.result for cell in cells])
    if best is None:
        return empty_figure(title, "No run left a finite number.")
    outlined = next(cell for cell in cells if cell.result == best)
    grid = arranged(cells, row_name, column_name, outlined)
    values = [cell.value for cell in cells if cell.value is not None and cell.result.finite]
    scale = _scale(values)
    row_labels = [shortened(row, _ROW_LABELS) for row in grid.rows]
    left = 0.2 + widest(row_labels)
    row = max(_LEAST_ROW, min(_ROW, _MOST_HEIGHT / len(grid.rows)))
    bar_ticks = ticks_between(scale.low, scale.high, max(1, min(5, int(row * len(grid.rows) / 0.4))))
    bar_ticks = bar_ticks if min(values) < max(values) else []
    right = _BAR_GAP + _BAR + 0.1 + widest([*tick_texts(bar_ticks), "better"]) + 0.1 if bar_ticks else 0.15
    column = (WIDTH - left - right) / len(grid.columns)
    texts = _fitting(grid, column, row)
    column_labels = _column_labels(grid.columns, column)
    lines = max(label.count("\n") + 1 for label in column_labels)
    notes = _notes(cells, grid, texts, scale)
    layout = Layout(title, [Row(row * len(grid.rows), below=below(lines))], notes)
    axes = layout.axes(0, left=left, right=right)
    axes.set_xlim(0, len(grid.columns))
    axes.set_ylim(len(grid.rows), 0)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    set_ticks(axes, "x", [i + 0.5 for i in range(len(grid.columns))], column_labels)
    step = int(np.ceil(height(1) / row))
    shown = range(0, len(grid.rows), step)
    set_ticks(axes, "y", [i + 0.5 for i in shown], [row_labels[i] for i in shown])
    name_axes(axes, x=grid.column_name, y=grid.row_name, left=left, right=right, tick_lines=lines)
    _draw_cells(axes, grid, scale, texts)
    if bar_ticks:
        _draw_bar(layout, scale, bar_ticks, right=right)
    return layout.finish(_described(cells, grid, what))


def _scale(values: Sequence[float]) -> View:
    """Returns the range of the colours: from the best value to the worst that did not diverge."""
    low, high = min(values), results_view(values, reach=_REACH).high
    if max(values) <= high:
        return View(low, max(values) if max(values) > low else low + 1.0, False)
    return View(low, high, True)


def _column_labels(names: Sequence[str], room: float) -> list[str]:
    """Wraps the labels of columns if their words fit; otherwise each is one line, and some will be left out."""
    broken = [wrapped(name, room - 0.08, lines=3) for name in names]
    whole = all(
        "".join(label.split()) == "".join(clean(name).split()) for label, name in zip(broken, names, strict=True)
    )
    torn = any(width(word) > room - 0.08 for name in names for word in words(name))
    return broken if whole and not torn else [shortened(name, max(room - 0.08, 0.9)) for name in names]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _fitting(grid: Grid, column: float, row: float) -> dict[tuple[str, str], str]:
    """Returns the texts of cells with as many decimals as fit; without intervals, or empty, if even few do not fit."""
    room = column - 0.1
    for shorten in (False, True):
        for digits in _DIGITS:
            texts = grid.texts(digits, room)
            if shorten:
                texts = {place: text.partition("\n")[0] for place, text in texts.items()}
            longest = sorted(texts.values(), key=len)[-_MEASURED:]
            sizes = [size(text, SMALL, bold=True) for text in [*longest, texts[grid.best]]]
            if max(s[0] for s in sizes) <= room and max(s[1] for s in sizes) <= row - 0.06:
                return texts
    return {}


def _draw_cells(axes: Axes, grid: Grid, scale: View, texts: dict[tuple[str, str], str]) -> None:
    values = np.full((len(grid.rows), len(grid.columns)), np.nan)
    for y, row in enumerate(grid.rows):
        for x, column in enumerate(grid.columns):
            cell = grid.cells.get((row, column))
            known = cell is not None and cell.result.finite
            if cell is not None and known:
                values[y, x] = cell.value
            else:
                axes.add_patch(Rectangle((x, y), 1, 1, facecolor=PAPER, edgecolor=FAINT, linewidth=0, hatch="///"))
            face = to_hex(_COLOURS(scale.share(values[y, x]))) if known else PAPER
            if texts:
                axes.text(
                    x + 0.5,
                    y + 0.5,
                    texts[row, column],
                    ha="center",
                    va="center",
                    fontsize=SMALL,
                    color=ink_on(face) if known else INK,
                    fontweight="bold" if (row, column) == grid.best else "normal",
                    bbox=None if known else {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5},
                )
    shown = np.ma.masked_invalid(values)
    axes.pcolormesh(shown, cmap=_COLOURS, vmin=scale.low, vmax=scale.high, edgecolors=PAPER, linewidth=1.5, zorder=0.5)
    x, y = grid.columns.index(grid.best[1]), grid.rows.index(grid.best[0])
    for colour, thickness in ((PAPER, 7.0), (COLOURS[1], 3.5)):
        axes.add_patch(
            Rectangle((x, y), 1, 1, fill=False, edgecolor=colour, linewidth=thickness, clip_on=False, zorder=3)
        )


def _draw_bar(layout: Layout, scale: View, ticks: Sequence[float], *, right: float) -> None:
    axes = layout.axes(0, left=WIDTH - right + _BAR_GAP, right=right - _BAR_GAP - _BAR)
    edges = np.linspace(scale.low, scale.high, 65)
    axes.pcolormesh(
        [0, 1], edges, ((edges[1:] + edges[:-1]) / 2)[:, None], cmap=_COLOURS, edgecolors="face", linewidth=0.3
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(scale.high, scale.low)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.yaxis.tick_right()
    set_ticks(axes, "y", ticks, tick_texts(ticks))
    axes.annotate("better", (0, scale.low), (0, 8), textcoords="offset points", color=MUTED, fontsize=SMALL)


def _notes(cells: Sequence[Cell], grid: Grid, texts: dict[tuple[str, str], str], scale: View) -> list[str]:
    notes = [f"Outlined, the best: {grid.named_best()}."]
    lost = sum(not (place in grid.cells and grid.cells[place].result.finite) for place in grid.places())
    if lost:
        notes.append(f"Hatched: {lost} without a result.")
    if scale.clipped:
        notes.append(f"Colours end at {number(scale.high)}: what is above has the lightest.")
    if not texts:
        notes.append("There is no room for numbers in the cells; they stand in the table of results.")
    elif any(cell.half_width is not None for cell in cells):
        shown = any("±" in text for text in texts.values())
        notes.append("±: 95% interval over seeds." if shown else "Means over seeds; there is no room for intervals.")
    return notes


def _described(cells: Sequence[Cell], grid: Grid, what: str) -> str:
    known = [cell for cell in cells if cell.result.finite]
    worst = max(known, key=lambda cell: cell.value or 0.0)
    lost = len(grid.places()) - len(known)
    description = (
        f"{_capital(what)}, for {counted(len(grid.rows), 'value')} of {brief(grid.row_name)} and "
        f"{counted(len(grid.columns), 'value')} of {brief(grid.column_name)}: lowest for {grid.named_best()}; "
        f"highest {number(worst.value or 0.0)} ({brief(worst.row)}, {brief(worst.column)})"
    )
    return f"{description}. {lost} pairs have no result." if lost else f"{description}."
