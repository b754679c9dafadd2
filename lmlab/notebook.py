"""Training and runs from Python, in a notebook or a script: `lmlab.fit`, `lmlab.Run` and `lmlab.load_runs`."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lmlab.config.checks import compose
from lmlab.config.effects import typed_twice, without_effect
from lmlab.config.folders import log_to, new_run_folder
from lmlab.config.plugins import take_from, trusting
from lmlab.errors import InterruptedRun, UserError
from lmlab.files import shown
from lmlab.launch.execution import pop_unstored, prepare, resume_run, work
from lmlab.launch.resume_arguments import asks_to_resume, run_to_resume
from lmlab.launch.run_folder import Task, remove_if_unused
from lmlab.locks import locked
from lmlab.runs.discovery import find_records, find_run
from lmlab.runs.files import METRICS, SAMPLES
from lmlab.runs.records import RunRecord, read_record
from lmlab.terminal import say

if TYPE_CHECKING:
    from lmlab.trained import TrainedModel

# Settings in every table of runs; others where the runs differ in them.
_ALWAYS = ("data.name", "model.name", "seed")
_TEXTS = ("fingerprint", "device", "precision")


class Run:
    """A run's folder and what is in it.

    Args:
        folder: the run's, or ``latest`` for the latest run below `output_dir`.
        output_dir: the folder in which ``latest`` is looked for.

    Raises:
        UserError: there is no such run.
    """

    def __init__(self, folder: str | Path, *, output_dir: str = "outputs") -> None:
        self.folder = find_run(str(folder), output_dir=output_dir)

    @property
    def summary(self) -> dict[str, Any]:
        """The contents of summary.json: figures at the best step, test figures, size, speed, diagnostics."""
        return self._record.summary

    @property
    def status(self) -> str:
        """``finished``, ``partial`` (of a part), ``failed``, ``interrupted``, ``unfinished``, ``damaged``."""
        return self._record.status

    @property
    def _record(self) -> RunRecord:
        return read_record(self.folder, label=self.folder.name)

    def history(self) -> pd.DataFrame:
        """Returns a row for each evaluation: the columns of metrics.csv, whose names carry their units.

        Raises:
            UserError: the file is damaged.
        """
        return pd.DataFrame(self._undamaged(METRICS).history)

    def samples(self) -> pd.DataFrame:
        """Returns a row for each text that was generated during training, with its prompt, step and settings.

        Raises:
            UserError: the file is damaged.
        """
        return pd.DataFrame(self._undamaged(SAMPLES).samples)

    def _undamaged(self, file: str) -> RunRecord:
        """Returns the record of the run.

        Raises:
            UserError: the file is damaged.
        """
        record = self._record
        problem = next((found for found in record.damages if found.file == file), None)
        if problem is not None:
            raise UserError("run", shown(self.folder), str(problem), "restore the file from a copy")
        return record

    def load(
        self, *, checkpoint: str = "best", device: str = "auto", plugins: str | Iterable[str] = ()
    ) -> TrainedModel:
        """Returns the trained model, as `lmlab.load` does."""
        from lmlab.loading import load

        return load(self.folder, checkpoint=checkpoint, device=device, plugins=plugins)

    def __repr__(self) -> str:
        nats, perplexity = (self._record.metric(f"val/{name}") for name in ("nats_per_token", "perplexity"))
        figures = "" if nats is None or perplexity is None else f", val {nats:.4f} nats, perplexity {perplexity:.3f}"
        return f"Run({shown(self.folder)}, {self.status}{figures})"


def fit(arguments: Sequence[str] = (), *, plugins: str | Iterable[str] = ()) -> Run:
    """Trains a run as `python -m lmlab.train` does, or resumes one (`["run=outputs/..."]`), and returns it.

    It may be called several times in a process. An interrupt (a notebook's stop button) ends training after the current
    step; the run that is returned can be resumed.

    Args:
        arguments: as for the command, for a single run.
        plugins: packages of your own whose classes the run may use.

    Raises:
        UserError: a setting, the text or the device cannot be used, or training diverged.
    """
    with trusting(plugins):
        words = [w for w in arguments if isinstance(w, str)] if isinstance(arguments, list | tuple) else []
        if asks_to_resume(words):
            words = take_from(words)
            folder = run_to_resume(words).folder
            with _own_logging():
                _interruptible(lambda: resume_run(words))
            return Run(folder)
        settings = compose(arguments)
        for sentence in (*typed_twice(words), *without_effect(words, settings)):
            say(f"note: {sentence}")
        prepare(settings)
        unstored = pop_unstored(settings)
        folder = Path(new_run_folder(f"{settings.output_dir}/{settings.name}"))
        try:
            with _own_logging(), locked(folder):
                log_to(folder, terminal=True)
                _interruptible(lambda: work(folder, Task.NEW, settings, None, **unstored))
        except Exception:
            remove_if_unused(folder)
            raise
    return Run(folder)


def load_runs(runs: str | Path | Sequence[str] = "outputs", *, output_dir: str = "outputs") -> pd.DataFrame:
    """Returns a table with a row for each run: folder, status, settings and figures.

    Args:
        runs: the folder of a run or sweep, a folder above several, a glob, a list of these, or ``latest``.
        output_dir: the folder in which ``latest`` is looked for.

    Returns:
        The columns `run` and `status`; settings by dotted name, those in which the runs differ and a few others; the
        figures of summary.json by name. A run without a figure has NaN there.

    Raises:
        UserError: an entry names no run.
    """
    if not isinstance(runs, str | Path | list | tuple):
        remedy = 'for example load_runs("outputs") or load_runs(["outputs/a", "outputs/b"])'
        raise UserError("runs", repr(runs), "is neither a path nor a list of paths", remedy)
    records = find_records(str(runs) if isinstance(runs, Path) else runs, output_dir=output_dir)
    flat = [dict(_leaves(record.config)) for record in records]
    names = dict.fromkeys(name for values in flat for name in values)
    shown_names = [n for n in names if n in _ALWAYS or len({json.dumps(v.get(n)) for v in flat}) > 1]
    for record in records:
        for problem in record.damages:
            logging.getLogger(__name__).warning(f"note: {shown(record.folder)}: {problem}")
    rows = [
        {"run": str(record.folder), "status": record.status}
        | {name: values.get(name) for name in shown_names}
        | {key: value for key, value in record.summary.items() if _is_figure(key, value)}
        for record, values in zip(records, flat, strict=True)
    ]
    return pd.DataFrame(rows)


def _leaves(config: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        elif key != "_target_":
            yield f"{prefix}{key}", value


def _is_figure(key: str, value: Any) -> bool:
    return key in _TEXTS or (isinstance(value, int | float) and not isinstance(value, bool))


def _interruptible(train: Any) -> None:
    try:
        train()
    except InterruptedRun as stop:
        logging.getLogger(__name__).info(stop.message)


@contextlib.contextmanager
def _own_logging() -> Iterator[None]:
    """Restores the handlers of the root logger afterwards; a run writes its log to the terminal and to train.log."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers, root.level = handlers, level
