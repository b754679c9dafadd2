"""Means over random seeds and how far they may be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

# Two-sided 95% quantiles of Student's t by degrees of freedom; beyond them see _quantile.
_T95 = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604, 2.1448,
    2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484,
    2.0452, 2.0423,
)  # fmt: skip
_NORMAL95 = 1.959964


class Estimate(NamedTuple):
    """A mean over repetitions.

    Args:
        mean: of the values.
        half_width: of the 95% confidence interval of the mean; None for a single value, which has none.
        size: number of repetitions.
    """

    mean: float
    half_width: float | None
    size: int


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and 95% interval by Student's t, for values that scatter normally.

    Source: Student 1908, The Probable Error of a Mean.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("no values to estimate a mean from")
    count = len(values)
    mean = math.fsum(values) / count
    if count == 1:
        return Estimate(mean, None, 1)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    return Estimate(mean, _quantile(count - 1) * deviation / math.sqrt(count), count)


def _quantile(freedom: int) -> float:
    """Of Student's t: tabulated, or above that the first terms of its expansion around the normal distribution's.

    Source: Abramowitz & Stegun 1964, 26.7.5; two terms are within 0.0001 above 30 degrees of freedom.
    """
    if freedom <= len(_T95):
        return _T95[freedom - 1]
    z = _NORMAL95
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
