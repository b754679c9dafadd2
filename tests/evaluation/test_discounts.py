"""Discounts, against the equation by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lmlab.evaluation.baselines.discounts import FALLBACK, discounts


def counts_with(*numbers: int) -> np.ndarray:
    """So many counts of 1, of 2, and so on."""
    return np.repeat(np.arange(1, len(numbers) + 1), numbers)


def test_modified_discounts_by_hand():
    # Y = 10 / (10 + 2 * 5) = 1/2
    found = discounts(counts_with(10, 5, 4, 2, 7), modified=True)
    np.testing.assert_allclose(found, [1 - 2 * 0.5 * 5 / 10, 2 - 3 * 0.5 * 4 / 5, 3 - 4 * 0.5 * 2 / 4], rtol=1e-15)


def test_plain_discount_by_hand():
    np.testing.assert_allclose(discounts(counts_with(10, 5, 0, 2), modified=False), [0.5] * 3, rtol=1e-15)
    np.testing.assert_allclose(discounts(counts_with(6, 1), modified=False), [0.75] * 3, rtol=1e-15)


@pytest.mark.parametrize("numbers", [(), (0, 5, 4, 2), (9, 0, 4, 2), (9, 5, 0, 2), (9, 5, 4, 0), (0, 0, 0, 0, 65)])
def test_modified_falls_back_where_a_count_of_counts_is_zero(numbers):
    assert tuple(discounts(counts_with(*numbers), modified=True)) == FALLBACK == (0.5, 1.0, 1.5)


@pytest.mark.parametrize("numbers", [(), (0, 5), (9, 0, 4, 2), (0, 0, 65)])
def test_plain_falls_back_where_a_count_of_counts_is_zero(numbers):
    assert tuple(discounts(counts_with(*numbers), modified=False)) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    "numbers",
    [
        (100, 1, 9, 1),  # D_2 is below zero
        (100, 9, 1, 9),  # D_3+ is below zero
        (4, 2, 8, 3),  # D_2 is -4
        (2, 1, 4, 6),  # D_2 and D_3+ are
        (4, 6, 16, 1),  # D_2 is 2 - 3 * 1/4 * 16/6 = 0 exactly, which would leave nothing for unseen tokens
    ],
)
def test_modified_falls_back_where_a_discount_is_not_positive(numbers):
    assert tuple(discounts(counts_with(*numbers), modified=True)) == FALLBACK


def test_no_discount_exceeds_its_count():
    generator = np.random.default_rng(0)
    for _ in range(300):
        for modified in (True, False):
            found = discounts(counts_with(*generator.integers(0, 20, 5)), modified=modified)
            assert (found > 0).all()
            assert (found <= [1, 2, 3]).all()
