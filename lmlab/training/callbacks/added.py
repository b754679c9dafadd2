"""Callbacks of Lightning's or of users' packages, kept from disturbing a run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl

from lmlab.config import registry
from lmlab.config.settings.trainer import AddedCallbackSettings
from lmlab.config.slots import ADDED_CALLBACK
from lmlab.training.random_states import random_states, restore_random_states

# Hooks of Lightning's callbacks; `setup` to `on_exception` and the like.
_HOOKS = tuple(name for name in vars(pl.Callback) if name in ("setup", "teardown") or name.startswith("on_"))


class AddedCallbacks:
    """The callbacks that a configuration adds to those of lmlab.

    Each hook leaves the global random generators as they were, so that a callback that draws random numbers changes no
    figure of the run.

    Args:
        wanted: their settings by name.

    Attributes:
        callbacks: in the order of the configuration.

    Raises:
        UserError: one cannot be made.
    """

    def __init__(self, wanted: Mapping[str, AddedCallbackSettings]) -> None:
        made = {name: registry.make(ADDED_CALLBACK, settings) for name, settings in wanted.items()}
        self.callbacks: list[pl.Callback] = list(made.values())
        # Those of Lightning's that have no state_dict keep nothing that a resumed run needs.
        own = {name: made[name] for name, how in wanted.items() if how.target not in ADDED_CALLBACK.others}
        self._stateless = {n: c for n, c in own.items() if type(c).state_dict is pl.Callback.state_dict}
        self._before = {name: _known(callback) for name, callback in self._stateless.items()}
        for callback in self.callbacks:
            for name in _HOOKS:
                if getattr(type(callback), name) is not getattr(pl.Callback, name):
                    setattr(callback, name, _isolated(getattr(callback, name)))

    def warnings(self) -> list[str]:
        """Returns a warning for each callback that has changed in training but has no state_dict: it is not resumed."""
        return [
            f"not resumed exactly: callbacks.{name} ({type(callback).__name__}) keeps state, but has no state_dict"
            for name, callback in self._stateless.items()
            if _known(callback) != self._before[name]
        ]


def _known(callback: pl.Callback) -> str:
    """Describes a callback's attributes, but for functions: Lightning and this file set some."""
    return repr(sorted((key, value) for key, value in vars(callback).items() if not callable(value)))


def _isolated(hook: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(hook)
    def run(*args: Any, **kwargs: Any) -> Any:
        before = random_states()
        try:
            return hook(*args, **kwargs)
        finally:
            restore_random_states(before)

    return run
