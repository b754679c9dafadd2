"""Implements `python -m lmlab.train`: starts or resumes a run or a sweep."""

from __future__ import annotations

import copy
import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from lmlab.config import folders, plugins
from lmlab.config.arguments import quote_free_text
from lmlab.config.documentation import train_help
from lmlab.config.folders import configuration_folder, log_to
from lmlab.config.presets import asks_for_a_sweep, check_own_folders, own_folders, search_path
from lmlab.errors import InterruptedRun, Refused
from lmlab.files import shown
from lmlab.launch import sweeping
from lmlab.launch.entering import Task, remove_if_unused, what_is_left
from lmlab.launch.resume import asks_to_resume, sweep_to_go_on_with
from lmlab.launch.sweep_jobs import print_interrupted_summary, print_summary, raise_failures, sweep_job
from lmlab.launch.working import checked, go_on, taken_pause, work
from lmlab.locks import locked

folders.register_resolvers()
sweeping.register_resolvers()

# Hydra would report a failed run in its own format, so the exception is stored here and raised after Hydra returns.
_failures: list[Exception] = []


@hydra.main(version_base="1.3", config_path=str(configuration_folder()), config_name="train")
def _job(config: DictConfig) -> float | None:
    """Does one run; called by Hydra, in a sweep for each job. Returns validation nats, for sweepers that minimise."""
    hydra_settings = HydraConfig.get()
    folder = Path(hydra_settings.runtime.output_dir)
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
    if (folder / "config.yaml").is_file():
        return f"nothing was saved yet. To start again: python -m lmlab.train run={shown(folder)}"
    return "nothing was saved yet; repeat the command to start again"


def _single(config: DictConfig, folder: Path) -> None:
    """Does a single run, in a new folder or (hydra.run.dir=...) in the folder where it was started."""
    record = copy.deepcopy(config)
    settings = checked(config)
    pause = taken_pause(settings)
    if what_is_left(folder, settings) is Task.DONE:
        raise Refused("run", shown(folder), "is finished", "give another folder, or raise a limit with run=...")
    with locked(folder):
        task = what_is_left(folder, settings)
        log_to(folder, terminal=True)
        work(folder, task, settings, record, stop_after_tokens=pause)


def run() -> None:
    """Does the run or sweep given on the command line.

    Raises:
        UserError: it is invalid, or failed.
        InterruptedRun: a signal ended it.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors are not shortened by Hydra, but converted to one line
    arguments = sys.argv[1:]
    if any(argument in ("-h", "--help") for argument in arguments):
        words = plugins.take_from(arguments)
        chosen = [word for word in words if "=" in word and not word.startswith("-")]
        print(train_help([*chosen, *search_path(own_folders(words))]))
        return
    if asks_to_resume(arguments):
        sweep = sweep_to_go_on_with(arguments)
        if sweep is None:
            go_on(plugins.take_from(arguments))
            return
        sweeping.enter_sweep(sweep.folder)
        sweeping.announce(sweep.folder, begun_before=True)
        os.chdir(sweep.directory)
        arguments = ["-m", *sweep.arguments]
    sweeping.remember_plugins(plugins.words_of(arguments))
    arguments = plugins.take_from(arguments)
    check_own_folders(arguments)
    is_sweep = asks_for_a_sweep(arguments)
    # Hydra's parser wants options before settings.
    settings = [a for a in arguments if a not in ("-m", "--multirun")]
    quoted = quote_free_text(settings, sweep=is_sweep)
    if is_sweep:
        words = [word for word in quoted if "=" in word and not word.startswith("-")]
        sweeping.check_types(words)
        if own_folders(arguments):
            sweeping.check_trust(words, own_folders(arguments))
    sys.argv[1:] = [*(["-m"] if is_sweep else []), *quoted]
    try:
        _job()
    except (InterruptedRun, KeyboardInterrupt) as stop:
        print_interrupted_summary(stop)
        raise
    except Exception:
        sweeping.remove_if_unused()
        raise
    folder = sweeping.current_sweep()
    if folder is not None:
        print_summary(folder, interrupted=False)
    raise_failures()
    if _failures:
        raise _failures[0]
