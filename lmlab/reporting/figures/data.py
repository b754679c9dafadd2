"""What figures are made from, and what they become."""

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
    """A figure and what it shows in words.

    Args:
        drawing: the matplotlib figure, ready to be saved.
        alt: one or two sentences with the numbers, for readers who do not see it.
    """

    drawing: MatplotlibFigure
    alt: str


@dataclass(frozen=True)
class Curve:
    """A line of a figure; values that are no finite number leave a gap.

    Args:
        label: what it is called at its end.
        x: positions, ascending.
        y: as many values.
        low: lower end of the interval around each value, where there are several seeds.
        high: its upper end.
        best_index: the value to mark; None marks the smallest.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    best_index: int | None = None

    @cached_property
    def best(self) -> int | None:
        """Index of the best value; None where no value is a finite number."""
        finite = [i for i, y in enumerate(self.y) if math.isfinite(y) and math.isfinite(self.x[i])]
        if self.best_index in finite:
            return self.best_index
        return min(finite, key=lambda i: self.y[i], default=None)

    @cached_property
    def last(self) -> int | None:
        """Index of the last finite value."""
        finite = (i for i in reversed(range(len(self.y))) if math.isfinite(self.y[i]) and math.isfinite(self.x[i]))
        return next(finite, None)


@dataclass(frozen=True)
class Reference:
    """A known value to compare with, as a horizontal line.

    Args:
        label: what it is.
        value: where.
        floor: no honest model goes below it.
    """

    label: str
    value: float
    floor: bool = False


@dataclass(frozen=True)
class Result:
    """What a setting reached.

    Args:
        label: the setting, or its value where one parameter differs.
        value: mean over seeds; None where nothing finished.
        half_width: of the interval around it; None for a single seed.
        seeds: the value of each seed.
    """

    label: str
    value: float | None
    half_width: float | None = None
    seeds: tuple[float, ...] = ()

    @property
    def ends(self) -> list[float | None]:
        """All numbers that a figure of it reaches."""
        half = self.half_width or 0.0
        around = [self.value - half, self.value + half] if self.value is not None else []
        return [self.value, *around, *self.seeds]

    @property
    def finite(self) -> bool:
        """There is a number to show."""
        return self.value is not None and math.isfinite(self.value)


def best_result(results: Sequence[Result]) -> Result | None:
    """The one with the smallest value; the first of equals."""
    return min((r for r in results if r.finite), key=lambda r: r.value or 0.0, default=None)
