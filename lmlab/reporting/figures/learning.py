"""Learning curves and error rates of one run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from lmlab.reporting.figures.axes import (
    Along,
    Progress,
    number,
    progress,
    tick_texts,
    ticks_between,
)
from lmlab.reporting.figures.data import Curve, Figure, Reference
from lmlab.reporting.figures.labels import EndLabel, along_line, annotate, draw, fit
from lmlab.reporting.figures.layout import Layout, Row, below, empty_figure, left_margin, name_axes, numbered
from lmlab.reporting.figures.lines import beyond_note, draw_line, last_value, mark_best, mark_beyond, span, view_of
from lmlab.reporting.figures.references import around, draw_references, fitting, in_words, label, left_out_note
from lmlab.reporting.figures.style import TRAINING_STROKE, VALIDATION_STROKE, Stroke, styled
from lmlab.reporting.figures.text import brief

_PLOT = 3.4  # inches


class _Quantity(NamedTuple):
    name: str
    unit: str
    show: Callable[[float], str]


@styled()
def learning_curves(
    validation: Curve,
    training: Curve | None = None,
    *,
    along: Along = "tokens",
    epochs: Sequence[float] | None = None,
    references: Sequence[Reference] = (),
    unit: str = "nats a token",
    title: str = "Learning curves: loss on validation and training text",
) -> Figure:
    """Draws the loss along training and marks the best evaluation.

    A reference line is left out if the curves would keep less than 60% of the height (35% if the floor is drawn). A
    note under the figure then gives its value.

    Args:
        validation: loss at each evaluation.
        training: average loss since the evaluation before.
        along: what `x` counts.
        epochs: of each evaluation, if `x` counts something else.
        references: baselines and the source's entropy.
        unit: of the loss.
        title: of the figure.
    """
    curves = [(validation, VALIDATION_STROKE), *([(training, TRAINING_STROKE)] if training else [])]
    return _drawn(curves, along, epochs, references, _Quantity("loss", unit, number), title)


@styled()
def error_rates(
    validation: Curve,
    training: Curve | None = None,
    *,
    along: Along = "tokens",
    epochs: Sequence[float] | None = None,
    title: str = "Error rate: share of tokens that the model did not rank first",
) -> Figure:
    """Draws the percentage of wrong predictions along training and marks the best evaluation.

    Args:
        validation: shares, 0 to 1.
        training: shares during training.
        along: what `x` counts.
        epochs: of each evaluation, if `x` counts something else.
        title: of the figure.
    """
    curves = [(_in_per_cent(validation), VALIDATION_STROKE)]
    curves += [(_in_per_cent(training), TRAINING_STROKE)] if training else []
    quantity = _Quantity("error rate", "per cent of tokens", lambda value: f"{value:.2f} %")
    return _drawn(curves, along, epochs, (), quantity, title)


def _in_per_cent(curve: Curve) -> Curve:
    return Curve(curve.label, curve.x, [100 * y for y in curve.y], best_index=curve.best_index)


def _drawn(
    curves: Sequence[tuple[Curve, Stroke]],
    along: Along,
    epochs: Sequence[float] | None,
    references: Sequence[Reference],
    quantity: _Quantity,
    title: str,
) -> Figure:
    validation = curves[0][0]
    axis = progress(along, max((abs(x) for curve, _ in curves for x in curve.x), default=0.0))
    if all(curve.last is None for curve, _ in curves):
        return empty_figure(title, "No evaluation left a finite number.")
    start, end = span([curve for curve, _ in curves], axis.scale)
    view = view_of([curve for curve, _ in curves])
    shown, left_out = fitting(references, view)
    view = around(view, shown)
    labels = [
        EndLabel(curve.label, *place, stroke)
        for curve, stroke in curves
        if (place := last_value(curve, axis.scale)) is not None
    ]
    labels += [label(reference) for reference in shown]
    fitted = fit(labels)
    notes = left_out_note(left_out) + beyond_note([(_short(curve), curve) for curve, _ in curves], view)
    layout = Layout(title, [Row(max(_PLOT, fitted.total_height), below=below())], notes)
    left = left_margin(tick_texts(ticks_between(view.low, view.high)))
    axes = layout.axes(0, left=left, right=fitted.margin)
    axes.set_xlim(start, end)
    axes.set_ylim(view.low, view.high)
    numbered(axes, "x", start, end, grid=False)
    numbered(axes, "y", view.low, view.high)
    name_axes(axes, x=axis.name, y=f"{quantity.name}, {quantity.unit}", left=left)
    draw_references(axes, shown)
    for curve, stroke in curves:
        draw_line(axes, curve, stroke, scale=axis.scale)
        mark_beyond(axes, curve, view, stroke, scale=axis.scale)
    _name_best(axes, [curve for curve, _ in curves], axis, epochs, quantity, shown)
    draw(axes, fitted)
    return layout.finish(_described(validation, curves[1:], axis, epochs, quantity, references))


def _short(curve: Curve) -> str:
    return brief(curve.label.partition(" (")[0])


def _when(curve: Curve, index: int, axis: Progress, epochs: Sequence[float] | None) -> str:
    if epochs is not None and axis.unit != "epochs" and index < len(epochs):
        return f"after epoch {epochs[index]:.4g}"
    return axis.at(curve.x[index])


def _name_best(
    axes: Axes,
    curves: Sequence[Curve],
    axis: Progress,
    epochs: Sequence[float] | None,
    quantity: _Quantity,
    references: Sequence[Reference],
) -> None:
    validation = curves[0]
    best = validation.best
    if best is None:
        return
    x, y = validation.x[best] / axis.scale, validation.y[best]
    axes.vlines(x, axes.get_ylim()[0], y, color=VALIDATION_STROKE.colour, linewidth=0.9, linestyle=":")
    mark_best(axes, x, y, VALIDATION_STROKE)
    lines = [along_line(axes, np.asarray(c.x, dtype=float) / axis.scale, np.asarray(c.y, dtype=float)) for c in curves]
    ends = np.asarray(axes.get_xlim())
    lines.append(along_line(axes, np.full(2, x), np.array([axes.get_ylim()[0], y])))
    lines += [along_line(axes, ends, np.full(2, reference.value)) for reference in references]
    text = f"best: {quantity.show(y)}\n{_when(validation, best, axis, epochs)}"
    annotate(axes, x, y, text, np.concatenate(lines), colour=VALIDATION_STROKE.text_colour)


def _described(
    validation: Curve,
    others: Sequence[tuple[Curve, Stroke]],
    axis: Progress,
    epochs: Sequence[float] | None,
    quantity: _Quantity,
    references: Sequence[Reference],
) -> str:
    best, last = validation.best, validation.last
    parts = []
    if best is not None and last is not None:
        first = next(i for i in range(len(validation.y)) if math.isfinite(validation.y[i]))
        parts = [
            f"Validation {quantity.name} along training: {quantity.show(validation.y[first])} at first, best "
            f"{quantity.show(validation.y[best])} {_when(validation, best, axis, epochs)}, "
            f"{quantity.show(validation.y[last])} at the end ({quantity.unit})."
        ]
    parts += [
        f"{_short(curve).capitalize()}: {quantity.show(curve.y[curve.last])} at the end."
        for curve, _ in others
        if curve.last is not None
    ]
    if references:
        parts.append(f"For comparison: {', '.join(map(in_words, references))}.")
    return " ".join(parts)
