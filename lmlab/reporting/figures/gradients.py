"""Gradient norms along training, and how often they were clipped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from lmlab.reporting.figures.axes import Along, finite, log_ticks, number, progress, tick_texts, ticks_between
from lmlab.reporting.figures.data import Curve, Figure
from lmlab.reporting.figures.labels import EndLabel, draw, fit
from lmlab.reporting.figures.layout import (
    Layout,
    Row,
    below,
    empty_figure,
    left_margin,
    name_axes,
    numbered,
    set_ticks,
)
from lmlab.reporting.figures.lines import FEW, draw_line, last_value, span
from lmlab.reporting.figures.style import COLOURS, DASHES, INK, Stroke, styled

_PLOT, _SHARE_PLOT = 2.7, 0.75  # inches
_BEFORE, _AFTER = Stroke(COLOURS[0], "-", "o"), Stroke(COLOURS[1], DASHES[1], "s")
# From this ratio of largest to smallest norm on, the axis is logarithmic.
_FAR_APART = 30.0
# Above this share of clipped steps a note warns of it.
_OFTEN = 0.5


@styled()
def gradient_norms(
    before: Curve,
    after: Curve | None = None,
    *,
    clip_at: float | None = None,
    clipped: Curve | None = None,
    along: Along = "steps",
    title: str = "Gradient norm along training",
) -> Figure:
    """Draws the mean norm before and after clipping, and below it the share of clipped steps.

    Args:
        before: means before clipping.
        after: means after clipping.
        clip_at: the norm to which gradients are clipped; None without clipping.
        clipped: shares of clipped steps, 0 to 1.
        along: what `x` counts.
        title: of the figure.
    """
    curves = [(before, _BEFORE), *([(after, _AFTER)] if after else [])]
    if before.last is None:
        return empty_figure(title, "No gradient norms were recorded.")
    axis = progress(along, max(abs(x) for x in before.x))
    start, end = span([before], axis.scale)
    low, high, logarithmic = _limits([y for curve, _ in curves for y in curve.y], clip_at)
    ticks = log_ticks(low, high) if logarithmic else ticks_between(low, high, 5)
    texts = [text for tick in ticks for text in tick_texts([tick])] if logarithmic else tick_texts(ticks)
    labels = [
        EndLabel(curve.label, *place, stroke, number(place[1], 3))
        for curve, stroke in curves
        if (place := last_value(curve, axis.scale)) is not None
    ]
    if clip_at is not None:
        labels.append(EndLabel(f"clipped at {clip_at:g}", None, clip_at, None, colour=INK))
    fitted = fit(labels, header="at the end")
    shares = clipped is not None and clip_at is not None and bool(finite(clipped.y))
    rows = [Row(max(_PLOT, fitted.total_height), below=0.0 if shares else below())]
    rows += [Row(_SHARE_PLOT, below=below())] if shares else []
    left = left_margin([*texts, "100"])
    layout = Layout(title, rows, _notes(clipped if shares else None))
    axes = layout.axes(0, left=left, right=fitted.margin)
    axes.set_xlim(start, end)
    if logarithmic:
        axes.set_yscale("log")
    axes.set_ylim(low, high)
    numbered(axes, "x", start, end, grid=False)
    set_ticks(axes, "y", ticks, texts, grid=True)
    scale = ", log scale" if logarithmic else ""
    name_axes(axes, x="" if shares else axis.name, y=f"L2 norm of the gradient{scale}", left=left, right=fitted.margin)
    if clip_at is not None:
        axes.axhline(clip_at, color=INK, linewidth=1.2, dashes=(4, 3))
    for curve, stroke in curves:
        draw_line(axes, curve, stroke, scale=axis.scale)
    draw(axes, fitted)
    if shares and clipped is not None:
        axes.tick_params(labelbottom=False)
        below_axes = layout.axes(1, left=left, right=fitted.margin)
        below_axes.set_xlim(start, end)
        below_axes.set_ylim(0, 100)
        numbered(below_axes, "x", start, end, grid=False)
        set_ticks(below_axes, "y", [0, 50, 100], ["0", "50", "100"], grid=True)
        name_axes(below_axes, x=axis.name, y="clipped steps, per cent", left=left)
        _draw_shares(below_axes, clipped, axis.scale)
    return layout.finish(_described(before, clip_at, clipped))


def _limits(norms: Sequence[float], clip_at: float | None) -> tuple[float, float, bool]:
    """Returns lower and upper end of the axis, and whether it is logarithmic."""
    known = finite([*norms, clip_at])
    positive = [value for value in known if value > 0]
    low, high = min(positive, default=0.0), max(positive, default=1.0)
    if low and high / low > _FAR_APART:
        return low / 1.3, high * 1.3, True
    return 0.0, high * 1.08, False


def _draw_shares(axes: Axes, clipped: Curve, scale: float) -> None:
    x = np.asarray(clipped.x, dtype=float) / scale
    share = 100 * np.nan_to_num(np.asarray(clipped.y, dtype=float), posinf=0.0, neginf=0.0)
    axes.fill_between(x, 0, share, color=_BEFORE.colour, alpha=0.3, linewidth=0)
    marker = "o" if len(x) <= FEW else ""
    axes.plot(x, share, color=_BEFORE.colour, linewidth=1.6, marker=marker, markersize=4, clip_on=False)


def _often(clipped: Curve) -> float:
    """Returns the mean share of clipped steps."""
    known = finite(clipped.y)
    return sum(known) / len(known)


def _notes(clipped: Curve | None) -> list[str]:
    notes = ["Means over the steps since the evaluation before."]
    if clipped is None:
        return notes
    share = _often(clipped)
    description = f"Clipped on {100 * share:.1f} % of the steps on average"
    if share > _OFTEN:
        return [*notes, f"{description}: the clip line, rather than the gradient, sets the length of most steps."]
    return [*notes, f"{description}."]


def _described(before: Curve, clip_at: float | None, clipped: Curve | None) -> str:
    known = finite(before.y)
    description = (
        f"Mean gradient norm before clipping along training: {number(known[0], 3)} at first, {number(known[-1], 3)} at "
        f"the end, between {number(min(known), 3)} and {number(max(known), 3)}"
    )
    description += "; nothing is clipped" if clip_at is None else f"; clipped at {clip_at:g}"
    if clip_at is not None and clipped is not None and finite(clipped.y):
        description += f", on {100 * _often(clipped):.1f} % of the steps on average"
    return f"{description}."
