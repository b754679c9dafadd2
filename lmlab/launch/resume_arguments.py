"""Implements `python -m lmlab.train run=...`: finds the run or sweep to resume and checks the other arguments."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from lmlab import plain_yaml
from lmlab.changes import CHANGEABLE, LIMITS, PAUSE, PROFILER, TEXT, unchangeable
from lmlab.config import stored
from lmlab.config.retyped import Retyped, is_about_parts
from lmlab.config.settings import TrainSettings
from lmlab.config.settings.trainer import PROFILERS
from lmlab.errors import UserError, printable
from lmlab.files import expanded, shown
from lmlab.launch.sweep_arguments import replayed
from lmlab.runs.discovery import find_run
from lmlab.runs.files import CONFIG, can_be_resumed
from lmlab.runs.records import read_sweep
from lmlab.runs.summary import read_summary


def asks_to_resume(arguments: list[str]) -> bool:
    """Returns whether `run=` is among the arguments."""
    return any(argument.startswith("run=") for argument in arguments)


class SweepToResume(NamedTuple):
    """A sweep to be resumed, named by `run=`.

    Args:
        folder: the sweep's folder.
        arguments: the arguments with which it is resumed.
        directory: the folder in which it was started, for its relative paths.
    """

    folder: Path
    arguments: list[str]
    directory: Path


def sweep_to_resume(arguments: list[str]) -> SweepToResume | None:
    """Returns the sweep whose folder `run=` names; None if it does not name a sweep.

    Raises:
        UserError: other settings are given, the record is damaged, or the folder in which it was started is missing.
    """
    _check_once(arguments)
    folder = expanded(_value(arguments, "run")).absolute()
    record = read_sweep(folder)
    if record is None:
        return None
    typed = [word for word in arguments if not word.startswith(("run=", "output_dir="))]
    words = replayed(record.get("arguments"), typed, folder=folder)
    directory = record.get("directory")
    if not isinstance(directory, str) or not Path(directory).is_dir():
        problem = f"was started in {printable(directory)}, which no longer exists"
        raise UserError("run", folder, problem, "start the sweep again")
    return SweepToResume(folder, words, Path(directory))


class RunToResume(NamedTuple):
    """A run to be resumed, named by `run=`.

    Args:
        folder: the run's folder.
        changes: settings changed on the command line, by dotted name.
        stop_after_tokens: number of trained tokens after which it pauses; None for no pause.
        profiler: name of a profiler; None for none.
        has_checkpoint: False for a run that is started again with its stored configuration.
        retyped: what is typed about loggers, added callbacks and added metrics.
    """

    folder: Path
    changes: dict[str, Any]
    stop_after_tokens: int | None
    profiler: str | None
    has_checkpoint: bool
    retyped: Retyped


def run_to_resume(arguments: list[str]) -> RunToResume:
    """Returns the run to be resumed, after all checks that are possible without reading its checkpoint.

    Raises:
        UserError: no such run, a finished or diverged one, or a setting that may not be changed.
    """
    _check_once(arguments)
    given = dict(word.partition("=")[::2] for word in arguments if not is_about_parts(word))
    typed_folder = given.pop("run")
    output_dir = given.pop("output_dir", "outputs")
    if not typed_folder.strip():
        raise UserError("run", f'"{typed_folder}"', "is empty", "give a run's folder, or run=latest")
    path = Path(os.path.realpath(os.path.expanduser(typed_folder)))  # a loop of links raises nothing here
    _check_diverged(path.absolute())
    if (path / CONFIG).is_file() and not can_be_resumed(path):
        folder = path.absolute()  # it may have a best.ckpt, which will be overwritten
    else:
        folder = Path(os.path.realpath(find_run(typed_folder, output_dir=output_dir)))
    for key, value in given.items():
        if key.startswith("-"):
            raise UserError(key, value or None, "is not for a run that is resumed", "leave it out")
        if key not in CHANGEABLE:
            raise unchangeable(key, value or None)
    changes: dict[str, Any] = {key: _whole_number(key, given[key]) for key in LIMITS if key in given}
    _check_diverged(folder)
    _check_finished(folder, changes)
    pause = None if given.get(PAUSE) in (None, "null") else _whole_number(PAUSE, given[PAUSE])
    if pause is not None and pause < 1:
        raise UserError(PAUSE, pause, "is less than 1", "leave it out to train to the end")
    if TEXT in given:
        changes[TEXT] = str(expanded(given[TEXT].strip("'\"")).absolute())
    profiler = _profiler(given.get(PROFILER))
    return RunToResume(folder, changes, pause, profiler, can_be_resumed(folder), Retyped.parse(arguments))


def _check_once(arguments: list[str]) -> None:
    """Checks that one run is named, and each of its settings once: which of two words is meant cannot be known.

    Raises:
        UserError: a word is given twice.
    """
    seen: set[str] = set()
    for key, _, value in (word.partition("=") for word in arguments):
        if key in seen and key in ("run", "output_dir", *CHANGEABLE):
            raise UserError(key, printable(value), "is given twice", "give it once")
        seen.add(key)


def _profiler(value: str | None) -> str | None:
    if value in (None, "null", *PROFILERS):
        return None if value == "null" else value
    raise UserError(PROFILER, value, "no such option", f"choose one of {', '.join(PROFILERS)}")


def stored_settings(folder: Path) -> TrainSettings:
    """Returns the configuration of a run that has no checkpoint.

    Raises:
        UserError: the configuration is missing or damaged.
    """
    path = folder / CONFIG
    return stored.read_settings(plain_yaml.read(path), where=path)


def _value(arguments: list[str], key: str) -> str:
    return next(word.partition("=")[2] for word in arguments if word.startswith(f"{key}="))


def _whole_number(key: str, value: str) -> int:
    try:
        number = int(value) if len(value) < 30 else 2**63
    except ValueError:
        raise UserError(key, value, "is not a whole number", f"for example {key}=20") from None
    if abs(number) >= 2**63:
        raise UserError(key, printable(value), "is too large a number", f"for example {key}=20")
    return number


def _check_diverged(folder: Path) -> None:
    summary = read_summary(folder)
    if summary.get("diverged"):
        error = printable(summary.get("error"), longest=300)
        raise UserError("run", shown(folder), f"diverged and would diverge again: {error}", "")


def _check_finished(folder: Path, changes: dict[str, Any]) -> None:
    """Checks that a limit is raised if the run is finished.

    Raises:
        UserError: the run is finished and no limit is raised.
    """
    if read_summary(folder).get("status") != "finished":
        return
    limits = stored_settings(folder).trainer
    raised = {key: value for key, value in changes.items() if key in LIMITS}
    if all(getattr(limits, key.partition(".")[2]) == value for key, value in raised.items()):
        remedy = f"to train it for longer raise a limit: {', '.join(f'{key}=...' for key in LIMITS)}"
        raise UserError("run", shown(folder), "is finished", remedy)
