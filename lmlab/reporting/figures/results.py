"""The results of settings: by the value of one, in order, and the effect of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.transforms import offset_copy

from lmlab.reporting.figures.axes import compared, draw_references, mark_best, set_losses
from lmlab.reporting.figures.data import Figure, Reference, Result, as_numbers, in_order, sensible_view
from lmlab.reporting.figures.labels import EndLabel, empty_figure, finish
from lmlab.reporting.figures.style import BLUE, FAINT, WIDTH, canvas, styled
from lmlab.reporting.figures.text import beyond, brief, listed, measured, shortened, wrapped

MOST_SETTINGS, MOST_EFFECTS = 25, 6
_NOTHING = "No run left a finite number."


class Effect(NamedTuple):
    """The results of the values of a setting, with their standard deviations and the single values as seeds."""

    setting: str
    results: tuple[Result, ...]


@styled()
def parameter_plot(
    results: Sequence[Result], *, parameter: str, what: str, references: Sequence[Reference] = ()
) -> Figure:
    """Draws the result of each value of a parameter: mean, interval and each seed.

    Numbers lie on a logarithmic scale if they look geometric. Lower is better. The references are baselines and the
    source's entropy; a note names those that would squash the values.
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
    line = sorted((place, result.mean) for place, result in zip(places, results, strict=True))
    axes.plot(*zip(*line, strict=True), color=BLUE, linewidth=1.2 if values else 0, alpha=0.5)
    (dot,) = axes.plot([], [], "o", color=BLUE, markersize=7)
    _draw(axes, places, results)
    axes.plot(places, [known[0].mean] * len(places), ":", color=BLUE, linewidth=1)
    ends.append(EndLabel(f"best: {known[0].label}", measured(known[0]), known[0].mean, dot, True))
    return finish(
        drawing, _told(parameter, what, known) + compared(references), _notes(results, view.high) + notes, (axes, ends)
    )


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
    away = {"y": -6} if across else {"x": 7}
    beside = offset_copy(axes.transData, axes.get_figure(root=True), units="points", **away)
    for place, one in zip(places, results, strict=True):
        if not math.isfinite(one.mean):
            continue
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
    if len(shown) < len(known):
        notes.append(f"The best {len(shown)} of {len(known)}; the table has the others.")
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
    view, told = sensible_view(end for result in every for end in result.ends), []
    for axes, effect in zip(panels, shown, strict=False):
        order = in_order(result.label for result in effect.results)
        results = sorted(effect.results, key=lambda result: order.index(result.label))
        set_losses(axes, view, effect.setting, room - 0.15)
        axes.set_xlim(-0.5, len(results) - 0.5)
        each = max(0.3, room / len(results) - 0.1)
        axes.set_xticks(range(len(results)), labels=[wrapped(result.label, each) for result in results])
        _draw(axes, range(len(results)), results)
        told.append(_told(effect.setting, what, _best_first(results)))
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    drawing.suptitle(wrapped(what, WIDTH - 0.2, 2, points=10), x=0.015, ha="left", fontsize=10)
    notes = _notes(every, view.high, "standard deviation where all other settings are equal")
    return finish(drawing, " ".join(told), notes)
