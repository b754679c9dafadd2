"""Describes what a run is about to do, before it begins, and its result, at its end."""

from __future__ import annotations

import copy
import math
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lmlab.config.folders import group_options
from lmlab.config.plugins import as_words
from lmlab.config.settings import TrainSettings
from lmlab.config.typed import targets
from lmlab.data.datamodule import LanguageModelData
from lmlab.data.loaders.base import Batch
from lmlab.device import synchronize
from lmlab.evaluation.baseline_figures import describe_baselines
from lmlab.evaluation.sample_figures import describe_samples
from lmlab.evaluation.source_comparison import describe_excess
from lmlab.files import shown
from lmlab.metric_spec import added_to
from lmlab.models.embedding import Vectors
from lmlab.models.language_model import LanguageModel
from lmlab.random_states import random_states, restore_random_states
from lmlab.runs.summary import describe_partial
from lmlab.training.summary import device_name, part_name

# The time of an evaluated token as a share of that of a trained one (forward only, fewer and longer rows).
_EVALUATION_COST = 0.45


def steps_per_epoch(settings: TrainSettings, data: LanguageModelData) -> int:
    """Returns the number of optimizer steps of an epoch."""
    return math.ceil(len(data.train_loader) / settings.trainer.accumulate_grad_batches)


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


def seconds_per_batch(model: LanguageModel, data: LanguageModelData, device: torch.device, precision: str) -> float:
    """Measures the time of a training batch on a copy of the model; weights and random generators do not change."""
    before = random_states()
    trial = copy.deepcopy(model).to(device).train()
    batch = Batch(*(tensor.to(device) for tensor in data.train_loader.example()))
    dtype = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)
    times: list[float] = []
    while len(times) < 3 and sum(times) < 2.0:
        begun = time.perf_counter()
        with torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            output = trial(batch.inputs, trial.init_state(len(batch.reset)))
            loss = trial.decoder.loss(output.hidden, batch.targets)
        torch.autograd.backward(loss.nll_sum / loss.num_tokens)
        synchronize(device)
        times.append(time.perf_counter() - begun)
    restore_random_states(before)
    return min(times)


def estimated_seconds(settings: TrainSettings, data: LanguageModelData, batch_seconds: float) -> float:
    """Returns the estimated time of the whole run: training steps with their optimizer, and evaluations."""
    steps = total_steps(settings, data) * settings.trainer.accumulate_grad_batches
    tokens_per_batch = data.train_loader.padded_tokens
    epochs = steps / len(data.train_loader)
    limit = data.partial.get("validation")
    share = 1.0 if limit is None else limit["batches"] / limit["of"]
    evaluated = epochs * share * len(data.stores["validation"]) / tokens_per_batch * _EVALUATION_COST
    return batch_seconds * (1.1 * steps + evaluated)


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
    lines = [
        f"data       {settings.data.name}: {'; '.join(data.corpus.provenance)}",
        f"           tokens ({unit}): {sizes}; vocabulary {len(data.tokenizer.vocabulary):,}",
        *(f"           {note}" for note in data.corpus.notes),
        f"batches    {len(loader):,} an epoch, {loader.describe()}",
        f"model      {describe_model(settings, model)}",
        *_describe_vectors(vectors, data),
        f"training   {steps:,} steps ({steps * trainer.accumulate_grad_batches / len(loader):.3g} epochs), "
        f"{settings.optimizer.class_name} lr {settings.optimizer.lr:g} "
        f"{part_name(settings.scheduler)}, {_describe_extras(settings)}{trainer.precision}, on {device_name(device)}",
        *(f"partial    {note}" for note in _partial_note(data.partial)),
        f"time       about {human_seconds(seconds)}",
    ]
    return "\n".join(lines)


def _partial_note(partial: Mapping[str, Any]) -> list[str]:
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
    running = np.asarray(vectors.found)[data.stores["train"].ids].mean()
    return [
        f"           pretrained vectors for {vectors.coverage:.1%} of the vocabulary, {running:.1%} of the running text"
    ]


def human_seconds(seconds: float) -> str:
    """Returns a duration in words: 45 s, 3 min, 2.5 h."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def _added_figures(summary: dict[str, Any]) -> Iterator[str]:
    """Yields a line for each figure that the configuration adds."""
    for name, spec in added_to(summary).items():
        values = {words: summary.get(f"{split}/{name}") for split, words in (("val", "validation"), ("test", "test"))}
        known = [f"{spec.shown(value)} ({words})" for words, value in values.items() if value is not None]
        yield f"{spec.words:<10}  {', '.join(known)}"


def describe_result(settings: TrainSettings, summary: dict[str, Any], folder: Path) -> str:
    """Describes the result: a short table, the location of the files, and what to do next."""
    path = settings.data.path
    data = f"data={settings.data.name} data.path={shlex.quote(path)} " if path else ""
    known = "val/source_nats_per_token" in summary
    above = f"{'source':>12}{'above it':>12}" if known else ""
    lines = ["", f"{'':12}{'nats/token':>12}{above}{'perplexity':>14}{'bits/char':>12}{'tokens':>12}"]
    for prefix, words in (("val", "validation"), ("test", "test")):
        if f"{prefix}/nats_per_token" in summary:
            nats, bits = summary[f"{prefix}/nats_per_token"], summary.get(f"{prefix}/bits_per_char")
            perplexity, count = summary[f"{prefix}/perplexity"], int(summary[f"{prefix}/num_tokens"])
            by_character = "-" if bits is None else f"{bits:.4f}"
            source, excess = (summary.get(f"{prefix}/{w}_nats_per_token", 0.0) for w in ("source", "excess"))
            above = f"{source:>12.4f}{excess:>+12.4f}" if known else ""
            lines.append(f"{words:12}{nats:>12.4f}{above}{perplexity:>14,.3f}{by_character:>12}{count:>12,}")
    lines += _added_figures(summary)
    place, trusted = shown(folder), as_words(targets(settings))
    if "val/baselines" in summary:
        lines.append(f"baselines   {describe_baselines(summary['val/baselines'])} (validation)")
    if "val/by_length" in summary:
        lines.append(f"by length   {describe_excess(summary['val/by_length'])}")
    if "samples" in summary:
        lines.append(f"samples     {describe_samples(summary['samples'])}")
    split = "test" if "test/num_tokens" in summary else "validation"
    stopped = summary["stopped_by"]
    lines += [
        f"best epoch  {summary['best_epoch']:g} (step {summary['best_step']:,}), "
        f"{summary['tokens_per_second']:,.0f} tokens/s, {human_seconds(summary['wall_seconds'])} in all",
        *([f"stopped     by callbacks.{stopped}, before the limits of the run"] if stopped else []),
        *(f"partial     {note}" for note in _partial_note(summary.get("partial", {}))),
        *(f"{found['level']:<11} {found['text']}" for found in summary["diagnostics"]),
        f"files       {place}",
        f"curves      tensorboard --logdir {shlex.quote(shown(Path(settings.output_dir)))}",
        f'next        python -m lmlab.generate run={place} prompt="The " temperature=0.8{trusted}',
        f"            python -m lmlab.evaluate run={place} split={split}{trusted}",
        f"            python -m lmlab.report runs={place}",
    ]
    if not path or settings.data.name in group_options("data"):  # an option of the user's own needs more words
        lines.append(f"            python -m lmlab.train -m {data}model=lstm,gru model.hidden_size=256,512")
    return "\n".join(lines)
