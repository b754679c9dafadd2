"""Curves along training, of one run and of many, and the best value along a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from lmlab.reporting.figures.axes import Along, compared, draw_references, mark_best, place, set_losses, set_progress
from lmlab.reporting.figures.data import Curve, Figure, Reference, View, finite, loss_view, sensible_view
from lmlab.reporting.figures.labels import EndLabel, empty_figure, finish
from lmlab.reporting.figures.style import BLUE, FAINT, HEIGHT, MUTED, canvas, looks, styled
from lmlab.reporting.figures.text import beyond, brief, listed, number, shortened

MOST_LINES = 12  # more cannot be told apart, so that only some are in colour
_NOTHING = "No evaluation left a finite number."


@styled()
def learning_curves(
    validation: Curve, training: Curve | None = None, *, along: Along, references: Sequence[Reference] = (), unit: str
) -> Figure:
    """Draws the loss at each evaluation, and the average training loss since the one before, and marks the best.

    A note names references, which are baselines and the source's entropy, that would squash the curves.
    """
    return _of_one_run([validation, training], along, f"loss, {unit}", references=references)


@styled()
def error_rates(validation: Curve, training: Curve | None = None, *, along: Along) -> Figure:
    """Draws the share of wrong predictions, 0 to 1, along training in per cent and marks the best evaluation."""
    return _of_one_run([_in_per_cent(validation), _in_per_cent(training)], along, "error rate, per cent of tokens")


@styled()
def validity(curve: Curve, *, along: Along) -> Figure:
    """Draws the share, 0 to 1, of samples in the formal language along training in per cent, and marks the best."""
    name, view = "samples in the language, per cent", View(-3.0, 103.0)
    return _of_one_run([_in_per_cent(curve)], along, name, view, best=max)


@styled()
def gradient_norms(
    before: Curve,
    after: Curve | None = None,
    *,
    clip_at: float | None = None,
    clipped: Curve | None = None,
    along: Along,
) -> Figure:
    """Draws the mean norm before and after clipping to a norm; a note tells the share, 0 to 1, of clipped steps."""
    limit = [] if clip_at is None else [Reference("limit of clipping", clip_at)]
    shares = finite(clipped.y) if clipped else []
    notes = [f"Clipped on {_per_cent(100 * fmean(shares))} of the steps on average."] if shares and limit else []
    norms = finite([*before.y, *(after.y if after else ())]) or [0.0]
    view = sensible_view(norms, 10 * median(norms))
    return _of_one_run(
        [before, after], along, "L2 norm of the gradient", view, references=limit, best=None, notes=notes
    )


def _in_per_cent(curve: Curve | None) -> Curve | None:
    return curve and Curve(curve.label, curve.x, [100 * y for y in curve.y])


def _per_cent(value: float) -> str:
    return f"{number(value, 2)} %"


def _of_one_run(
    given: Sequence[Curve | None],
    along: Along,
    name: str,
    view: View | None = None,
    *,
    references: Sequence[Reference] = (),
    best: Any = min,
    notes: Sequence[str] = (),
) -> Figure:
    """Draws up to two curves and marks the best value of the first; without a view that of losses."""
    curves = [curve for curve in given if curve]
    if not any(curve.known for curve in curves):
        return empty_figure(name, _NOTHING)
    drawing, (axes,) = canvas()
    set_progress(axes, curves, along)
    view, ends, left_out = draw_references(axes, view or loss_view(curves), references)
    set_losses(axes, view, name)
    told, main, show = [], curves[0], _per_cent if "per cent" in name else number
    words = [f"{show(curve.y[curve.known[-1]])} at the end" if curve.known else "" for curve in curves]
    if main.known:
        told.append(f"{brief(main.label)} {show(main.y[main.known[0]])} at first")
    if main.known and best:
        i = best(main.known, key=lambda i: main.y[i])
        mark_best(axes, main.x[i], main.y[i])
        top = f"best {show(main.y[i])}\n{place(main.x[i], along)}"
        words[0] = top if i == main.known[-1] else f"{top}\n{words[0]}"
    lines = _lines(axes, curves, words)
    told += [f"{brief(end.name.partition(' (')[0])} {' '.join(end.more.split())}" for end in lines]
    alt = f"Along training, {brief(name)}: {'; '.join(told)}.{compared(references)}{' '.join(['', *notes])}"
    notes = [*notes, *left_out, *beyond(((curve.label, y) for curve in curves for y in curve.y), view.high)]
    return finish(drawing, alt, notes, (axes, ends + lines))


def _lines(axes: Axes, curves: Sequence[Curve], words: Sequence[str], best: Curve | None = None) -> list[EndLabel]:
    """Draws curves with their intervals as bands, and returns labels for their ends, words after their names."""
    ends = []
    for i, (curve, look) in enumerate(zip(curves, looks([curve.label for curve in curves]), strict=True)):
        if curve.low is not None and curve.high is not None:
            axes.fill_between(curve.x, curve.low, curve.high, color=look["color"], alpha=0.15, linewidth=0)
        every = max(1, len(curve.x) // 8)
        wide = 1.7 if best is None else 2.6 if curve is best else 1.4
        (line,) = axes.plot(curve.x, curve.y, **look, linewidth=wide, markevery=(i % every, every))
        if curve.known:
            ends.append(EndLabel(curve.label, words[i], curve.y[curve.known[-1]], line, curve is best))
    return ends


@styled()
def sweep_curves(curves: Sequence[Curve], *, parameter: str, along: Along, unit: str, seeds: int = 1) -> Figure:
    """Draws the validation loss of each value of a parameter along training; of more than 12 only some are in colour.

    If there are several runs of a value (at most `seeds`), curves are their means, and a note explains the bands.
    """
    known = sorted((curve for curve in curves if curve.known), key=lambda curve: curve.lowest)
    if not known:
        return empty_figure(f"Validation loss by {parameter}", _NOTHING)
    best, chosen = known[0], [curve for curve in curves if curve.known]
    drawing, (axes,) = canvas()
    set_progress(axes, known, along)
    view, notes = loss_view(known), ["Numbers: the lowest loss of each line."]
    if len(known) > MOST_LINES:
        chosen = [*known[:3], known[len(known) // 2], known[-1]]
        notes.append(f"Of {len(known)} lines the best three, the middle one and the worst are in colour.")
        for curve in known[3:]:
            axes.plot(curve.x, curve.y, color=FAINT, linewidth=0.7, alpha=0.7, zorder=1)
    set_losses(axes, view, f"validation loss, {unit}")
    ends = _lines(axes, chosen, [number(curve.lowest) + " best" * (curve is best) for curve in chosen], best)
    x = best.x[min(best.known, key=lambda i: best.y[i])]
    mark_best(axes, x, best.lowest)
    if seeds > 1:
        notes.append(f"Lines are means over up to {seeds} seeds, bands their 95% intervals.")
    notes += beyond(((one.label, y) for one in known for y in one.y), view.high)
    alt = f"Validation loss along training by {brief(parameter)}, {brief(unit)}, lowest of each, reached by the best "
    alt += f"{place(x, along)}: {listed([(curve.label, number(curve.lowest)) for curve in known], 8)}."
    return finish(drawing, alt, notes, (axes, ends))


@styled()
def best_so_far(values: Sequence[float], *, what: str, importance: Mapping[str, float]) -> Figure:
    """Draws a dot for each trial and the best value so far as steps, and below it the importance of each setting.

    Lower is better; not a number is a trial that failed. Importances are shares of the variance explained, if known.
    """
    if not finite(values):
        return empty_figure(what, "No trial left a finite number.")
    shares = [(name, 100 * share) for name, share in sorted(importance.items(), key=lambda pair: -pair[1])[:8]]
    below = 0.6 + 0.24 * len(shares)
    drawing, panels = canvas(HEIGHT + below, 2, height_ratios=(HEIGHT, below)) if shares else canvas()
    axes, view = panels[0], sensible_view(values)
    set_losses(axes, view, what)
    y = np.where(np.isfinite(values), values, np.nan)
    trials, best = np.arange(1, len(y) + 1), int(np.nanargmin(y))
    axes.set(xlim=(0.5, len(y) + 0.5), xlabel="trial")
    axes.locator_params(axis="x", integer=True)
    axes.plot(trials, y, "o", color=MUTED)
    (line,) = axes.step(trials, np.fmin.accumulate(y), where="post", color=BLUE)
    mark_best(axes, best + 1, y[best])
    if shares:
        bars = panels[1].barh(range(len(shares)), [share for _, share in shares], color=BLUE, height=0.6)
        panels[1].bar_label(bars, fmt="%.0f %%", padding=4, fontsize=9)
        panels[1].set_yticks(range(len(shares)), labels=[shortened(name, 1.6) for name, _ in shares])
        panels[1].set(ylim=(len(shares) - 0.4, -0.6), xlim=(0, 112), title="share of the variance explained, per cent")
    alt = f"Trials by {brief(what)}: the best of {len(y)} is trial {best + 1} with {number(y[best])}."
    if shares:
        alt += f" Share of the variance explained: {listed((name, f'{share:.0f} %') for name, share in shares)}."
    end = EndLabel("best so far", f"{number(y[best])}\nin trial {best + 1}", y[best], line)
    notes = beyond([(f"trial {trial}", value) for trial, value in zip(trials, values, strict=True)], view.high)
    return finish(drawing, alt, notes, (axes, [end]))
