"""Runs the jobs of a sweep, prints a line for each, and the table at the end."""

from __future__ import annotations

import copy
import gc
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lmlab.command_lines import command_line, for_shell, tensorboard
from lmlab.config.command import describe
from lmlab.config.folders import log_to, write_record
from lmlab.errors import InterruptedRun, Refused, UserError
from lmlab.files import shown, write_text
from lmlab.launch import sweep_arguments, sweep_folder
from lmlab.launch.execution import checked, pop_unstored, work
from lmlab.launch.run_folder import Task, check_no_links, remaining_task
from lmlab.launch.sweep_check import leave_vectors_out
from lmlab.layout import one_line
from lmlab.locks import locked
from lmlab.runs.comparison import compare
from lmlab.runs.files import CHECKPOINTS, HYDRA, RESULTS
from lmlab.runs.records import RunRecord, overrides_as_settings, read_jobs, read_record, read_sweep
from lmlab.runs.summary import DONE, Summary, read_summary, write_failure
from lmlab.terminal import say

# Folders of the jobs of this process that failed. This includes folders that contain something else worth keeping, to
# which nothing was written.
_failed: list[Path] = []


def sweep_job(config: DictConfig, folder: Path, number: int, overrides: list[str]) -> float | None:
    """Trains or resumes a job, or skips it if it is finished, and prints a line about it.

    Returns:
        The validation nats of a finished job, else None.
    """
    # pandas takes a second to import, which a single run and an error in a setting do without.
    from lmlab.reporting.listings import job_line, results

    total = sweep_folder.num_jobs()
    settings = overrides_as_settings(overrides)
    varied = sweep_folder.swept_settings()
    swept = {name: value for name, value in settings.items() if name in varied}
    leave_vectors_out(config, overrides, varied)
    label = f"job {number + 1}" + (f"/{total}" if total else "")
    done, summary = "", None
    try:
        done = _do_job(config, folder, swept, label)
    except Exception as error:
        _failed.append(folder)
        summary = _record_failure(folder, config, error, swept)
    gc.collect()  # a finished Trainer has reference cycles, and the next job needs its memory
    comparison = compare(read_jobs(folder.parent))
    write_text(folder.parent / RESULTS, results(comparison))
    job = read_record(folder) if summary is None else RunRecord(folder, folder.name, Summary(summary))
    best = comparison.best_run is not None and comparison.best_run.folder == folder
    say(one_line(job_line(job, settings=swept, total=total, best=best) + done))
    return job.nats if job.status in DONE else None


def _do_job(config: DictConfig, folder: Path, swept: dict[str, str], label: str) -> str:
    """Does what remains to be done for a job; returns text to be printed in addition to its figures."""
    record = copy.deepcopy(config)
    check_no_links(folder)
    if not (folder / HYDRA).exists():
        write_record(folder, record)  # also if the job is refused, for the sweep's table
    settings = checked(config)
    unstored = pop_unstored(settings)
    if remaining_task(folder, settings) is Task.DONE:
        return "  (already finished)"  # before a lock file is created there
    with locked(folder):
        task = remaining_task(folder, settings)
        log_to(folder, terminal=False)
        work(folder, task, settings, record, swept=swept, label=label, **unstored)
    return ""


def _record_failure(folder: Path, config: DictConfig, error: Exception, swept: dict[str, str]) -> dict[str, Any] | None:
    """Writes the reason of a failure to the job's folder.

    Returns:
        The summary of the failure if the folder contains something that must not be changed, else None.
    """
    summary = {"status": "failed", "name": config.name, "error": describe(error, sys.argv[1:])}
    found = read_summary(folder)
    keep = found.get("status") == "finished" or (folder / CHECKPOINTS).is_dir()
    if isinstance(error, Refused) or (keep and found.get("error") != summary["error"]):
        return summary
    write_failure(folder, config.name, error, summary["error"])
    if config.get("logger", {}).get("tensorboard"):
        from lmlab.training.callbacks.hparams import shown_settings, write_failed_job

        composed: Any = OmegaConf.to_container(config)
        write_failed_job(folder, shown_settings(composed, swept))
    return None


def print_summary(folder: Path, *, interrupted: bool) -> None:
    """Prints the ranked table and the locations of the results.

    Raises:
        UserError: jobs failed.
    """
    from lmlab.reporting.listings import results, sweep_table

    jobs = read_jobs(folder)
    again = _resume_command(folder)
    if not jobs:
        return
    comparison = compare(jobs)
    write_text(folder / RESULTS, results(comparison))
    say("", *map(one_line, sweep_table(comparison)), "")
    if comparison.best_run is not None:
        best = shown(comparison.best_run.folder)
        say(f"best run    {command_line('generate', sweep_folder.typed_plugins(), run=best)}")
    say(f"results     {for_shell([shown(folder / RESULTS)])}")
    say(f"report      {command_line('report', runs=shown(folder))}")
    say(f"HPARAMS     {tensorboard(shown(folder))}")
    if interrupted:
        return
    if any(job.status == "interrupted" for job in jobs):
        say(f"paused; to resume  {again}")
    failed = sum(job.status == "failed" or job.folder in _failed for job in jobs)
    if failed:
        problem = f"{failed} of {len(jobs)} jobs failed, for the reasons above"
        raise UserError("sweep", None, problem, f"to try only these again: {again}")


def _resume_command(folder: Path) -> str:
    """Returns the command that resumes a sweep, with the words that a record alone is not trusted with."""
    arguments = (read_sweep(folder) or {}).get("arguments")
    words = sweep_arguments.to_repeat(arguments) if isinstance(arguments, list) else []
    return command_line("train", words, run=shown(folder))


def raise_failures() -> None:
    """Raises an error if jobs failed, for a sweep with a folder set by hydra.sweep.dir=..., which has no table.

    Raises:
        UserError: jobs failed.
    """
    if _failed:
        problem = f"{len(_failed)} jobs failed, for the reasons above"
        raise UserError("sweep", None, problem, "the same command tries only these again")


def print_interrupted_summary(stop: BaseException) -> None:
    """Prints the table of an interrupted sweep, and describes what is saved."""
    folder = sweep_folder.current_sweep()
    if folder is None:
        return
    jobs = read_jobs(folder)
    sweep_folder.remove_if_unused()
    if isinstance(stop, InterruptedRun) and folder.is_dir():
        finished = sum(job.status in DONE for job in jobs)
        total = sweep_folder.num_jobs() or len(jobs)
        again = _resume_command(folder)
        stop.message = f"{finished} of {total} jobs are finished; nothing is lost. To resume the sweep: {again}"
        print_summary(folder, interrupted=True)
