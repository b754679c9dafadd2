"""Ends training when its time is over."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Timer


class TimeLimit(Timer):
    """Lightning's Timer, which ends training between two optimizer steps only, where a run may stop.

    The time of an interrupted run counts from where it was saved.

    Args:
        duration: DD:HH:MM:SS.
    """

    def __init__(self, duration: str) -> None:
        super().__init__(duration=duration, interval="step", verbose=False)

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        """Signals the Trainer to stop when the time is over and no accumulated gradient would be lost."""
        done = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        if done % trainer.accumulate_grad_batches == 0 or done >= trainer.num_training_batches:
            super().on_train_batch_end(trainer, *args, **kwargs)

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        left = self.time_remaining()
        return left is not None and left <= 0
