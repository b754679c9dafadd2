"""Warnings about learning curves: overfitting, failed optimisation, clipping on most steps."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytorch_lightning as pl

from lmlab.runs.history import Row
from lmlab.training.callbacks.recorder import Recorder, task_of

log = logging.getLogger(__name__)

# Nats a token; smaller changes between evaluations are noise.
NOTICEABLE = 0.01
CLIPPED_ALARM = 0.5
# Nats a token above uniform guessing; at the start of training a network may be a little above it.
DIVERGED_NATS = 1.0
# Total nats below the source's own. On held-out strings, the ratio of a model's likelihood to the source's has a mean
# of at most 1, so by Markov's inequality a model is this far below with a probability of at most exp(-20), 2e-9.
IMPOSSIBLE_NATS = 20.0


class Alarms(pl.Callback):
    """Logs each kind of warning once, when an evaluation first shows it; the summary has the final state.

    Args:
        recorder: whose rows are examined.
        notes: warnings that are known before training.
        passes_per_epoch: how often an epoch reads the training text.
        uniform_nats: nats a token of a model that knows nothing: ln of the vocabulary's size.
    """

    def __init__(
        self, *, recorder: Recorder, notes: Sequence[str], passes_per_epoch: float, uniform_nats: float
    ) -> None:
        self.recorder = recorder
        self.passes_per_epoch = passes_per_epoch
        self.uniform_nats = uniform_nats
        self.notes = list(notes)
        self._told: set[str] = set()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Logs the warnings that are known before training."""
        for note in self.notes:
            log.warning(f"warning: {note}")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Logs each kind of warning when it first appears."""
        for warning in self._seen():
            kind = warning.partition(":")[0]
            if kind not in self._told:
                self._told.add(kind)
                log.warning(f"warning: {warning}")

    def all(self, pl_module: pl.LightningModule) -> list[str]:
        """Returns all warnings that hold at the end of the run."""
        clipped = task_of(pl_module).gradients.clip_fraction
        found = [*self.notes, *self._seen()]
        if clipped > CLIPPED_ALARM:
            found.append(
                f"clipping: the gradient was clipped on {clipped:.0%} of the steps, so the clip sets the step size; "
                "raise trainer.gradient_clip_val or lower optimizer.lr"
            )
        return found

    def _seen(self) -> list[str]:
        rows = self.recorder.rows
        said = diverged_warnings(rows, self.uniform_nats)
        if not said:
            said = curve_warnings(rows, passes_per_epoch=self.passes_per_epoch)
        return [*said, *source_warnings(rows)]


def source_warnings(rows: Sequence[Row]) -> list[str]:
    """Returns a warning if the model is better than the source of its strings, which only a leak or a bug can cause.

    Args:
        rows: in order, with `val/excess_nats_per_token` if the source is known.
    """
    excess = [row["val/excess_nats_per_token"] * row["val/num_tokens"] for row in rows if _excess_known(row)]
    if not excess or min(excess) > -IMPOSSIBLE_NATS:
        return []
    return [
        f"below the source: {-min(excess):.1f} nats better than the source itself on the validation strings, which no "
        "honest model is: held-out strings have leaked, or a number is wrong"
    ]


def _excess_known(row: Row) -> bool:
    return "val/excess_nats_per_token" in row


def diverged_warnings(rows: Sequence[Row], uniform_nats: float) -> list[str]:
    """Returns a warning if both losses are worse than guessing: divergence, not overfitting.

    Args:
        rows: in order, with `val/nats_per_token` and `train/nats_per_token`.
        uniform_nats: nats a token of a model that knows nothing.
    """
    if not rows:
        return []
    figures = rows[-1]["val/nats_per_token"], rows[-1]["train/nats_per_token"]
    if not min(figures) > uniform_nats + DIVERGED_NATS:
        return []
    return [
        f"diverged: {figures[0]:,.3f} nats on validation and {figures[1]:,.3f} on training text, where guessing has "
        f"{uniform_nats:.3f}; lower optimizer.lr or set a smaller trainer.gradient_clip_val"
    ]


def curve_warnings(rows: Sequence[Row], *, passes_per_epoch: float = 1.0) -> list[str]:
    """Returns a warning of overfitting, failed optimisation or unsteady training.

    If the last validation loss is above the best, that is overfitting if the training loss has kept falling since, and
    failed optimisation if it has stagnated or risen. A worse evaluation before the last one does not count. Text that
    has not been read once to the end cannot have been memorised: then training is unsteady.

    Args:
        rows: in order, with `val/nats_per_token` and `train/nats_per_token`.
        passes_per_epoch: how often an epoch reads the training text.
    """
    if len(rows) < 2:
        return []
    best = min(rows, key=lambda row: row["val/nats_per_token"])
    last = rows[-1]
    rise = last["val/nats_per_token"] - best["val/nats_per_token"]
    if rise < NOTICEABLE:
        return []
    fall = best["train/nats_per_token"] - last["train/nats_per_token"]
    validation = (
        f"validation rose from {best['val/nats_per_token']:.3f} nats (epoch {best['epoch']:g}) "
        f"to {last['val/nats_per_token']:.3f} (epoch {last['epoch']:g})"
    )
    training = f"from {best['train/nats_per_token']:.3f} to {last['train/nats_per_token']:.3f}"
    if fall > NOTICEABLE and last["epoch"] * passes_per_epoch <= 1:
        return [
            f"unsteady: {validation} while the training loss fell {training}, before the text had been read "
            "through once; this is not overfitting: lower optimizer.lr, or train longer"
        ]
    if fall > NOTICEABLE:
        return [
            f"overfitting: {validation} while the training loss fell {training}; the best checkpoint counts; "
            "more model.dropout, a smaller model or fewer epochs help"
        ]
    verb = "stood" if fall > -NOTICEABLE else "rose"
    return [
        f"failed optimisation: {validation} while the training loss {verb} {training}; this is not overfitting: "
        "lower optimizer.lr or trainer.gradient_clip_val"
    ]
