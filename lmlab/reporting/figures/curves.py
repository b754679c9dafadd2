"""Curves along training, of one run and of many, and the best value along a search."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MultipleLocator, NullLocator, StrMethodFormatter

from lmlab.reporting.figures.axes import (
    Along,
    Progress,
    View,
    draw_references,
    loss_view,
    mark_best,
    progress,
    sensible_view,
    set_losses,
)
from lmlab.reporting.figures.data import Curve, Figure, Reference, finite
from lmlab.reporting.figures.labels import EndLabel, beyond, brief, empty_figure, few, finish, number, shortened
from lmlab.reporting.figures.style import (
    FAINT,
    HEIGHT,
    MUTED,
    TRAINING_LOOK,
    VALIDATION_LOOK,
    Look,
    canvas,
    looks,
    styled,
)

MOST_LINES = 12  # more cannot be told apart, so that only some are in colour
_TWO = VALIDATION_LOOK, TRAINING_LOOK
_NOTHING = "No evaluation left a finite number."


@styled()
def learning_curves(
    validation: Curve,
    training: Curve | None = None,
    *,
    along: Along,
    references: Sequence[Reference] = (),
    unit: str = "nats per token",
) -> Figure:
    """Draws the loss along training and marks the best evaluation.

    Args:
        validation: loss at each evaluation.
        training: average loss since the evaluation before.
        along: what `x` counts.
        references: baselines and the source's entropy; a note names those that would squash the curves.
        unit: of the loss.
    """
    curves = [validation, *([training] if training else [])]
    return _of_one_run(curves, along, f"loss, {unit}", number, references=references)


@styled()
def error_rates(validation: Curve, training: Curve | None = None, *, along: Along) -> Figure:
    """Draws the share of wrong predictions, 0 to 1, along training in per cent and marks the best evaluation."""
    curves = [_in_per_cent(curve) for curve in (validation, training) if curve]
    return _of_one_run(curves, along, "error rate, per cent of tokens", _per_cent)


@styled()
def validity(curve: Curve, *, along: Along) -> Figure:
    """Draws the share, 0 to 1, of samples in the formal language along training in per cent, and marks the best."""
    return _of_one_run([_in_per_cent(curve)], along, "samples in the language, per cent", _per_cent, sign=-1)


def _in_per_cent(curve: Curve) -> Curve:
    return Curve(curve.label, curve.x, [100 * y for y in curve.y])


def _per_cent(value: float) -> str:
    return f"{number(value, 2)} %"


def _of_one_run(
    curves: Sequence[Curve],
    along: Along,
    name: str,
    show: Callable[[float], str],
    *,
    references: Sequence[Reference] = (),
    sign: int = 1,
) -> Figure:
    """Draws up to two curves of a run; the best value is the smallest, or with the sign -1 the largest."""
    if not any(curve.known for curve in curves):
        return empty_figure(name, _NOTHING)
    drawing, (axes,) = canvas()
    axis = progress(axes, curves, along)
    view = loss_view(curves) if sign > 0 else View(-3.0, 103.0)
    view, ends, notes, compared = draw_references(axes, view, references)
    set_losses(axes, view, name)
    told = []
    for curve, look in zip(curves, _TWO, strict=False):
        if not curve.known:
            continue
        line = _draw(axes, curve, look, axis)
        last = f"{show(curve.y[curve.known[-1]])} at the end"
        told.append(f"{brief(curve.label.partition(' (')[0])} {last}")
        if curve is curves[0]:
            best = min(curve.known, key=lambda i: sign * curves[0].y[i])
            mark_best(axes, curve.x[best] / axis.scale, curve.y[best])
            words = f"best {show(curve.y[best])}\n{axis.at(curve.x[best])}"
            told[-1] = f"{brief(curve.label)} {show(curve.y[curve.known[0]])} at first, {words}, {last}"
            last = words if best == curve.known[-1] else f"{words}\n{last}"
        ends.append(EndLabel(curve.label, last, curve.y[curve.known[-1]], line))
    alt = f"Along training, {name}: {few(told)}.{compared}".replace("\n", " ")
    return finish(drawing, alt, notes + beyond(_highest(curves), view.high), (axes, ends))


def _draw(axes: Axes, curve: Curve, look: Look, axis: Progress, *, width: float = 1.8, shift: int = 0) -> Line2D:
    """Draws a curve with its interval as a band, and markers from some place on; returns the line."""
    x = np.asarray(curve.x, dtype=float) / axis.scale
    y = np.asarray(curve.y, dtype=float)
    if curve.low is not None and curve.high is not None:
        low, high = np.asarray(curve.low, dtype=float), np.asarray(curve.high, dtype=float)
        axes.fill_between(x, low, high, where=np.isfinite(low + y + high), color=look.colour, alpha=0.15, linewidth=0)
    every = max(1, len(x) // 8)
    y = np.where(np.isfinite(y), y, np.nan)
    return axes.plot(x, y, **look.line, linewidth=width, markevery=(shift % every, every))[0]


def _highest(curves: Sequence[Curve]) -> list[tuple[str, float]]:
    """Returns the highest value of each curve with its name; not a number if one of them is none."""
    return [(curve.label.partition(" (")[0], float(np.max(curve.y))) for curve in curves if len(curve.y)]


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
    notes = ["Numbers: the lowest loss of each line."]
    if len(known) > MOST_LINES:
        chosen = [*known[:3], known[len(known) // 2], known[-1]]
        notes.append(f"Of {len(known)} lines the best three, the middle one and the worst are in colour.")
    drawing, (axes,) = canvas()
    axis, view = progress(axes, known, along), loss_view(known)
    set_losses(axes, view, f"validation loss, {unit}")
    for curve in known:
        if len(known) > MOST_LINES:
            axes.plot(np.asarray(curve.x) / axis.scale, curve.y, color=FAINT, linewidth=0.7, alpha=0.7, zorder=1)
    place, ends = best.x[min(best.known, key=lambda i: best.y[i])], []
    for i, (curve, look) in enumerate(zip(chosen, looks([curve.label for curve in chosen]), strict=True)):
        line = _draw(axes, curve, look, axis, width=2.6 if curve is best else 1.5, shift=i)
        words = number(curve.lowest) + " best" * (curve is best)
        ends.append(EndLabel(curve.label, words, curve.y[curve.known[-1]], line, curve is best))
    mark_best(axes, place / axis.scale, best.lowest)
    if seeds > 1:
        notes.append(f"Lines are means over up to {seeds} seeds, bands their 95% intervals.")
    notes += beyond(_highest(curves), view.high)
    others = few([f"{brief(curve.label)} {number(curve.lowest)}" for curve in known[1:]])
    alt = f"Validation loss along training by {brief(parameter)}, {unit}: lowest for {brief(best.label)} with "
    alt += f"{number(best.lowest)} {axis.at(place)}" + (f"; then {others}." if others else ".")
    return finish(drawing, alt, notes, (axes, ends))


@styled()
def gradient_norms(
    before: Curve,
    after: Curve | None = None,
    *,
    clip_at: float | None = None,
    clipped: Curve | None = None,
    along: Along,
) -> Figure:
    """Draws the mean norm before and after clipping, and below it the share of clipped steps.

    Args:
        before: means before clipping.
        after: means after clipping.
        clip_at: the norm to which gradients are clipped; None without clipping.
        clipped: shares of clipped steps, 0 to 1.
        along: what `x` counts.
    """
    name, curves = "L2 norm of the gradient", [before, *([after] if after else [])]
    known = finite(y for curve in curves for y in curve.y)
    if not before.known:
        return empty_figure(name, "No gradient norms were recorded.")
    shares = clipped if clipped and clipped.known and clip_at is not None else None
    drawing, panels = canvas(HEIGHT + 1, 2, sharex=True, height_ratios=(5, 2)) if shares else canvas()
    axes, axis = panels[0], progress(panels[-1], curves, along)
    view = sensible_view(known, reach=math.inf)
    limit = [Reference("clipped at this norm", clip_at)] if clip_at is not None else []
    view, ends, notes, _ = draw_references(axes, view, limit)
    drawn = [*known, *(end.y for end in ends)]
    logarithmic = 0 < 30 * min(drawn) < max(drawn)
    if logarithmic:
        axes.set_yscale("log")
    set_losses(axes, view, f"{name}, log scale" if logarithmic else name)
    if logarithmic:
        axes.set_ylim(min(drawn) / 1.3, 1.3 * max(drawn))
        axes.yaxis.set_major_locator(LogLocator(subs=(1,) if max(drawn) > 1e3 * min(drawn) else (1, 2, 5), numticks=7))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    for curve, look in zip(curves, _TWO, strict=False):
        if curve.known:
            line, last = _draw(axes, curve, look, axis), curve.y[curve.known[-1]]
            ends.append(EndLabel(curve.label, f"{number(last, 3)} at the end", last, line))
    first, last, low, high = (number(f(finite(before.y)), 3) for f in (lambda y: y[0], lambda y: y[-1], min, max))
    alt = f"Mean gradient norm before clipping along training: {first} at first, {last} at the end, between {low} and "
    alt += f"{high}; " + ("nothing is clipped" if clip_at is None else f"clipped at {clip_at:g}")
    if shares:
        _draw(panels[1], _in_per_cent(shares), Look(MUTED), axis)
        set_losses(panels[1], View(-5.0, 105.0), "clipped steps, per cent")
        panels[1].yaxis.set_major_locator(MultipleLocator(50))
        mean = _per_cent(100 * sum(finite(shares.y)) / len(finite(shares.y)))
        notes.append(f"Clipped on {mean} of the steps on average.")
        alt += f", on {mean} of the steps on average"
    return finish(drawing, f"{alt}.", notes, (axes, ends))


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
    shares = {shortened(name, 1.6): 100 * s for name, s in sorted(importance.items(), key=lambda p: -p[1])[:8]}
    below = 0.6 + 0.24 * len(shares)
    drawing, panels = canvas(HEIGHT + below, 2, height_ratios=(HEIGHT, below)) if shares else canvas()
    axes, view = panels[0], sensible_view(values)
    set_losses(axes, view, what)
    y = np.where(np.isfinite(values), values, np.nan)
    trials, running, best = np.arange(1, len(y) + 1), np.fmin.accumulate(y), int(np.nanargmin(y))
    axes.set_xlim(0.5, len(y) + 0.5)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("trial")
    axes.plot(trials, y, "o", color=MUTED)
    (line,) = axes.step(trials, running, where="post", color=VALIDATION_LOOK.colour)
    mark_best(axes, best + 1, y[best])
    if shares:
        bars = panels[1].barh(range(len(shares)), list(shares.values()), color=VALIDATION_LOOK.colour, height=0.6)
        panels[1].bar_label(bars, fmt="%.0f %%", padding=4, fontsize=9)
        panels[1].set_yticks(range(len(shares)), labels=list(shares))
        panels[1].set(ylim=(len(shares) - 0.4, -0.6), xlim=(0, 112), title="share of the variance explained, per cent")
        panels[1].grid(False)
    alt = f"{what[:1].upper()}{what[1:]}, of {len(y)} trials: the best is trial {best + 1} with {number(y[best])}."
    matter = few([f"{brief(name)} {share:.0f} %" for name, share in shares.items()])
    alt += f" Share of the variance explained: {matter}." if matter else ""
    end = EndLabel("best so far", f"{number(y[best])}\nin trial {best + 1}", running[-1], line)
    notes = beyond([(f"trial {i + 1}", value) for i, value in enumerate(values)], view.high)
    return finish(drawing, alt, notes, (axes, [end]))
