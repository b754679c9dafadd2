"""Ranges, places and names of axes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator

from lmlab.reporting.figures.data import Curve, Reference, finite
from lmlab.reporting.figures.labels import EndLabel, brief, few, number, wrapped
from lmlab.reporting.figures.style import BEST, INK, MUTED, WIDTH

Along = Literal["tokens", "steps", "epochs", "seconds"]
_NAMES = {"steps": "steps (updates of the weights)", "epochs": "epochs (passes over the training text)"}


class View(NamedTuple):
    """The lower and the upper end of an axis."""

    low: float
    high: float


def sensible_view(
    values: Iterable[float | None], *, reach: float = 5.0, part: float = 0.5, least: float = 0.5, ceiling: float = 1e99
) -> View:
    """Returns a range that is not stretched by values of runs that diverged.

    Args:
        values: those that are not finite are left out.
        reach: how many times the distance of the better values from the smallest the largest one may have.
        part: share of the values that is called better.
        least: values above the smallest by no more than this share of it are always in the range.
        ceiling: values above it are never in the range.
    """
    known = sorted(finite(values))
    if not known:
        return View(0.0, 1.0)
    low, better = known[0], known[math.ceil(part * (len(known) - 1))]
    limit = min(ceiling, low + max(reach * (better - low), least * abs(low)))
    high = max((value for value in known if value <= limit), default=low)
    room = 0.06 * (high - low) or 0.05 * abs(low) or 0.5
    return View(low - room, high + room)


def loss_view(curves: Sequence[Curve]) -> View:
    """Returns the range for losses along training; healthy losses do not rise far above where they began."""
    firsts = [curve.y[curve.known[0]] for curve in curves if curve.known]
    low = min((curve.lowest for curve in curves), default=0.0)
    began = statistics.median_low(firsts) if firsts else low
    ceiling = low + 2 * max(began - low, abs(low))
    return sensible_view((y for curve in curves for y in curve.y), reach=8, part=0.7, least=0.1, ceiling=ceiling)


def draw_references(
    axes: Axes, view: View, references: Sequence[Reference]
) -> tuple[View, list[EndLabel], list[str], str]:
    """Draws the lines of references that leave the data most of the height.

    Returns:
        The range with them, their labels, a note on those that are not drawn, and a sentence on all.
    """
    drawn, ends, left_out = view, [], []
    known = [one for one in references if math.isfinite(one.value)]
    for one in sorted(known, key=lambda r: (not r.floor, max(view.low - r.value, r.value - view.high))):
        room = 0.06 * (view.high - view.low)
        wider = View(min(drawn.low, one.value - room), max(drawn.high, one.value + room))
        if view.high - view.low < 0.55 * (wider.high - wider.low):
            left_out.append(f"{brief(one.label)} {number(one.value)}")
            continue
        drawn = wider
        line = axes.axhline(one.value, color=INK if one.floor else MUTED, linewidth=1.2, dashes=(4, 3), zorder=1.5)
        ends.append(EndLabel(one.label, number(one.value), one.value, line))
    notes = [f"Not drawn, as it would squash the rest: {few(left_out)}."] if left_out else []
    words = few([f"{brief(one.label)} {number(one.value)}" for one in known])
    return drawn, ends, notes, f" For comparison: {words}." if words else ""


class Progress(NamedTuple):
    """The horizontal axis along training: the unit of its numbers, and this unit in units of the data."""

    unit: str
    scale: float

    def at(self, value: float) -> str:
        """Returns a place on the axis in words: `after epoch 3`, `at 1.5M tokens`."""
        if self.unit in ("tokens", "steps"):
            return f"at {EngFormatter(sep='').format_eng(float(f'{value:.3g}'))} {self.unit}"
        return f"after epoch {value:.4g}" if self.unit == "epochs" else f"after {value / self.scale:.3g} {self.unit}"


def progress(axes: Axes, curves: Sequence[Curve], along: Along) -> Progress:
    """Sets the horizontal axis of curves along training."""
    known = finite(x for curve in curves for x in curve.x)
    high = max(known, default=1.0)
    found = Progress(along, 1.0)
    if along == "seconds":
        found = Progress("minutes", 60.0) if 180 <= high < 10_800 else Progress("hours", 3600.0)
        found = Progress(along, 1.0) if high < 180 else found
    low = min(known, default=0.0)
    low, high = (0.0 if 0 <= low <= 0.5 * high or low == high > 0 else low) / found.scale, high / found.scale
    axes.set_xlim(*((low, high + 0.02 * (high - low)) if high > low else (low - 0.5, high + 0.5)))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=along in ("tokens", "steps")))
    if along in ("tokens", "steps"):
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    start = "time since the start" if along == "seconds" else "training so far"
    axes.set_xlabel(f"{start}, {_NAMES.get(found.unit, found.unit)}")
    return found


def set_losses(axes: Axes, view: View, name: str, room: float = WIDTH - 0.9) -> None:
    """Sets the vertical axis; its name is written above, where it needs not be turned."""
    axes.set_ylim(*view)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.set_title(wrapped(name, room, 2, points=10))


def mark_best(axes: Axes, x: float, y: float, colour: str = BEST) -> None:
    """Draws a ring around the best value."""
    axes.plot([x], [y], "o", markersize=11, fillstyle="none", color=colour, markeredgewidth=2, clip_on=False, zorder=5)


def as_numbers(labels: Sequence[str]) -> list[float] | None:
    """Returns the labels as finite numbers; None if one of them is not."""
    try:
        values = [float(label) for label in labels]
    except ValueError:
        return None
    return values if all(map(math.isfinite, values)) and not any("_" in label for label in labels) else None


def in_order(labels: Iterable[str]) -> list[str]:
    """Returns the different labels, sorted if all of them are numbers."""
    distinct = list(dict.fromkeys(labels))
    values = as_numbers(distinct)
    return distinct if values is None else [label for _, label in sorted(zip(values, distinct, strict=True))]


def is_geometric(values: Sequence[float]) -> bool:
    """Returns whether the middle of the values is nearer to the geometric than to the arithmetic mean of the ends."""
    low, high, middle = min(values), max(values), statistics.median(set(values))
    if low <= 0 or len(set(values)) < 3:
        return 0 < 10 * low <= high
    return abs(middle - math.sqrt(low * high)) < abs(middle - (low + high) / 2)
