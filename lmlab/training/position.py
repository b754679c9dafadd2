"""The position of training within a run, from which a resumed run continues."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import pytorch_lightning as pl


@dataclass(frozen=True)
class Position:
    """A position between two batches.

    Args:
        epoch: epochs done.
        batch: batches done of the current epoch; less than the number of batches of an epoch.
        step: optimizer steps done.
    """

    epoch: int
    batch: int
    step: int

    @classmethod
    def of(cls, trainer: pl.Trainer) -> Position:
        """Returns the position of a Trainer, between two batches or at the end of an epoch."""
        epoch = max(0, trainer.fit_loop.epoch_progress.current.ready - 1)
        batch = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        if batch >= trainer.num_training_batches:
            epoch, batch = epoch + 1, 0
        return cls(epoch, batch, trainer.global_step)

    @classmethod
    def from_loops(cls, loops: dict[str, Any], step: int) -> Position:
        """Returns the position in a checkpoint of an older lmlab, from Lightning's record of its loops.

        Args:
            loops: the checkpoint's ``loops``.
            step: its ``global_step``.
        """
        loader = loops["fit_loop"]["state_dict"]["combined_loader"][0]
        return cls(int(loader["epoch"]), int(loader["position"]), step)

    def fits(self, *, num_batches: int, accumulate: int) -> bool:
        """Returns whether the step agrees with epoch and batch.

        Args:
            num_batches: number of batches of an epoch.
            accumulate: batches per optimizer step; the last step of an epoch may have fewer.
        """
        steps = self.epoch * math.ceil(num_batches / accumulate) + math.ceil(self.batch / accumulate)
        return self.epoch >= 0 and 0 <= self.batch < num_batches and steps == self.step

    def as_loops(self, num_batches: int) -> dict[str, Any]:
        """Returns a state of Lightning's loops that makes it continue with the next batch.

        Lightning's own record depends on the hook in which a checkpoint was written, and for some hooks it repeats an
        epoch or an evaluation. This state does not: all batches and steps up to the position count as complete.

        Args:
            num_batches: number of batches of an epoch.
        """
        begun = self.epoch + (self.batch > 0)
        epochs = {"ready": begun, "started": begun, "processed": self.epoch, "completed": self.epoch}
        batches = dict.fromkeys(("ready", "started", "processed", "completed"), self.batch)
        total = dict.fromkeys(batches, self.epoch * num_batches + self.batch)
        steps = {"ready": self.step, "completed": self.step}
        return {
            "fit_loop": {
                "epoch_progress": {"total": dict(epochs), "current": dict(epochs)},
                # By which Lightning numbers what callbacks log, and says when it is due.
                "epoch_loop.state_dict": {"_batches_that_stepped": self.step},
                "epoch_loop.batch_progress": {"total": total, "current": batches, "is_last_batch": False},
                "epoch_loop.automatic_optimization.optim_progress": {
                    "optimizer": {
                        "step": {"total": dict(steps), "current": dict(steps)},
                        "zero_grad": {
                            "total": {**steps, "started": self.step},
                            "current": {**steps, "started": self.step},
                        },
                    }
                },
            }
        }

    def as_dict(self) -> dict[str, int]:
        """Returns the position as a dictionary, for a checkpoint."""
        return asdict(self)
