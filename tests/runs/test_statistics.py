"""Intervals against closed forms of Student's quantile, published examples and the formulas in float64."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise

import numpy as np
import pytest

from lmlab.runs.statistics import Difference, Estimate, difference, estimate

# Student's own data: hours of sleep gained with either of two drugs by ten patients. What R's t.test says of them is
# in its manual and in many textbooks.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def closed_form(freedom: int) -> float:
    """The 97.5% quantile of Student's t for the degrees of freedom that have one in elementary functions."""
    p = 0.975
    if freedom == 1:
        return math.tan(math.pi * (p - 0.5))
    if freedom == 2:
        return (2 * p - 1) / math.sqrt(2 * p * (1 - p))
    alpha = math.sqrt(4 * p * (1 - p))
    return 2 * math.sqrt(math.cos(math.acos(alpha) / 3) / alpha - 1)


def integrated(freedom: float) -> float:
    """The same for any, by Simpson's rule over the density and bisection."""

    def inside(bound: float) -> float:
        x = np.linspace(0.0, bound, 8_001)
        constant = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
        weights = np.full(x.size, 2.0)
        weights[1::2], weights[0], weights[-1] = 4.0, 1.0, 1.0
        return 2 * float((weights * np.exp(constant - (freedom + 1) / 2 * np.log1p(x * x / freedom))).sum()) * x[1] / 3

    low, high = 1.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if inside(middle) < 0.95 else (low, middle)
    return low


@pytest.mark.parametrize("size", [2, 3, 5, 4, 10, 40])
def test_the_interval_of_a_mean_is_students(size: int) -> None:
    values = [float(i * i % 7) for i in range(size - 1)] + [100.0]
    quantile = closed_form(size - 1) if size in (2, 3, 5) else integrated(size - 1)
    found = estimate(values)
    assert found.mean == pytest.approx(statistics.fmean(values))
    assert found.half_width == pytest.approx(quantile * statistics.stdev(values) / math.sqrt(size), rel=1e-7)


def test_published_intervals() -> None:
    gained = estimate([b - a for a, b in zip(FIRST, SECOND, strict=True)])
    assert (gained.mean, gained.half_width) == (pytest.approx(1.58), pytest.approx((2.4598858 - 0.7001142) / 2))
    found = difference(FIRST, SECOND)
    assert (found.mean, found.half_width) == (pytest.approx(1.58), pytest.approx((3.3654832 + 0.2054832) / 2))
    assert found.significant is False


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([1.0, 1.2, 1.7], [1.1, 1.5, 1.6]),
        ([1.0, 1.2, 1.7], [2.0, 2.01, 2.0, 2.02, 2.0]),
        ([1.0, 1.5], [1.2, 1.21]),
        ([float(i % 5) for i in range(40)], [float(i % 7) for i in range(50)]),
        ([2.0, 2.0, 2.0], [1.0, 1.5, 1.6]),
    ],
)
def test_the_interval_of_a_difference_is_welchs(first: list[float], second: list[float]) -> None:
    a, b = (statistics.variance(values) / len(values) for values in (first, second))
    freedom = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))
    found, turned = difference(first, second), difference(second, first)
    assert found.mean == pytest.approx(statistics.mean(second) - statistics.mean(first)) == -turned.mean
    assert found.half_width == pytest.approx(integrated(freedom) * math.sqrt(a + b), rel=1e-6)
    assert turned.half_width == pytest.approx(found.half_width)


def test_equal_variances_and_sizes_have_closed_forms() -> None:
    for values, freedom in (([1.0, 1.5], 2), ([1.0, 1.2, 1.7], 4)):
        width = closed_form(freedom) * math.sqrt(2 * statistics.variance(values) / len(values))
        assert difference(values, [v + 3 for v in values]).half_width == pytest.approx(width)


def test_one_value_has_no_interval_and_none_is_refused() -> None:
    assert estimate([2.5]) == Estimate(2.5, None)
    assert difference([1.0], [2.0, 2.1, 2.2]) == Difference(pytest.approx(1.1), None)
    assert difference([1.0, 1.1], [2.0]).significant is None
    for given in ([], [[], [1.0]], [[1.0, 2.0], []]):
        with pytest.raises(ValueError, match="no values"):
            difference(*given) if given else estimate([])


def test_values_without_scatter_have_an_interval_of_no_width() -> None:
    assert estimate([1.5, 1.5, 1.5]) == Estimate(1.5, 0.0)
    assert difference([1.0, 1.0], [1.5, 1.5]) == Difference(0.5, 0.0)
    assert difference([1.0, 1.0], [1.5, 1.5]).significant is True
    assert difference([1.0, 1.0], [1.0, 1.0]).significant is False


def test_neither_order_nor_a_common_shift_changes_the_width() -> None:
    values = [1.2, 0.7, 3.4, 2.2]
    found, shifted = estimate(values), estimate([value + 1e6 for value in reversed(values)])
    assert shifted.mean - 1e6 == pytest.approx(found.mean)
    assert shifted.half_width == pytest.approx(found.half_width, rel=1e-6)


def test_the_wider_the_scatter_the_wider_the_interval() -> None:
    widths = [estimate([2.0 - s, 2.0, 2.0 + s]).half_width or 0.0 for s in (0.0, 0.1, 0.5, 2.0)]
    assert all(a < b for a, b in pairwise(widths))
