"""What `python -m lmlab.train` does: a run, a sweep, or going on with one."""

from __future__ import annotations

import copy
import gc
import os
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from lmlab import plain_yaml
from lmlab.configuration import folders, schema, stored, sweeping
from lmlab.configuration.arguments import quote_free_text
from lmlab.configuration.checks import check_training
from lmlab.configuration.command import describe
from lmlab.configuration.entering import Task, clear, remove_if_unused, tidy, what_is_left
from lmlab.configuration.folders import configuration_folder, log_to, store_absolute_paths, write_record
from lmlab.configuration.glove import obtain_vectors
from lmlab.configuration.presets import asks_for_a_sweep
from lmlab.configuration.resume import asks_to_resume, run_to_go_on_with, stored_configuration, sweep_to_go_on_with
from lmlab.errors import InterruptedRun, Refused, UserError
from lmlab.files import shown, write_text
from lmlab.locks import locked
from lmlab.reporting.sweeps import Job, overrides_as_settings, read_jobs, read_summary, results_csv
from lmlab.reporting.tables import best_folder, job_line, sweep_table
from lmlab.terminal import say

schema.register()
folders.register_resolvers()
sweeping.register_resolvers()

# Hydra would announce a failed run in lines of its own, so the failure is kept from it and raised after it.
_failures: list[Exception] = []
# Jobs whose folder holds something else that is worth keeping: nothing is written there.
_refused: list[Path] = []


@hydra.main(version_base="1.3", config_path=str(configuration_folder()), config_name="train")
def _job(config: DictConfig) -> float | None:
    """One run; called by Hydra for each job of a sweep. Returns validation nats, for sweepers that minimise."""
    settings = HydraConfig.get()
    folder = Path(settings.runtime.output_dir)
    if settings.mode == RunMode.MULTIRUN:
        return _sweep_job(config, folder, int(settings.job.num), list(settings.overrides.task))
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
        return f"nothing was saved yet. To begin again: python -m lmlab.train run={shown(folder)}"
    return "nothing was saved yet; the same command begins again"


def _single(config: DictConfig, folder: Path) -> None:
    """A run of its own, in a new folder or (hydra.run.dir=...) in one where it was begun."""
    record = copy.deepcopy(config)
    plain = _checked(config)
    pause = _taken_pause(plain)
    with locked(folder):
        task = what_is_left(folder, plain)
        if task is Task.DONE:
            raise Refused("run", shown(folder), "is finished", "give another folder, or raise a limit with run=...")
        log_to(folder, terminal=True)
        _work(folder, task, plain, record, stop_after_tokens=pause)


def _checked(config: DictConfig) -> dict[str, Any]:
    """The configuration, plain and resolved, after all that can be found wrong without reading the text."""
    check_training(config)
    store_absolute_paths(config)
    obtain_vectors(config)
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    # torch takes a second and Lightning two more: each after all that can go wrong without it.
    from lmlab.device import choose_device, choose_precision

    trainer = plain["trainer"]
    trainer["precision"] = choose_precision(trainer["precision"], choose_device(trainer["accelerator"]))
    return {str(key): value for key, value in plain.items()}


def _taken_pause(config: dict[str, Any]) -> int | None:
    """Where the run pauses, which is no part of what it is and so not stored."""
    pause: int | None = config["stop_after_tokens"]
    config["stop_after_tokens"] = None
    return pause


def _work(folder: Path, task: Task, config: dict[str, Any], record: DictConfig | None, **more: Any) -> None:
    """Begins a run, or goes on with it; a failure is written into its summary.

    Args:
        folder: the run's, locked.
        task: what is left to do.
        config: plain and resolved.
        record: as composed, for Hydra's record; None leaves that as it is.
        more: for `lmlab.training.run.train`.
    """
    if task is Task.NEW:
        clear(folder)
        if record is not None:
            write_record(folder, record)
        # Before the text is read, so that a run that is killed meanwhile can be begun again.
        write_text(folder / "config.yaml", plain_yaml.dump(config))
    else:
        tidy(folder)
    try:
        if task is Task.RESUME:
            _resume(folder, {}, **more)
        else:
            _train(config, folder, **more)
    except Exception as error:
        _write_failure(folder, config["name"], error, begun=task is Task.RESUME)
        raise


def _resume(folder: Path, changes: dict[str, Any], **more: Any) -> None:
    from lmlab.training.resuming import resume_from

    resumption = resume_from(folder, changes, read=plain_yaml.read, check=stored.checked)
    check_training(stored.as_config(resumption.config))
    _train(resumption.config, folder, resumption=resumption, **more)


def _train(config: dict[str, Any], folder: Path, **more: Any) -> None:
    from lmlab.training.run import train

    train(config, folder, **more)


def _write_failure(folder: Path, name: str, error: Exception, *, begun: bool) -> None:
    """Says in the summary why there is no more, for a report; a run that was refused to go on stays what it was.

    Args:
        folder: the run's.
        name: the run's.
        error: that ended it.
        begun: it had begun before; then this is for what happened after its training went on.
    """
    status = read_summary(folder).get("status")
    here = status is None and not begun and (folder / "tokenizer.json").is_file()
    if status != "unfinished" and not here:
        return
    try:
        sweeping.write_failure(folder, name, error, describe(error, sys.argv[1:]))
    except OSError:  # the disk that is full for the run is full for this too
        return


def _sweep_job(config: DictConfig, folder: Path, number: int, overrides: list[str]) -> float | None:
    """One job: trained, gone on with, or left as it is; told in one line."""
    total = sweeping.num_jobs()
    settings = overrides_as_settings(overrides)
    names = [name for name in settings if name in sweeping.swept_settings()]
    hparams = {name: settings[name] for name in names}
    if settings.get("embedding") == "random" and "embedding" in names:
        config.embedding.path = None  # typed for the jobs with pretrained vectors
    label = f"job {number + 1}" + (f"/{total}" if total else "")
    done, summary = "", None
    try:
        with locked(folder):
            done = _do_job(config, folder, hparams, label)
    except Exception as error:
        summary = _tell_failure(folder, config, error, hparams)
    gc.collect()  # a finished Trainer is a circle of references, and the next job wants its memory
    jobs = read_jobs(folder.parent)
    write_text(folder.parent / "results.csv", results_csv(jobs))
    job = Job(folder, number, settings, read_summary(folder) if summary is None else summary)
    say(job_line(job, total=total, names=names, best=best_folder(jobs) == folder) + done)
    return job.nats if job.status == "finished" else None


def _do_job(config: DictConfig, folder: Path, hparams: dict[str, str], label: str) -> str:
    """Does what is left of a job; returns what is to be said of it besides its figures."""
    record = copy.deepcopy(config)
    if not (folder / ".hydra").exists():
        write_record(folder, record)  # also of a job that is refused: its settings stand in the sweep's table
    plain = _checked(config)
    pause = _taken_pause(plain)
    task = what_is_left(folder, plain)
    if task is Task.DONE:
        return "  (done before)"
    log_to(folder, terminal=False)
    _work(folder, task, plain, record, hparams=hparams, label=label, stop_after_tokens=pause)
    return ""


def _tell_failure(folder: Path, config: DictConfig, error: Exception, hparams: dict[str, str]) -> dict[str, Any] | None:
    """Leaves the reason in the job's folder; returns it where that holds something that is not to be touched."""
    summary = {"status": "failed", "name": config.name, "error": describe(error, sys.argv[1:])}
    found = read_summary(folder)
    keep = found.get("status") == "finished" or (folder / "checkpoints").is_dir()
    if isinstance(error, Refused) or (keep and found.get("error") != summary["error"]):
        _refused.append(folder)
        return summary
    sweeping.write_failure(folder, config.name, error, summary["error"])
    if config.logger._target_:
        from lmlab.training.callbacks.hparams import write_failed_job

        write_failed_job(folder, hparams)
    return None


def _tell_sweep(folder: Path, *, interrupted: bool) -> None:
    """The ranked table, and where everything is.

    Raises:
        UserError: jobs failed.
    """
    jobs = read_jobs(folder)
    again = f"python -m lmlab.train run={shown(folder)}"
    if not jobs:
        if _refused and not interrupted:
            problem = f"{len(_refused)} jobs were refused, for the reasons above"
            raise UserError("sweep", None, problem, f"to try again: {again}")
        return
    write_text(folder / "results.csv", results_csv(jobs))
    say("\n" + "\n".join(sweep_table(jobs)) + "\n")
    best = best_folder(jobs)
    if best is not None:
        say(f"best run    python -m lmlab.generate run={shown(best)}")
    say(f"results     {shown(folder / 'results.csv')}")
    say(f"report      python -m lmlab.report runs={shown(folder)}")
    say(f"compare     tensorboard --logdir {shown(folder)} (page HPARAMS)")
    if interrupted:
        return
    failed = sum(job.status == "failed" or job.folder in _refused for job in jobs)
    if failed:
        problem = f"{failed} of {len(jobs)} jobs failed, for the reasons above"
        raise UserError("sweep", None, problem, f"to try only these again: {again}")


def _go_on(arguments: list[str]) -> None:
    """Goes on with a run in its own folder."""
    run = run_to_go_on_with(arguments)
    with locked(run.folder):
        tidy(run.folder)
        log_to(run.folder, terminal=True)
        try:
            if run.has_checkpoint:
                _resume(run.folder, run.changes, stop_after_tokens=run.stop_after_tokens)
                return
            config = stored_configuration(run.folder)
            for name, value in run.changes.items():
                _change(config, name, value)
            check_training(stored.as_config(config))
            clear(run.folder)
            write_text(run.folder / "config.yaml", plain_yaml.dump(config))
            say(f"{shown(run.folder)} has no checkpoint yet: it begins again")
            _train(config, run.folder, stop_after_tokens=run.stop_after_tokens)
        except Exception as error:
            _write_failure(run.folder, str(read_summary(run.folder).get("name")), error, begun=True)
            raise
        except InterruptedRun as stop:
            stop.message = (
                stop.message or f"nothing has changed. To go on: python -m lmlab.train run={shown(run.folder)}"
            )
            raise


def _change(config: dict[str, Any], name: str, value: Any) -> None:
    part, _, key = name.partition(".")
    if name == "data.path":
        if "path" not in config["data"]["source"]:
            raise UserError(name, value, "this run reads no text of yours", "leave it out")
        config["data"]["source"]["path"] = value
    config[part][key] = value


def run() -> None:
    """The command line's run or sweep.

    Raises:
        UserError: it cannot be, or failed.
        InterruptedRun: a signal ended it.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come out whole, to be folded into one line
    arguments = sys.argv[1:]
    if asks_to_resume(arguments):
        sweep = sweep_to_go_on_with(arguments)
        if sweep is None:
            _go_on(arguments)
            return
        sweeping.enter_sweep(sweep.folder)
        sweeping.announce(sweep.folder, begun_before=True)
        os.chdir(sweep.directory)
        arguments = ["-m", *sweep.arguments]
    is_sweep = asks_for_a_sweep(arguments)
    # Hydra's parser wants options before settings.
    settings = [a for a in arguments if a not in ("-m", "--multirun")]
    sys.argv[1:] = [*(["-m"] if is_sweep else []), *quote_free_text(settings, sweep=is_sweep)]
    try:
        _job()
    except (InterruptedRun, KeyboardInterrupt) as stop:
        _tell_interrupted(stop)
        raise
    except Exception:
        sweeping.remove_if_unused()
        raise
    folder = sweeping.current_sweep()
    if folder is not None:
        _tell_sweep(folder, interrupted=False)
    if _failures:
        raise _failures[0]


def _tell_interrupted(stop: BaseException) -> None:
    """The table of a sweep, and what it has."""
    folder = sweeping.current_sweep()
    if folder is None:
        return
    jobs = read_jobs(folder)
    sweeping.remove_if_unused()
    if isinstance(stop, InterruptedRun) and folder.is_dir():
        finished = sum(job.status == "finished" for job in jobs)
        total = sweeping.num_jobs() or len(jobs)
        again = f"python -m lmlab.train run={shown(folder)}"
        stop.message = (
            f"{finished} of {total} jobs are finished; nothing is lost. To go on with what is missing: {again}"
        )
        _tell_sweep(folder, interrupted=True)
