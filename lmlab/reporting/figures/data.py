"""The data of figures, and the ranges and orders in which they are shown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from matplotlib.figure import Figure as MatplotlibFigure

from lmlab.runs.formatting import is_number

Along = Literal["tokens", "steps", "epochs", "seconds"]  # what an axis along training counts
VALIDATION = "validation"
TRAINING = "training (dropout on, average since the last evaluation)"


class Figure(NamedTuple):
    """A matplotlib figure, ready to be saved, and its numbers in words for those who cannot see it."""

    drawing: MatplotlibFigure
    alt: str


class Curve(NamedTuple):
    """A line with ascending x, and the ends of an interval around each y; what is not finite leaves a gap in it."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None

    @property
    def known(self) -> list[int]:
        """Indices of the finite values."""
        return [i for i, pair in enumerate(zip(self.x, self.y, strict=True)) if all(map(math.isfinite, pair))]

    @property
    def lowest(self) -> float:
        """The smallest value; infinite if none is finite."""
        return min((self.y[i] for i in self.known), default=math.inf)


class Reference(NamedTuple):
    """A known value to compare with; a floor is one that no correct model can be below."""

    label: str
    value: float
    floor: bool = False


class Result(NamedTuple):
    """The result of a condition, or of a value of the only parameter that differs."""

    label: str
    value: float | None  # mean over seeds; None if no run finished
    half_width: float | None = None  # of the confidence interval; None for a single seed
    seeds: tuple[float, ...] = ()  # the value of each

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


def sensible_view(values: Iterable[float | None], limit: float | None = None) -> View:
    """Returns a range of values up to a limit, by default one that leaves out those of runs that diverged."""
    known = sorted(finite(values)) or [0.0, 1.0]
    low, middle = known[0], known[len(known) // 2]
    limit = low + max(5 * (middle - low), 0.5 * abs(low)) if limit is None else limit
    high = max((value for value in known if value <= limit), default=low)
    room = 0.06 * (high - low) or 0.05 * abs(low) or 0.5
    return View(low - room, high + room)


def loss_view(curves: Sequence[Curve]) -> View:
    """Returns the range for losses along training; healthy losses do not rise far above where they began."""
    low = min(curve.lowest for curve in curves)
    began = statistics.median_low(curve.y[curve.known[0]] for curve in curves if curve.known)
    return sensible_view((y for curve in curves for y in curve.y), low + 2 * max(began - low, abs(low)))


def as_numbers(labels: Sequence[str]) -> list[float] | None:
    """Returns the labels as finite numbers; None if one of them is not."""
    values = [float(label) if is_number(label) else math.nan for label in labels]
    return values if all(map(math.isfinite, values)) else None


def in_order(labels: Iterable[str]) -> list[str]:
    """Returns the different labels, sorted if all of them are numbers."""
    distinct = list(dict.fromkeys(labels))
    return sorted(distinct, key=float) if as_numbers(distinct) else distinct
