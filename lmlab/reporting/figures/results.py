"""The results of settings: by the value of one, in order, and the effect of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from matplotlib.transforms import offset_copy

from lmlab.reporting.figures.axes import (
    as_numbers,
    draw_references,
    in_order,
    is_geometric,
    mark_best,
    sensible_view,
    set_losses,
)
from lmlab.reporting.figures.data import Figure, Reference, Result
from lmlab.reporting.figures.labels import (
    EndLabel,
    beyond,
    brief,
    empty_figure,
    few,
    finish,
    measured,
    shortened,
    width,
    wrapped,
)
from lmlab.reporting.figures.style import COLOURS, FAINT, WIDTH, canvas, styled

MOST_SETTINGS, MOST_EFFECTS = 25, 6
_NOTHING = "No run left a finite number."


@dataclass(frozen=True)
class Effect:
    """What the values of a setting make of the result.

    Args:
        setting: its name.
        results: one for each value; `half_width` is the standard deviation at equal other settings, and `seeds` are
            the single values.
    """

    setting: str
    results: tuple[Result, ...]


@styled()
def parameter_plot(
    results: Sequence[Result], *, parameter: str, what: str, references: Sequence[Reference] = ()
) -> Figure:
    """Draws the result of each value of a parameter: mean, interval and each seed.

    Args:
        results: one for each value of the parameter; numbers lie on a logarithmic scale if they look geometric.
        parameter: that differs.
        what: what the values are, with their unit; lower is better.
        references: baselines and the source's entropy; a note names those that would squash the values.
    """
    known = _best_first(results)
    if not known:
        return empty_figure(f"{what} by {parameter}", _NOTHING)
    drawing, (axes,) = canvas()
    view = sensible_view(end for result in results for end in result.ends)
    high = view.high
    view, ends, notes, compared = draw_references(axes, view, references)
    set_losses(axes, view, what)
    values = as_numbers([result.label for result in results])
    places = values or list(map(float, range(len(results))))
    logarithmic = values is not None and is_geometric(values)
    if logarithmic:
        axes.set_xscale("log")
        axes.margins(x=0.07)
    room = 1.0 if values else max(0.5, (WIDTH - 3.0) / len(results) - 0.1)
    axes.set_xticks(places, labels=[wrapped(result.label, room) for result in results])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(shortened(f"{parameter}{' (log scale)' * logarithmic}", WIDTH - 0.9, 10))
    line = sorted(
        (place, one.mean if one.mean <= high else math.nan) for place, one in zip(places, results, strict=True)
    )
    axes.plot(*zip(*line, strict=True), color=COLOURS[0], linewidth=1.2 if values else 0, alpha=0.5, zorder=2)
    (dot,) = axes.plot([], [], "o", color=COLOURS[0], markersize=7)
    _draw(axes, places, results)
    axes.axhline(known[0].mean, color=COLOURS[0], linewidth=1, linestyle=":", zorder=1.5)
    ends.append(EndLabel(f"best: {known[0].label}", measured(known[0]), known[0].mean, dot, True))
    return finish(drawing, f"{_told(what, known)}{compared}", [*_notes(results, high), *notes], (axes, ends))


def _best_first(results: Sequence[Result]) -> list[Result]:
    return sorted((result for result in results if math.isfinite(result.mean)), key=lambda result: result.mean)


def _told(what: str, known: Sequence[Result], most: int = 8) -> str:
    listed = few([f"{brief(result.label)} {measured(result)}" for result in known], most)
    return f"{what[:1].upper()}{what[1:]}, the lowest first: {listed}."


def _draw(axes: Axes, places: Sequence[float], results: Sequence[Result], *, across: bool = False) -> None:
    """Draws means, intervals and single seeds, the best in a ring; across: values are on the horizontal axis."""
    drawing = axes.get_figure(root=True)
    beside = offset_copy(axes.transData, drawing, x=0 if across else 7, y=-6 if across else 0, units="points")
    best = _best_first(results)[0]
    for place, result in zip(places, results, strict=True):
        if not math.isfinite(result.mean):
            continue
        x, y = [place] * len(result.seeds), list(result.seeds)
        axes.plot(*((y, x) if across else (x, y)), "o", color=FAINT, markersize=3.5, transform=beside, zorder=2)
        x, y, half = [place], [result.mean], result.half_width or None
        x, y, xerr, yerr = (y, x, half, None) if across else (x, y, None, half)
        axes.errorbar(x, y, xerr=xerr, yerr=yerr, fmt="o", color=COLOURS[0], markersize=7, elinewidth=1.6, capsize=3)
        if result is best:
            mark_best(axes, x[0], y[0])


def _notes(results: Sequence[Result], high: float, bars: str = "95% intervals of the means") -> list[str]:
    several = any(result.half_width for result in results)
    notes = [f"Bars: {bars}; grey dots: single runs."] if several else []
    return notes + beyond([(result.label, result.mean) for result in results], high)


@styled()
def ranked_settings(results: Sequence[Result], *, what: str) -> Figure:
    """Draws a line for each of at most 25 conditions, the best on top: mean, interval and each seed.

    Args:
        results: one for each condition, in any order.
        what: what the values are, with their unit; lower is better.
    """
    known = _best_first(results)
    shown = known[:MOST_SETTINGS]
    if not shown:
        return empty_figure(what, _NOTHING)
    names = [wrapped(f"{place}. {result.label}", 2.1) for place, result in enumerate(shown, 1)]
    drawing, (axes,) = canvas(0.8 + sum(0.13 + 0.16 * (1 + name.count("\n")) for name in names))
    view = sensible_view(end for result in shown for end in result.ends)
    axes.set(xlim=view, ylim=(len(shown) - 0.4, -0.6))
    axes.locator_params(axis="x", nbins=4)
    axes.set_title(wrapped(what, 3.5, 2, points=10))
    axes.set_yticks(range(len(shown)), labels=names)
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.grid(True, axis="both")
    _draw(axes, range(len(shown)), shown, across=True)
    for place, result in enumerate(shown):
        weight = "normal" if place else "bold"
        axes.text(
            1.03, place, measured(result), transform=axes.get_yaxis_transform(), va="center", size=9, weight=weight
        )
    notes = _notes([*shown, *(result for result in results if not math.isfinite(result.mean))], view.high)
    if len(shown) < len(known):
        notes.append(f"The best {len(shown)} of {len(known)}; the table has the others.")
    return finish(drawing, _told(what, shown), notes)


@styled()
def effects(effects: Sequence[Effect], *, what: str) -> Figure:
    """Draws a small panel for each of at most six settings: a dot for each value with its spread.

    Args:
        effects: in the order of the panels.
        what: what the values are, with their unit; lower is better.
    """
    shown = [effect for effect in effects if _best_first(effect.results)][:MOST_EFFECTS]
    if not shown:
        return empty_figure(what, _NOTHING)
    widest = max(len(one.results) * (0.08 + max(width(r.label) for r in one.results)) for one in shown)
    columns = min(len(shown), 2 if len(shown) == 4 else 3, max(1, int((WIDTH - 0.5) / (widest + 0.1))))
    rows, room = math.ceil(len(shown) / columns), (WIDTH - 0.6) / columns
    drawing, panels = canvas(2.5 * rows + 0.3, rows, columns, sharey=True)
    view, told = sensible_view(end for one in shown for result in one.results for end in result.ends), []
    for axes, effect in zip(panels, shown, strict=False):
        order = in_order(result.label for result in effect.results)
        results = sorted(effect.results, key=lambda result: order.index(result.label))
        set_losses(axes, view, effect.setting, room - 0.15)
        axes.set_xlim(-0.5, len(results) - 0.5)
        one = max(0.3, room / len(results) - 0.1)
        axes.set_xticks(range(len(results)), labels=[wrapped(result.label, one) for result in results])
        _draw(axes, range(len(results)), results)
        told.append(_told(effect.setting, _best_first(results), 4))
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    drawing.suptitle(wrapped(what, WIDTH - 0.2, 2, points=10), x=0.015, ha="left", fontsize=10)
    every = [result for effect in shown for result in effect.results]
    notes = _notes(every, view.high, "standard deviation where all other settings are equal")
    return finish(drawing, f"{what[:1].upper()}{what[1:]}. {' '.join(told)}", notes)
