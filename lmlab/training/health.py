"""Detects a loss that is not finite, and reports the step and the first layer concerned."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from lmlab.data.loaders.base import Batch
from lmlab.errors import Diverged
from lmlab.models.core import State
from lmlab.models.language_model import LanguageModel


class FiniteLoss(nn.Module):
    """Stores, on the device, the first step whose loss was not finite.

    Buffer: `step`, -1 if all losses were finite.
    """

    step: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("step", torch.tensor(-1), persistent=False)

    def update(self, loss: Tensor, step: int) -> None:
        """Checks the loss of a step without waiting for the device.

        Args:
            loss: scalar.
            step: number of the step.
        """
        if loss.device.type == "cpu" and math.isfinite(loss):
            return  # nothing is waited for here, and most of these losses are
        bad = (self.step < 0) & ~torch.isfinite(loss)
        self.step.copy_(torch.where(bad, step, self.step))


def non_finite(model: LanguageModel, batch: Batch, state: State, step: int) -> Diverged:
    """Returns the error that reports a loss that is not finite.

    Args:
        model: the model in its present state.
        batch: on the model's device; the model is run on it once more.
        state: the state that the batch started from.
        step: optimizer steps done when the loss was first not finite.
    """
    where = first_bad_layer(model, batch, state)
    remedy = "lower optimizer.lr or set a smaller trainer.gradient_clip_val"
    return Diverged("training", None, f"diverged: the loss of step {step + 1} is not finite, first in {where}", remedy)


@torch.no_grad()
def first_bad_layer(model: LanguageModel, batch: Batch, state: State) -> str:
    """Returns the name of the first of embedding, the core's layers and decoder whose output is not finite.

    Returns `loss` if all of them are finite and only the cross-entropy is not.
    """
    layers = [("embedding", model.embedding), *model.core.named_layers().items()]
    bad: list[str] = []

    def watch(name: str) -> Any:
        def look(module: nn.Module, inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            if not bool(torch.isfinite(first).all()):
                bad.append(name)

        return look

    handles = [layer.register_forward_hook(watch(name)) for name, layer in layers]
    try:
        hidden = model(batch.inputs, state).hidden
    finally:
        for handle in handles:
            handle.remove()
    if bad:
        return bad[0]
    return "loss" if bool(torch.isfinite(model.decoder.logits(hidden[:, -1])).all()) else "decoder"
