"""Numbers and lists in sentences."""

from __future__ import annotations

import math

import pytest

from lmlab.metric_spec import compact, percent
from lmlab.runs.formatting import count, listing, measured, number, perplexity, plural, sentence, unit
from lmlab.runs.statistics import Estimate
from lmlab.runs.summary import BITS, NATS


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0.0%"), (0.00031, "0.031%"), (0.0099, "0.99%"), (0.01, "1.0%"), (0.015, "1.5%"), (0.9994, "99.9%"),
        (1.0, "100%"), (5.014, "501%"), (12.0, "1,200%"), (-0.05, "-5.0%"),
    ],
)  # fmt: skip
def test_shares_keep_digits_that_say_something(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, ""), (1, "a"), (2, "a and b"), (3, "a, b and c"), (4, "a, b, c and d"), (5, "a, b, c and 2 more")],
)
def test_lists(size: int, text: str) -> None:
    assert listing("abcde"[:size]) == text
    assert listing([*"abcde"], most=1) == "a and 4 more"


def test_figures_with_units_and_intervals() -> None:
    assert measured(Estimate(1.5, None), NATS) == "1.5000 nats per token (perplexity 4.482)"
    assert measured(Estimate(1.5, 0.25), NATS) == "1.5000 ± 0.2500 nats per token (perplexity 4.482)"
    assert measured(Estimate(1.5, 0.0), BITS) == "1.5000 ± 0.0000 bits per character"
    assert (unit(NATS), unit(BITS), unit(None)) == ("nats per token", "bits per character", "nats per token")


def test_large_and_endless_numbers() -> None:
    assert (number(12.34567), perplexity(10.0), perplexity(1e9)) == ("12.3457", "22,026.466", "inf")
    assert perplexity(700.0) == "1.01e+304"
    assert (count(12345.4), count(math.inf), count(math.nan)) == ("12,345", "-", "-")
    assert (plural(1, "run"), plural(0, "run"), plural(1200, "run")) == ("1 run", "0 runs", "1,200 runs")


def test_a_sentence_begins_with_a_capital_but_for_names_in_code() -> None:
    assert sentence(" it was seen ") == "It was seen."
    assert sentence("no-one was seen!") == "No-one was seen!"
    for name in ("summary.json is damaged", "optimizer.lr=-1: is not positive", "“gru” is best", "max_steps is -1"):
        assert sentence(name) == f"{name}."


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (950, "950"), (1000, "1k"), (12_345, "12.3k"), (4_020_000, "4.02M"), (1.1e9, "1.1G"), (-2500, "-2.5k"),
     (999_900, "1M"), (math.inf, "-"), (math.nan, "-")],
)  # fmt: skip
def test_large_numbers_have_three_digits_and_a_unit(number: float, text: str) -> None:
    assert compact(number) == text
