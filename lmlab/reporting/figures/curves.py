"""Curves along training, of one run and of many, along a search, and by the frequency of tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from lmlab.reporting.figures.axes import Label, compared, draw_references, empty_figure, finish, mark_best, set_losses
from lmlab.reporting.figures.data import Along, Curve, Figure, Reference, View, finite, loss_view, sensible_view
from lmlab.reporting.figures.style import BLUE, FAINT, HEIGHT, MUTED, WIDTH, canvas, looks, styled
from lmlab.reporting.figures.text import beyond, brief, listed, number, shortened, wrapped
from lmlab.runs.formatting import occurrences

MOST_LINES = 12  # more cannot be told apart, so that only some are in colour
_NOTHING = "No evaluation left a finite number."


class FrequencyBin(NamedTuple):
    """Tokens with so many occurrences in the training text, and how many of the evaluated text are among them."""

    first: int
    last: int | None
    tokens: int


class BinLosses(NamedTuple):
    """The losses of a run, one for each bin; None if the bin has no tokens."""

    label: str
    losses: Sequence[float | None]


@styled()
def learning_curves(
    validation: Curve, training: Curve | None = None, *, along: Along, references: Sequence[Reference] = (), unit: str
) -> Figure:
    """Draws the loss at each evaluation, and the average training loss since the one before, and marks the best."""
    return _of_one_run([validation, training], along, f"loss, {unit}", references)


@styled()
def metric_curves(
    validation: Curve, training: Curve | None = None, *, along: Along, name: str, highest: bool = False
) -> Figure:
    """Draws a metric along training, shares in per cent if its name says so, and marks the lowest or highest value."""
    lines = [_in_per_cent(curve) if "per cent" in name else curve for curve in (validation, training)]
    view = sensible_view((y for line in lines if line for y in line.y), math.inf) if highest else None
    return _of_one_run(lines, along, name, view=view, best=max if highest else min)


@styled()
def gradient_norms(
    before: Curve,
    after: Curve | None = None,
    *,
    clip_at: float | None = None,
    clipped: Curve | None = None,
    along: Along,
) -> Figure:
    """Draws the mean norm before and after clipping to a norm, and tells the share, 0 to 1, of clipped steps."""
    shares = finite(clipped.y) if clipped else []
    reached = f", reached on {_per_cent(100 * fmean(shares))} of the steps" if shares else ""
    limit = [] if clip_at is None else [Reference(f"limit of clipping{reached}", clip_at)]
    norms = finite([*before.y, *(after.y if after else ())]) or [0.0]
    view = sensible_view(norms, 10 * median(norms))
    return _of_one_run([before, after], along, "L2 norm of the gradient", limit, view, best=None)


def _in_per_cent(curve: Curve | None) -> Curve | None:
    return curve and curve._replace(y=[100 * y for y in curve.y])


def _per_cent(value: float) -> str:
    return f"{number(value, 2)} %"


def _of_one_run(
    given: Sequence[Curve | None],
    along: Along,
    name: str,
    references: Sequence[Reference] = (),
    view: View | None = None,
    best: Any = min,
) -> Figure:
    """Draws up to two curves and marks the best value of the first; without a view that of losses."""
    curves = [curve for curve in given if curve]
    if not any(curve.known for curve in curves):
        return empty_figure(name, _NOTHING)
    drawing, (axes,) = canvas()
    _set_progress(axes, curves, along)
    view, ends, notes = draw_references(axes, view or loss_view(curves), references)
    set_losses(axes, view, name)
    main, show = curves[0], _per_cent if "per cent" in name else number
    words = [f"{show(curve.y[curve.known[-1]])} at the end" if curve.known else "" for curve in curves]
    told = [f"{brief(main.label)} {show(main.y[main.known[0]])} at first"] if main.known else []
    if main.known and best:
        i = best(main.known, key=lambda i: main.y[i])
        mark_best(axes, main.x[i], main.y[i])
        top = f"best {show(main.y[i])}\n{_place(main.x[i], along)}"
        words[0] = top if i == main.known[-1] else f"{top}\n{words[0]}"
    lines = _lines(axes, curves, words)
    told += [f"{brief(end.name.partition(' (')[0])} {' '.join(end.more.split())}" for end in lines]
    alt = f"Along training, {brief(name)}: {'; '.join(told)}.{compared(references)}"
    notes += beyond(((curve.label, y) for curve in curves for y in curve.y), view.high)
    return finish(drawing, alt, notes, ends + lines)


def _set_progress(axes: Axes, curves: Sequence[Curve], along: Along) -> None:
    """Sets the horizontal axis of curves along training."""
    high = max(finite(x for curve in curves for x in curve.x))
    axes.set(xlim=(0.0, 1.02 * high or 1.0), xlabel=f"training so far, {along}")
    axes.locator_params(axis="x", nbins=5, integer=along in ("tokens", "steps"))
    if high >= 1000:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _place(value: float, along: Along) -> str:
    """Returns a place along training in words: `after epoch 3`, `at 1.5M tokens`."""
    text = f"{value:.4g}" if value < 1000 else EngFormatter(sep="")(float(f"{value:.3g}"))
    return f"after epoch {text}" if along == "epochs" else f"at {text} {along}"


def _lines(axes: Axes, curves: Sequence[Curve], words: Sequence[str], best: Curve | None = None) -> list[Label]:
    """Draws curves with their intervals as bands, and returns labels for their ends, words after their names."""
    ends = []
    for i, (curve, look) in enumerate(zip(curves, looks([curve.label for curve in curves]), strict=True)):
        if curve.low is not None and curve.high is not None:
            axes.fill_between(curve.x, curve.low, curve.high, color=look["color"], alpha=0.15, linewidth=0)
        wide, every = 2.6 if curve is best else 1.5, max(1, len(curve.x) // 8)
        (line,) = axes.plot(curve.x, curve.y, **look, linewidth=wide, markevery=(i % every, every))
        if curve.known:
            ends.append(Label(curve.label, words[i], curve.y[curve.known[-1]], line, curve is best))
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
    _set_progress(axes, known, along)
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
    notes += [f"Lines are means over up to {seeds} seeds, bands their 95% intervals."] if seeds > 1 else []
    notes += beyond(((one.label, y) for one in known for y in one.y), view.high)
    alt = f"Validation loss along training by {brief(parameter)}, {brief(unit)}, lowest of each, reached by the best "
    alt += f"{_place(x, along)}: {listed([(curve.label, number(curve.lowest)) for curve in known], 8)}."
    return finish(drawing, alt, notes, ends)


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
    told = listed((name, f"{share:.0f} %") for name, share in shares)
    alt += f" Share of the variance explained: {told}." if told else ""
    end = Label("best so far", f"{number(y[best])}\nin trial {best + 1}", y[best], line)
    notes = beyond([(f"trial {i}", value) for i, value in enumerate(values, 1)], view.high)
    return finish(drawing, alt, notes, [end])


@styled()
def frequency_bins(bins: Sequence[FrequencyBin], runs: Sequence[BinLosses]) -> Figure:
    """Draws a mark for each of the first 12 runs in each bin, and joins the marks of a run by a line.

    Several runs are drawn as differences from their mean in the bin, as they look alike where some tokens are so hard.
    """
    known = [run for run in runs if finite(run.losses[: len(bins)])]
    shown = known[:MOST_LINES]
    if not shown:
        return empty_figure("Loss by how often a token occurs", "No losses by frequency were recorded.")
    given = [[*run.losses, *[None] * len(bins)][: len(bins)] for run in shown]
    losses = np.ma.masked_invalid(np.array(given, dtype=float))
    drawn = losses - losses.mean(axis=0) if len(shown) > 1 else losses
    drawing, (axes,) = canvas()
    view = sensible_view(drawn.compressed())
    set_losses(axes, view, "validation loss" + " against the mean of all" * (len(shown) > 1) + ", nats per token")
    room = max(0.5, (WIDTH - 2.8) / len(bins) - 0.08)
    names, amount = [occurrences(one.first, one.last) for one in bins], EngFormatter(sep="", places=0)
    ticks = [f"{wrapped(name, room)}\n({amount(one.tokens)})" for name, one in zip(names, bins, strict=True)]
    axes.set_xticks(range(len(bins)), labels=ticks)
    axes.set(xlim=(-0.5, len(bins) - 0.5), xlabel="times the token is in the training text (tokens evaluated)")
    ends, above = [], []
    for i, (run, look) in enumerate(zip(shown, looks([run.label for run in shown]), strict=True)):
        places = np.arange(len(bins)) + 0.5 * ((i + 0.5) / len(shown) - 0.5)
        (line,) = axes.plot(places, drawn[i].filled(np.nan), **look, linewidth=1.0, markersize=6)
        ends.append(Label(run.label, "", drawn[i].compressed()[-1], line))
        above += [(f"{run.label} at {names[j]}", drawn[i, j]) for j in np.flatnonzero(drawn[i] > view.high)]
    known_bins = [(name, column) for name, column in zip(names, losses.T, strict=True) if column.count()]
    told = [f"{name} {number(column.min(), 2)} ({brief(shown[column.argmin()].label)})" for name, column in known_bins]
    left_out = [f"{len(known) - len(shown)} more runs are not shown."] if len(shown) < len(known) else []
    alt = f"Lowest validation loss by occurrences of the token in the training text, nats per token: {'; '.join(told)}."
    return finish(drawing, alt, beyond(above, view.high) + left_out, ends)
