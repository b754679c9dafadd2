"""Records the numbers of a run: in TensorBoard during training, and in metrics.csv at each evaluation."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from lmlab.runs.contents import GRADIENT_FIGURES, Row, write_history
from lmlab.training.clock import Clock
from lmlab.training.module import LanguageModelModule
from lmlab.training.token_totals import Totals

log = logging.getLogger(__name__)


class Recorder(pl.Callback):
    """Keeps a row for each evaluation, in memory and in metrics.csv, and sends figures to the loggers.

    Args:
        folder: the run's.
        clock: shared with the other callbacks.
        source_nats: total nats of the validation split under its source; None if unknown.
        log_every_n_steps: interval at which training figures are sent to the loggers.
    """

    def __init__(self, *, folder: Path, clock: Clock, source_nats: float | None, log_every_n_steps: int) -> None:
        self.folder = folder
        self.clock = clock
        self.source_nats = source_nats
        self.log_every_n_steps = log_every_n_steps
        self.rows: list[Row] = []
        self._last_seconds = 0.0
        self._last_logged = (0, 0.0)  # step, training seconds
        self._gradient_sums: list[tuple[int, dict[str, float]]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock, which continues from its earlier time in a resumed run."""
        self.clock.start()
        self.write()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Sends the figures since the last time to the loggers, at the interval `log_every_n_steps`."""
        step = trainer.global_step
        if step % self.log_every_n_steps == 0 and step > self._last_logged[0]:
            self._serve_loggers(trainer, task_of(pl_module), step)

    def _serve_loggers(self, trainer: pl.Trainer, task: LanguageModelModule, step: int) -> None:
        totals = task.recent.totals
        task.recent.reset()
        seconds = self.clock.training_seconds
        figures = train_figures(totals)
        steps, gradients = task.gradients.take()
        self._gradient_sums.append((steps, gradients))
        figures.update(gradients)
        figures["tokens_per_second"] = totals.num_tokens / max(1e-9, seconds - self._last_logged[1])
        figures["lr"] = learning_rate(trainer)
        figures["epoch"] = float(trainer.current_epoch)
        for logger in trainer.loggers:
            logger.log_metrics(figures, step)
        self._last_logged = (step, seconds)

    def write(self) -> None:
        """Writes metrics.csv with all rows so far; in a resumed run this drops rows after its checkpoint."""
        write_history(self.folder, self.rows)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Pauses the clock, so that tests and files do not count as training time."""
        self.clock.pause()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Pauses the clock."""
        self.clock.pause()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Pauses the clock."""
        self.clock.pause()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Adds a row, writes metrics.csv and resumes the clock."""
        task = task_of(pl_module)
        if task.validation_result is None or trainer.sanity_checking:
            self.clock.resume()
            return
        if trainer.global_step > self._last_logged[0]:
            self._serve_loggers(trainer, task, trainer.global_step)
        row = self._row(trainer, task, task.validation_result)
        self.rows.append(row)
        self.write()
        for logger in trainer.loggers:
            logger.log_metrics(
                {k: v for k, v in row.items() if k.startswith("val/")} | {"epoch": row["epoch"]}, int(row["step"])
            )
        self.clock.resume()

    def _row(self, trainer: pl.Trainer, task: LanguageModelModule, result: dict[str, float]) -> Row:
        trained = task.since_evaluation.totals
        task.since_evaluation.reset()
        task.tokens_seen += trained.num_tokens
        seconds = self.clock.training_seconds
        row: Row = {
            "step": trainer.global_step,
            "epoch": epochs_done(trainer),
            "tokens": task.tokens_seen,
            "seconds": round(self.clock.wall_seconds, 3),
            **{f"val/{name}": value for name, value in result.items()},
            **source_figures("val", result, self.source_nats),
            **train_figures(trained),
            **_weighted(self._gradient_sums),
            "tokens_per_second": trained.num_tokens / max(1e-9, seconds - self._last_seconds),
            "lr": learning_rate(trainer),
        }
        self._last_seconds = seconds
        self._gradient_sums.clear()
        return row

    @property
    def best_row(self) -> Row | None:
        """The evaluation with the lowest validation nats; the first of equals."""
        return min(self.rows, key=lambda row: row["val/nats_per_token"], default=None)

    def state_dict(self) -> dict[str, Any]:
        """Returns the rows and the time so far."""
        return {
            "rows": [dict(row) for row in self.rows],
            "seconds": [self.clock.wall_seconds, self.clock.training_seconds],
            "last_seconds": self._last_seconds,
            "last_logged": list(self._last_logged),
            "gradient_sums": [[steps, dict(figures)] for steps, figures in self._gradient_sums],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores rows and clock."""
        self.rows = [dict(row) for row in state_dict["rows"]]
        self.clock.restore(*state_dict["seconds"])
        self._last_seconds = state_dict["last_seconds"]
        if "last_logged" in state_dict:  # not in checkpoints of format 2
            step, seconds = state_dict["last_logged"]
            self._last_logged = (step, seconds)
        self._gradient_sums = [(steps, dict(figures)) for steps, figures in state_dict["gradient_sums"]]


def source_figures(prefix: str, figures: Mapping[str, float], source_nats: float | None) -> dict[str, float]:
    """Returns the source's nats per token on the same tokens and the model's excess over it; empty if unknown.

    Args:
        prefix: ``val`` or ``test``.
        figures: of the model, by name.
        source_nats: total nats of the source on the same strings; None if unknown.
    """
    if source_nats is None or not figures["num_tokens"]:
        return {}
    per_token = source_nats / figures["num_tokens"]
    return {
        f"{prefix}/source_nats_per_token": per_token,
        f"{prefix}/excess_nats_per_token": figures["nats_per_token"] - per_token,
    }


def task_of(module: pl.LightningModule) -> LanguageModelModule:
    """Returns the module with its exact type."""
    assert isinstance(module, LanguageModelModule)
    return module


def train_figures(totals: Totals) -> dict[str, float]:
    """Returns the training figures of some steps."""
    return {
        "train/nats_per_token": totals.nats_per_token,
        "train/perplexity": totals.perplexity,
        "train/error_rate": totals.error_rate,
    }


def learning_rate(trainer: pl.Trainer) -> float:
    """Returns the learning rate of the optimizer's first group."""
    return float(trainer.optimizers[0].param_groups[0]["lr"])


def epochs_done(trainer: pl.Trainer) -> float:
    """Returns the epochs of training so far, with the fraction of the current one."""
    batches = max(1, int(trainer.num_training_batches))
    loop = trainer.fit_loop.epoch_loop.batch_progress.total
    return round(loop.ready / batches, 4)


def _weighted(parts: list[tuple[int, dict[str, float]]]) -> dict[str, float]:
    """Combines means over some steps each into means over all steps."""
    steps = sum(count for count, figures in parts if figures)
    if not steps:
        return {}
    return {name: sum(n * f[name] for n, f in parts if f) / steps for name in GRADIENT_FIGURES}
