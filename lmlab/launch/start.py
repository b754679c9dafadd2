"""Implements `python -m lmlab.train`: starts or resumes a run or a sweep."""

from __future__ import annotations

import contextlib
import copy
import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lmlab.config import folders, plugins, words
from lmlab.config.answers import answered
from lmlab.config.effects import beside_a_run, typed_twice
from lmlab.config.folders import configuration_folder, log_to
from lmlab.config.glove import dimension_words
from lmlab.config.options import divided
from lmlab.config.outward import resume_command
from lmlab.config.presets import asks_for_a_sweep, check_own_folders
from lmlab.errors import InterruptedRun, Refused, UserError, printable
from lmlab.files import shown
from lmlab.launch import sweep_folder
from lmlab.launch.execution import checked, pop_unstored, resume_run, work
from lmlab.launch.resume_arguments import asks_to_resume, stored_settings, sweep_to_resume
from lmlab.launch.run_folder import Task, remaining_task, remove_if_unused
from lmlab.launch.sweep_jobs import print_interrupted_summary, print_summary, raise_failures, sweep_job
from lmlab.launch.sweeper import register_sweeper
from lmlab.locks import locked
from lmlab.runs.discovery import LATEST
from lmlab.runs.files import CONFIG
from lmlab.terminal import say

folders.register_resolvers()
sweep_folder.register_resolvers()

# Hydra would report a failed run in its own format, so the exception is stored here and raised after Hydra returns.
_failures: list[Exception] = []


@hydra.main(version_base="1.3", config_path=str(configuration_folder()), config_name="train")
def _job(config: DictConfig) -> float | None:
    """Does one run; called by Hydra, in a sweep for each job. Returns validation nats, for sweepers that minimise."""
    try:
        hydra_settings = HydraConfig.get()
        folder = Path(hydra_settings.runtime.output_dir)
    except OmegaConfBaseException as error:  # a hydra.*=... that cannot be resolved
        _failures.append(error)
        return None
    if hydra_settings.mode == RunMode.MULTIRUN:
        return sweep_job(config, folder, int(hydra_settings.job.num), list(hydra_settings.overrides.task))
    try:
        _single(config, folder)
    except Exception as error:
        _failures.append(error)
        if not isinstance(error, Refused):
            remove_if_unused(folder)
    except InterruptedRun as stop:
        remove_if_unused(folder)
        if not stop.message:
            stop.message = _nothing_saved(folder)
        raise
    return None


def _nothing_saved(folder: Path) -> str:
    if (folder / CONFIG).is_file():
        return f"nothing was saved yet. To start again: {resume_command(folder, stored_settings(folder))}"
    return "nothing was saved yet; repeat the command to start again"


def _single(config: DictConfig, folder: Path) -> None:
    """Does a single run, in a new folder or (hydra.run.dir=...) in the folder where it was started."""
    record = copy.deepcopy(config)
    given = HydraConfig.get()
    settings = checked(config, given.overrides.task)
    swept = given.sweeper.get("params")
    if isinstance(swept, Mapping) and swept:
        names = printable(", ".join(map(str, swept)))
        say(f"note: hydra.sweeper.params ({names}) has no effect on a single run; for the sweep add -m")
    unstored = pop_unstored(settings)
    if remaining_task(folder, settings) is Task.DONE:
        raise Refused("run", shown(folder), "is finished", "give another folder, or raise a limit with run=...")
    with locked(folder):
        task = remaining_task(folder, settings)
        log_to(folder, terminal=True)
        work(folder, task, settings, record, **unstored)


def _show(part: str) -> None:
    """Shows a part of the configuration (--cfg with --package).

    Raises:
        UserError: there is none of this name, for which Hydra prints a line of its own and ends the process.
    """
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            _job()
    except SystemExit as end:
        if end.code:
            remedy = "leave it out, which shows the whole with the names of its parts"
            raise UserError("--package", printable(part), "no such part", remedy) from None


def run() -> None:
    """Does the run or sweep given on the command line.

    Raises:
        UserError: it is invalid, or failed.
        InterruptedRun: a signal ended it.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors are not shortened by Hydra, but converted to one line
    arguments = sys.argv[1:]
    sweep_folder.leave_sweep()  # one that the environment names, as in a shell that a job opened
    if answered("train", arguments):
        return
    if asks_to_resume(arguments):
        for sentence in beside_a_run(arguments):
            say(f"note: {sentence}")
        sweep = sweep_to_resume(arguments)
        if sweep is None:
            resume_run(plugins.take_from(arguments))
            return
        sweep_folder.enter_sweep(sweep.folder)
        sweep_folder.announce(sweep.folder, started_earlier=True)
        os.chdir(sweep.directory)
        arguments = ["-m", *sweep.arguments]
    sweep_folder.remember_plugins(plugins.words_of(arguments))
    arguments = plugins.take_from(arguments)
    check_own_folders(arguments)
    is_sweep = asks_for_a_sweep(arguments)
    quoted = [word for word in words.checked(arguments, "train", sweep=is_sweep) if word not in ("-m", "--multirun")]
    if is_sweep and any(w.startswith("init_from=") and LATEST in w.partition("=")[2].split(",") for w in arguments):
        problem = "would be another run for each job of a sweep"
        raise UserError("init_from", LATEST, problem, "name the run's folder")
    quoted += dimension_words(arguments)
    for sentence in typed_twice(arguments):
        say(f"note: {sentence}")
    register_sweeper()
    sys.argv[1:] = [*(["-m"] if is_sweep else []), *quoted]
    options = [word for word in divided(quoted) if not isinstance(word, str)]
    part = next((option.value for option in options if option.name == "--package"), None)
    try:
        if part is None:
            _job()
        else:
            _show(part)
    except (InterruptedRun, KeyboardInterrupt) as stop:
        print_interrupted_summary(stop)
        raise
    except Exception:
        sweep_folder.remove_if_unused()
        raise
    folder = sweep_folder.current_sweep()
    if folder is not None:
        print_summary(folder, interrupted=False)
    raise_failures()
    if _failures:
        raise _failures[0]
