"""Validation curves of several conditions in one figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.collections import LineCollection

from lmlab.reporting.figures.axes import (
    Along,
    View,
    as_numbers,
    counted,
    number,
    progress,
    tick_texts,
    ticks_between,
)
from lmlab.reporting.figures.data import Curve, Figure
from lmlab.reporting.figures.labels import MOST_LABELS, EndLabel, draw, fit
from lmlab.reporting.figures.layout import Layout, Row, below, empty_figure, left_margin, name_axes, numbered
from lmlab.reporting.figures.lines import beyond_note, draw_line, last_value, mark_best, mark_beyond, span, view_of
from lmlab.reporting.figures.style import FAINT, strokes, styled
from lmlab.reporting.figures.text import brief, clean

_PLOT = 3.6  # inches
# Most values of all grey background lines together, and the least number that each line keeps.
_BACKGROUND_VALUES, _LEAST_VALUES = 20_000, 25
_MOST_TOLD = 8  # settings in the description
_SHORT = 14  # most characters of a parameter's name that fit above the labels


@styled()
def sweep_curves(
    curves: Sequence[Curve],
    *,
    parameter: str,
    along: Along = "tokens",
    unit: str = "nats a token",
    seeds: int = 1,
    title: str | None = None,
) -> Figure:
    """Draws the validation loss of each condition along training.

    Values of a numeric parameter are coloured from dark to light in their order. Of more than 12 conditions only the
    best three, the middle one and the worst are in colour. The range covers most curves; a note names values above it.

    Args:
        curves: one for each condition, labelled with the parameter's value; means if there are several seeds.
        parameter: that differs.
        along: what `x` counts.
        unit: of the loss.
        seeds: most runs of a curve; if several, a note explains the bands.
        title: of the figure.
    """
    title = title or f"Validation loss along training, by {brief(parameter)}"
    known = [curve for curve in curves if curve.best is not None]
    if not known:
        return empty_figure(title, "No evaluation left a finite number.")
    known, ordered = _in_order(known)
    chosen = _chosen(known)
    looks = dict(zip(chosen, strokes(len(chosen), ordered=ordered), strict=True))
    best = min(range(len(known)), key=lambda i: _best_value(known[i]))
    axis = progress(along, max(abs(x) for curve in known for x in curve.x))
    start, end = span(known, axis.scale)
    view = view_of(known)
    labels = [
        EndLabel(known[i].label, *place, looks[i], _reached(known[i], best=i == best), bold=i == best)
        for i in chosen
        if (place := last_value(known[i], axis.scale)) is not None
    ]
    fitted = fit(labels, header=f"{clean(parameter)}: lowest loss" if len(parameter) <= _SHORT else "lowest loss")
    layout = Layout(
        title, [Row(max(_PLOT, fitted.total_height), below=below())], _notes(curves, known, chosen, view, seeds)
    )
    left = left_margin(tick_texts(ticks_between(view.low, view.high)))
    axes = layout.axes(0, left=left, right=fitted.margin)
    axes.set_xlim(start, end)
    axes.set_ylim(view.low, view.high)
    numbered(axes, "x", start, end, grid=False)
    numbered(axes, "y", view.low, view.high)
    name_axes(axes, x=axis.name, y=f"validation loss, {unit}", left=left, right=fitted.margin)
    background = [_subsampled(curve, axis.scale, len(known)) for i, curve in enumerate(known) if i not in looks]
    axes.add_collection(LineCollection(background, colors=FAINT, linewidths=0.6, alpha=0.5, zorder=1), autolim=False)
    for i in sorted(chosen, key=lambda i: i == best):
        draw_line(axes, known[i], looks[i], scale=axis.scale, width=2.6 if i == best else 1.6)
        mark_beyond(axes, known[i], view, looks[i], scale=axis.scale)
    index = known[best].best
    assert index is not None
    mark_best(axes, known[best].x[index] / axis.scale, known[best].y[index], looks[best])
    draw(axes, fitted)
    return layout.finish(_described(known, parameter, best, axis.at(known[best].x[index]), unit))


def _best_value(curve: Curve) -> float:
    assert curve.best is not None
    return curve.y[curve.best]


def _in_order(curves: Sequence[Curve]) -> tuple[list[Curve], bool]:
    """Returns the curves, sorted by their labels if all of them are numbers, and whether they are sorted."""
    values = as_numbers([curve.label for curve in curves])
    if values is None:
        return list(curves), False
    return [curve for _, curve in sorted(zip(values, curves, strict=True), key=lambda pair: pair[0])], True


def _chosen(curves: Sequence[Curve]) -> list[int]:
    """Returns the indices of the curves in colour."""
    if len(curves) <= MOST_LABELS:
        return list(range(len(curves)))
    by_value = sorted(range(len(curves)), key=lambda i: _best_value(curves[i]))
    return sorted({*by_value[:3], by_value[len(by_value) // 2], by_value[-1]})


def _reached(curve: Curve, *, best: bool) -> str:
    return number(_best_value(curve)) + (" best" if best else "")


def _subsampled(curve: Curve, scale: float, lines: int) -> np.ndarray:
    step = max(1, len(curve.x) // max(_LEAST_VALUES, _BACKGROUND_VALUES // lines))
    return np.stack(
        [np.asarray(curve.x[::step], dtype=float) / scale, np.asarray(curve.y[::step], dtype=float)], axis=1
    )


def _notes(curves: Sequence[Curve], known: Sequence[Curve], chosen: Sequence[int], view: View, seeds: int) -> list[str]:
    notes = []
    if len(chosen) < len(known):
        notes.append(
            f"Of {len(known)} settings the best three, the middle one and the worst are in colour; the others are grey."
        )
    if seeds > 1:
        notes.append(f"Lines are means over up to {seeds} seeds, bands their 95% intervals.")
    lost = [brief(curve.label) for curve in curves if curve.best is None]
    if lost:
        more = f" and {len(lost) - 6} more" if len(lost) > 6 else ""
        notes.append(f"Without any finite number: {', '.join(lost[:6])}{more}.")
    return notes + beyond_note([(brief(curve.label), curve) for curve in known], view)


def _described(curves: Sequence[Curve], parameter: str, best: int, where: str, unit: str) -> str:
    by_value = sorted(curves, key=_best_value)
    description = (
        f"Validation loss along training for {counted(len(curves), 'value')} of {brief(parameter)}: lowest for "
        f"{brief(curves[best].label)} with {number(_best_value(curves[best]))} {unit} {where}"
    )
    if len(by_value) > 1:
        description += f", highest for {brief(by_value[-1].label)} with {number(_best_value(by_value[-1]))} at its best"
    if 2 < len(by_value) <= _MOST_TOLD:
        between = (f"{brief(curve.label)} {number(_best_value(curve))}" for curve in by_value[1:-1])
        description += f". Between them: {', '.join(between)}"
    return f"{description}."
