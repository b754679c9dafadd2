"""lmlab's sweeper: all combinations of the values, each of which is checked before the first is trained.

Sweepers that choose values as they go, and Hydra's own (`hydra/sweeper=basic`), leave the check to each job.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from lmlab.errors import UserError, printable
from lmlab.launch.grid import Grid
from lmlab.launch.sweep_check import check_jobs

# Hydra's own launcher runs the jobs in this process; others may run them on other machines.
_IN_PROCESS = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
# As named in conf/hydra/sweeper/lmlab.yaml.
_TARGET = "hydra_plugins.lmlab.GridSweeper"


class GridSweeper(Sweeper):
    """Runs every combination of the values of a command line, like Hydra's own sweeper.

    Args:
        params: words of a preset, by setting; those of the command line come later and count.
        max_batch_size: maximum number of jobs that the launcher is given at a time; None for all.
    """

    hydra_context: HydraContext
    config: DictConfig
    launcher: Launcher

    def __init__(self, params: Any, max_batch_size: Any) -> None:
        if params is not None and not isinstance(params, Mapping):
            problem = "is not a group of settings"
            raise UserError(
                "hydra.sweeper.params", printable(params), problem, "leave it out, and type -m key=value,value"
            )
        if max_batch_size is not None and (type(max_batch_size) is not int or max_batch_size < 1):
            problem = "is not a whole number of 1 or more"
            raise UserError(
                "hydra.sweeper.max_batch_size", printable(max_batch_size), problem, "leave it out for no limit"
            )
        self.params: Mapping[str, Any] = params or {}
        self.max_batch_size: int | None = max_batch_size

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before `sweep`."""
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Any]:
        """Checks all jobs and then runs them.

        Args:
            arguments: the words of the command line.

        Raises:
            UserError: a job is wrong; then none is run and nothing is written.
        """
        preset = [f"{key}={value}" for key, value in self.params.items()]
        grid = Grid.parse([*preset, *arguments], self.hydra_context.config_loader)
        jobs = grid.jobs()
        here = self.config.hydra.launcher._target_ == _IN_PROCESS
        check_jobs(jobs, self._composed, swept=grid.swept, here=here)
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        returns = []
        size = self.max_batch_size or len(jobs)
        for first in range(0, len(jobs), size):
            done = self.launcher.launch(jobs[first : first + size], initial_job_idx=first)
            for job in done:
                if job.status is JobStatus.FAILED:  # Hydra's own way to raise it prints a line of its own first
                    raise job._return_value
            returns.append(done)
        return returns

    def _composed(self, job: list[str]) -> DictConfig:
        """Returns the configuration that Hydra will give to a job."""
        loader = self.hydra_context.config_loader
        config = loader.load_sweep_config(master_config=self.config, sweep_overrides=job)
        with open_dict(config):
            del config["hydra"]
        return config


def register_sweeper() -> None:
    """Makes the sweeper known to Hydra."""
    # Hydra looks for plugins only in a package that every program with Hydra would import.
    Plugins.instance().class_name_to_class[_TARGET] = GridSweeper
