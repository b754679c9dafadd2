"""Builds the Trainer of a run, with its callbacks in the order in which they must be called."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.profilers import (
    AdvancedProfiler,
    PassThroughProfiler,
    Profiler,
    PyTorchProfiler,
    SimpleProfiler,
)

from lmlab.config import plugins, registry
from lmlab.config.settings import TrainSettings
from lmlab.config.typed import plain, targets
from lmlab.data.datamodule import LanguageModelData
from lmlab.data.sources.generated import Generated, make_grammar
from lmlab.runs.records import RunInTraining
from lmlab.runs.summary import Summary
from lmlab.training.callbacks.added import AddedCallbacks
from lmlab.training.callbacks.checkpoints import BetweenBatches, Checkpoints, SealedCheckpointIO
from lmlab.training.callbacks.hparams import HParams, Shown
from lmlab.training.callbacks.recorder import Recorder
from lmlab.training.callbacks.samples import fallback_prompts
from lmlab.training.callbacks.stopping import Stopped
from lmlab.training.callbacks.time_limit import TimeLimit
from lmlab.training.clock import Clock
from lmlab.training.loggers import Loggers
from lmlab.training.resuming import Resumption

_PROFILERS: dict[str, type[Profiler]] = {
    "simple": SimpleProfiler,
    "advanced": AdvancedProfiler,
    "pytorch": PyTorchProfiler,
}
# Settings with the names of the Trainer's that lmlab applies itself: see `batch_limits`, `TimeLimit` and `checks`.
_APPLIED_BY_LMLAB: dict[str, Any] = {
    "limit_train_batches": None,
    "limit_val_batches": None,
    "limit_test_batches": None,
    "overfit_batches": 0,
    "fast_dev_run": False,
    "max_time": None,
    "enable_model_summary": False,
}


class NoProfiler(PassThroughProfiler):
    """Records nothing, as Lightning's own, without making a generator for each of 70 actions of a step."""

    _nothing = nullcontext()

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """Returns a context that does nothing."""
        return self._nothing


def build_callbacks(
    settings: TrainSettings,
    folder: Path,
    data: LanguageModelData,
    clock: Clock,
    *,
    known: Mapping[str, Any],
    label: str,
    shown: Shown,
    added: AddedCallbacks,
    loggers: Loggers,
    steps: int,
    pause_at: int | None,
) -> list[pl.Callback]:
    """Returns the callbacks: the recorder, then those that read it, the checkpoints last.

    Args:
        settings: the run's settings.
        folder: the run's own folder.
        data: the texts and their batches.
        clock: shared by the callbacks.
        known: entries of the summary that are known before training.
        label: of the progress bar.
        added: callbacks that the configuration adds.
        loggers: the run's.
        shown: settings for TensorBoard's HPARAMS page.
        steps: optimizer steps of the whole run.
        pause_at: optimizer steps after which the run pauses; None for never.
    """
    wanted, log_every = settings.callbacks, settings.trainer.log_every_n_steps
    recorder = _recorder(settings, folder, data, clock)
    made: list[pl.Callback] = [recorder]
    stopped = Stopped()
    if wanted.progress is not None:
        shared: dict[str, Any] = {"recorder": recorder, "clock": clock}
        made.append(registry.build("callbacks.progress", wanted.progress, total_steps=steps, label=label, **shared))
    if wanted.alarms is not None:
        config, summary = plain(settings), Summary(status="unfinished", **known)

        def record() -> RunInTraining:
            return RunInTraining(folder, settings.name, summary, recorder.rows, config)

        made.append(registry.build("callbacks.alarms", wanted.alarms, record=record))
    if wanted.gradients is not None:
        made.append(registry.build("callbacks.gradients", wanted.gradients, folder=folder, log_every_n_steps=log_every))
    if wanted.early_stopping is not None and wanted.early_stopping.patience is not None:
        # Not checked at the end of an epoch, when Lightning calls it after all others, so after last.ckpt is written.
        how = {"monitor": "val/nats_per_token", "mode": "min", "check_on_train_epoch_end": False}
        made.append(registry.build("callbacks.early_stopping", wanted.early_stopping, **how))
        stopped.watch("early_stopping", made[-1])
    if wanted.sample_text is not None:
        beginning = data.corpus.beginning("validation")
        prompts = fallback_prompts(beginning, by_character=data.tokenizer.unit == "character")
        grammar = make_grammar(data.source.name) if isinstance(data.source, Generated) else None
        how = {"tokenizer": data.tokenizer, "folder": folder, "clock": clock}
        how |= {"fallback_prompts": prompts, "grammar": grammar}
        made.append(registry.build("callbacks.sample_text", wanted.sample_text, **how))
    for name, callback in added.callbacks.items():
        stopped.watch(name, callback)
        made.append(callback)
    if settings.trainer.max_time is not None:
        made.append(TimeLimit(settings.trainer.max_time))
    page = HParams(shown=shown, recorder=recorder)
    checkpoints = _checkpoints(settings, folder, data, recorder, clock, stopped, steps=steps, pause_at=pause_at)
    return [BetweenBatches(checkpoints), *made, page, *([loggers] if loggers.has_state else []), checkpoints]


def _recorder(settings: TrainSettings, folder: Path, data: LanguageModelData, clock: Clock) -> Recorder:
    whole = "validation" not in data.partial  # of a part, the characters and the source's nats are not known
    return Recorder(
        folder=folder,
        clock=clock,
        source_nats=data.corpus.source_nats.get("validation") if whole else None,
        log_every_n_steps=settings.trainer.log_every_n_steps,
    )


def _checkpoints(
    settings: TrainSettings,
    folder: Path,
    data: LanguageModelData,
    recorder: Recorder,
    clock: Clock,
    stopped: Stopped,
    *,
    steps: int,
    pause_at: int | None,
) -> Checkpoints:
    fingerprints = {split: store.text_sha256 for split, store in data.stores.items()}
    made: Checkpoints = registry.build(
        "callbacks.checkpoints",
        settings.callbacks.checkpoints,
        folder=folder,
        recorder=recorder,
        clock=clock,
        stopped=stopped,
        ours={
            "tokenizer": data.tokenizer.to_dict(),
            "config": plain(settings),
            "plugins": plugins.record(targets(settings)),
            "train_fingerprint": fingerprints["train"],
            "text_fingerprints": fingerprints,
        },
        total_steps=steps,
        pause_at=pause_at,
    )
    return made


def build_trainer(
    settings: TrainSettings,
    folder: Path,
    device: torch.device,
    callbacks: list[pl.Callback],
    steps: int,
    resumption: Resumption | None,
    loggers: Loggers,
    profiler: str | None = None,
) -> pl.Trainer:
    """Returns the Trainer.

    Args:
        settings: the run's settings.
        folder: the run's own folder.
        device: the device of training.
        callbacks: in the order in which they are called.
        steps: optimizer steps of the whole run.
        resumption: what to resume from; None to begin a run.
        loggers: the run's.
        profiler: name of one whose results are written to the run's folder; None for none.
    """
    how = dataclasses.replace(settings.trainer, accelerator="gpu" if device.type == "cuda" else "cpu")
    if how.max_tokens > 0:
        how.max_steps = steps
    if how.val_check_interval is not None:
        # The setting counts optimizer steps across epochs, but Lightning counts batches.
        how.val_check_interval *= how.accumulate_grad_batches
        how.check_val_every_n_epoch = None
    how.min_epochs = how.min_epochs or 0  # Lightning would read trainer.min_steps as an epoch at least
    if resumption is not None:
        how.num_sanity_val_steps = 0  # the run has been evaluated before, and its state is not touched
    trainer: pl.Trainer = registry.build(
        "trainer",
        how,
        callbacks=callbacks,
        logger=loggers.loggers or False,
        plugins=[SealedCheckpointIO(None if resumption is None else resumption.checkpoint)],
        profiler=NoProfiler() if profiler is None else _PROFILERS[profiler](dirpath=str(folder), filename="profile"),
        enable_progress_bar=False,
        enable_checkpointing=False,
        default_root_dir=str(folder),
        **_APPLIED_BY_LMLAB,
    )
    return trainer
