"""Which callback ended a run before its limits."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

from lmlab.training.callbacks.added import HOOKS


class Stopped:
    """Records the callback that told the Trainer to stop: early stopping, a timer, or a user's own.

    Attributes:
        by: its name in the configuration; None if no callback has.
    """

    def __init__(self) -> None:
        self.by: str | None = None

    def watch(self, name: str, callback: pl.Callback) -> None:
        """Watches the hooks of a callback."""
        for hook in HOOKS:
            if hook in vars(callback) or getattr(type(callback), hook) is not getattr(pl.Callback, hook):
                setattr(callback, hook, self._watched(name, getattr(callback, hook)))

    def _watched(self, name: str, hook: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(hook)
        def run(trainer: pl.Trainer, *args: Any, **kwargs: Any) -> Any:
            before = trainer.should_stop
            result = hook(trainer, *args, **kwargs)
            if trainer.should_stop and not before:
                self.by = name
            return result

        return run
