"""Writes best.ckpt and last.ckpt, and defines where a run may stop and be resumed without any difference."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins import CheckpointIO
from pytorch_lightning.trainer.states import TrainerFn

from lmlab import signals
from lmlab.checkpoints import FORMAT, read_checkpoint, save_checkpoint
from lmlab.random_states import random_states, restore_random_states
from lmlab.runs.files import BEST, BEST_BEFORE_END, CHECKPOINTS, LAST, PREVIOUS
from lmlab.runs.summary import mark_unfinished
from lmlab.training import event_files
from lmlab.training.callbacks.recorder import Recorder, task_of
from lmlab.training.callbacks.stopping import Stopped
from lmlab.training.clock import Clock
from lmlab.training.module import LanguageModelModule
from lmlab.training.position import Position


class PausedRun(Exception):
    """Training stopped where it was told to, and its state was saved."""


class SealedCheckpointIO(CheckpointIO):
    """Makes Lightning read and write checkpoints in lmlab's format.

    Args:
        loaded: the verified checkpoint from which the run is resumed; None for a new run.
    """

    def __init__(self, loaded: dict[str, Any] | None = None) -> None:
        self._loaded = loaded

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Saves plain containers and tensors; `storage_options` is the path at which the previous file is kept."""
        save_checkpoint(checkpoint, Path(path), keep_previous=storage_options)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Returns the checkpoint that was verified before, so that exactly this one is loaded."""
        if self._loaded is not None:
            loaded, self._loaded = self._loaded, None
            return loaded
        return read_checkpoint(Path(path), map_location=map_location)

    def remove_checkpoint(self, path: Any) -> None:
        """Deletes the file."""
        Path(path).unlink(missing_ok=True)


class Checkpoints(pl.Callback):
    """Saves best.ckpt at the lowest validation nats, and last.ckpt where a run may stop.

    A run may stop between two optimizer steps, when evaluation and samples of the step before are done: at the end of
    each epoch, at intervals of some minutes, and on a signal. This must be the last callback, so that the saved states
    of all others belong to the same step. The file before is kept as previous.ckpt.

    Args:
        every_minutes: interval at which last.ckpt is saved; None for the ends of epochs only.
        keep_every: interval in optimizer steps at which the weights are kept as step-<number>.ckpt; None for never.
        folder: the run's.
        recorder: whose rows say which evaluation is the best.
        clock: shared with the other callbacks.
        stopped: which callback ended the run.
        ours: stored in each checkpoint to make it complete: tokenizer, configuration, fingerprints of the texts.
        total_steps: optimizer steps of the whole run.
        pause_at: optimizer steps after which the run pauses; None for never.
    """

    def __init__(
        self,
        *,
        every_minutes: float | None,
        keep_every: int | None,
        folder: Path,
        recorder: Recorder,
        clock: Clock,
        stopped: Stopped,
        ours: dict[str, Any],
        total_steps: int,
        pause_at: int | None,
    ) -> None:
        self.every_minutes = every_minutes
        self.keep_every = keep_every
        self.folder = folder
        self.best_path = folder / CHECKPOINTS / BEST
        self.last_path = folder / CHECKPOINTS / LAST
        self.recorder = recorder
        self.clock = clock
        self.stopped = stopped
        self.ours = ours
        self.total_steps = total_steps
        self.pause_at = pause_at
        # Optimizer steps of last.ckpt; None if there is none yet.
        self.saved_step: int | None = None
        self._kept_at = 0
        self._saved_at = time.monotonic()
        self._random_states: dict[str, Any] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restores the random generators of a resumed run and marks its summary as unfinished."""
        mark_unfinished(self.folder, self.ours["config"]["name"])
        self.restore_random_states()
        self._saved_at = time.monotonic()
        # Lightning has installed a signal handler of its own.
        signals.take_back()

    def restore_random_states(self) -> None:
        """Sets the random generators to the states in the checkpoint, once."""
        if self._random_states is not None:
            restore_random_states(self._random_states)
            self._random_states = None

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Saves best.ckpt if this evaluation is the best."""
        rows = self.recorder.rows
        if rows and rows[-1] is self.recorder.best_row:
            # The evaluation at the end of a run is not part of the run if it is resumed for longer. The best weights
            # from before that evaluation are kept for this case.
            at_the_end = trainer.state.fn != TrainerFn.FITTING
            before = self.best_path.with_name(BEST_BEFORE_END) if at_the_end else None
            with self.clock.paused():
                self._save_weights(task_of(pl_module), self.best_path, trainer.global_step, keep_previous=before)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Saves the weights that are kept permanently, at the interval `keep_every`."""
        step = trainer.global_step
        if self.keep_every and step % self.keep_every == 0 and step > self._kept_at:
            self._kept_at = step
            task = task_of(pl_module)
            path = self.last_path.with_name(f"step-{step:06d}.ckpt")
            with self.clock.paused(), task.averaged_weights():
                self._save_weights(task, path, step)

    def _save_weights(
        self, task: LanguageModelModule, path: Path, step: int, *, keep_previous: Path | None = None
    ) -> None:
        """Saves weights, tokenizer and configuration: enough to use the model, not to resume training."""
        state = {name: value.detach().cpu() for name, value in task.state_dict().items()}
        saved = {"lmlab": self._described(), "state_dict": state, "global_step": step}
        save_checkpoint(saved, path, keep_previous=keep_previous)

    def _described(self) -> dict[str, Any]:
        return {"format": FORMAT, **self.ours}

    def save_if_due(self, trainer: pl.Trainer) -> None:
        """Saves last.ckpt if the interval is over or a signal came; called between two batches."""
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        if done % trainer.accumulate_grad_batches:
            return  # the accumulated gradient is not complete
        minutes = (time.monotonic() - self._saved_at) / 60
        due = self.every_minutes is not None and minutes >= self.every_minutes
        # At the start of an epoch, last.ckpt was just saved at the end of the epoch before.
        if signals.received() is not None or self._is_pause(trainer) or (due and done):
            self._save_last(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Saves last.ckpt; also called when the run ends within an epoch."""
        self._save_last(trainer)

    def _is_pause(self, trainer: pl.Trainer) -> bool:
        return self.pause_at is not None and self.pause_at <= trainer.global_step < self.total_steps

    def _save_last(self, trainer: pl.Trainer) -> None:
        with self.clock.paused():
            if self.saved_step != trainer.global_step:
                previous = self.last_path.with_name(PREVIOUS)
                trainer.save_checkpoint(self.last_path, storage_options=previous)
                self.saved_step = trainer.global_step
        self._saved_at = time.monotonic()
        signals.check()
        # Told to stop before its minimum, training goes on.
        is_ending = trainer.should_stop and trainer.fit_loop._can_stop_early
        if self._is_pause(trainer) and not is_ending:
            raise PausedRun

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Adds tokenizer, configuration, position and states of random generators to a checkpoint."""
        checkpoint["lmlab"] = self._described() | {
            "position": Position.of(trainer).as_dict(),
            # Set by early stopping; the Trainer does not store it.
            "should_stop": bool(trainer.should_stop),
            "stopped_by": self.stopped.by,
            "event_files": event_files.sizes(self.folder),
        }
        checkpoint["random_states"] = random_states()

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keeps the generators' states until training starts, because numbers are drawn before that too."""
        self._random_states = checkpoint["random_states"]
        self.saved_step = checkpoint["global_step"]
        self._kept_at = checkpoint["global_step"]
        trainer.should_stop = checkpoint["lmlab"].get("should_stop", False)
        self.stopped.by = checkpoint["lmlab"].get("stopped_by")


class BetweenBatches(pl.Callback):
    """The first of all callbacks: saves before another does anything that belongs to the next batch.

    Args:
        checkpoints: the last of all callbacks.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Saves last.ckpt where it is due; the step before is complete by now."""
        self._checkpoints.save_if_due(trainer)
