"""`python -m lmlab.train`: trains a run, or with -m a sweep."""

from __future__ import annotations

import gc
import logging
import os
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from lmlab.configuration import folders, schema, sweeping
from lmlab.configuration.arguments import quote_free_text
from lmlab.configuration.checks import check_training
from lmlab.configuration.command import describe, run_command
from lmlab.configuration.folders import configuration_folder, remove_if_unused, store_absolute_paths
from lmlab.configuration.glove import obtain_vectors
from lmlab.configuration.presets import asks_for_a_sweep
from lmlab.configuration.resume import asks_to_resume, log_to, resumed_configuration, sweep_to_go_on_with
from lmlab.errors import InterruptedRun, UserError
from lmlab.files import shown, write_text
from lmlab.reporting.sweeps import Job, overrides_as_settings, read_jobs, read_summary, results_csv
from lmlab.reporting.tables import best_folder, job_line, sweep_table

schema.register()
folders.register_resolvers()
sweeping.register_resolvers()

# Hydra would announce a failed run in lines of its own, so the failure is kept from it and raised after it.
_failures: list[Exception] = []


@hydra.main(version_base="1.3", config_path=str(configuration_folder()), config_name="train")
def _job(config: DictConfig) -> float | None:
    """One run; called by Hydra for each job of a sweep. Returns validation nats, for sweepers that minimise."""
    settings = HydraConfig.get()
    folder = Path(settings.runtime.output_dir)
    if settings.mode == RunMode.MULTIRUN:
        return _sweep_job(config, folder, int(settings.job.num), list(settings.overrides.task))
    try:
        _train(_checked(config), folder)
    except Exception as error:
        _failures.append(error)
        remove_if_unused(str(folder))
        if folder.is_dir():  # what was trained is there, and a report should know why there is no more
            sweeping.write_failure(folder, config.name, describe(error, sys.argv[1:]))
    return None


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


def _train(config: dict[str, Any], folder: Path, **more: Any) -> dict[str, Any]:
    from lmlab.training.run import train

    return train(config, folder, **more)


def _sweep_job(config: DictConfig, folder: Path, number: int, overrides: list[str]) -> float | None:
    """One job: trained, gone on with, or left as it is; told in one line."""
    total = sweeping.num_jobs()
    settings = overrides_as_settings(overrides)
    names = [name for name in settings if name in sweeping.swept_settings()]
    _keep_terminal_quiet()
    hparams = {name: settings[name] for name in names}
    if settings.get("embedding") == "random" and "embedding" in names:
        config.embedding.path = None  # typed for the jobs with pretrained vectors
    done = ""
    try:
        task, plain = sweeping.prepare_job(_checked(config), folder)
        if task is sweeping.Task.DONE:
            done = "  (done before)"
        else:
            label = f"job {number + 1}" + (f"/{total}" if total else "")
            _train(plain, folder, resume=task is sweeping.Task.RESUME, hparams=hparams, label=label)
    except Exception as error:
        sweeping.write_failure(folder, config.name, describe(error, sys.argv[1:]))
        if config.logger._target_:
            from lmlab.training.callbacks.hparams import write_failed_job

            write_failed_job(folder, hparams)
    gc.collect()  # a finished Trainer is a circle of references, and the next job wants its memory
    jobs = read_jobs(folder.parent)
    write_text(folder.parent / "results.csv", results_csv(jobs))
    job = Job(folder, number, settings, read_summary(folder))
    print(job_line(job, total=total, names=names, best=best_folder(jobs) == folder) + done, flush=True)
    return job.nats if job.status == "finished" else None


def _keep_terminal_quiet() -> None:
    """What a job says goes to its log only: a sweep shows one line a job."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            root.removeHandler(handler)


def _tell_sweep(folder: Path, *, interrupted: bool) -> None:
    """The ranked table, and where everything is.

    Raises:
        UserError: jobs failed.
    """
    jobs = read_jobs(folder)
    if not jobs:
        return
    write_text(folder / "results.csv", results_csv(jobs))
    print("\n" + "\n".join(sweep_table(jobs)) + "\n")
    best = best_folder(jobs)
    if best is not None:
        print(f"best run    python -m lmlab.generate run={shown(best)}")
    print(f"results     {shown(folder / 'results.csv')}")
    print(f"report      python -m lmlab.report runs={shown(folder)}")
    print(f"compare     tensorboard --logdir {shown(folder)} (page HPARAMS)")
    again = f"python -m lmlab.train run={shown(folder)}"
    if interrupted:
        print(f"interrupted; nothing is lost. To go on with what is missing: {again}")
        return
    failed = sum(job.status == "failed" for job in jobs)
    if failed:
        problem = f"{failed} of {len(jobs)} jobs failed, for the reasons above"
        raise UserError("sweep", None, problem, f"to try only these again: {again}")


def _resume(arguments: list[str]) -> None:
    """Goes on with a run in its own folder, which Hydra would overwrite."""
    config, folder = resumed_configuration(arguments)
    check_training(OmegaConf.create(config))
    log_to(folder)
    try:
        _train(config, folder, resume=True)
    except Exception as error:
        if read_summary(folder).get("status") == "unfinished":  # it had begun to train; what was refused before stays
            sweeping.write_failure(folder, config["name"], describe(error, sys.argv[1:]))
        raise


def _run() -> None:
    arguments = sys.argv[1:]
    if asks_to_resume(arguments):
        sweep = sweep_to_go_on_with(arguments)
        if sweep is None:
            _resume(arguments)
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
    except (InterruptedRun, KeyboardInterrupt):
        folder = sweeping.current_sweep()
        if folder is not None:
            _tell_sweep(folder, interrupted=True)
        raise
    except Exception:
        sweeping.remove_if_unused()
        raise
    folder = sweeping.current_sweep()
    if folder is not None:
        _tell_sweep(folder, interrupted=False)
    if _failures:
        raise _failures[0]


def main() -> None:
    """The command."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach run_command, which folds them into one line
    sys.exit(run_command(_run, sys.argv[1:]))


if __name__ == "__main__":
    main()
