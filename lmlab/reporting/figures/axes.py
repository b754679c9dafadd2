"""Ranges, ticks and labels of axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from matplotlib.ticker import MaxNLocator

Along = Literal["tokens", "steps", "epochs", "seconds"]

# The range of losses reaches this many times as far up as the better part of all values, and at least up by this share
# of the smallest.
_REACH, _BETTER_PART, _LEAST_SHARE = 10.0, 0.7, 0.1
# The same for the results of conditions, and a loss that only diverged runs reach, as no vocabulary's logarithm does.
_RESULTS_REACH, _RESULTS_PART, _RESULTS_SHARE, _EXPLODED = 5.0, 0.5, 0.5, 20.0
# Two values count as a geometric sequence from this ratio on.
_FAR_APART = 10.0
MINUS = "−"


class View(NamedTuple):
    """The range of an axis.

    Args:
        low: its lower end.
        high: its upper end.
        clipped: whether finite values lie above it.
    """

    low: float
    high: float
    clipped: bool

    def share(self, value: float) -> float:
        """Returns where a value lies, from 0 at the lower to 1 at the upper end."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


def finite(values: Iterable[float | None]) -> list[float]:
    """Returns the finite numbers among the values."""
    return [value for value in values if value is not None and math.isfinite(value)]


def sensible_view(
    values: Iterable[float | None],
    *,
    reach: float = _REACH,
    part: float = _BETTER_PART,
    least: float = _LEAST_SHARE,
    ceiling: float = math.inf,
) -> View:
    """Returns a range for losses that is not stretched by a run that diverged.

    It ends at the largest value whose distance from the smallest is at most `reach` times that of the better part of
    the values.

    Args:
        values: those that are not finite are left out.
        reach: how many times.
        part: share of the values that is the better part.
        least: values above the smallest by no more than this share of it are always in the range.
        ceiling: values above it are never in the range.
    """
    known = sorted(finite(values))
    if not known:
        return View(0.0, 1.0, False)
    low = known[0]
    better = known[math.ceil(part * (len(known) - 1))]
    limit = min(ceiling, low + max(reach * (better - low), least * abs(low)))
    high = max(value for value in known if value <= limit)
    room = 0.06 * (high - low) or 0.05 * abs(low) or 0.5
    return View(low - room, high + room, known[-1] > high + room)


def results_view(values: Iterable[float | None], *, reach: float = _RESULTS_REACH) -> View:
    """Returns a range for the results of conditions, several of which may have diverged.

    Args:
        values: those that are not finite are left out.
        reach: as in `sensible_view`, for the better half.
    """
    known = finite(values)
    low = min(known, default=0.0)
    ceiling = low + _EXPLODED * (1 + abs(low))
    return sensible_view(known, reach=reach, part=_RESULTS_PART, least=_RESULTS_SHARE, ceiling=ceiling)


def as_numbers(labels: Sequence[str]) -> list[float] | None:
    """Returns the labels as finite numbers; None if one of them is not."""
    found = []
    for label in labels:
        try:
            value = float(label)
        except ValueError:
            return None
        if not math.isfinite(value) or "_" in label:
            return None
        found.append(value)
    return found


def is_geometric(values: Sequence[float]) -> bool:
    """Returns whether values look like a geometric sequence: their logarithms are spaced more evenly than they are."""
    distinct = sorted(set(values))
    if len(distinct) < 2 or distinct[0] <= 0:
        return False
    if len(distinct) == 2:
        return distinct[1] / distinct[0] >= _FAR_APART
    return _unevenness([math.log(v) for v in distinct]) < _unevenness(distinct) - 1e-9


def _unevenness(values: Sequence[float]) -> float:
    """Returns the standard deviation of the distances between neighbours, divided by their mean."""
    gaps = [b - a for a, b in pairwise(values)]
    mean = math.fsum(gaps) / len(gaps)
    return math.sqrt(math.fsum((gap - mean) ** 2 for gap in gaps) / len(gaps)) / mean


def ticks_between(low: float, high: float, most: int = 6) -> list[float]:
    """Returns round numbers in a range."""
    found = MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    slack = 1e-9 * (high - low)
    return [float(t) for t in found if low - slack <= t <= high + slack]


def log_ticks(low: float, high: float) -> list[float]:
    """Returns powers of ten in a range, with 2 and 5 times them if there are few."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    step = max(1, math.ceil(len(exponents) / 6))
    factors = (1.0, 2.0, 5.0) if high / low <= 1e3 else (1.0,)
    found = [factor * 10.0**e for e in exponents[::step] for factor in factors]
    return [t for t in found if low <= t <= high]


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """Returns the labels of ticks, all with the same unit and number of decimals."""
    most = max(map(abs, ticks), default=0.0)
    if most >= 1e13 or 0 < most < 1e-4:
        return [_signed(f"{tick:.2g}") for tick in ticks]
    scale, unit = next(((s, u) for s, u in ((1e9, "G"), (1e6, "M"), (1e4, "k")) if most >= s), (1.0, ""))
    scale = 1e3 if unit == "k" else scale
    shown = [tick / scale for tick in ticks]
    digits = next((d for d in range(8) if all(abs(round(v, d) - v) <= 1e-6 * most / scale for v in shown)), 8)
    return [_signed(f"{v:,.{digits}f}") + (unit if tick else "") for v, tick in zip(shown, ticks, strict=True)]


def _signed(text: str) -> str:
    return "0" if text in ("-0", "0.0", "-0.0") else text.replace("-", MINUS)


def number(value: float, digits: int = 4) -> str:
    """Formats a number with some decimals, fewer for large numbers."""
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "infinite"
    size = abs(value)
    if size >= 1e7 or 0 < size < 1e-3:
        return _signed(f"{value:.2e}")
    digits = max(0, digits - sum(size >= limit for limit in (10, 100, 1_000, 10_000)))
    return _signed(f"{value:,.{digits}f}")


def count(value: float) -> str:
    """Formats a count with three digits and a unit: 950, 12.3k, 4.02M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.4g}"


def with_half_width(value: float, half_width: float | None, digits: int = 4) -> str:
    """Formats a value: 1.2345, or 1.2345 ± 0.0067."""
    if half_width is None or not math.isfinite(half_width):
        return number(value, digits)
    return f"{number(value, digits)} ± {number(half_width, digits)}"


def counted(amount: int, noun: str) -> str:
    """Formats a number of things: 1 value, 2 values."""
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


class Progress(NamedTuple):
    """The horizontal axis along training.

    Args:
        name: of the axis, with its unit.
        unit: that follows a number.
        scale: the unit of the axis in units of the data.
    """

    name: str
    unit: str
    scale: float

    def at(self, value: float) -> str:
        """Returns a place on the axis in words: `after epoch 3`, `at 1.5M tokens`."""
        shown = count(value / self.scale)
        unit = self.unit.removesuffix("s") if shown == "1" else self.unit
        return f"after epoch {shown}" if self.unit == "epochs" else f"at {shown} {unit}"


def progress(along: Along, furthest: float) -> Progress:
    """Returns the axis for a training of some length.

    Args:
        along: what the data counts.
        furthest: the largest value of the data.
    """
    if along == "tokens":
        return Progress("training so far, tokens", "tokens", 1.0)
    if along == "steps":
        return Progress("training so far, steps (updates of the weights)", "steps", 1.0)
    if along == "epochs":
        return Progress("training so far, epochs (passes over the training text)", "epochs", 1.0)
    for limit, unit, scale in ((180.0, "seconds", 1.0), (3 * 3600.0, "minutes", 60.0)):
        if furthest < limit:
            return Progress(f"time since the start, {unit}", unit, scale)
    return Progress("time since the start, hours", "hours", 3600.0)
