"""The result of a check, and functions that compare and print values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lmlab.metric_spec import exp

# Relative tolerance for figures that were computed from each other in float64.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Args:
        verdict: ``ok``, ``wrong``, or ``unknown`` if it was not checked.
        name: what was checked.
        detail: what was found.
    """

    verdict: str
    name: str
    detail: str

    def __str__(self) -> str:
        return f"{self.verdict:8} {self.name}: {self.detail}"


def exact(name: str, stored: object, expected: object) -> Check:
    """Returns a check that two values are equal."""
    if stored == expected:
        return Check("ok", name, shown(stored))
    return Check("wrong", name, f"{shown(stored)}, but it should be {shown(expected)}")


def agreement(name: str, faults: Sequence[str], otherwise: str) -> Check:
    """Returns a check that is ok if there are no faults, else wrong with the first three faults.

    Args:
        name: what was checked.
        faults: descriptions of faults.
        otherwise: the detail if there are none.
    """
    if not faults:
        return Check("ok", name, otherwise)
    more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
    return Check("wrong", name, ", ".join(faults[:3]) + more)


def arithmetic(stored: Mapping[str, Any]) -> list[str]:
    """Returns a fault for each perplexity that is not exp(nats per token)."""
    faults = []
    for prefix in ("val", "test", "train"):
        nats, perplexity = stored.get(f"{prefix}/nats_per_token"), stored.get(f"{prefix}/perplexity")
        if nats is not None and perplexity is not None and not near(perplexity, exp(nats)):
            at = f"step {stored['step']:g} " if "step" in stored else ""
            faults.append(f"{at}{prefix}/perplexity {shown(perplexity)} is not exp({shown(nats)})")
    return faults


def near(value: float, expected: float) -> bool:
    """Returns whether two floats are equal up to rounding, or both not finite."""
    if not math.isfinite(value) or not math.isfinite(expected):
        return math.isfinite(value) == math.isfinite(expected)
    return abs(value - expected) <= ROUNDING * max(1.0, abs(expected))


def shown(value: object) -> str:
    """Returns a value as text, for the detail of a check."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.6f}"
    return f"{value:,.0f}" if isinstance(value, int | float) and math.isfinite(value) else str(value)
