"""`python -m lmlab.train run=...`: going on with an interrupted run under its own stored configuration."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lmlab.configuration.sweeping import read_record
from lmlab.errors import UserError
from lmlab.reporting.runs import checkpoint_path, find_run

# What may be changed without making the run another one.
ALLOWED = ("trainer.max_epochs", "trainer.max_steps")


def asks_to_resume(arguments: list[str]) -> bool:
    """Whether `run=` stands on the command line."""
    return any(argument.startswith("run=") for argument in arguments)


class SweepToGoOnWith(NamedTuple):
    """A sweep that `run=` names.

    Args:
        folder: its own.
        arguments: what it was started with.
        directory: where, for its relative paths.
    """

    folder: Path
    arguments: list[str]
    directory: Path


def sweep_to_go_on_with(arguments: list[str]) -> SweepToGoOnWith | None:
    """The sweep whose folder `run=` names; None where it names anything else.

    Raises:
        UserError: settings beside it, or a folder of its start that is gone.
    """
    given = dict(argument.partition("=")[::2] for argument in arguments)
    folder = Path(given.pop("run")).expanduser().absolute()
    record = read_record(folder)
    if record is None:
        return None
    given.pop("output_dir", None)
    for key, value in given.items():
        raise UserError(key, value or None, "a sweep goes on as it was started", "start another for anything else")
    directory = Path(record["directory"])
    if not directory.is_dir():
        raise UserError("run", folder, f"was started in {directory}, which is gone", "start the sweep again")
    return SweepToGoOnWith(folder, list(record["arguments"]), directory)


def resumed_configuration(arguments: list[str]) -> tuple[dict[str, Any], Path]:
    """The stored configuration with the allowed overrides, and the run's folder.

    Raises:
        UserError: no such run, nothing to go on from, or an override that would make it another run.
    """
    given = dict(argument.partition("=")[::2] for argument in arguments)
    folder = find_run(given.pop("run"), output_dir=given.pop("output_dir", "outputs")).absolute()
    checkpoint_path(folder, "last")
    stored = folder / "config.yaml"
    if not stored.is_file():
        raise UserError("run", folder, "has no config.yaml", "train it again")
    try:
        config = OmegaConf.to_container(OmegaConf.load(stored), resolve=True)
    except (YAMLError, OmegaConfBaseException):
        config = None
    if not isinstance(config, dict):
        raise UserError("run", stored, "is damaged", "restore it, or train again")
    if not isinstance(config.get("trainer"), dict):
        raise UserError("run", stored, "is damaged", "restore it, or train again")
    limits = {key: config["trainer"][key.partition(".")[2]] for key in ALLOWED}
    unchanged = all(key in limits and value == str(limits[key]) for key, value in given.items())
    if unchanged and _is_finished(folder):
        raise UserError("run", folder, "is finished", "to train it for longer give trainer.max_epochs=... or max_steps")
    for key, value in given.items():
        if key not in ALLOWED:
            remedy = f"only {' and '.join(ALLOWED)} may; start a new run for anything else"
            raise UserError(key, value, "cannot change in a run that goes on", remedy)
        config["trainer"][key.partition(".")[2]] = _raised(key, value, config["trainer"][key.partition(".")[2]])
    return {str(key): value for key, value in config.items()}, folder


def _raised(key: str, value: str, stored: int) -> int:
    """The new limit, which a run that goes on may only raise (-1 is none)."""
    try:
        limit = int(value)
    except ValueError:
        raise UserError(key, value, "is not a whole number", f"for example {key}=20") from None
    if limit != -1 and (stored == -1 or limit < stored):
        problem = f"would lower the limit of a run that goes on ({stored}; -1 is none)"
        raise UserError(key, value, problem, "raise it, or start a new run")
    return limit


def _is_finished(folder: Path) -> bool:
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(summary, dict) and summary.get("status") == "finished"


def log_to(folder: Path) -> None:
    """The log of a resumed run goes on where the run's own stopped, and to the terminal."""
    terminal = logging.StreamHandler(sys.stdout)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    file = logging.FileHandler(folder / "train.log", encoding="utf-8")
    file.setFormatter(logging.Formatter("[%(asctime)s][%(levelname)s] %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[terminal, file], force=True)
