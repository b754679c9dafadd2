"""Curves along training, of one run and of many, and the best value along a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MultipleLocator

from lmlab.reporting.figures.axes import Along, Progress, compared, draw_references, mark_best, progress, set_losses
from lmlab.reporting.figures.data import Curve, Figure, Reference, View, finite, loss_view, sensible_view
from lmlab.reporting.figures.labels import EndLabel, empty_figure, finish
from lmlab.reporting.figures.style import BLUE, FAINT, HEIGHT, MUTED, canvas, looks, styled
from lmlab.reporting.figures.text import beyond, brief, few, number, shortened

MOST_LINES = 12  # more cannot be told apart, so that only some are in colour
_NOTHING = "No evaluation left a finite number."


@styled()
def learning_curves(
    validation: Curve, training: Curve | None = None, *, along: Along, references: Sequence[Reference] = (), unit: str
) -> Figure:
    """Draws the loss at each evaluation, and the average training loss since the one before, and marks the best.

    A note names references, which are baselines and the source's entropy, that would squash the curves.
    """
    curves = [validation, *([training] if training else [])]
    return _of_one_run(curves, along, f"loss, {unit}", references)


@styled()
def error_rates(validation: Curve, training: Curve | None = None, *, along: Along) -> Figure:
    """Draws the share of wrong predictions, 0 to 1, along training in per cent and marks the best evaluation."""
    curves = [_in_per_cent(curve) for curve in (validation, training) if curve]
    return _of_one_run(curves, along, "error rate, per cent of tokens")


@styled()
def validity(curve: Curve, *, along: Along) -> Figure:
    """Draws the share, 0 to 1, of samples in the formal language along training in per cent, and marks the best."""
    return _of_one_run([_in_per_cent(curve)], along, "samples in the language, per cent", best=max)


def _in_per_cent(curve: Curve) -> Curve:
    return Curve(curve.label, curve.x, [100 * y for y in curve.y])


def _per_cent(value: float) -> str:
    return f"{number(value, 2)} %"


def _of_one_run(
    curves: Sequence[Curve], along: Along, name: str, references: Sequence[Reference] = (), best: Any = min
) -> Figure:
    """Draws up to two curves and marks the best value of the first."""
    if not any(curve.known for curve in curves):
        return empty_figure(name, _NOTHING)
    drawing, (axes,) = canvas()
    axis = progress(axes, curves, along)
    view = loss_view(curves) if best is min else View(-3.0, 103.0)
    view, ends, notes = draw_references(axes, view, references)
    set_losses(axes, view, name)
    told, main, show = [], curves[0], _per_cent if "per cent" in name else number
    words = {id(curve): f"{show(curve.y[curve.known[-1]])} at the end" for curve in curves if curve.known}
    if main.known:
        place = best(main.known, key=lambda i: main.y[i])
        mark_best(axes, main.x[place] / axis.scale, main.y[place])
        told.append(f"{brief(main.label)} {show(main.y[main.known[0]])} at first")
        top = f"best {show(main.y[place])}\n{axis.at(main.x[place])}"
        words[id(main)] = top if place == main.known[-1] else f"{top}\n{words[id(main)]}"
    lines = _lines(axes, axis, curves, lambda curve: words[id(curve)])
    told += [f"{brief(end.name.partition(' (')[0])} {' '.join(end.more.split())}" for end in lines]
    alt = f"Along training, {brief(name)}: {'; '.join(told)}."
    alt += f" For comparison: {compared(references)}." if references else ""
    notes += beyond(((curve.label, y) for curve in curves for y in curve.y), view.high)
    return finish(drawing, alt, notes, (axes, ends + lines))


def _lines(
    axes: Axes, axis: Progress, curves: Sequence[Curve], words: Callable[[Curve], str], best: Curve | None = None
) -> list[EndLabel]:
    """Draws curves with their intervals as bands, and returns labels for their ends, words after their names."""
    ends = []
    for i, (curve, look) in enumerate(zip(curves, looks([curve.label for curve in curves]), strict=True)):
        x, y = np.array(curve.x) / axis.scale, np.array(curve.y, dtype=float)
        y[~np.isfinite(y)] = np.nan
        if curve.low is not None and curve.high is not None:
            low, high = np.array(curve.low, dtype=float), np.array(curve.high, dtype=float)
            known = np.isfinite(low) & np.isfinite(high)
            axes.fill_between(x[known], low[known], high[known], color=look["color"], alpha=0.15, linewidth=0)
        every = max(1, len(x) // 8)
        wide = 1.7 if best is None else 2.6 if curve is best else 1.4
        (line,) = axes.plot(x, y, **look, linewidth=wide, markevery=(i % every, every))
        if curve.known:
            ends.append(EndLabel(curve.label, words(curve), curve.y[curve.known[-1]], line, curve is best))
    return ends


@styled()
def sweep_curves(curves: Sequence[Curve], *, parameter: str, along: Along, unit: str, seeds: int = 1) -> Figure:
    """Draws the validation loss of each condition along training; of more than 12 only some are in colour.

    Args:
        curves: one for each condition, labelled with the parameter's value; means if there are several seeds.
        parameter: that differs.
        along: what `x` counts.
        unit: of the loss.
        seeds: most runs of a curve; if several, a note explains the bands.
    """
    known = sorted((curve for curve in curves if curve.known), key=lambda curve: curve.lowest)
    if not known:
        return empty_figure(f"Validation loss by {parameter}", _NOTHING)
    best, chosen = known[0], [curve for curve in curves if curve.known]
    drawing, (axes,) = canvas()
    axis, view, notes = progress(axes, known, along), loss_view(known), ["Numbers: the lowest loss of each line."]
    if len(known) > MOST_LINES:
        chosen = [*known[:3], known[len(known) // 2], known[-1]]
        notes.append(f"Of {len(known)} lines the best three, the middle one and the worst are in colour.")
        for curve in known[3:]:
            axes.plot(np.array(curve.x) / axis.scale, curve.y, color=FAINT, linewidth=0.7, alpha=0.7, zorder=1)
    set_losses(axes, view, f"validation loss, {unit}")
    ends = _lines(axes, axis, chosen, lambda curve: number(curve.lowest) + " best" * (curve is best), best)
    place = best.x[min(best.known, key=lambda i: best.y[i])]
    mark_best(axes, place / axis.scale, best.lowest)
    if seeds > 1:
        notes.append(f"Lines are means over up to {seeds} seeds, bands their 95% intervals.")
    listed = few([f"{brief(curve.label)}: {number(curve.lowest)}" for curve in known], 8)
    alt = f"Validation loss along training by {brief(parameter)}, {brief(unit)}, lowest of each, reached by the best "
    notes += beyond(((one.label, y) for one in known for y in one.y), view.high)
    return finish(drawing, f"{alt}{axis.at(place)}: {listed}.", notes, (axes, ends))


@styled()
def gradient_norms(
    before: Curve,
    after: Curve | None = None,
    *,
    clip_at: float | None = None,
    clipped: Curve | None = None,
    along: Along,
) -> Figure:
    """Draws the mean norm before and after clipping to a norm, and below it the share, 0 to 1, of clipped steps."""
    name, curves = "L2 norm of the gradient", [before, *([after] if after else [])]
    if not before.known:
        return empty_figure(name, "No gradient norms were recorded.")
    shares = clipped if clipped and clipped.known and clip_at is not None else None
    drawing, panels = canvas(HEIGHT + 1, 2, sharex=True, height_ratios=(5, 2)) if shares else canvas()
    axes, axis = panels[0], progress(panels[-1], curves, along)
    known = finite(y for curve in curves for y in curve.y)
    room = 0.06 * (max(known) - min(known)) or 0.5
    limit = [] if clip_at is None else [Reference("limit of clipping", clip_at)]
    view, ends, notes = draw_references(axes, View(min(known) - room, max(known) + room), limit)
    known += [end.y for end in ends]
    logarithmic = 0 < 30 * min(known) < max(known)
    set_losses(axes, view, name + ", log scale" * logarithmic)
    if logarithmic:
        axes.set(yscale="log", ylim=(min(known) / 1.3, 1.3 * max(known)))
        axes.yaxis.set_major_locator(LogLocator(numticks=7))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
    ends += _lines(axes, axis, curves, lambda curve: f"{number(curve.y[curve.known[-1]], 3)} at the end")
    norms = [number(value, 3) for value in finite(before.y)]
    alt = f"Mean gradient norm before clipping along training: {norms[0]} at first, {norms[-1]} at the end, at least "
    alt += f"{number(before.lowest, 3)}; " + ("nothing is clipped" if clip_at is None else f"clipped at {clip_at:g}")
    if shares:
        panels[1].plot(np.array(shares.x) / axis.scale, [100 * y for y in shares.y], color=MUTED)
        set_losses(panels[1], View(-5.0, 105.0), "clipped steps, per cent")
        panels[1].yaxis.set_major_locator(MultipleLocator(50))
        notes.append(f"Clipped on {_per_cent(100 * float(np.mean(finite(shares.y))))} of the steps on average.")
    return finish(drawing, f"{alt}. {notes[-1] if shares else ''}".strip(), notes, (axes, ends))


@styled()
def best_so_far(values: Sequence[float], *, what: str, importance: Mapping[str, float]) -> Figure:
    """Draws a dot for each trial and the best value so far as steps, and below it the importance of each setting.

    Args:
        values: of the trials in their order, lower is better; not a number for a trial that failed.
        what: what the values are, with their unit.
        importance: share of the variance of the values that each setting explains; may be empty.
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
    matter = few([f"{brief(name)} {share:.0f} %" for name, share in shares])
    alt += f" Share of the variance explained: {matter}." if matter else ""
    end = EndLabel("best so far", f"{number(y[best])}\nin trial {best + 1}", y[best], line)
    notes = beyond([(f"trial {trial}", value) for trial, value in zip(trials, values, strict=True)], view.high)
    return finish(drawing, alt, notes, (axes, [end]))
