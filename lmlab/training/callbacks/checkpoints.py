"""best.ckpt, last.ckpt, and an orderly end at Ctrl-C."""

from __future__ import annotations

import pickle
import random
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import CheckpointIO

from lmlab.errors import InterruptedRun, UserError
from lmlab.files import write_atomically
from lmlab.training.callbacks.recorder import Recorder, task_of
from lmlab.training.clock import Clock
from lmlab.training.summary import mark_unfinished
from lmlab.training.task import LanguageModelTask

# What a checkpoint of ours looks like inside; raised when an older lmlab could not read it.
FORMAT = 2


class AtomicCheckpointIO(CheckpointIO):
    """Writes beside the target, syncs and renames: a crash while saving leaves the checkpoint before."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Saves plain containers and tensors."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, lambda file: torch.save(checkpoint, file))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Loads tensors and plain containers only; nothing else is unpickled."""
        return read_checkpoint(Path(path), map_location=map_location)

    def remove_checkpoint(self, path: Any) -> None:
        """Deletes the file."""
        Path(path).unlink(missing_ok=True)


def read_checkpoint(path: Path, *, map_location: Any = "cpu") -> dict[str, Any]:
    """A checkpoint of ours.

    Raises:
        UserError: damaged, made by something else, or with more in it than tensors and plain containers.
    """
    try:
        loaded = torch.load(path, map_location=map_location, weights_only=True)
        ours = loaded["lmlab"]
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, LookupError, ValueError, TypeError) as error:
        problem = "damaged, or not a checkpoint of lmlab (weights_only loading refused it)"
        raise UserError("run", path, problem, "use the run's other checkpoint, or train again") from error
    if ours["format"] != FORMAT:
        raise UserError("run", path, "was written by another version of lmlab", "train it again with this one")
    return dict(loaded)


class Checkpoints(pl.Callback):
    """Saves best.ckpt at the fewest validation nats; last.ckpt after each epoch, every so many minutes and at a signal.

    Each carries tokenizer, configuration and the states of the random generators.

    Args:
        every_minutes: None saves last.ckpt after epochs only.
        keep_every: optimizer steps after which the weights are kept as step-<number>.ckpt; None keeps none.
        folder: the run's.
        recorder: whose rows say what is best.
        clock: shared with the other callbacks.
        tokenizer: as a plain dict.
        config: the resolved configuration as a plain dict.
        train_fingerprint: SHA-256 of the training text; a run does not go on with another.
    """

    def __init__(
        self,
        *,
        every_minutes: float | None,
        keep_every: int | None,
        folder: Path,
        recorder: Recorder,
        clock: Clock,
        tokenizer: dict[str, Any],
        config: dict[str, Any],
        train_fingerprint: str,
    ) -> None:
        self.every_minutes = every_minutes
        self.keep_every = keep_every
        self._kept_at = 0
        self.best_path = folder / "checkpoints" / "best.ckpt"
        self.last_path = folder / "checkpoints" / "last.ckpt"
        self.recorder = recorder
        self.clock = clock
        self.tokenizer = tokenizer
        self.config = config
        self.train_fingerprint = train_fingerprint
        self._saved_at = time.monotonic()
        self._waited = False
        self._signal: int | None = None
        self._handlers: dict[int, Any] = {}
        self._random_states: dict[str, Any] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restores random generators when resuming; takes over the signals.

        A run that goes on is from now on no longer what the summary of its last end says.
        """
        mark_unfinished(self.last_path.parents[1])
        if self._random_states is not None:
            restore_random_states(self._random_states)
            self._random_states = None
        self._saved_at = time.monotonic()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None:
            raise InterruptedRun(number)
        self._signal = number
        print("\nstopping after this step; again to stop at once", flush=True)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """best.ckpt, where this evaluation is the best."""
        rows = self.recorder.rows
        if rows and rows[-1] is self.recorder.best_row:
            with self.clock.paused():
                trainer.save_checkpoint(self.best_path)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """last.ckpt, when the minutes have passed or a signal came."""
        step = trainer.global_step
        if self.keep_every and step % self.keep_every == 0 and step > self._kept_at:
            self._kept_at = step
            with self.clock.paused():
                self._keep(task_of(pl_module), step)
        minutes = (time.monotonic() - self._saved_at) / 60
        due = self._signal is not None or (self.every_minutes is not None and minutes >= self.every_minutes)
        # A run resumed from before an evaluation would leave that evaluation out, so this waits for a step without one.
        if due and not self._waited and evaluation_follows(trainer):
            self._waited = True
        elif due:
            self._save_last(trainer)

    def _keep(self, task: LanguageModelTask, step: int) -> None:
        """Weights, tokenizer and configuration: enough to be looked at, not to go on from."""
        with task.averaged_weights():
            state = {name: value.detach().cpu() for name, value in task.state_dict().items()}
        saved = {"lmlab": self._ours(), "state_dict": state, "global_step": step}
        path = self.last_path.with_name(f"step-{step:06d}.ckpt")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: torch.save(saved, file))

    def _ours(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "tokenizer": self.tokenizer,
            "config": self.config,
            "train_fingerprint": self.train_fingerprint,
        }

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """last.ckpt."""
        self._save_last(trainer)

    def _save_last(self, trainer: pl.Trainer) -> None:
        with self.clock.paused():
            trainer.save_checkpoint(self.last_path)
        self._saved_at = time.monotonic()
        self._waited = False
        if self._signal is not None:
            raise InterruptedRun(self._signal)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gives the signals back."""
        self._give_back()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Gives the signals back."""
        self._give_back()

    def _give_back(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Adds what makes a checkpoint complete in itself."""
        checkpoint["lmlab"] = self._ours()
        checkpoint["random_states"] = random_states()

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keeps the states until training starts: what happens in between draws numbers too.

        Raises:
            UserError: the training text is not the one the run began with.
        """
        if checkpoint["lmlab"]["train_fingerprint"] != self.train_fingerprint:
            raise UserError(
                "run", self.last_path.parent.parent, "its training text has changed", "restore it, or start a new run"
            )
        self._random_states = checkpoint["random_states"]


def evaluation_follows(trainer: pl.Trainer) -> bool:
    """Whether an evaluation comes between this step and the next."""
    loop = trainer.fit_loop.epoch_loop
    if loop.batch_progress.is_last_batch:
        return True
    by_steps = trainer.check_val_every_n_epoch is None
    return by_steps and (loop.total_batch_idx + 1) % int(trainer.val_check_batch or 1) == 0


def random_states() -> dict[str, Any]:
    """The states of all global generators as tensors and plain containers."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [
            str(name),
            torch.from_numpy(np.asarray(keys, dtype=np.int64)),
            int(position),
            int(has_gauss),
            float(cached),
        ],
        "python": [version, list(words), gauss],
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Sets all global generators."""
    torch.set_rng_state(states["torch"].cpu())
    if states["cuda"] and torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([state.cpu() for state in states["cuda"]])
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, cached))
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
