"""Learning rates over a run, as factors of the optimizer's own."""

from __future__ import annotations

import math


class Constant:
    """The factor 1.

    Args:
        total_steps: optimizer steps of the whole run.
    """

    def __init__(self, *, total_steps: int) -> None:
        self.total_steps = total_steps

    def __call__(self, step: int) -> float:
        """The factor for a step, counted from 0."""
        return 1.0


class Cosine:
    """Linear warm-up, then half a cosine.

    With w warm-up steps of N: (t + 1) / w for t < w, then f + (1 - f) (1 + cos(pi (t - w) / (N - w))) / 2.

    Args:
        total_steps: N, optimizer steps of the whole run; later steps stay at the end.
        warmup_steps: w.
        final_fraction: f.

    Source: Loshchilov & Hutter 2017, SGDR, equation 5 without restarts.
    """

    def __init__(self, *, total_steps: int, warmup_steps: int, final_fraction: float) -> None:
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.final_fraction = final_fraction

    def __call__(self, step: int) -> float:
        """The factor for a step, counted from 0."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        share = min(1.0, (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps))
        return self.final_fraction + (1 - self.final_fraction) * (1 + math.cos(math.pi * share)) / 2
