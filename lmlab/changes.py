"""What may change in a run that goes on, and how two configurations differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# May be raised, where the learning rate does not depend on the run's length.
LIMITS = ("trainer.max_epochs", "trainer.max_steps", "trainer.max_tokens")
# Where its text lies now; the bytes must be the same.
TEXT = "data.path"
# Where it pauses, which is no part of what a run is.
PAUSE = "stop_after_tokens"
CHANGEABLE = (*LIMITS, TEXT, PAUSE)


def differences(
    first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Settings whose values differ, by dotted name, with both values; None for what one of them lacks."""
    for key in [*first, *(key for key in second if key not in first)]:
        one, other = first.get(key), second.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from differences(one, other, f"{prefix}{key}.")
        elif one != other or type(one) is not type(other):
            yield f"{prefix}{key}", one, other
