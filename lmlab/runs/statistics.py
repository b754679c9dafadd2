"""Means over random seeds with 95% confidence intervals."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple


class Estimate(NamedTuple):
    """A mean over repetitions, and half the width of its 95% confidence interval; None for a single value."""

    mean: float
    half_width: float | None


class Difference(NamedTuple):
    """The difference between the means of two groups of repetitions, and half the width of its 95% interval.

    The width is None if a group has a single value, so that its variance is unknown.
    """

    mean: float
    half_width: float | None

    @property
    def significant(self) -> bool | None:
        """Whether the interval excludes zero, so that chance alone hardly explains the difference; None if unknown."""
        return None if self.half_width is None else abs(self.mean) > self.half_width


def difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Returns the second mean minus the first with its 95% interval by Welch's t, for groups of unequal variance.

    Source: Welch 1947, The generalization of Student's problem; degrees of freedom by Satterthwaite 1946.

    Raises:
        ValueError: no values.
    """
    mean = estimate(second).mean - estimate(first).mean
    if len(first) == 1 or len(second) == 1:
        return Difference(mean, None)
    from scipy import stats  # takes half a second to import, which a single run does not need

    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # of groups whose values are all equal
        low, high = stats.ttest_ind(second, first, equal_var=False).confidence_interval()
    return Difference(mean, float(high - low) / 2)


def estimate(values: Sequence[float]) -> Estimate:
    """Returns the mean and its 95% interval by Student's t (Student 1908, The Probable Error of a Mean).

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("no values to estimate a mean from")
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Estimate(mean, None)
    from scipy import stats

    quantile = float(stats.t.ppf(0.975, len(values) - 1))
    return Estimate(mean, quantile * float(stats.sem(values)))
