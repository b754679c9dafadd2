"""One thing that was looked at, and how values are told and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Figures that were made of each other in float64.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Args:
        verdict: ``ok``, ``wrong``, or ``unknown`` for what was not checked.
        name: of the thing.
        detail: what was found.
    """

    verdict: str
    name: str
    detail: str

    def __str__(self) -> str:
        return f"{self.verdict:8} {self.name}: {self.detail}"


def exact(name: str, stored: object, expected: object) -> Check:
    """Whether two values are equal."""
    if stored == expected:
        return Check("ok", name, shown(stored))
    return Check("wrong", name, f"{shown(stored)}, but it should be {shown(expected)}")


def agreement(name: str, faults: Sequence[str], otherwise: str) -> Check:
    """Ok, or what is at fault (the first three)."""
    if not faults:
        return Check("ok", name, otherwise)
    more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
    return Check("wrong", name, ", ".join(faults[:3]) + more)


def arithmetic(stored: Mapping[str, Any]) -> list[str]:
    """Where a perplexity is not exp(nats a token)."""
    faults = []
    for prefix in ("val", "test", "train"):
        nats, perplexity = stored.get(f"{prefix}/nats_per_token"), stored.get(f"{prefix}/perplexity")
        if nats is not None and perplexity is not None and not near(perplexity, exp(nats)):
            at = f"step {stored['step']:g} " if "step" in stored else ""
            faults.append(f"{at}{prefix}/perplexity {shown(perplexity)} is not exp({shown(nats)})")
    return faults


def near(value: float, expected: float) -> bool:
    """Whether two floats are equal but for rounding, or both not finite."""
    if not math.isfinite(value) or not math.isfinite(expected):
        return math.isfinite(value) == math.isfinite(expected)
    return abs(value - expected) <= ROUNDING * max(1.0, abs(expected))


def exp(nats: float) -> float:
    """exp, with infinity instead of an overflow."""
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


def shown(value: object) -> str:
    """A value as it is told."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.6f}"
    return f"{value:,.0f}" if isinstance(value, int | float) and math.isfinite(value) else str(value)
