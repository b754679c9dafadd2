"""Runs that read only a part of their texts, as their summaries say; they are never ranked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
