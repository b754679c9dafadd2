"""A run's summary.json, its result: typed reading and writing, and the status that it gives the run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lmlab.errors import Diverged
from lmlab.files import write_text
from lmlab.metric_spec import OF_RUNS
from lmlab.runs.files import FLAG, NUMBER, OBJECT, SUMMARY, TEXT, WHOLE, Damaged, Schema, fault, read_json

# Version of a summary's contents; increased if an older lmlab cannot read them. Those before 1 do not have it.
FORMAT = 1
SEED = "seed"  # jobs that differ only in this setting are repetitions of one condition
NATS, BITS = "val/nats_per_token", "val/bits_per_char"
EXCESS = "val/excess_nats_per_token"  # formal languages only: how much worse a model is than their source
# Statuses: of a finished run that read only a part of its texts, and of one whose summary.json cannot be used.
PARTIAL, DAMAGED = "partial", "damaged"
# The statuses of a run that has nothing left to do, and of one on which nobody works any more.
DONE = ("finished", PARTIAL)
ENDED = (*DONE, "failed", "interrupted", DAMAGED)
_STATUSES = ("finished", "failed", "interrupted", "unfinished")
_TEXTS = ("name", "error", "fingerprint", "text_fingerprint", "train_fingerprint", "test_fingerprint")
_SCHEMA: Schema = {
    "status": TEXT,
    "format?": WHOLE,
    "diverged?": FLAG,
    "diagnostics?": [{"kind": TEXT, "level": TEXT, "text": TEXT, "values": OBJECT}],
    "warnings?": [TEXT],  # of an older lmlab, instead of diagnostics
    "architecture?": [OBJECT],
    **{f"{name}?": TEXT for name in (*_TEXTS, "device", "precision", "stopped_by")},
    **{f"{name}?": OBJECT for name in (PARTIAL, "metrics", "versions", "samples", "plugins")},
    **{f"{name}?": NUMBER for name in OF_RUNS},
}
_TABLES = ("/baselines", "/by_length", "/prompts", "/streams")  # entries of a split that are no figures
_WORDS = {"train": "training", "validation": "validation", "test": "test"}


class Summary(dict[str, Any]):
    """The contents of summary.json; empty without such a file, and only status, error and `damage` if it is damaged."""

    damage: Damaged | None = None

    @property
    def status(self) -> str | None:
        """``finished``, ``partial``, ``failed``, ``interrupted``, ``unfinished`` or ``damaged``; None if empty."""
        status: str | None = self.get("status")
        return PARTIAL if status == "finished" and self.get(PARTIAL) else status

    @property
    def error(self) -> str:
        """Why the run failed or the summary is damaged, in one line; empty otherwise."""
        return " ".join(str(self.get("error", "")).split())


def read_summary(folder: Path) -> Summary:
    """Reads a run's summary, of this or an older lmlab."""
    found = read_json(folder / SUMMARY, _SCHEMA)
    if found and not isinstance(found, Damaged) and (problem := _problem(found)):
        found = Damaged(SUMMARY, problem)
    if not isinstance(found, Damaged):
        return Summary({key: value for key, value in found.items() if key != "format"})
    summary = Summary(status=DAMAGED, error=str(found))
    summary.damage = found
    return summary


def _problem(summary: Mapping[str, Any]) -> str:
    """Returns what is wrong with a summary besides the types of single entries; empty if nothing is."""
    if summary.get("format", 0) > FORMAT:
        return f"a newer lmlab wrote it (format {summary['format']})"
    if summary["status"] not in _STATUSES:
        return f"its status is not one of {', '.join(_STATUSES)}"
    splits = [key for key in summary if key.startswith(("val/", "test/"))]
    return fault(summary, {f"{key}?": OBJECT if key.endswith(_TABLES) else NUMBER for key in splits})


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Writes summary.json; infinity and NaN, which JSON does not have, become null."""
    finite_values = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in summary.items()}
    text = json.dumps({"format": FORMAT, **finite_values}, indent=2, ensure_ascii=False)
    write_text(folder / SUMMARY, text + "\n")


def mark_unfinished(folder: Path, name: str) -> None:
    """Marks a run as unfinished in its summary, so that the status of an earlier end is no longer stored."""
    kept = {key: value for key, value in read_summary(folder).items() if key not in ("error", "diverged")}
    write_summary(folder, {**kept, "status": "unfinished", "name": name})


def write_failure(folder: Path, name: str, error: BaseException, reason: str) -> None:
    """Writes a summary that says why a run failed: the error that ended it, and the same in one line."""
    # The figures of an earlier summary are kept, but not the mark of an earlier divergence.
    before = {key: value for key, value in read_summary(folder).items() if key != "diverged"}
    diverged = {"diverged": True} if isinstance(error, Diverged) else {}
    write_summary(folder, {**before, "status": "failed", "name": name, "error": reason, **diverged})


def finite(value: object) -> float | None:
    """Returns the value as a number; None if it is no finite number, or so large that its square is none."""
    with suppress(OverflowError):
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(float(value) ** 2):
            return float(value)
    return None


def describe_partial(partial: object) -> str:
    """Describes in words what was limited, see `LanguageModelData.partial`; what is damaged is left out."""
    parts = []
    for split, limit in partial.items() if isinstance(partial, Mapping) else ():
        if isinstance(limit, Mapping) and split in _WORDS:
            repeated = ", the same in every epoch" if limit.get("repeated") else ""
            parts.append(f"{limit.get('batches')} of {limit.get('of')} {_WORDS[split]} batches{repeated}")
    return "; ".join(parts)
