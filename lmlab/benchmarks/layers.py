"""A core's layers alone: forward and backward passes against the module of `torch.nn`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lmlab.benchmarks.measurement import Measurement, rate
from lmlab.config import registry
from lmlab.memory import keep_freed_memory
from lmlab.models.core import Core
from lmlab.models.counterparts import counterpart
from lmlab.timing import in_turn
from lmlab.training.speed import AUTOCAST, WARM_UP, Case, run_settings

PART = "layers"


def measure_layers(case: Case, *, steps: int, device: torch.device) -> Measurement:
    """Times the passes of a core with random inputs and random gradients of its outputs.

    Args:
        case: the core, the shape of its inputs and the precision.
        steps: number of timed passes of each.
        device: on which they run.

    Returns:
        Tokens per second; without a comparison if `torch.nn` has no such core.

    Raises:
        UserError: the core cannot be made with these sizes.
    """
    keep_freed_memory()  # as in a run
    core: Core = registry.build("model.core", run_settings(case).model.core, input_size=case.embedding_dim)
    module = counterpart(core.to(device).train())
    shape = (case.batch_size, case.sequence_length)
    inputs = torch.randn(*shape, case.embedding_dim, device=device, requires_grad=True)
    above = torch.randn(*shape, core.output_size, device=device)

    def lmlabs() -> None:
        _passes(core, (inputs, core.init_state(case.batch_size)), above, case.precision)

    def torchs() -> None:
        assert module is not None
        _passes(module, (inputs,), above, case.precision)

    timing = in_turn(
        lmlabs,
        None if module is None else torchs,
        repetitions=steps,
        units=case.batch_size * case.sequence_length,
        device=device,
        warm_up=WARM_UP,
    )
    name = "" if module is None else f"nn.{type(module).__name__}"
    return rate(PART, f"{case.name}, {case.precision}", "tokens/s", timing, name)


def _passes(module: nn.Module, given: tuple[Any, ...], above: Tensor, precision: str) -> None:
    """Runs a module forward and, from the gradients (B, T, H) of its outputs, backward."""
    for tensor in (given[0], *module.parameters()):
        tensor.grad = None
    dtype = AUTOCAST.get(precision)
    with torch.autocast(above.device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        outputs = module(*given)[0]
    torch.autograd.backward(outputs, above.to(outputs.dtype))
