"""The whole step of training, with Lightning and a run's own callbacks, against a hand-written loop."""

from __future__ import annotations

import torch

from lmlab.benchmarks.measurement import Measurement, rate
from lmlab.training.lightning_messages import forwarded
from lmlab.training.speed import Case, measure

PART = "step"


def measure_steps(case: Case, *, steps: int, device: torch.device) -> Measurement:
    """Returns the tokens per second of training, per counted token.

    Args:
        case: model and batches.
        steps: number of timed steps of each.
        device: that is trained on.

    Raises:
        UserError: the model cannot be made with these sizes.
    """
    with forwarded():
        timing = measure(case, steps=steps, device=device)
    return rate(PART, f"{case.name}, {case.precision}", "tokens/s", timing, "by hand")
