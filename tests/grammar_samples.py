"""Fixtures for the tests of formal languages: samples, and the goodness of fit of counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from lmlab.data.grammars.brackets import Brackets
from lmlab.data.grammars.ndfa import NDFA
from lmlab.data.grammars.toy import Toy


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
