"""Curves along training, with marks at the edge for values outside the range."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from lmlab.reporting.figures.axes import View, finite, number, sensible_view
from lmlab.reporting.figures.data import Curve
from lmlab.reporting.figures.style import PAPER, Stroke

# Share of the horizontal axis that is added so that the last mark is not cut off.
_ROOM = 0.015
# Curves with at most this many values have a marker on each.
FEW = 25


def span(curves: Sequence[Curve], scale: float = 1.0) -> tuple[float, float]:
    """Returns the limits of the horizontal axis: from 0, or from the first value if that is far from 0."""
    known = finite(x / scale for curve in curves for x in curve.x)
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    low = 0.0 if 0 <= low <= 0.5 * high or low == high > 0 else low
    return (low, high + _ROOM * (high - low)) if high > low else (low - 0.5, high + 0.5)


def view_of(curves: Sequence[Curve]) -> View:
    """Returns the range for losses along training; healthy losses do not rise far above where they began."""
    known = finite(y for curve in curves for y in curve.y)
    firsts = [values[0] for curve in curves if (values := finite(curve.y))]
    if not known:
        return sensible_view([])
    low = min(known)
    return sensible_view(known, ceiling=low + 2 * max(statistics.median_low(firsts) - low, abs(low)))


def last_value(curve: Curve, scale: float = 1.0) -> tuple[float, float] | None:
    """Returns where a curve ends; None if it has no finite value."""
    last = curve.last
    return None if last is None else (curve.x[last] / scale, curve.y[last])


def draw_line(axes: Axes, curve: Curve, stroke: Stroke, *, scale: float = 1.0, width: float = 2.0) -> None:
    """Draws a curve with its interval as a band; values that are not finite leave gaps.

    Args:
        axes: to draw on.
        curve: the data.
        stroke: its style.
        scale: the unit of the axis in units of the data.
        width: of the line in points.
    """
    x = np.asarray(curve.x, dtype=float) / scale
    y = np.asarray(curve.y, dtype=float)
    y = np.where(np.isfinite(y), y, np.nan)
    if curve.low is not None and curve.high is not None:
        low, high = np.asarray(curve.low, dtype=float), np.asarray(curve.high, dtype=float)
        known = np.isfinite(low) & np.isfinite(high) & np.isfinite(y)
        axes.fill_between(x, low, high, where=known.tolist(), color=stroke.colour, alpha=0.18, linewidth=0)
    axes.plot(
        x,
        y,
        color=stroke.colour,
        linestyle=stroke.dash,
        linewidth=width,
        marker=stroke.marker if len(x) <= FEW else "",
        markersize=4,
    )


def mark_best(axes: Axes, x: float, y: float, stroke: Stroke, *, size: float = 10.0) -> None:
    """Draws a ring around the best value."""
    axes.plot(
        [x],
        [y],
        marker="o",
        markersize=size,
        markerfacecolor=PAPER,
        markeredgecolor=stroke.colour,
        markeredgewidth=2.2,
        linestyle="",
        clip_on=False,
        zorder=4,
    )
    axes.plot([x], [y], "o", markersize=size * 0.35, color=stroke.colour, clip_on=False, zorder=5)


def mark_beyond(axes: Axes, curve: Curve, view: View, stroke: Stroke, *, scale: float = 1.0) -> bool:
    """Draws triangles at the upper edge where a curve leaves the range or is not finite; returns whether it did."""
    beyond = [not math.isfinite(y) or y > view.high for y in curve.y]
    starts = [i for i, out in enumerate(beyond) if out and (i == 0 or not beyond[i - 1])]
    places = [curve.x[i] / scale for i in starts if math.isfinite(curve.x[i])]
    if places:
        axes.plot(
            places,
            [0.975] * len(places),
            marker="^",
            markersize=8,
            color=stroke.colour,
            markeredgecolor=PAPER,
            linestyle="",
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            zorder=6,
        )
    return bool(places)


def beyond_note(curves: Sequence[tuple[str, Curve]], view: View) -> list[str]:
    """Returns a sentence on the values above the range; empty if there are none."""
    entries = []
    for name, curve in curves:
        above = [y for y in curve.y if math.isfinite(y) and y > view.high]
        lost = sum(not math.isfinite(y) for y in curve.y)
        parts = [f"up to {number(max(above))}"] if above else []
        parts += [f"{lost} values that are no finite number"] if lost > 1 else []
        parts += ["a value that is no finite number"] if lost == 1 else []
        if parts:
            entries.append(f"{name} ({', '.join(parts)})")
    if not entries:
        return []
    more = f" and {len(entries) - 6} more" if len(entries) > 6 else ""
    return [f"▲ Above the picture: {'; '.join(entries[:6])}{more}."]
