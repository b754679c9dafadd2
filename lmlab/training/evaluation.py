"""The evaluation protocol: float32 with TF32 off, dropout off, state carried, every counted token once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from lmlab.data.loaders.base import Batch
from lmlab.models.core import State
from lmlab.models.decoder import TokenLoss
from lmlab.models.language_model import LanguageModel
from lmlab.training.metrics import TokenTotals, Totals


@contextmanager
def exact_float32(device: torch.device) -> Iterator[None]:
    """No autocast, no TF32 in matrix products or cuDNN's recurrent layers (where it is on by default), no gradients."""
    # One by one: torch refuses to read its older switches once any of these was set apart.
    backends: Any = torch.backends
    switches = (backends.cuda.matmul, backends.cudnn.rnn, backends.mkldnn.matmul, backends.mkldnn.rnn)
    before = [switch.fp32_precision for switch in switches]
    for switch in switches:
        switch.fp32_precision = "ieee"
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        for switch, precision in zip(switches, before, strict=True):
            switch.fp32_precision = precision


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


@contextmanager
def evaluation_mode(model: torch.nn.Module) -> Iterator[None]:
    """Dropout off; on again afterwards if it was."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


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
