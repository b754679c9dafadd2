"""Describes what a run is about to do, before it begins."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from lmlab.config.settings import TrainSettings
from lmlab.config.settings.models import RecurrentCoreSettings
from lmlab.data.datamodule import LanguageModelData
from lmlab.evaluation.baseline_figures import part_note
from lmlab.layout import one_line
from lmlab.models.embedding import Vectors
from lmlab.models.language_model import LanguageModel
from lmlab.runs.formatting import plural
from lmlab.runs.summary import describe_partial
from lmlab.training.duration import describe_time, num_batches, steps_per_epoch
from lmlab.training.summary import device_name, part_name


def total_steps(settings: TrainSettings, data: LanguageModelData) -> int:
    """Returns the number of optimizer steps of the whole run."""
    trainer = settings.trainer
    by_epochs = trainer.max_epochs * steps_per_epoch(settings, data) if trainer.max_epochs > 0 else math.inf
    by_steps = trainer.max_steps if trainer.max_steps > 0 else math.inf
    by_tokens = steps_for_tokens(settings, data, trainer.max_tokens) if trainer.max_tokens > 0 else math.inf
    return int(min(by_epochs, by_steps, by_tokens))


def steps_for_tokens(settings: TrainSettings, data: LanguageModelData, num_tokens: int) -> int:
    """Returns the number of optimizer steps to train on `num_tokens` targets; the last step may exceed it.

    Args:
        settings: the run's settings.
        data: the run's data.
        num_tokens: counted targets, at least 1.
    """
    loader, accumulate = data.train_loader, settings.trainer.accumulate_grad_batches
    epochs, before = loader.epoch_of(num_tokens)
    by_batch = loader.num_targets(epochs)
    by_step = np.add.reduceat(by_batch, np.arange(0, len(by_batch), accumulate))
    within = int(np.searchsorted(np.cumsum(by_step), num_tokens - before)) + 1
    return epochs * len(by_step) + within


def not_reached(settings: TrainSettings, *, steps: int, pause_at: int | None, done: int) -> Iterator[str]:
    """Yields a sentence for each thing that is wanted at a step which this command does not reach.

    Args:
        settings: the run's settings.
        steps: optimizer steps of the whole run.
        pause_at: the step at which the run is to pause; None for no pause.
        done: optimizer steps that were made before.
    """
    checkpoints, samples = settings.callbacks.checkpoints, settings.callbacks.sample_text
    intervals = {
        "callbacks.checkpoints.keep_every": checkpoints.keep_every,
        "callbacks.sample_text.every_n_steps": None if samples is None else samples.every_n_steps,
    }
    for name, interval in intervals.items():
        if interval is not None and interval > steps:
            yield f"{name}={interval} has no effect in a run of {plural(steps, 'step')}"
    if pause_at is not None and pause_at > steps:
        yield f"stop_after_tokens has no effect: the run ends after step {steps:,}, before it would pause"
    elif pause_at is not None and 0 < done >= pause_at:
        yield f"stop_after_tokens was reached at step {pause_at:,}, so the run pauses again at once"


def slower_sizes(settings: TrainSettings, embedding_dim: int, device_type: str) -> Iterator[str]:
    """Yields a sentence for each size that keeps cuDNN from its fastest recurrent kernels on a GPU.

    Those that hold the weights on the chip for all steps are in float16, for layers of at most 1,024 units, with units
    and inputs in multiples of 128 and rows in multiples of 8 up to 128.

    Source: NVIDIA, cuDNN developer guide, persistent algorithms of recurrent layers.

    Args:
        settings: the run's settings, with the precision that was chosen.
        embedding_dim: inputs of the first layer.
        device_type: of the device of training.
    """
    core = settings.model.core
    if device_type != "cuda" or settings.trainer.precision != "16-mixed" or not isinstance(core, RecurrentCoreSettings):
        return
    if core.hidden_size > 1024:
        return
    for name, size in {"model.hidden_size": core.hidden_size, "embedding.dim": embedding_dim}.items():
        if size % 128:
            yield f"{name}={size}: {-(-size // 128) * 128} would use a faster kernel of cuDNN"
    rows = settings.data.batch_size
    if rows % 8 and rows < 128:
        yield f"data.batch_size={rows}: {-(-rows // 8) * 8} would use a faster kernel of cuDNN"


def describe_plan(
    settings: TrainSettings,
    data: LanguageModelData,
    model: LanguageModel,
    vectors: Vectors,
    device: torch.device,
    seconds: float,
) -> str:
    """Describes data, sizes, parameters, device and time, in one line each."""
    loader, trainer = data.train_loader, settings.trainer
    unit = {"character": "characters", "word": "words", "piece": "pieces of words"}[data.tokenizer.unit]
    sizes = ", ".join(f"{name} {len(store):,}" for name, store in data.stores.items())
    steps = total_steps(settings, data)
    baseline_note = part_note(data.stores["train"], data.tokenizer) if settings.evaluation.baselines else []
    lines = [
        f"data       {settings.data.name}: {'; '.join(data.corpus.provenance)}",
        f"           tokens ({unit}): {sizes}; vocabulary {len(data.tokenizer.vocabulary):,}",
        *(f"           {note}" for note in [*data.corpus.notes, *baseline_note]),
        f"batches    {len(loader):,} an epoch, {loader.describe()}",
        f"model      {describe_model(settings, model)}",
        *_describe_vectors(vectors, data),
        f"training   {plural(steps, 'step')} ({num_batches(settings, data, steps) / len(loader):.3g} epochs), "
        f"{settings.optimizer.class_name} lr {settings.optimizer.lr:g} "
        f"{part_name(settings.scheduler)}, {_describe_extras(settings)}{trainer.precision}, on {device_name(device)}",
        *(f"partial    {note}" for note in partial_note(data.partial)),
        f"time       {describe_time(settings, seconds)}",
    ]
    return "\n".join(map(one_line, lines))


def partial_note(partial: Mapping[str, Any]) -> list[str]:
    """Returns a note on what is limited; none for a run of the whole text."""
    return [f"{describe_partial(partial)}: a trial, which is never ranked"] if partial else []


def _describe_extras(settings: TrainSettings) -> str:
    """Describes parts that not every run has."""
    early = settings.callbacks.early_stopping
    patience = None if early is None else early.patience
    averaging = part_name(settings.averaging)
    stopping = f"early stopping after {patience} evaluations without improvement, " if patience is not None else ""
    return (f"{averaging} of the weights, " if averaging else "") + stopping


def describe_model(settings: TrainSettings, model: LanguageModel) -> str:
    """Describes sizes and parameters by part."""
    sizes = settings.model
    embedding = model.embedding.weight.numel()
    core = sum(p.numel() for p in model.core.parameters())
    decoder = model.num_parameters - embedding - core
    tied = ", decoder tied" if sizes.tie_weights else ""
    frozen = ", embedding frozen" if settings.embedding.freeze else ""
    return (
        f"{sizes.name} {sizes.num_layers} x {sizes.hidden_size}, "
        f"embedding {model.embedding.embedding_dim}: {model.num_parameters:,} parameters "
        f"(embedding {embedding:,} + core {core:,} + decoder {decoder:,}{tied}{frozen})"
    )


def _describe_vectors(vectors: Vectors, data: LanguageModelData) -> list[str]:
    if vectors.coverage is None or vectors.found is None:
        return []
    counts = data.stores["train"].counts(len(data.tokenizer.vocabulary))
    running = counts[np.asarray(vectors.found)].sum() / counts.sum()
    return [
        f"           pretrained vectors for {vectors.coverage:.1%} of the vocabulary, {running:.1%} of the running text"
    ]
