"""Data that figures break on."""

from __future__ import annotations

import math
from collections.abc import Callable

from lmlab.reporting.figures.data import Curve, Reference, Result

NAN, INF = math.nan, math.inf
MATHS = "a_$x^2$_{b}\\frac"
FOREIGN = "Größe=naïve λ→∞ 日本語 \N{PARTY POPPER}"
LONG = "a setting with a very long name and optimizer.some_nested_key.another=0.00012345, " * 4
UNBROKEN = "x" * 300
CONTROLS = "tab\there\nline\x00\x1b[0m \ud800"
LABELS = [MATHS, FOREIGN, LONG, UNBROKEN, CONTROLS, ""]
STEPS = [float(i) for i in range(1, 21)]
FALLING = [3.0 / i + 1.0 for i in STEPS]


def curve(label: str, y: list[float] | None = None, *, scale: float = 1.0) -> Curve:
    values = FALLING if y is None else y
    return Curve(label, [scale * i for i in range(1, len(values) + 1)], values)


def same_ends(count: int, name: Callable[[int], str]) -> list[Curve]:
    return [curve(name(i), [3.0 + i / 10, 2.0, 1.5]) for i in range(count)]


def result(label: str, value: float | None, half: float | None = 0.01) -> Result:
    seeds = () if value is None else (value, value + 0.01, value - 0.01)
    return Result(label, value, half, seeds)


CLOSE_REFERENCES = [Reference(f"{name} {i}", 1.1 + i / 1000) for i in range(3) for name in ("unigram", LONG)]
