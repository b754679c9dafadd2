"""TensorBoard's HPARAMS page: the settings of a run and its figures at the best step so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.plugins.hparams import api_pb2, metadata  # type: ignore[import-untyped]
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData  # type: ignore[import-untyped]
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams as hparams_summaries

from lmlab.evaluation.metrics import OWN
from lmlab.runs.settings import option
from lmlab.training.callbacks.recorder import Recorder, task_of
from lmlab.training.event_files import RunLogger

Value = str | float

# The settings of every run, whether it is a job of a sweep or not; a group's is the option that was chosen.
_TEXTS = ("model.name", "data.name", "tokenizer", "embedding", "optimizer")
_NUMBERS = (
    "model.hidden_size", "model.num_layers", "model.dropout", "embedding.dim", "optimizer.lr", "data.batch_size",
    "data.sequence_length", "seed",
)  # fmt: skip
# What a sweep sweeps besides. A page over several sweeps has no columns for all of it, but this one.
_OTHERS = "other settings"
# As they are typed, and the settings above that tell the same.
_ALIASES = {"model": "model.name", "data": "data.name"}
# The page shows those first that are said to differ, and only so many until others are ticked.
_NUM_TICKED = 5
_MAIN = ("model.name", "model.hidden_size", "model.num_layers", "optimizer.lr", "data.name")
# The curves of the best figures, whose last value the page shows. Among the scalars they stand behind `val/`.
_BEST = "val_best/"


@dataclass(frozen=True)
class Shown:
    """The settings of a run on the page.

    Args:
        values: by name; one that has no value is missing.
        swept: the names of those that are swept.
    """

    values: Mapping[str, Value]
    swept: tuple[str, ...] = ()


def shown_settings(config: Mapping[str, Any], swept: Mapping[str, str] | None = None) -> Shown:
    """Returns what the page shows: the same settings of all runs, and those that a sweep sweeps besides.

    Args:
        config: the run's configuration as plain data, of which references and what has a wrong type are left out.
        swept: the swept settings of a job of a sweep, as typed; None for other runs.
    """
    found = {name: _at(config, name) for name in (*_TEXTS, *_NUMBERS)}
    values: dict[str, Value] = {name: value for name, value in found.items() if _is_usable(name, value)}
    names = {_ALIASES.get(name, name): value for name, value in (swept or {}).items()}
    more = {name: value for name, value in names.items() if name not in found}
    values |= {name: _typed(value) for name, value in more.items() if value != "null"}
    if more:
        values[_OTHERS] = " ".join(f"{name}={value}" for name, value in more.items())
    return Shown(values, tuple(names))


def _at(config: Mapping[str, Any], name: str) -> Any:
    value: Any = config
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if name in _TEXTS and isinstance(value, Mapping):
        return option(config, name) + ("_frozen" if value.get("freeze") is True else "")
    return value


def _is_usable(name: str, value: Any) -> bool:
    if name in _TEXTS:
        return isinstance(value, str) and value not in ("", "???") and "${" not in value
    return isinstance(value, int | float) and not isinstance(value, bool)


def _typed(value: str) -> Value:
    """Converts a number, so that the page can put it on an axis; all other values stay text."""
    try:
        return float(value)
    except ValueError:
        return value


class HParams(pl.Callback):
    """Writes the settings at the start and the best figures at each evaluation.

    Each run declares an experiment: what the columns of the page are. Without one, TensorBoard would take all curves
    for figures, and show the first five by name. Of several it uses an arbitrary one, so they are the same but for what
    a sweep or a configuration adds. (A session in a folder of its own below the run's, as torch's `add_hparams` makes
    it, would keep the curves apart as well, but would double the list of runs on every page.)

    Args:
        shown: the settings.
        recorder: whose best row is written.
    """

    def __init__(self, *, shown: Shown, recorder: Recorder) -> None:
        self.shown = shown
        self.recorder = recorder
        self._written = self._ended = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the settings, unless the run is resumed and has written them before."""
        if self._written:
            return
        self._written = True
        task = task_of(pl_module)
        self._add(trainer, _experiment(self.shown, _figures(task.validation.specs)))
        self._add(trainer, _session(self.shown)[0])
        for logger in trainer.loggers:
            logger.log_metrics({"num_parameters": float(task.model.num_parameters)}, trainer.global_step)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the figures of the best evaluation so far."""
        best = self.recorder.best_row
        if best is None:
            return
        known = [name for name in _figures(task_of(pl_module).validation.specs) if name in best]
        figures = {_curve(name): best[name] for name in known}
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
        self._add(trainer, _session(self.shown)[1])

    def state_dict(self) -> dict[str, Any]:
        """Returns whether the settings have been written."""
        return {"written": self._written}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores whether the settings have been written."""
        self._written = state_dict["written"]

    def _add(self, trainer: pl.Trainer, summary: Summary) -> None:
        for logger in trainer.loggers:
            if isinstance(logger, RunLogger):
                logger.experiment._get_file_writer().add_summary(summary)


def _figures(specs: Iterable[str]) -> list[str]:
    """Returns the columns of an evaluation's row that are on the page, the most important first."""
    added = [name for name in specs if name not in OWN]
    names = ("nats_per_token", "perplexity", "bits_per_char", *added)
    return [*(f"val/{name}" for name in names), "tokens_per_second", "val/error_rate"]


def _curve(figure: str) -> str:
    return f"{_BEST}{figure.rpartition('/')[2]}"


def _session(shown: Shown) -> tuple[Summary, Summary]:
    """Returns what begins the session of a run, with its settings, and what ends it."""
    _, start, end = hparams_summaries(dict(shown.values), {})  # type: ignore[no-untyped-call]
    return start, end


def _experiment(shown: Shown, figures: Sequence[str]) -> Summary:
    """Returns the declaration of the page's columns."""
    first = list(dict.fromkeys([*shown.swept, *_MAIN]))[: max(_NUM_TICKED, len(shown.swept))]
    settings = [
        api_pb2.HParamInfo(name=name, type=_type(shown, name), differs=name in first)
        for name in dict.fromkeys([*_TEXTS, *_NUMBERS, _OTHERS, *shown.swept])
    ]
    curves = {_curve(name): name.replace("/", " ").replace("_", " ") for name in figures}
    curves["num_parameters"] = "parameters"
    columns = [
        api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag), display_name=words) for tag, words in curves.items()
    ]
    data = HParamsPluginData(experiment=api_pb2.Experiment(hparam_infos=settings, metric_infos=columns))
    about = metadata.create_summary_metadata(data)
    return Summary(value=[Summary.Value(tag=metadata.EXPERIMENT_TAG, metadata=about, tensor=metadata.NULL_TENSOR)])


def _type(shown: Shown, name: str) -> Any:
    is_text = name in (*_TEXTS, _OTHERS) or isinstance(shown.values.get(name), str)
    return api_pb2.DATA_TYPE_STRING if is_text else api_pb2.DATA_TYPE_FLOAT64


def write_failed_job(folder: Path, shown: Shown) -> None:
    """Puts a job that failed before its first step on the page, without figures.

    It declares no experiment, as it does not know what figures the others have.

    Args:
        folder: the job's; nothing is written if it has event files.
        shown: its settings.
    """
    if any(folder.glob("events.out.tfevents.*")):
        return
    with SummaryWriter(str(folder)) as writer:
        writer._get_file_writer().add_summary(_session(shown)[0])
