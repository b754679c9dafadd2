"""Fixtures for the tests of formal languages: samples, and the goodness of fit of counts."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from lmlab.data.grammars.brackets import Brackets
from lmlab.data.grammars.ndfa import NDFA
from lmlab.data.grammars.toy import Toy


def left_at(string: str, begins: Callable[[str], bool], within: Callable[[str], bool]) -> int | None:
    """Where a string leaves a language, by definition.

    Args:
        string: any.
        begins: whether a string of the language begins with this one.
        within: whether this one is in the language.
    """
    # What no string begins with, no string with more after it does.
    wrong = bisect_left(range(len(string)), True, key=lambda at: not begins(string[: at + 1]))
    return None if wrong == len(string) and within(string) else wrong


@pytest.fixture(scope="session")
def samples() -> dict[type, list[str]]:
    return {kind: kind().sample(40_000, np.random.default_rng(20)) for kind in (NDFA, Brackets, Toy)}


def _deviation(counts: Mapping[Any, int], probabilities: Mapping[Any, float]) -> float:
    """Pearson's chi-square of the counts, as standard errors from its mean; what no probability names is one group.

    Source: Wilson and Hilferty 1931, The distribution of chi-square: its cube root is nearly normal.
    """
    total = sum(counts.values())
    observed = [counts.get(key, 0) for key in probabilities]
    expected = [total * p for p in probabilities.values()]
    rest = total - sum(expected)
    if rest > 1e-6 * total:
        observed.append(total - sum(observed))
        expected.append(rest)
    else:
        assert sum(observed) == total, "something of probability 0 was drawn"
    assert min(expected) >= 5, "too few for a chi-square"
    freedom = len(expected) - 1
    chi = sum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True))
    spread = 2 / (9 * freedom)
    return ((chi / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)


@pytest.fixture
def deviation() -> Callable[[Mapping[Any, int], Mapping[Any, float]], float]:
    return _deviation
