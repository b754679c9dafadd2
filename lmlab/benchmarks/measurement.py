"""A measured figure, with what it was compared with."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from lmlab.timing import Timing


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The median of repeated measurements.

    Args:
        part: of the benchmark.
        case: what was measured.
        unit: of the value: ``tokens/s``, ``GFLOP/s``, ``MB/s``, ``s``, ``s/GB`` or ``GB``.
        value: the median.
        repetitions: how many measurements it is the median of.
        baseline: what it was compared with; None for nothing.
        baseline_value: the median of the baseline, in the same unit.
        ratio_of_times: the median of the ratios of neighbouring times; below 1, lmlab is faster.
    """

    part: str
    case: str
    unit: str
    value: float
    repetitions: int
    baseline: str | None = None
    baseline_value: float | None = None
    ratio_of_times: float | None = None


def rate(part: str, case: str, unit: str, timing: Timing, baseline: str = "") -> Measurement:
    """Returns a timing as units of work per second."""
    value, baseline_value = timing.rates
    return Measurement(
        part=part,
        case=case,
        unit=unit,
        value=value,
        repetitions=len(timing.lmlab),
        baseline=baseline if timing.baseline else None,
        baseline_value=baseline_value,
        ratio_of_times=timing.ratio,
    )


def duration(part: str, case: str, timing: Timing, baseline: str = "") -> Measurement:
    """Returns a timing as seconds."""
    return Measurement(
        part=part,
        case=case,
        unit="s",
        value=median(timing.lmlab),
        repetitions=len(timing.lmlab),
        baseline=baseline if timing.baseline else None,
        baseline_value=median(timing.baseline) if timing.baseline else None,
        ratio_of_times=timing.ratio,
    )
