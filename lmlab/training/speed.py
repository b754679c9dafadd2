"""Measures the time of a training step relative to a hand-written loop with the same layers."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from lmlab.config.compose import train_settings
from lmlab.config.presets import search_path
from lmlab.config.settings import TrainSettings
from lmlab.data.loaders.base import IGNORE_INDEX, Batch
from lmlab.data.loaders.sentences import SentencesLoader
from lmlab.data.loaders.streams import StreamsLoader
from lmlab.data.token_store import TokenStore
from lmlab.device import synchronize
from lmlab.memory import keep_freed_memory
from lmlab.models.counterparts import counterpart
from lmlab.timing import Timing
from lmlab.training.assembly import module_of
from lmlab.training.callbacks.progress import Progress
from lmlab.training.callbacks.recorder import Recorder
from lmlab.training.clock import Clock
from lmlab.training.models import build_model
from lmlab.training.trainer import NoProfiler

CLIP = 1.0
# Shape of the gamma distribution that fits the lengths in characters of SST's sentences: mean^2 / variance.
SENTENCE_SHAPE = 4.0
# The first steps allocate and choose kernels.
WARM_UP = 3
AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class Case:
    """The model and batches to be timed.

    Args:
        model: an option of the group `model`.
        hidden_size: H, units per layer.
        num_layers: stacked layers.
        embedding_dim: E.
        vocabulary_size: V.
        batch_size: B.
        sequence_length: T.
        precision: the trainer's.
        batching: ``streams`` or ``sentences``.
        own: the user's own folders of configuration, in which the model may be.
    """

    model: str
    hidden_size: int
    num_layers: int
    embedding_dim: int
    vocabulary_size: int
    batch_size: int
    sequence_length: int
    precision: str
    batching: str
    own: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The model with its size: `lstm 1 x 256`."""
        return f"{self.model} {self.num_layers} x {self.hidden_size}"


class HandWritten:
    """A typical hand-written loop: `torch.nn` layers, cross-entropy of all logits, clipping, fused Adam.

    Args:
        case: sizes and precision.
        layers: of `torch.nn`.
        device: that it trains on.
    """

    def __init__(self, case: Case, layers: nn.RNNBase, device: torch.device) -> None:
        self.case, self.device = case, device
        self.embedding = nn.Embedding(case.vocabulary_size, case.embedding_dim).to(device)
        self.core = layers.to(device)
        self.decoder = nn.Linear(layers.hidden_size, case.vocabulary_size).to(device)
        self.parameters = [*self.embedding.parameters(), *self.core.parameters(), *self.decoder.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=1e-3, fused=True)
        self.scaler = torch.amp.GradScaler(device.type, enabled=case.precision == "16-mixed")
        self.state: Any = None

    def step(self, inputs: Tensor, targets: Tensor) -> None:
        """Runs one step on a batch (B, T) on the CPU."""
        inputs, targets = inputs.to(self.device), targets.to(self.device)
        dtype = AUTOCAST.get(self.case.precision)
        with torch.autocast(self.device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            output, state = self.core(self.embedding(inputs), self.state)
            loss = nn.functional.cross_entropy(self.decoder(output).flatten(0, 1), targets.flatten())
        self.state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        self.optimizer.zero_grad()
        torch.autograd.backward(self.scaler.scale(loss))
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.scaler.step(self.optimizer)
        self.scaler.update()


class _TakeTurns(pl.Callback):
    """Runs a step of the hand-written loop after each step of the Trainer.

    Lightning's work between two steps counts as lmlab's. The hand-written loop always reads full windows of streams,
    which have no padding. Without one, the Trainer is timed alone.
    """

    def __init__(self, case: Case, by_hand: HandWritten | None, device: torch.device) -> None:
        self.by_hand, self.device = by_hand, device
        shape = (case.batch_size, case.sequence_length + 1)
        self.window = torch.randint(case.vocabulary_size, shape)
        self.lmlab_seconds: list[float] = []
        self.by_hand_seconds: list[float] = []
        self._left_at: float | None = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, _: int
    ) -> None:
        """Measures the time of the Trainer's step, then runs and measures one of the hand-written loop."""
        arrived = self._now()
        counted = int((batch.targets != IGNORE_INDEX).sum())
        if self._left_at is not None:
            self.lmlab_seconds.append((arrived - self._left_at) / counted)
        if self.by_hand is not None:
            begun = self._now()
            self.by_hand.step(self.window[:, :-1], self.window[:, 1:])
            taken = self._now() - begun
            if self._left_at is not None:
                self.by_hand_seconds.append(taken / (self.window.numel() - len(self.window)))
        self._left_at = self._now()

    def _now(self) -> float:
        synchronize(self.device)
        return time.perf_counter()


def measure(case: Case, *, steps: int, device: torch.device) -> Timing:
    """Trains on random ids with a run's own callbacks, alternating with the hand-written loop.

    Args:
        case: model and batches.
        steps: number of timed steps.
        device: that is trained on.

    Returns:
        Seconds per counted token; a core that `torch.nn` does not have is timed alone.

    Raises:
        UserError: the model cannot be made with these sizes.
    """
    keep_freed_memory()  # as in a run, and so for the loop by hand as well
    loader, settings = _loader(case, steps), run_settings(case)
    model = build_model(settings, torch.randn(case.vocabulary_size, case.embedding_dim))
    task = module_of(settings, model)
    clock = Clock()
    layers = counterpart(model.core)
    turns = _TakeTurns(case, None if layers is None else HandWritten(case, layers, device), device)
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(folder=Path(folder), clock=clock, source_nats=None, log_every_n_steps=20)
        progress = Progress(enabled=False, recorder=recorder, clock=clock, total_steps=steps, label="")
        trainer = pl.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            precision=case.precision,  # type: ignore[arg-type]
            max_steps=steps + WARM_UP + 1,
            gradient_clip_val=CLIP,
            profiler=NoProfiler(),
            callbacks=[recorder, progress, turns],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        trainer.fit(task, train_dataloaders=loader)
    return Timing(tuple(turns.lmlab_seconds[WARM_UP:]), tuple(turns.by_hand_seconds[WARM_UP:]))


def _loader(case: Case, steps: int) -> StreamsLoader | SentencesLoader:
    """Returns batches of random ids: streams, or sentences with lengths distributed like those of SST."""
    generator = np.random.default_rng(0)
    # As many as in a typical corpus, because among few sentences fewer have nearly equal lengths.
    batches = steps + WARM_UP + 2 if case.batching == "streams" else max(200, 2 * steps)
    count = batches * case.batch_size * case.sequence_length
    ids = generator.integers(0, case.vocabulary_size, count, dtype=np.int32)
    if case.batching == "streams":
        store = TokenStore(ids, count, 0, "", None)
        return StreamsLoader(store=store, batch_size=case.batch_size, sequence_length=case.sequence_length, seed=0)
    lengths = generator.gamma(SENTENCE_SHAPE, case.sequence_length / SENTENCE_SHAPE, 2 * count // case.sequence_length)
    starts = np.cumsum(np.maximum(1, lengths.astype(np.int64)))
    starts = np.concatenate([[0], starts[starts < count]])
    store = TokenStore(ids, count, 0, "", None, starts)
    return SentencesLoader(store=store, batch_size=case.batch_size, tokens_per_batch=None, seed=0)


def run_settings(case: Case) -> TrainSettings:
    """Returns the settings of a run with this model, without dropout.

    Raises:
        UserError: there is no such model, or it cannot be made with these sizes.
    """
    return train_settings(
        [
            f"model={case.model}",
            f"model.hidden_size={case.hidden_size}",
            f"model.num_layers={case.num_layers}",
            "model.dropout=0",
            f"embedding.dim={case.embedding_dim}",
            "optimizer.lr=1e-3",
            f"trainer.precision={case.precision}",
            *search_path(case.own),
        ]
    )
