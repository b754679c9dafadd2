"""What an axis shows: ranges that are not stretched, and the order of values."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lmlab.reporting.figures.data import Curve, finite


class View(NamedTuple):
    """The lower and the upper end of an axis."""

    low: float
    high: float


def sensible_view(values: Iterable[float | None], *, loss: bool = False, ceiling: float = 1e99) -> View:
    """Returns a range that is not stretched by values of runs that diverged.

    Args:
        values: those that are not finite are left out.
        loss: whether they lie along training, where they begin far above their end.
        ceiling: values above it are never in the range.
    """
    known = sorted(finite(values)) or [0.0, 1.0]
    low, better = known[0], known[math.ceil((0.7 if loss else 0.5) * (len(known) - 1))]
    reach, least = (8, 0.1) if loss else (5, 0.5)
    limit = min(ceiling, low + max(reach * (better - low), least * abs(low)))
    high = max((value for value in known if value <= limit), default=low)
    room = 0.06 * (high - low) or 0.05 * abs(low) or 0.5
    return View(low - room, high + room)


def loss_view(curves: Sequence[Curve]) -> View:
    """Returns the range for losses along training; healthy losses do not rise far above where they began."""
    low = min(curve.lowest for curve in curves)
    began = statistics.median_low(curve.y[curve.known[0]] for curve in curves if curve.known)
    values = (y for curve in curves for y in curve.y)
    return sensible_view(values, loss=True, ceiling=low + 2 * max(began - low, abs(low)))


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
    return sorted(distinct, key=float) if as_numbers(distinct) else distinct


def is_geometric(values: Sequence[float]) -> bool:
    """Returns whether the middle of the values is nearer to the geometric than to the arithmetic mean of the ends."""
    low, high, middle = min(values), max(values), statistics.median(set(values))
    if low <= 0 or len(set(values)) < 3:
        return 0 < 10 * low <= high
    return abs(middle - math.sqrt(low * high)) < abs(middle - (low + high) / 2)
