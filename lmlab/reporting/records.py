"""What one run left behind, read as far as it is there."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lmlab import plain_yaml
from lmlab.errors import UserError
from lmlab.reporting.sweeps import NATS, SEED, read_overrides, read_summary

Row = dict[str, float]

_INTERPOLATION = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")
_JOB = re.compile(r"(\d+)(_|$)")


@dataclass(frozen=True, eq=False)
class RunRecord:
    """A run's folder and its files; each is read when it is first asked for, and what is damaged counts as absent.

    Args:
        folder: the run's.
        label: a name that no other run of the same report has.
        summary: of ``summary.json``; empty where there is none that can be read.
    """

    folder: Path
    label: str
    summary: dict[str, Any]

    @property
    def number(self) -> int | None:
        """Of the job in its sweep; None for a run of its own."""
        found = _JOB.match(self.folder.name)
        return int(found[1]) if found else None

    @property
    def origin(self) -> Path:
        """The sweep's folder of a job; the own one of any other run."""
        return self.folder if self.number is None else self.folder.parent

    @property
    def status(self) -> str:
        """``finished``, ``interrupted``, ``failed``, ``unfinished`` (trains, or was killed) or ``missing``."""
        if "status" in self.summary:
            return str(self.summary["status"])
        return "unfinished" if self.history else "missing"

    @property
    def reason(self) -> str:
        """Why it failed, in one line; empty where it did not."""
        return " ".join(str(self.summary.get("error", "")).split())

    @property
    def warnings(self) -> list[str]:
        """What the run itself warned of."""
        listed = self.summary.get("warnings")
        return [_clean(str(warning)) for warning in listed] if isinstance(listed, list) else []

    def metric(self, name: str) -> float | None:
        """Returns a metric of the summary; None if it is missing or not finite."""
        return finite(self.summary.get(name))

    @cached_property
    def overrides(self) -> dict[str, str]:
        """What the run was started with, as typed."""
        return read_overrides(self.folder)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved configuration; where only Hydra's record is there, that with its references resolved."""
        resolved = _read_yaml(self.folder / "config.yaml")
        if resolved:
            return resolved
        recorded = _read_yaml(self.folder / ".hydra" / "config.yaml")
        resolved = _resolved(recorded, recorded)
        assert isinstance(resolved, dict)
        return resolved

    @cached_property
    def choices(self) -> dict[str, str]:
        """The options that were chosen of each group (``model``: ``lstm``); empty where Hydra left no record."""
        text = _read_text(self.folder / ".hydra" / "hydra.yaml")
        found = re.search(r"^( *)choices:\n((?:\1 +.*\n)+)", text, re.MULTILINE)
        lines = found[2].splitlines() if found else []
        pairs = (line.strip().partition(": ")[::2] for line in lines)
        return {key: value for key, value in pairs if not key.startswith("hydra")}

    @property
    def seed(self) -> str:
        """As it was typed or configured; empty where that is not known."""
        return self.overrides[SEED] if SEED in self.overrides else setting(self.config, SEED)

    @cached_property
    def history(self) -> list[Row]:
        """The rows of ``metrics.csv``, one an evaluation, without the cells that are empty or no numbers."""
        return list(_rows(self.folder / "metrics.csv"))

    @cached_property
    def best_row(self) -> Row | None:
        """The evaluation with the fewest validation nats, the first of equals."""
        known = [row for row in self.history if math.isfinite(row.get(NATS, math.nan))]
        return min(known, key=lambda row: row[NATS], default=None)

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        """The texts written while training, in order; lines that cannot be read are left out."""
        found = (_json(line) for line in _read_text(self.folder / "samples.jsonl").split("\n"))
        samples = [sample for sample in found if isinstance(sample, dict) and isinstance(sample.get("text"), str)]
        return [sample for sample in samples if isinstance(sample.get("step"), int | float | None)]

    @cached_property
    def analysis(self) -> dict[str, Any]:
        """What the run put aside to be shown: a passage, temperatures, predictions; see `lmlab.reporting.analysis`."""
        found = _json(_read_text(self.folder / "exhibits.json"))
        return found if isinstance(found, dict) else {}


def read_record(folder: Path, *, label: str = "") -> RunRecord:
    """The record of a folder.

    Args:
        folder: a run's.
        label: its name in a report; empty for the folder's own.
    """
    return RunRecord(folder, label or folder.name, _cleaned(read_summary(folder)))


def finite(value: object) -> float | None:
    """The value as a number; None where it is none, or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def setting(config: Mapping[str, Any], name: str) -> str:
    """A setting by its dotted name, as it would be typed; empty where there is none."""
    value: Any = config
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return ""
        value = value[part]
    return typed(value)


def typed(value: object) -> str:
    """A value of the configuration as it would be typed."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "[" + ",".join(map(typed, value)) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)


def _rows(path: Path) -> Iterator[Row]:
    reader = csv.DictReader(_read_text(path).splitlines())
    try:
        for cells in reader:
            row = {name: number for name, cell in cells.items() if (number := _number(cell)) is not None}
            if row:
                yield row
    except csv.Error:
        return


def _number(cell: object) -> float | None:
    try:
        return float(cell) if isinstance(cell, str) else None
    except ValueError:
        return None


def _read_text(path: Path) -> str:
    """A file's text with marks for bytes that are no UTF-8; empty where it cannot be read."""
    try:
        # A pipe would be waited for, without end.
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    except OSError:
        return ""


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        found = plain_yaml.read(path)
    except UserError:
        return {}
    return found if isinstance(found, dict) else {}


def _json(text: str) -> Any:
    """The object; None where it is damaged or half written."""
    try:
        return _cleaned(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _cleaned(value: Any) -> Any:
    """Halves of surrogate pairs, which JSON can spell and UTF-8 cannot, replaced in all strings."""
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {_clean(str(key)): _cleaned(item) for key, item in value.items()}
    return value


def _clean(text: str) -> str:
    return re.sub(r"[\ud800-\udfff]", "\ufffd", text)


def _resolved(value: Any, root: dict[str, Any], depth: int = 0) -> Any:
    """References to other settings (``${model.dropout}``) replaced; what has more in it than that is left."""
    if isinstance(value, dict):
        return {key: _resolved(item, root, depth) for key, item in value.items()}
    found = _INTERPOLATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or depth > 5:
        return value
    target: Any = root
    for part in found[1].split("."):
        target = target.get(part, value) if isinstance(target, dict) else value
    return _resolved(target, root, depth + 1) if target is not value else value
