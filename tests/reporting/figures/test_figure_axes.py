"""Which scale numbers lie on, and how they are written."""

from __future__ import annotations

import math

import pytest

from lmlab.reporting.figures.axes import (
    as_numbers,
    count,
    is_geometric,
    log_ticks,
    number,
    progress,
    results_view,
    sensible_view,
    tick_texts,
    ticks_between,
    with_half_width,
)


@pytest.mark.parametrize(
    "values",
    [
        [256, 512, 1024],
        [0.0001, 0.001, 0.005, 0.01, 0.1],
        [1e-3, 3e-3, 1e-2],
        [0.001, 0.01],
        [512, 256, 128, 256],
        [0.1, 0.2, 0.5, 1.0, 2.0],
    ],
)
def test_factors_of_each_other_want_a_logarithmic_scale(values: list[float]) -> None:
    assert is_geometric(values)


@pytest.mark.parametrize(
    "values", [[50, 100, 150], [1, 2, 3, 4], [0, 0.1, 0.3, 0.5], [128, 256], [5], [], [-1, -10, -100], [0, 1, 10, 100]]
)
def test_equal_steps_zero_and_few_values_do_not(values: list[float]) -> None:
    assert not is_geometric(values)


def test_labels_are_numbers_only_where_all_are() -> None:
    assert as_numbers(["1e-3", "0.5", "2"]) == [0.001, 0.5, 2.0]
    for words in (["1", "lstm"], ["nan"], ["inf", "1"], ["1_000"], [""]):
        assert as_numbers(words) is None


def test_a_view_holds_all_values_with_some_room() -> None:
    view = sensible_view([1.5, 2.0, 3.0, math.nan, math.inf, None])
    assert view.low < 1.5
    assert view.high > 3.0
    assert not view.clipped


def test_an_exploding_run_does_not_take_the_view() -> None:
    view = sensible_view([*[2.0 - i / 100 for i in range(50)], *[10.0**i for i in range(2, 22)]])
    assert 2.0 < view.high < 10
    assert view.clipped


def test_the_start_of_training_is_not_taken_for_an_explosion() -> None:
    view = sensible_view([4.2, *[1.5 + math.exp(-i / 4) for i in range(20)]])
    assert view.high > 4.2


def test_half_of_the_settings_may_explode() -> None:
    view = results_view([1.5, 1.6, 1.7, 1e4, 1e9, 1e30])
    assert 1.7 < view.high < 3
    assert view.clipped


def test_a_setting_that_is_merely_worse_stays_in_view() -> None:
    view = results_view([1.5, 1.6, 2.1])
    assert view.high > 2.1
    assert not view.clipped


def test_one_of_two_settings_may_explode() -> None:
    assert results_view([1.5, 1e9]).high < 3


def test_equal_values_have_a_view() -> None:
    for values in ([2.0], [0.0, 0.0], [], [1e-12]):
        view = sensible_view(values)
        assert view.low < view.high


@pytest.mark.parametrize(
    ("ticks", "texts"),
    [
        ([0, 500_000, 1_000_000, 1_500_000], ["0", "0.5M", "1.0M", "1.5M"]),
        ([0, 20_000, 40_000], ["0", "20k", "40k"]),
        ([0, 2_000, 4_000], ["0", "2,000", "4,000"]),
        ([1.5, 1.75, 2.0], ["1.50", "1.75", "2.00"]),
        ([0.0, 0.2, 0.4], ["0", "0.2", "0.4"]),
        ([-1, 0, 1], ["−1", "0", "1"]),
        ([1e-9, 2e-9], ["1e−09", "2e−09"]),
        ([0.205, 0.21], ["0.205", "0.210"]),
        ([], []),
    ],
)
def test_ticks_share_a_unit_and_their_digits(ticks: list[float], texts: list[str]) -> None:
    assert tick_texts(ticks) == texts


@pytest.mark.parametrize("limits", [(0.0, 1.0), (1.36, 4.2), (0, 3_210_000), (-5, 5), (1e-9, 3e-9), (2.0, 2.0001)])
def test_ticks_lie_inside_and_are_few(limits: tuple[float, float]) -> None:
    ticks = ticks_between(*limits)
    slack = 1e-6 * (limits[1] - limits[0])
    assert 2 <= len(ticks) <= 7
    assert all(limits[0] - slack <= tick <= limits[1] + slack for tick in ticks)
    assert len(set(tick_texts(ticks))) == len(ticks)


def test_ticks_of_a_logarithmic_scale_are_round() -> None:
    assert log_ticks(0.3, 40) == pytest.approx([0.5, 1, 2, 5, 10, 20])
    assert log_ticks(1, 1e6) == pytest.approx([10.0**i for i in range(0, 7, 2)])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.48639, "1.4864"),
        (0.204887, "0.2049"),
        (554.04, "554.04"),
        (12.3456, "12.346"),
        (12345.6, "12,346"),
        (-1.5, "−1.5000"),
        (1.2e9, "1.20e+09"),
        (3e-9, "3.00e−09"),
        (0.0, "0.0000"),
        (math.inf, "infinite"),
        (math.nan, "not a number"),
    ],
)
def test_figures_for_a_reader(value: float, text: str) -> None:
    assert number(value) == text


def test_intervals_follow_the_mean() -> None:
    assert with_half_width(1.5, 0.0123) == "1.5000 ± 0.0123"
    assert with_half_width(1.5, None) == with_half_width(1.5, math.inf) == "1.5000"


def test_amounts_have_three_digits_and_a_unit() -> None:
    assert [count(v) for v in (950, 12_345, 4_020_000, 999_900, 1.5)] == ["950", "12.3k", "4.02M", "1M", "1.5"]


def test_time_is_told_in_a_unit_that_fits() -> None:
    assert [progress("seconds", t).unit for t in (90, 3000, 40_000)] == ["seconds", "minutes", "hours"]
    assert progress("seconds", 3000).at(90) == "at 1.5 minutes"
    assert progress("seconds", 40_000).at(3600) == "at 1 hour"


def test_places_along_training_in_words() -> None:
    assert progress("tokens", 1e7).at(2_345_678) == "at 2.35M tokens"
    assert progress("steps", 100).at(1) == "at 1 step"
    assert progress("epochs", 10).at(3.0) == "after epoch 3"
