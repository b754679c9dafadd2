"""TensorBoard's HPARAMS page: the settings of a run and its figures at the best step so far."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams as hparams_summaries

from lmlab.config.settings import TrainSettings
from lmlab.config.typed import get
from lmlab.evaluation.metrics import OWN
from lmlab.training.callbacks.recorder import Recorder, task_of
from lmlab.training.event_files import RunLogger

# The page shows the last value of the first five curves by name. So there are five separate curves whose last value is
# that of the best step, with names that come first.
_MOST_CURVES = 5

# Settings that the page shows of a single run; of a job of a sweep it shows the swept settings.
_SINGLE = (
    "model.name", "model.hidden_size", "model.num_layers", "model.dropout", "embedding.dim", "optimizer.lr",
    "data.name", "data.batch_size", "data.sequence_length", "seed",
)  # fmt: skip

Value = str | float


class HParams(pl.Callback):
    """Writes the settings at the start and the best figures at each evaluation.

    No experiment is declared: TensorBoard then collects settings and figures from all runs it shows, so that several
    sweeps below one folder are on one page. (Of several declared experiments it would use an arbitrary one.)

    Args:
        settings: names and values.
        recorder: whose best row is written.
    """

    def __init__(self, *, settings: dict[str, Value], recorder: Recorder) -> None:
        self.settings = settings
        self.recorder = recorder
        self._written = self._ended = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the settings, unless the run is resumed and has written them before."""
        if self._written:
            return
        self._written = True
        _, start, _ = hparams_summaries(self.settings, {})  # type: ignore[no-untyped-call]
        self._add(trainer, start)
        for logger in trainer.loggers:
            logger.log_metrics({"num_parameters": float(task_of(pl_module).model.num_parameters)}, trainer.global_step)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the figures of the best evaluation so far."""
        best = self.recorder.best_row
        if best is None:
            return
        names = list(task_of(pl_module).validation.specs)
        # Those that a configuration adds come first, then those that most runs are judged by.
        evaluated = [f"val/{name}" for name in (*(n for n in names if n not in OWN), *names[:4])]
        known = [name for name in (*evaluated, "tokens_per_second") if name in best]
        figures = {f"best/{name.rpartition('/')[2]}": best[name] for name in known[:_MOST_CURVES]}
        for logger in trainer.loggers:
            logger.log_metrics(figures, trainer.global_step)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Marks the run as finished."""
        self.end(trainer)

    def end(self, trainer: pl.Trainer) -> None:
        """Marks the run as finished, once; needed for a resumed run that has no step left to train."""
        if self._ended:
            return
        self._ended = True
        _, _, end = hparams_summaries(self.settings, {})  # type: ignore[no-untyped-call]
        self._add(trainer, end)

    def state_dict(self) -> dict[str, Any]:
        """Returns whether the settings have been written."""
        return {"written": self._written}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores whether the settings have been written."""
        self._written = state_dict["written"]

    def _add(self, trainer: pl.Trainer, summary: Any) -> None:
        for logger in trainer.loggers:
            if isinstance(logger, RunLogger):
                logger.experiment._get_file_writer().add_summary(summary)


def write_failed_job(folder: Path, settings: dict[str, str]) -> None:
    """Puts a job that failed before its first step on the page, without figures.

    Args:
        folder: the job's; nothing is written if it has event files.
        settings: as they were typed.
    """
    if any(folder.glob("events.out.tfevents.*")):
        return
    with SummaryWriter(str(folder)) as writer:
        _, start, _ = hparams_summaries(typed(settings), {})  # type: ignore[no-untyped-call]
        writer._get_file_writer().add_summary(start)


def single_run_settings(settings: TrainSettings) -> dict[str, Value]:
    """Returns the settings that the page shows of a run that is not a job of a sweep.

    Args:
        settings: the run's.
    """
    found: dict[str, Value] = {}
    for name in _SINGLE:
        value = get(settings, name)
        if value is not None:
            found[name] = value
    return found


def typed(values: dict[str, str]) -> dict[str, Value]:
    """Converts numbers, so that the page can put them on an axis; all other values stay text."""
    return {name: _typed(value) for name, value in values.items()}


def _typed(value: str) -> Value:
    try:
        return float(value)
    except ValueError:
        return value
