"""Starts or resumes a run in its folder, and writes the reason if it fails."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from lmlab import memory
from lmlab.changes import TEXT
from lmlab.config import outward, registry
from lmlab.config.checks import check_device_statistics, check_training
from lmlab.config.command import describe
from lmlab.config.compose import as_settings
from lmlab.config.effects import without_effect
from lmlab.config.folders import log_to, store_absolute_paths, write_record
from lmlab.config.glove import obtain_vectors
from lmlab.config.origin import check_origin
from lmlab.config.retyped import Retyped
from lmlab.config.settings import TrainSettings
from lmlab.config.stored import read_settings
from lmlab.config.typed import plain
from lmlab.data.sources.base import read
from lmlab.errors import InterruptedRun, UserError
from lmlab.files import shown
from lmlab.launch.resume_arguments import run_to_resume, stored_settings
from lmlab.launch.run_folder import Task, check_no_links, clear, tidy
from lmlab.lean_imports import import_torchmetrics
from lmlab.locks import locked
from lmlab.runs.contents import write_config
from lmlab.runs.files import CONFIG, TOKENIZER
from lmlab.runs.summary import read_summary, write_failure
from lmlab.terminal import say


def checked(config: DictConfig, words: Sequence[str] = ()) -> TrainSettings:
    """Returns the settings, after all checks that are possible without reading the text.

    Args:
        config: as composed.
        words: of a single run's command line; those without an effect are told.

    Raises:
        UserError: the first setting that is wrong.
    """
    settings = as_settings(config, TrainSettings)
    check_training(settings)
    for sentence in without_effect(words, settings):
        say(f"note: {sentence}")
    return prepare(settings)


def prepare(settings: TrainSettings) -> TrainSettings:
    """Makes paths absolute, obtains vectors and chooses the precision; returns the same settings.

    Raises:
        UserError: vectors or the device cannot be used.
    """
    store_absolute_paths(settings)
    if settings.init_from is not None:
        settings.init_from = str(check_origin(settings))
    obtain_vectors(settings)
    # Importing torch takes a second and Lightning two more, so each is imported after all checks that do not need it.
    from lmlab.device import choose_device, choose_precision

    trainer = settings.trainer
    device = choose_device(trainer.accelerator)
    check_device_statistics(settings, device.type)
    if settings.metrics.added:
        from lmlab.evaluation.figures import build_metrics

        build_metrics(settings.metrics.added)  # what cannot be is told before the run has a folder
    trainer.precision = choose_precision(trainer.precision, device)
    return settings


def pop_unstored(settings: TrainSettings) -> dict[str, Any]:
    """Returns the settings of this command alone as arguments of `work` and removes them: a run stores none."""
    pause, settings.stop_after_tokens = settings.stop_after_tokens, None
    profiler, settings.trainer.profiler = settings.trainer.profiler, None
    return {"stop_after_tokens": pause, "profiler": profiler}


def work(folder: Path, task: Task, settings: TrainSettings, record: DictConfig | None, **more: Any) -> None:
    """Starts or resumes a run; a failure is written to its summary.

    Args:
        folder: the run's folder, locked.
        task: what remains to be done.
        settings: checked settings.
        record: the composed configuration, for Hydra's record; None to leave the record unchanged.
        more: further arguments for `lmlab.training.run.train`.
    """
    if task is Task.DONE:  # another process has finished the run since the first check
        return
    if task is Task.NEW:
        clear(folder)
        if record is not None:
            write_record(folder, record)
        # Written before the text is read, so that a run that is killed in the meantime can be started again.
        write_config(folder, plain(settings))
    else:
        tidy(folder)
    try:
        if task is Task.RESUME:
            # The checkpoint may be a stranger's, also in the folder of a command that is repeated.
            _resume(folder, {}, Retyped.of(settings), **more)
        else:
            _train(settings, folder, **more)
    except Exception as error:
        _write_failure(folder, settings.name, error, begun=task is Task.RESUME)
        raise


def _resume(folder: Path, changes: dict[str, Any], retyped: Retyped, **more: Any) -> None:
    from lmlab.training.resuming import resume_from

    resumption = resume_from(folder, changes, retyped=retyped)
    check_training(resumption.settings, resuming=True)
    _train(resumption.settings, folder, resumption=resumption, **more)


def _train(settings: TrainSettings, folder: Path, **more: Any) -> None:
    memory.reset_peak()  # a job of a sweep does not include the job before it
    # What is wrong with a text is told before Lightning is imported, which takes two seconds.
    corpus = read(registry.build("data.source", settings.data.source))
    import_torchmetrics()
    from lmlab.training.run import train

    train(settings, folder, corpus=corpus, **more)


def _write_failure(folder: Path, name: str, error: Exception, *, begun: bool) -> None:
    """Writes the reason of a failure to the run's summary, for reports.

    The summary does not change if a run could not be resumed in the first place.

    Args:
        folder: the run's folder.
        name: the run's name.
        error: the error that ended the run.
        begun: whether the run had been started before; then only failures after training was resumed are written.
    """
    status = read_summary(folder).get("status")
    here = status is None and not begun and (folder / TOKENIZER).is_file()
    if status != "unfinished" and not here:
        return
    try:
        write_failure(folder, name, error, describe(error, sys.argv[1:]))
    except OSError:  # a disk that is full for the run is also full for the summary
        return


def resume_run(arguments: list[str]) -> None:
    """Resumes a run in its own folder.

    Raises:
        UserError: no such run, or one that cannot be resumed.
        InterruptedRun: a signal ended it again.
    """
    run = run_to_resume(arguments)
    check_no_links(run.folder)
    more = {"stop_after_tokens": run.stop_after_tokens, "profiler": run.profiler}
    settings = None if run.has_checkpoint else _begun_again(run.folder, run.changes, run.retyped)
    with locked(run.folder):
        tidy(run.folder)
        log_to(run.folder, terminal=True)
        try:
            if settings is None:
                _resume(run.folder, run.changes, run.retyped, **more)
                return
            clear(run.folder)
            write_config(run.folder, plain(settings))
            say(f"{shown(run.folder)} has no checkpoint; training restarts")
            _train(settings, run.folder, **more)
        except Exception as error:
            _write_failure(run.folder, str(read_summary(run.folder).get("name")), error, begun=True)
            raise
        except InterruptedRun as stop:
            stop.message = stop.message or "nothing has changed; repeat the command to resume"
            raise


def _begun_again(folder: Path, changes: dict[str, Any], retyped: Retyped) -> TrainSettings:
    """Returns the settings of a run that has no checkpoint yet, with the changes from the command line."""
    settings = stored_settings(folder)
    confirmed = outward.confirmed(settings, retyped, run=shown(folder))
    settings = read_settings(confirmed, where=folder / CONFIG)
    for name, value in changes.items():
        part, _, key = name.partition(".")
        if name == TEXT:
            if not hasattr(settings.data.source, "path"):
                raise UserError(name, value, "this run does not read a text file", "leave it out")
            settings.data.source.path = value
        setattr(getattr(settings, part), key, value)
    check_training(settings)
    return settings
