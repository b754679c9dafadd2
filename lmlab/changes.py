"""The settings that may be changed when a run is resumed, and the differences between two configurations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lmlab.errors import UserError

# May be raised if the learning rate does not depend on the run's length.
LIMITS = ("trainer.max_epochs", "trainer.max_steps", "trainer.max_tokens")
# The present location of the text, which must be unchanged.
TEXT = "data.path"
# The setting for pausing a run, which is not stored with it.
PAUSE = "stop_after_tokens"
# The setting for profiling a command's training, which is not stored with the run.
PROFILER = "trainer.profiler"
CHANGEABLE = (*LIMITS, TEXT, PAUSE, PROFILER)


def unchangeable(name: str, value: object) -> UserError:
    """Returns the error for a setting that may not be changed."""
    what = f"{', '.join(CHANGEABLE)}, loggers, and paths and addresses of added callbacks and metrics"
    remedy = f"only {what} can be changed; otherwise start a new run"
    return UserError(name, value, "cannot be changed when resuming a run", remedy)


def differences(
    first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yields the dotted names of settings whose values differ, with both values; None for a missing one."""
    for key in [*first, *(key for key in second if key not in first)]:
        one, other = first.get(key), second.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from differences(one, other, f"{prefix}{key}.")
        elif one != other or type(one) is not type(other):
            yield f"{prefix}{key}", one, other
