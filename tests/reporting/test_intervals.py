"""Intervals against Student's density, integrated here, and against how often they hold the true mean."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from lmlab.reporting.intervals import Difference, Estimate, difference, estimate


def inside(bound: float, freedom: float) -> float:
    """Probability that Student's t lies within ± bound: Simpson's rule over the density."""
    x = np.linspace(0.0, bound, 20_001)
    log_constant = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    density = np.exp(log_constant - (freedom + 1) / 2 * np.log1p(x * x / freedom))
    weights = np.full(x.size, 2.0)
    weights[1::2] = 4.0
    weights[0] = weights[-1] = 1.0
    return 2 * float((weights * density).sum()) * (x[1] - x[0]) / 3


def exact_quantile(freedom: float) -> float:
    low, high = 1.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if inside(middle, freedom) < 0.95 else (low, middle)
    return low


def used_quantile(size: int) -> float:
    values = [float(i * i % 7) for i in range(size - 1)] + [100.0]
    half_width = estimate(values).half_width
    assert half_width is not None
    return half_width * math.sqrt(size) / statistics.stdev(values)


@pytest.mark.parametrize("size", range(2, 32))
def test_the_quantile_is_students(size: int) -> None:
    assert used_quantile(size) == pytest.approx(exact_quantile(size - 1), abs=6e-5)


@pytest.mark.parametrize("size", [32, 33, 40, 61, 121, 1000])
def test_many_values_have_students_quantile_too(size: int) -> None:
    assert used_quantile(size) == pytest.approx(exact_quantile(size - 1), abs=1e-4)


@pytest.mark.parametrize("size", [2, 3, 5, 35])
def test_nineteen_intervals_of_twenty_hold_the_true_mean(size: int) -> None:
    drawn = np.random.default_rng(7).normal(3.0, 0.4, (4_000, size))
    estimates = [estimate(row.tolist()) for row in drawn]
    held = sum(abs(found.mean - 3.0) <= (found.half_width or 0.0) for found in estimates)
    assert held / len(estimates) == pytest.approx(0.95, abs=0.012)  # 3.5 standard errors


def test_one_value_has_no_interval_and_none_is_refused() -> None:
    assert estimate([2.5]) == Estimate(2.5, None, 1)
    with pytest.raises(ValueError, match="no values"):
        estimate([])


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert estimate([1.5, 1.5, 1.5]) == Estimate(1.5, 0.0, 3)


def test_neither_order_nor_a_common_shift_changes_the_width() -> None:
    values = [1.2, 0.7, 3.4, 2.2]
    found, shifted = estimate(values), estimate([value + 1e6 for value in reversed(values)])
    assert found.mean == pytest.approx(1.875)
    assert shifted.mean - 1e6 == pytest.approx(found.mean)
    assert shifted.half_width == pytest.approx(found.half_width, rel=1e-6)


# Differences


def welch(first: list[float], second: list[float]) -> tuple[float, float]:
    """Standard error and degrees of freedom, as in the textbook."""
    a, b = (statistics.variance(values) / len(values) for values in (first, second))
    return math.sqrt(a + b), (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([1.0, 1.2, 1.7], [1.1, 1.5, 1.6]),
        ([1.0, 1.2, 1.7], [2.0, 2.01, 2.0, 2.02, 2.0]),
        ([1.0, 1.5], [1.2, 1.21]),
        ([0.0, 1.0], [5.0, 5.3]),
        ([float(i % 5) for i in range(40)], [float(i % 7) for i in range(50)]),
    ],
)
def test_the_interval_of_a_difference_is_welchs(first: list[float], second: list[float]) -> None:
    error, freedom = welch(first, second)
    found = difference(first, second)
    assert found.mean == pytest.approx(statistics.mean(second) - statistics.mean(first))
    assert found.half_width is not None
    exact = exact_quantile(freedom) * error
    assert exact * 0.9999 <= found.half_width <= exact * (1.03 if freedom < 2 else 1.005)
    turned = difference(second, first)
    assert turned.mean == pytest.approx(-found.mean)
    assert turned.half_width == pytest.approx(found.half_width)


@pytest.mark.parametrize(("sizes", "scatter"), [((3, 3), (0.1, 0.1)), ((3, 5), (0.3, 0.02)), ((2, 4), (0.1, 0.1))])
def test_a_true_difference_of_zero_is_seldom_called_real(sizes: tuple[int, int], scatter: tuple[float, float]) -> None:
    drawn = np.random.default_rng(3)
    called = 0
    for _ in range(3_000):
        first, second = (drawn.normal(2.0, s, n).tolist() for n, s in zip(sizes, scatter, strict=True))
        called += difference(first, second).significant is True
    assert 0.01 < called / 3_000 < 0.065


def test_a_single_value_decides_nothing() -> None:
    assert difference([1.0], [2.0, 2.1, 2.2]) == Difference(pytest.approx(1.1), None)
    assert difference([1.0, 1.1], [2.0]).significant is None


def test_values_without_scatter_decide_any_difference_but_none() -> None:
    assert difference([1.0, 1.0], [1.5, 1.5]) == Difference(0.5, 0.0)
    assert difference([1.0, 1.0], [1.5, 1.5]).significant is True
    assert difference([1.0, 1.0], [1.0, 1.0]).significant is False
