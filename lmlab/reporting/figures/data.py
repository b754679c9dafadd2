"""Figures and the data that they are made from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

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
