"""The evaluation protocol: float32 with TF32 off, dropout off, state carried, every counted token once."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from lmlab.data.loaders.base import Batch
from lmlab.evaluation.metrics import TokenTotals, Totals
from lmlab.models.core import State
from lmlab.models.decoder import TokenLoss
from lmlab.models.inference import evaluation_mode, exact_float32
from lmlab.models.language_model import LanguageModel


def evaluation_step(model: LanguageModel, batch: Batch, state: State | None) -> tuple[TokenLoss, State]:
    """One batch under the protocol; the model must be in evaluation mode.

    Args:
        model: on the batch's device.
        batch: (S, T).
        state: after the batch before; None at the beginning.
    """
    with exact_float32(batch.inputs.device):
        output = model(batch.inputs, model.initial_state(state, batch.reset))
        return model.decoder.loss(output.hidden, batch.targets), output.state


def evaluate(model: LanguageModel, batches: Iterable[Batch]) -> Totals:
    """Evaluates a split outside of a Trainer, on the model's device."""
    device = next(model.parameters()).device
    totals = TokenTotals().to(device)
    state: State | None = None
    with evaluation_mode(model):
        for batch in batches:
            moved = Batch(*(tensor.to(device) for tensor in batch))
            loss, state = evaluation_step(model, moved, state)
            totals.update(loss)
    return totals.compute()


def nats_by_token(model: LanguageModel, batches: Iterable[Batch]) -> Tensor:
    """Nats of every counted target, batch by batch and row by row: (number of counted targets,) float32 on the CPU."""
    return _by_token(model, batches)[0]


def errors_by_token(model: LanguageModel, batches: Iterable[Batch]) -> Tensor:
    """Whether each counted target was not the most probable token: (number of counted targets,) bool on the CPU."""
    return _by_token(model, batches)[1]


def _by_token(model: LanguageModel, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    device = next(model.parameters()).device
    found: list[tuple[Tensor, Tensor]] = []
    state: State | None = None
    with evaluation_mode(model):
        for batch in batches:
            inputs, targets, reset = (tensor.to(device) for tensor in batch)
            with exact_float32(device):
                output = model(inputs, model.initial_state(state, reset))
                state = output.state
                made = model.decoder.token_statistics(output.hidden.flatten(0, 1), targets.flatten(), fields=("wrong",))
            assert made.wrong is not None
            found.append((made.nats[made.mask].cpu(), made.wrong[made.mask].cpu()))
    return torch.cat([nats for nats, _ in found]), torch.cat([wrong for _, wrong in found])
