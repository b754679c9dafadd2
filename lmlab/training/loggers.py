"""The loggers of a run: lmlab's own and those of users' packages, kept from disturbing it."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from lmlab.config import plugins, registry
from lmlab.config.settings import AddedSettings, LoggersSettings
from lmlab.config.slots import added_slot
from lmlab.errors import UserError
from lmlab.runs.files import CHECKPOINTS, LAST
from lmlab.training.callbacks.added import isolated, plain_state
from lmlab.training.csv_log import RunCSVLogger
from lmlab.training.event_files import RunLogger
from lmlab.training.wandb_log import RunWandbLogger

log = logging.getLogger(__name__)

# What Lightning and lmlab call, and read.
_METHODS = (
    "log_metrics", "log_hyperparams", "log_graph", "log_samples", "save", "finalize", "after_save_checkpoint",
    "state_dict", "load_state_dict", "place", "close",
)  # fmt: skip
_PROPERTIES = ("experiment", "name", "version", "save_dir", "root_dir", "log_dir", "group_separator")
# Those of Weights & Biases; a checkpoint may come from others.
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Loggers(pl.Callback):
    """Makes the loggers of a run, gives them its main settings, and keeps their states in the checkpoints.

    Args:
        wanted: the run's loggers.
        folder: the run's folder.
        shown: its main settings.
        purge_from: see `RunLogger`.
        state: of an earlier part of the run, from its checkpoint; empty to begin.

    Attributes:
        loggers: for the Trainer.

    Raises:
        UserError: one cannot be made, or the state is damaged.
    """

    def __init__(
        self,
        wanted: LoggersSettings,
        folder: Path,
        *,
        shown: Mapping[str, Any],
        purge_from: int | None = None,
        state: Any = None,
    ) -> None:
        self._shown = dict(shown)
        self._had_state = bool(state)
        states = _checked(state or {"are_shown": False, "states": {}}, folder)
        self._are_shown: bool = states["are_shown"]
        # By name; they alone get settings and keep states. TensorBoard has its HPARAMS page.
        self._others: dict[str, Logger] = {}
        before = states["states"]
        if wanted.csv is not None:
            self._others["csv"] = RunCSVLogger(folder, num_rows=before.get("csv", {}).get("num_rows", 0))
        if wanted.wandb is not None:
            made = functools.partial(RunWandbLogger, wanted.wandb, folder, run_id=before.get("wandb", {}).get("run_id"))
            self._others["wandb"] = _guarded(_call("wandb", "making it", made), "wandb")
        for name, settings in wanted.added.items():
            self._others[name] = _added(name, settings, folder, before.get(name))
        self.loggers: list[Logger] = list(self._others.values())
        if wanted.tensorboard is not None:
            self.loggers.insert(0, RunLogger(folder, purge_from=purge_from))

    @property
    def has_state(self) -> bool:
        """Whether there is anything to keep in checkpoints, or was in that from which the run goes on."""
        return bool(self._others) or self._had_state

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gives the settings, unless the run is resumed and has given them before."""
        for logger in self._others.values():
            if isinstance(logger, RunWandbLogger):
                log.info(f"wandb      {logger.place()}")
        if not self._are_shown:
            self._are_shown = True
            for logger in self._others.values():
                logger.log_hyperparams(dict(self._shown))

    def state_dict(self) -> dict[str, Any]:
        """Returns the states of the loggers that have one."""
        states = {name: logger.state_dict() for name, logger in self._others.items() if hasattr(logger, "state_dict")}
        return {"are_shown": self._are_shown, "states": states}

    def close(self, *, failed: bool) -> None:
        """Ends what would go on into the next run of this process."""
        for logger in self._others.values():
            if isinstance(logger, RunWandbLogger):
                logger.close(failed=failed)


def _checked(state: Any, folder: Path) -> dict[str, Any]:
    """Returns a state after checking what lmlab's own loggers use of it."""
    states = state.get("states") if isinstance(state, dict) else None
    if isinstance(states, dict) and all(isinstance(own, dict) for own in states.values()):
        rows, run_id = states.get("csv", {}).get("num_rows", 0), states.get("wandb", {}).get("run_id", "none")
        if type(rows) is int and rows >= 0 and isinstance(run_id, str) and _RUN_ID.fullmatch(run_id):
            return {"are_shown": state.get("are_shown") is True, "states": states}
    where = folder / CHECKPOINTS / LAST
    raise UserError("run", where, "its state of the loggers is damaged", "train the run again")


def _added(name: str, settings: AddedSettings, folder: Path, state: dict[str, Any] | None) -> Logger:
    slot = added_slot("logger", name)
    given = {key: str(folder) for key in slot.offered if getattr(settings, key, "") is None}
    made: Any = _guarded(isolated(registry.make)(slot, settings, **given), name)
    if state is not None and hasattr(made, "load_state_dict"):
        made.load_state_dict(state)
    found: Logger = made
    return found


def _guarded(logger: Any, name: str) -> Any:
    """Returns the same logger, whose methods change no random state and no figure and whose errors name it."""
    for method in _METHODS:
        if hasattr(type(logger), method) or method in vars(logger):
            function = getattr(logger, method)
            if method == "state_dict":
                function = plain_state(f"logger.{name}", function)
            setattr(logger, method, _safe(function, name, method))
    kind = type(logger)
    namespace: dict[str, Any] = {"__module__": kind.__module__}
    for attribute in _PROPERTIES:
        found = getattr(kind, attribute, None)
        if isinstance(found, property) and found.fget is not None:
            namespace[attribute] = property(_safe(found.fget, name, attribute))
    logger.__class__ = type(kind.__name__, (kind,), namespace)
    return logger


def _safe(function: Callable[..., Any], name: str, what: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        # A copy, because other loggers get the same figures.
        own = [dict(argument) if type(argument) is dict else argument for argument in args]
        try:
            return _call(name, what, functools.partial(function, *own, **kwargs))
        except UserError as error:
            has_failed = kwargs.get("failed") or (what == "finalize" and "success" not in args)
            if has_failed:  # the error that ended the run is the one to be told
                log.warning(f"warning: {error}")
                return None
            raise

    return run


def _call(name: str, what: str, function: Callable[[], Any]) -> Any:
    """Calls a method of a logger.

    Raises:
        UserError: it failed.
    """
    try:
        return isolated(function)()
    except (UserError, AttributeError) as error:
        if isinstance(error, UserError) or what in _PROPERTIES:  # hasattr asks for it
            raise
        failed: BaseException = error
    except (Exception, SystemExit) as error:
        failed = error
    first = (str(failed).strip().splitlines() or [""])[0]
    where = plugins.location_of(failed)
    problem = f"{what} failed with {type(failed).__name__}: {first}{f' ({where})' if where else ''}"
    remedy = f"fix it, or leave it out: logger.{name}=null (LMLAB_DEBUG=1 shows the traceback)"
    raise UserError(f"logger.{name}", None, problem, remedy) from failed
