"""Callbacks of Lightning's or of users' packages, kept from disturbing a run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping

from lmlab.config import registry
from lmlab.config.settings import AddedSettings
from lmlab.config.slots import OPEN, added_slot
from lmlab.diagnostics.rules import Diagnostic, noted
from lmlab.errors import UserError
from lmlab.random_states import isolated_randomness

# Hooks of Lightning's callbacks; `setup` to `on_exception` and the like.
HOOKS = tuple(name for name in vars(pl.Callback) if name in ("setup", "teardown") or name.startswith("on_"))


class AddedCallbacks:
    """The callbacks that a configuration adds to those of lmlab.

    Each hook leaves the global random generators as they were, so that a callback that draws random numbers changes no
    figure of the run.

    Args:
        wanted: their settings by name.

    Attributes:
        callbacks: by name, in the order of the configuration.

    Raises:
        UserError: one cannot be made.
    """

    def __init__(self, wanted: Mapping[str, AddedSettings]) -> None:
        made = {name: _made(name, settings) for name, settings in wanted.items()}
        self.callbacks = made
        # Those of Lightning's that have no state_dict keep nothing that a resumed run needs.
        own = {name: made[name] for name, how in wanted.items() if how.target not in OPEN["callbacks"].others}
        self._stateless = {n: c for n, c in own.items() if type(c).state_dict is pl.Callback.state_dict}
        self._before = {name: _known(callback) for name, callback in self._stateless.items()}
        for name, callback in made.items():
            if isinstance(callback, EarlyStopping):
                setattr(callback, "_run_early_stopping_check", _after_an_evaluation(name, callback))  # noqa: B010
            for hook in HOOKS:
                if hook in vars(callback) or getattr(type(callback), hook) is not getattr(pl.Callback, hook):
                    setattr(callback, hook, isolated(getattr(callback, hook)))
            if name not in self._stateless:
                checked = plain_state(f"callbacks.{name}", isolated(callback.state_dict))
                safe = {"state_dict": checked, "load_state_dict": isolated(callback.load_state_dict)}
                for method, function in safe.items():
                    setattr(callback, method, function)

    def diagnostics(self) -> list[Diagnostic]:
        """Returns one for each callback that has changed in training but has no state_dict: it is not resumed."""
        return [
            noted("not-resumed-exactly", callback=f"callbacks.{name}", cls=type(callback).__name__)
            for name, callback in self._stateless.items()
            if _known(callback) != self._before[name]
        ]


def _made(name: str, settings: AddedSettings) -> pl.Callback:
    """Makes a callback whose state is saved under its name, so that there may be two of a class."""
    callback: pl.Callback = isolated(registry.make)(added_slot("callbacks", name), settings)
    kind = type(callback)
    callback.__class__ = type(kind.__name__, (kind,), {"state_key": f"callbacks.{name}", "__module__": kind.__module__})
    return callback


def _after_an_evaluation(name: str, callback: EarlyStopping) -> Callable[[pl.Trainer], None]:
    """Returns the check of early stopping, which waits for the first evaluation of a figure of evaluations.

    Lightning's own ends the run with an error if an epoch, or the whole run, ends before that.
    """
    check, monitor = callback._run_early_stopping_check, callback.monitor

    def run(trainer: pl.Trainer) -> None:
        known = trainer.callback_metrics
        is_evaluated = any(figure.startswith("val/") for figure in known)
        if monitor.startswith("val/") and not is_evaluated:
            return
        if monitor not in known and callback.strict:
            choices = ", ".join(sorted(known)) or "val/nats_per_token"
            problem, remedy = "the run has no such figure", f"choose one of {choices}"
            raise UserError(f"callbacks.{name}.monitor", monitor, problem, remedy)
        check(trainer)

    return run


def plain_state(field: str, state_dict: Callable[[], Any]) -> Callable[[], Any]:
    """Returns a `state_dict` that checks what it returns: a checkpoint with anything else could not be read again.

    Args:
        field: the part whose state it is, for errors.
        state_dict: the part's own.
    """

    def run() -> Any:
        state = state_dict()
        wrong = _not_plain(state)
        if wrong is not None:
            problem = f"its state_dict has a {wrong}, which a checkpoint cannot hold"
            raise UserError(field, None, problem, "return numbers, text, lists, dictionaries and tensors")
        return state

    return run


def _not_plain(value: Any) -> str | None:
    """Returns the name of the first type in a value that is not plain; None if there is none."""
    if isinstance(value, dict):
        return next(filter(None, map(_not_plain, [*value.keys(), *value.values()])), None)
    if type(value) in (list, tuple):
        return next(filter(None, map(_not_plain, value)), None)
    if value is None or type(value) in (bool, int, float, str, torch.Tensor):
        return None
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _known(callback: pl.Callback) -> str:
    """Describes a callback's attributes, but for functions: Lightning and this file set some."""
    return repr(sorted((key, value) for key, value in vars(callback).items() if not callable(value)))


def isolated(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that leaves the global random generators as they were."""

    @functools.wraps(hook)
    def run(*args: Any, **kwargs: Any) -> Any:
        with isolated_randomness():
            return hook(*args, **kwargs)

    return run
