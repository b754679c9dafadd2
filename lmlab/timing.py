"""Times two ways of doing the same in turn, so that slow changes of a machine's speed concern both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from lmlab.device import synchronize


@dataclass(frozen=True)
class Timing:
    """Seconds for a unit of work, alternately by lmlab and by what it is compared with.

    Args:
        lmlab: of each repetition.
        baseline: of each repetition; empty if there is nothing to compare with.
    """

    lmlab: tuple[float, ...]
    baseline: tuple[float, ...] = ()

    @property
    def ratio(self) -> float | None:
        """The median of the ratios of neighbours, which is not affected by slow changes of a machine's speed."""
        if not self.baseline:
            return None
        return median(a / b for a, b in zip(self.lmlab, self.baseline, strict=True))

    @property
    def rates(self) -> tuple[float, float | None]:
        """The median units of work per second of lmlab and of the baseline."""
        return 1 / median(self.lmlab), 1 / median(self.baseline) if self.baseline else None


def in_turn(
    lmlab: Callable[[], object],
    baseline: Callable[[], object] | None,
    *,
    repetitions: int,
    units: float,
    device: torch.device,
    warm_up: int = 1,
) -> Timing:
    """Runs two functions in turn.

    Args:
        lmlab: the one.
        baseline: the other; None to time the one alone.
        repetitions: number of timed calls of each.
        units: units of work of a call, by which its seconds are divided.
        device: that is waited for.
        warm_up: number of calls of each before, which are not timed: the first allocate and choose kernels.
    """
    taken: list[tuple[float, ...]] = []
    functions = (lmlab,) if baseline is None else (lmlab, baseline)
    for _ in range(warm_up + repetitions):
        taken.append(tuple(seconds(function, device) / units for function in functions))
    first, *second = zip(*taken[warm_up:], strict=True)
    return Timing(first, *second)


def seconds(function: Callable[[], object], device: torch.device) -> float:
    """Returns the seconds that a call takes until the device has done its work."""
    synchronize(device)
    begun = time.perf_counter()
    function()
    synchronize(device)
    return time.perf_counter() - begun
