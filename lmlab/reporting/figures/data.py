"""Figures and the data that they are made from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from matplotlib.figure import Figure as MatplotlibFigure

VALIDATION = "validation"
TRAINING = "training (dropout on, average since the last evaluation)"


@dataclass(frozen=True)
class Figure:
    """A figure with a description in words.

    Args:
        drawing: the matplotlib figure, ready to be saved.
        alt: one or two sentences with the numbers, for readers who cannot see the figure.
    """

    drawing: MatplotlibFigure
    alt: str


@dataclass(frozen=True)
class Curve:
    """A line of a figure; values that are not finite leave a gap in it.

    Args:
        label: at the end of the line.
        x: positions, ascending.
        y: as many values.
        low: lower end of the interval around each value if there are several seeds.
        high: upper end of that interval.
        best_index: index of the value to mark; None for the smallest.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    best_index: int | None = None

    @cached_property
    def best(self) -> int | None:
        """Index of the best value; None if no value is finite."""
        finite = [i for i, y in enumerate(self.y) if math.isfinite(y) and math.isfinite(self.x[i])]
        if self.best_index in finite:
            return self.best_index
        return min(finite, key=lambda i: self.y[i], default=None)

    @cached_property
    def last(self) -> int | None:
        """Index of the last finite value; None if no value is finite."""
        finite = (i for i in reversed(range(len(self.y))) if math.isfinite(self.y[i]) and math.isfinite(self.x[i]))
        return next(finite, None)


@dataclass(frozen=True)
class Reference:
    """A known value to compare with, drawn as a horizontal line.

    Args:
        label: what it is.
        value: its position.
        floor: whether no correct model can be below it.
    """

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
    def ends(self) -> list[float | None]:
        """All numbers that must lie inside a figure of the result."""
        half = self.half_width or 0.0
        around = [self.value - half, self.value + half] if self.value is not None else []
        return [self.value, *around, *self.seeds]

    @property
    def finite(self) -> bool:
        """Whether there is a finite number to show."""
        return self.value is not None and math.isfinite(self.value)


def best_result(results: Sequence[Result]) -> Result | None:
    """Returns the result with the smallest value, the first of equals; None if no value is finite."""
    return min((r for r in results if r.finite), key=lambda r: r.value or 0.0, default=None)
