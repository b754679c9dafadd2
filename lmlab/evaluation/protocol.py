"""The evaluation protocol: float32 with TF32 off, dropout off, state carried, every counted token once."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import torch
from torch import Tensor

from lmlab.data.loaders.base import Batch
from lmlab.data.token_store import TokenStore
from lmlab.evaluation.figures import Figures, numbers
from lmlab.evaluation.streams import StreamTotals
from lmlab.models.core import State
from lmlab.models.decoder import TokenStatistics
from lmlab.models.inference import evaluation_mode, exact_float32
from lmlab.models.language_model import LanguageModel


def evaluation_step(
    model: LanguageModel, batch: Batch, state: State | None, *, fields: Collection[str] = ()
) -> tuple[TokenStatistics, State]:
    """One batch under the protocol; the model must be in evaluation mode.

    Args:
        model: on the batch's device.
        batch: (S, T).
        state: after the batch before; None at the beginning.
        fields: the optional statistics to compute.

    Returns:
        Statistics of each target, as (S T,), row by row, and the state after the batch.
    """
    with exact_float32(batch.inputs.device):
        output = model(batch.inputs, model.initial_state(state, batch.reset))
        hidden, targets = output.hidden.flatten(0, 1), batch.targets.flatten()
        statistics = model.decoder.token_statistics(hidden, targets, fields=fields)
    return statistics._replace(targets=targets), output.state


def evaluate(
    model: LanguageModel,
    batches: Iterable[Batch],
    *,
    store: TokenStore | None = None,
    figures: Figures | None = None,
    streams: StreamTotals | None = None,
) -> dict[str, float]:
    """Evaluates a split outside of a Trainer, on the model's device, and returns its figures by name.

    Args:
        model: any.
        batches: of the evaluation protocol.
        store: the split, if `batches` are all of it: some figures need its text.
        figures: what is measured; None for lmlab's own.
        streams: to which what is found is added, stream by stream; only for running text.
    """
    device = next(model.parameters()).device
    measured = Figures() if figures is None else figures
    measured.to(device).reset()
    state: State | None = None
    with evaluation_mode(model):
        for batch in batches:
            moved = Batch(*(tensor.to(device) for tensor in batch))
            statistics, state = evaluation_step(model, moved, state, fields=measured.fields)
            measured.update(statistics)
            if streams is not None:
                streams.update(statistics, num_streams=len(moved.reset))
    return numbers(measured.figures(store))


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
            moved = Batch(*(tensor.to(device) for tensor in batch))
            made, state = evaluation_step(model, moved, state, fields=("wrong",))
            assert made.wrong is not None
            found.append((made.nats[made.mask].cpu(), made.wrong[made.mask].cpu()))
    return torch.cat([nats for nats, _ in found]), torch.cat([wrong for _, wrong in found])
