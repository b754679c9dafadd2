"""The results of settings: by the value of one or two, in order, and the effect of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from matplotlib.transforms import offset_copy

from lmlab.reporting.figures.axes import Label, compared, draw_references, empty_figure, finish, mark_best, set_losses
from lmlab.reporting.figures.data import Figure, Reference, Result, as_numbers, in_order, sensible_view
from lmlab.reporting.figures.style import BEST, BLUE, FAINT, GRID, PAPER, WIDTH, canvas, styled
from lmlab.reporting.figures.text import beyond, brief, listed, measured, shortened, width, wrapped

MOST_SETTINGS, MOST_EFFECTS = 25, 6
_NOTHING = "No run left a finite number."


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


class Effect(NamedTuple):
    """The results of the values of a setting, with their standard deviations and the single values as seeds."""

    setting: str
    results: tuple[Result, ...]


@styled()
def parameter_plot(
    results: Sequence[Result], *, parameter: str, what: str, references: Sequence[Reference] = ()
) -> Figure:
    """Draws the result of each value of a parameter: mean, interval and each seed.

    Lower is better. Parameters that are numbers lie on a logarithmic scale if they look geometric.
    """
    known = _best_first(results)
    if not known:
        return empty_figure(f"{what} by {parameter}", _NOTHING)
    drawing, (axes,) = canvas()
    view = sensible_view(end for result in results for end in result.ends)
    view, ends, notes = draw_references(axes, view, references)
    set_losses(axes, view, what)
    values = as_numbers([result.label for result in results])
    places = values or [float(i) for i in range(len(results))]
    logarithmic = bool(values) and 0 < 20 * min(places) <= max(places)
    axes.set_xscale("log" if logarithmic else "linear")
    room = 1.0 if values else max(0.5, (WIDTH - 3.0) / len(results) - 0.1)
    axes.set_xticks(places, labels=[wrapped(result.label, room) for result in results])
    axes.minorticks_off()
    axes.set_xlabel(shortened(parameter, WIDTH - 1.7, 10) + " (log scale)" * logarithmic)
    points = zip(*sorted((place, result.mean) for place, result in zip(places, results, strict=True)), strict=True)
    (line,) = axes.plot(*points, "o-" if values else "o", color=BLUE, markersize=7, linewidth=1)
    axes.plot(places, [known[0].mean] * len(places), ":", color=BLUE, linewidth=1)  # also past values without a result
    _draw(axes, places, results)
    ends.append(Label(f"best: {known[0].label}", measured(known[0]), known[0].mean, line, True))
    alt = _told(parameter, what, known) + compared(references)
    return finish(drawing, alt, _notes(results, view.high) + notes, ends)


def _best_first(results: Sequence[Result]) -> list[Result]:
    return sorted((result for result in results if math.isfinite(result.mean)), key=lambda result: result.mean)


def _told(whose: str, what: str, known: Sequence[Result]) -> str:
    told = listed([(result.label, measured(result)) for result in known], 8)
    return f"{brief(whose)} in order of {brief(what)}: {told}."


def _notes(results: Sequence[Result], high: float, bars: str = "95% intervals of the means") -> list[str]:
    notes = [f"Bars: {bars}; grey dots: single runs."] if any(one.half_width for one in results) else []
    return notes + beyond([(one.label, one.mean) for one in results], high)


def _draw(axes: Axes, places: Sequence[float], results: Sequence[Result], *, across: bool = False) -> None:
    """Draws means, intervals and single seeds, the best in a ring; across: values are on the horizontal axis."""
    beside = offset_copy(axes.transData, axes.get_figure(root=True), *((0, -6) if across else (7, 0)), units="points")
    for place, one in zip(places, results, strict=True):
        dots = ([place] * len(one.seeds), one.seeds)
        axes.plot(*(dots[::-1] if across else dots), "o", color=FAINT, markersize=3.5, transform=beside)
        (x, xerr), (y, yerr) = ((one.mean, one.half_width), (place, None))[:: 1 if across else -1]
        axes.errorbar(x, y, xerr=xerr, yerr=yerr, fmt="o", color=BLUE, markersize=7, elinewidth=1.6, capsize=3)
        if one is _best_first(results)[0]:
            mark_best(axes, x, y)


@styled()
def ranked_settings(results: Sequence[Result], *, what: str) -> Figure:
    """Draws a line for each of at most 25 conditions, the best on top: mean, interval and each seed."""
    known = _best_first(results)
    shown = known[:MOST_SETTINGS]
    if not shown:
        return empty_figure(what, _NOTHING)
    names = [wrapped(f"{place}. {result.label}", 2.1) for place, result in enumerate(shown, 1)]
    drawing, (axes,) = canvas(0.8 + len(names) * (0.27 + 0.15 * max(name.count("\n") for name in names)))
    view = sensible_view(end for result in shown for end in result.ends)
    axes.set(xlim=view, ylim=(len(shown) - 0.4, -0.6), title=wrapped(what, 3.5, 2, points=10))
    axes.locator_params(axis="x", nbins=4)
    axes.set_yticks(range(len(shown)), labels=names)
    axes.grid(True, axis="both")
    _draw(axes, range(len(shown)), shown, across=True)
    for place, result in enumerate(shown):
        text = axes.text(1.03, place, measured(result), transform=axes.get_yaxis_transform(), va="center", size=9)
        text.set_fontweight("normal" if place else "bold")
    notes = _notes([*shown, *(result for result in results if not math.isfinite(result.mean))], view.high)
    notes += [f"The best {len(shown)} of {len(known)}; the table has the others."] if len(shown) < len(known) else []
    return finish(drawing, _told("Settings", what, shown), notes)


@styled()
def effects(effects: Sequence[Effect], *, what: str) -> Figure:
    """Draws a small panel for each of the first six settings: a dot for each value with its spread."""
    shown = [effect for effect in effects if _best_first(effect.results)][:MOST_EFFECTS]
    if not shown:
        return empty_figure(what, _NOTHING)
    columns = min(len(shown), 2)
    rows, room = math.ceil(len(shown) / columns), (WIDTH - 0.6) / columns
    drawing, panels = canvas(2.5 * rows + 0.3, rows, columns, sharey=True)
    every = [result for effect in shown for result in effect.results]
    view = sensible_view(end for result in every for end in result.ends)
    for axes, (setting, results) in zip(panels, shown, strict=False):
        set_losses(axes, view, setting, room - 0.15)
        axes.set_xlim(-0.5, len(results) - 0.5)
        each = max(0.3, room / len(results) - 0.1)
        axes.set_xticks(range(len(results)), labels=[wrapped(result.label, each) for result in results])
        _draw(axes, range(len(results)), results)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    drawing.suptitle(wrapped(what, WIDTH - 0.2, 2, points=10), x=0.015, ha="left", fontsize=10)
    notes = _notes(every, view.high, "standard deviation where all other settings are equal")
    return finish(drawing, " ".join(_told(name, what, _best_first(results)) for name, results in shown), notes)


@styled()
def heat_map(cells: Sequence[Cell], *, row_name: str, column_name: str, what: str) -> Figure:
    """Draws a coloured table of the results of pairs of values, lower is better, and outlines the best.

    Pairs without a cell count as not run; those that diverged stretch no colours.
    """
    known = _best_first([cell.result for cell in cells])
    if not known:
        return empty_figure(f"{what} by {row_name} and {column_name}", _NOTHING)
    rows, columns = in_order(cell.row for cell in cells), in_order(cell.column for cell in cells)
    found = {(cell.row, cell.column): cell for cell in cells}
    table = [[found.get((row, column), Cell(row, column, None, note="not run")) for column in columns] for row in rows]
    labels = [shortened(row, 1.3) for row in rows]
    room = WIDTH - 0.4 - max(map(width, labels))
    each = room / len(columns) - 0.1
    texts = [[_text(cell, 4 if len(columns) <= 6 else 2, each) for cell in row] for row in table]
    fit = len(rows) <= 20 and all(width(line) <= each for row in texts for text in row for line in text.split("\n"))
    drawing, (axes,) = canvas(0.9 + min(7.0, (0.42 if fit else 0.22) * len(rows)))
    high = sensible_view(result.mean for result in known).high
    means = np.ma.masked_invalid([[cell.result.mean for cell in row] for row in table])
    norm = Normalize(known[0].mean, means[means <= high].max())
    mesh = axes.pcolormesh(means, norm=norm, cmap="viridis", edgecolors=PAPER)
    axes.set(facecolor=GRID, ylim=(len(rows), 0))  # the colour of cells without a result
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(columns)) + 0.5, labels=[wrapped(column, max(0.3, each)) for column in columns])
    axes.set_yticks(np.arange(len(rows)) + 0.5, labels=labels)
    axes.set(xlabel=shortened(column_name, room, 10), title=wrapped(f"{what}; rows: {row_name}", room, 2, points=10))
    if not fit:
        drawing.colorbar(mesh, ax=axes, aspect=30)
    for (y, x), mean in np.ndenumerate(means.filled(math.nan)):
        if best := table[y][x].result == known[0]:
            axes.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor=BEST, linewidth=3, clip_on=False, zorder=3))
        if fit:
            colour = PAPER if math.isfinite(mean) and norm(mean) < 0.44 else "black"  # the easier to read
            text = axes.text(x + 0.5, y + 0.5, texts[y][x], ha="center", va="center", size=9, color=colour)
            text.set_fontweight("bold" if best else "normal")
    notes = [f"Outlined, the best: {known[0].label}.", *beyond([(one.label, one.mean) for one in known], high)]
    return finish(drawing, _told(f"{row_name} and {column_name}", what, known), notes)


def _text(cell: Cell, digits: int, room: float) -> str:
    known = math.isfinite(cell.result.mean)
    return measured(cell.result, digits).replace(" ±", "\n±") if known else shortened(cell.note or "no number", room)
