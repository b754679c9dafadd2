"""Reads what a run has stored in its folder, as far as it is there."""

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
from lmlab.metric_spec import MetricSpec, specs_of
from lmlab.runs.summary import NATS, PARTIAL, SEED, describe_partial, read_summary, status_of
from lmlab.runs.sweeps import read_overrides

Row = dict[str, float]

_INTERPOLATION = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")
_JOB = re.compile(r"(\d+)(_|$)")


@dataclass(frozen=True, eq=False)
class RunRecord:
    """A run's folder and its files. Each file is read on first use; a damaged file counts as missing.

    Args:
        folder: the run's.
        label: unique among the runs of a report.
        summary: of ``summary.json``; empty if the file is missing or cannot be read.
    """

    folder: Path
    label: str
    summary: dict[str, Any]

    @property
    def number(self) -> int | None:
        """The number of the job in its sweep; None for a single run."""
        found = _JOB.match(self.folder.name)
        return int(found[1]) if found else None

    @property
    def origin(self) -> Path:
        """The sweep's folder if the run is a job of a sweep, otherwise the run's own."""
        return self.folder if self.number is None else self.folder.parent

    @property
    def status(self) -> str:
        """The run's status.

        ``finished``, ``partial`` (finished, but read only a part of the text), ``interrupted``, ``failed``,
        ``unfinished`` (still training, or killed) or ``missing``.
        """
        return status_of(self.summary) or ("unfinished" if self.history else "missing")

    @property
    def reason(self) -> str:
        """Why the run failed or what of it was limited, in one line; empty if neither."""
        if self.status == PARTIAL:
            return describe_partial(self.summary[PARTIAL])
        return " ".join(str(self.summary.get("error", "")).split())

    @property
    def warnings(self) -> list[str]:
        """The warnings that the run itself recorded."""
        listed = self.summary.get("warnings")
        return [_clean(str(warning)) for warning in listed] if isinstance(listed, list) else []

    def metric(self, name: str) -> float | None:
        """Returns a metric of the summary; None if it is missing or not finite."""
        return finite(self.summary.get(name))

    @cached_property
    def specs(self) -> dict[str, MetricSpec]:
        """What is known of the figures of its evaluations, by name, in the order of tables."""
        return specs_of(self.summary)

    @cached_property
    def overrides(self) -> dict[str, str]:
        """The settings that the run was started with, as typed."""
        return read_overrides(self.folder)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved configuration; if it is missing, Hydra's record with its references resolved."""
        resolved = _read_yaml(self.folder / "config.yaml")
        if resolved:
            return resolved
        recorded = _read_yaml(self.folder / ".hydra" / "config.yaml")
        resolved = _resolved(recorded, recorded)
        assert isinstance(resolved, dict)
        return resolved

    @cached_property
    def choices(self) -> dict[str, str]:
        """The chosen option of each group (``model``: ``lstm``); empty without Hydra's record."""
        text = _read_text(self.folder / ".hydra" / "hydra.yaml")
        found = re.search(r"^( *)choices:\n((?:\1 +.*\n)+)", text, re.MULTILINE)
        lines = found[2].splitlines() if found else []
        pairs = (line.strip().partition(": ")[::2] for line in lines)
        return {key: value for key, value in pairs if not key.startswith("hydra")}

    @property
    def seed(self) -> str:
        """The seed as it was typed or configured; empty if unknown."""
        return self.overrides[SEED] if SEED in self.overrides else setting(self.config, SEED)

    @cached_property
    def history(self) -> list[Row]:
        """The rows of ``metrics.csv``, one for each evaluation; empty and non-numeric cells are left out."""
        return list(_rows(self.folder / "metrics.csv"))

    @cached_property
    def best_row(self) -> Row | None:
        """The evaluation with the lowest validation nats; the first of equals."""
        known = [row for row in self.history if math.isfinite(row.get(NATS, math.nan))]
        return min(known, key=lambda row: row[NATS], default=None)

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        """The texts that were generated during training, in order; unreadable lines are left out."""
        found = (_json(line) for line in _read_text(self.folder / "samples.jsonl").split("\n"))
        samples = [sample for sample in found if isinstance(sample, dict) and isinstance(sample.get("text"), str)]
        return [sample for sample in samples if isinstance(sample.get("step"), int | float | None)]

    @cached_property
    def analysis(self) -> dict[str, Any]:
        """The contents of ``exhibits.json``: passage, temperatures and predictions; see `lmlab.reporting.analysis`."""
        found = _json(_read_text(self.folder / "exhibits.json"))
        return found if isinstance(found, dict) else {}


def read_record(folder: Path, *, label: str = "") -> RunRecord:
    """Returns the record of a folder.

    Args:
        folder: a run's.
        label: of the run in a report; empty for the folder's name.
    """
    return RunRecord(folder, label or folder.name, _cleaned(read_summary(folder)))


def finite(value: object) -> float | None:
    """Returns the value as a number; None if it is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def setting(config: Mapping[str, Any], name: str) -> str:
    """Returns a setting by its dotted name, as it would be typed; empty if the configuration does not have it."""
    value: Any = config
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return ""
        value = value[part]
    return typed(value)


def typed(value: object) -> str:
    """Returns a value of the configuration as it would be typed."""
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
    """Returns a file's text with replacement characters for invalid UTF-8; empty if it cannot be read."""
    try:
        # Reading from a named pipe would block forever.
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
    """Parses JSON; returns None if it is damaged or incomplete."""
    try:
        return _cleaned(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _cleaned(value: Any) -> Any:
    """Replaces lone surrogates, which JSON can contain and UTF-8 cannot, in all strings."""
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
    """Resolves strings that are references to other settings (``${model.dropout}``); leaves all others unchanged."""
    if isinstance(value, dict):
        return {key: _resolved(item, root, depth) for key, item in value.items()}
    found = _INTERPOLATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or depth > 5:
        return value
    target: Any = root
    for part in found[1].split("."):
        target = target.get(part, value) if isinstance(target, dict) else value
    return _resolved(target, root, depth + 1) if target is not value else value
