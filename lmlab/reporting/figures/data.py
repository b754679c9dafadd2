"""The data of figures, and the ranges and orders in which they are shown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from matplotlib.figure import Figure as MatplotlibFigure

VALIDATION = "validation"
TRAINING = "training (dropout on, average since the last evaluation)"


@dataclass(frozen=True)
class Figure:
    """A matplotlib figure, ready to be saved, and its numbers in words for those who cannot see it."""

    drawing: MatplotlibFigure
    alt: str


@dataclass(frozen=True)
class Curve:
    """A line with ascending x, and the ends of an interval around each y; what is not finite leaves a gap in it."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None

    @cached_property
    def known(self) -> list[int]:
        """Indices of the finite values."""
        return [i for i, pair in enumerate(zip(self.x, self.y, strict=True)) if all(map(math.isfinite, pair))]

    @property
    def lowest(self) -> float:
        """The smallest value; infinite if none is finite."""
        return min((self.y[i] for i in self.known), default=math.inf)


@dataclass(frozen=True)
class Reference:
    """A known value to compare with; a floor is one that no correct model can be below."""

    label: str
    value: float
    floor: bool = False


@dataclass(frozen=True)
class Result:
    """The result of a condition.

    Args:
        label: of the condition, or the value of the only parameter that differs.
        value: mean over seeds; None if no run finished.
        half_width: of the confidence interval; None for a single seed.
        seeds: the value of each seed.
    """

    label: str
    value: float | None
    half_width: float | None = None
    seeds: tuple[float, ...] = ()

    @property
    def mean(self) -> float:
        """The value; not a number if there is none."""
        return math.nan if self.value is None else self.value

    @property
    def ends(self) -> list[float]:
        """All numbers that a figure of the result shows."""
        half = self.half_width or 0.0
        return [self.mean - half, self.mean, self.mean + half, *self.seeds]


def finite(values: Iterable[float | None]) -> list[float]:
    """Returns the finite numbers among the values."""
    return [value for value in values if value is not None and math.isfinite(value)]


class View(NamedTuple):
    """The lower and the upper end of an axis."""

    low: float
    high: float


def sensible_view(values: Iterable[float | None], *, loss: bool = False, ceiling: float = 1e99) -> View:
    """Returns a range that is not stretched by values of runs that diverged, and never reaches above a ceiling.

    Losses along training may lie farther apart, as they begin far above their end.
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
