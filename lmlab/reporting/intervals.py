"""Means over random seeds and how far they may be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

# Two-sided 95% quantiles of Student's t by degrees of freedom; beyond them the normal distribution's is near enough.
_T95 = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604, 2.1448,
    2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484,
    2.0452, 2.0423,
)  # fmt: skip
_NORMAL95 = 1.95996


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
    quantile = _T95[count - 2] if count - 2 < len(_T95) else _NORMAL95
    return Estimate(mean, quantile * deviation / math.sqrt(count), count)
