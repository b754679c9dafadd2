"""`python -m lmlab.train`: trains a run, or with -m a sweep."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from lmlab.configuration import schema
from lmlab.configuration.arguments import quote_free_text
from lmlab.configuration.checks import check_training
from lmlab.configuration.command import describe, run_command
from lmlab.configuration.folders import configuration_folder, register_resolvers, remove_if_unused
from lmlab.configuration.resume import asks_to_resume, log_to, resumed_configuration
from lmlab.errors import UserError

schema.register()
register_resolvers()


# Hydra would announce a failed job in lines of its own, so failures are kept from it and raised after it.
_failures: list[Exception] = []


@hydra.main(version_base="1.3", config_path=str(configuration_folder()), config_name="train")
def _job(config: DictConfig) -> float | None:
    """One run; called by Hydra for each job of a sweep. Returns validation nats, for sweepers that minimise."""
    settings = HydraConfig.get()
    folder = Path(settings.runtime.output_dir)
    in_sweep = settings.mode == RunMode.MULTIRUN
    try:
        check_training(config)
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        # torch takes a second and Lightning two more: each after all that can go wrong without it.
        from lmlab.device import check_precision, choose_device

        check_precision(config.trainer.precision, choose_device(config.trainer.accelerator))
        from lmlab.training.run import train

        assert isinstance(plain, dict)
        summary = train({str(key): value for key, value in plain.items()}, folder)
    except Exception as error:
        _failures.append(error)
        if in_sweep:  # the other jobs go on
            print(f"error: {folder.name}: {describe(error, sys.argv[1:])}", file=sys.stderr)
        else:
            remove_if_unused(str(folder))
        return None
    value: float | None = summary.get("val/nats_per_token")
    return value


def _resume(arguments: list[str]) -> None:
    """Goes on with a run in its own folder, which Hydra would overwrite."""
    config, folder = resumed_configuration(arguments)
    check_training(OmegaConf.create(config))
    log_to(folder)
    from lmlab.training.run import train

    train(config, folder, resume=True)


def _run() -> None:
    arguments = sys.argv[1:]
    if asks_to_resume(arguments):
        _resume(arguments)
        return
    sweep = any(a in ("-m", "--multirun") for a in arguments)
    # Hydra's parser wants options before settings.
    options = [a for a in arguments if a in ("-m", "--multirun")]
    sys.argv[1:] = [*options, *quote_free_text([a for a in arguments if a not in options], sweep=sweep)]
    _job()
    if len(_failures) > 1:
        raise UserError("sweep", None, f"{len(_failures)} jobs failed", "their errors stand above")
    if _failures:
        raise _failures[0]


def main() -> None:
    """The command."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach run_command, which folds them into one line
    sys.exit(run_command(_run, sys.argv[1:]))


if __name__ == "__main__":
    main()
