"""A run's summary.json and its status; runs that read only a part of their texts are never ranked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Jobs that differ only in this setting are repetitions of one condition.
SEED = "seed"
NATS, BITS = "val/nats_per_token", "val/bits_per_char"
# Formal languages only: how much worse a model is than the source of its strings.
EXCESS = "val/excess_nats_per_token"
PARTIAL = "partial"
# The statuses of a run that has nothing left to do.
DONE = ("finished", PARTIAL)
_WORDS = {"train": "training", "validation": "validation", "test": "test"}


def status_of(summary: Mapping[str, Any]) -> str | None:
    """Returns the status of a run: ``partial`` for a finished one that read only a part; None if it has none."""
    status = summary.get("status")
    if status == "finished" and summary.get(PARTIAL):
        return PARTIAL
    return None if status is None else str(status)


def describe_partial(partial: object) -> str:
    """Describes in words what was limited.

    Args:
        partial: that of a summary, see `LanguageModelData.partial`; what is damaged is left out.
    """
    parts = []
    for split, limit in partial.items() if isinstance(partial, Mapping) else ():
        if isinstance(limit, Mapping) and split in _WORDS:
            repeated = ", the same in every epoch" if limit.get("repeated") else ""
            parts.append(f"{limit.get('batches')} of {limit.get('of')} {_WORDS[split]} batches{repeated}")
    return "; ".join(parts)


def read_summary(folder: Path) -> dict[str, Any]:
    """Reads a run's summary; empty if it is missing or cannot be read."""
    path = folder / "summary.json"
    try:
        if not path.is_file():  # reading from a named pipe would block forever
            return {}
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return summary if isinstance(summary, dict) else {}
