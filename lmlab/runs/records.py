"""Reads what runs and sweeps have stored in their folders, as far as it is there."""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lmlab import plain_yaml
from lmlab.errors import UserError
from lmlab.metric_spec import MetricSpec, specs_of
from lmlab.runs.contents import Row, read_config, read_exhibits, read_history, read_samples, read_tokenizer
from lmlab.runs.files import CONFIG, HYDRA, SWEEP, Damaged
from lmlab.runs.summary import ENDED, NATS, PARTIAL, SEED, Summary, describe_partial, finite, read_summary

JOB = re.compile(r"(\d+)(_|$)")  # name of a job's folder: its number, then its settings
MAX_RECORD = 1_000_000  # maximum number of bytes of a sweep's record, because it may come from others


@dataclass(frozen=True, eq=False)
class RunRecord:
    """A run's folder, its label, unique in a report, and its files. Each is read on first use.

    Of a damaged file nothing is taken: see `damages`.
    """

    folder: Path
    label: str
    summary: Summary

    @property
    def number(self) -> int | None:
        """The number of the job in its sweep; None for a single run."""
        return int(found[1]) if (found := JOB.match(self.folder.name)) else None

    @property
    def origin(self) -> Path:
        """The sweep's folder if the run is a job of a sweep, otherwise the run's own."""
        return self.folder if self.number is None else self.folder.parent

    @property
    def status(self) -> str:
        """That of the summary, or else ``unfinished`` (still training, or killed) or ``missing``."""
        return self.summary.status or ("unfinished" if self._history else "missing")

    @property
    def reason(self) -> str:
        """Why the run failed, what of it was limited or how its summary is damaged, in one line; empty otherwise."""
        return describe_partial(self.summary[PARTIAL]) if self.status == PARTIAL else self.summary.error

    @cached_property
    def damages(self) -> tuple[Damaged, ...]:
        """The files that are there and cannot be used."""
        read = (self.summary.damage, self._config, read_tokenizer(self.folder), self._history, self._samples)
        return tuple(found for found in (*read, self._exhibits) if isinstance(found, Damaged))

    @property
    def nats(self) -> float:
        """Best validation nats per token; infinite if unknown."""
        return math.inf if (known := self.metric(NATS)) is None else known

    def metric(self, name: str) -> float | None:
        """Returns a metric of the summary; None if it is missing or not finite."""
        return finite(self.summary.get(name))

    def table(self, name: str) -> Mapping[str, Any]:
        """Returns a table of the summary; empty if it is missing."""
        return self.summary.get(name) or {}

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
        """The resolved configuration; if it is missing or damaged, Hydra's record with its references resolved."""
        if self._config and not isinstance(self._config, Damaged):
            return self._config
        recorded = _recorded(self.folder, CONFIG)
        return _resolved(recorded, recorded) if isinstance(recorded, dict) else {}

    @cached_property
    def _config(self) -> dict[str, Any] | Damaged:
        return read_config(self.folder)

    @cached_property
    def choices(self) -> dict[str, str]:
        """The chosen option of each group (``model``: ``lstm``); empty without Hydra's record."""
        found = _entry(_recorded(self.folder, "hydra.yaml"), "hydra.runtime.choices", None)
        pairs = found.items() if isinstance(found, dict) else ()
        return {group: typed(option) for group, option in pairs if not group.startswith("hydra")}

    @property
    def seed(self) -> str:
        """The seed as it was typed or configured; empty if unknown."""
        return self.overrides[SEED] if SEED in self.overrides else setting(self.config, SEED)

    @property
    def history(self) -> list[Row]:
        """The rows of ``metrics.csv``, one for each evaluation, without empty cells."""
        return [] if isinstance(self._history, Damaged) else self._history

    @cached_property
    def _history(self) -> list[Row] | Damaged:
        return read_history(self.folder, ended=self.summary.status in ENDED)

    @property
    def all_rows(self) -> list[Mapping[str, Any]]:
        """The evaluations and the summary, which has the figures of the best one."""
        return [*self.history, self.summary]

    @cached_property
    def best_row(self) -> Row | None:
        """The evaluation with the lowest validation nats; the first of equals."""
        known = [row for row in self.history if math.isfinite(row.get(NATS, math.nan))]
        return min(known, key=lambda row: row[NATS], default=None)

    @property
    def samples(self) -> list[dict[str, Any]]:
        """The texts that were generated during training, in order."""
        return [] if isinstance(self._samples, Damaged) else self._samples

    @cached_property
    def _samples(self) -> list[dict[str, Any]] | Damaged:
        return read_samples(self.folder, ended=self.summary.status in ENDED)

    @property
    def analysis(self) -> dict[str, Any]:
        """The contents of ``exhibits.json``: passage, temperatures and predictions; see `lmlab.reporting.analysis`."""
        return {} if isinstance(self._exhibits, Damaged) else self._exhibits

    @cached_property
    def _exhibits(self) -> dict[str, Any] | Damaged:
        return read_exhibits(self.folder)


@dataclass(frozen=True, eq=False)
class RunInTraining(RunRecord):
    """A run whose evaluations so far and resolved configuration are in memory; of its folder nothing is read."""

    rows: list[Row]
    settings: dict[str, Any]

    @property
    def history(self) -> list[Row]:
        """The evaluations so far."""
        return self.rows

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        return self.settings

    @cached_property
    def damages(self) -> tuple[Damaged, ...]:
        """None, because no file is read."""
        return ()


def read_record(folder: Path, *, label: str = "") -> RunRecord:
    """Returns the record of a run's folder, whose name is the default label."""
    return RunRecord(folder, label or folder.name, read_summary(folder))


def setting(config: Mapping[str, Any], name: str) -> str:
    """Returns a setting by its dotted name, as it would be typed; empty if the configuration does not have it."""
    return typed(_entry(config, name, ""))


def typed(value: object) -> str:
    """Returns a value of the configuration as it would be typed."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "[" + ",".join(map(typed, value)) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)


def _entry(config: Mapping[str, Any], name: str, default: Any) -> Any:
    value: Any = config
    for part in name.split("."):
        value = value.get(part, default) if isinstance(value, Mapping) else default
    return value


def _resolved(value: Any, root: dict[str, Any], depth: int = 0) -> Any:
    """Resolves strings that are references to other settings (``${model.dropout}``); leaves all others unchanged."""
    if isinstance(value, dict):
        return {key: _resolved(item, root, depth) for key, item in value.items()}
    found = re.fullmatch(r"\$\{([A-Za-z_][\w.]*)\}", value) if isinstance(value, str) else None
    return value if found is None or depth > 5 else _resolved(_entry(root, found[1], value), root, depth + 1)


def _recorded(folder: Path, file: str) -> Any:
    """Returns what a file of Hydra's record holds; None if it cannot be read."""
    try:
        return plain_yaml.read(folder / HYDRA / file)
    except UserError:
        return None


def read_overrides(folder: Path) -> dict[str, str]:
    """Returns the settings that a run was started with, as typed, from Hydra's record."""
    listed = _recorded(folder, "overrides.yaml")
    return overrides_as_settings(listed) if isinstance(listed, list) else {}


def overrides_as_settings(overrides: Sequence[object]) -> dict[str, str]:
    """Returns `key=value` words as a mapping, without the quotes that Hydra puts around values."""
    pairs = (str(override).lstrip("+~").partition("=") for override in overrides)
    return {key: re.sub(r"^'(.*)'\Z", r"\1", value, flags=re.DOTALL) for key, _, value in pairs}


def read_jobs(sweep: Path) -> list[RunRecord]:
    """Returns the records of the jobs that a sweep has begun, ordered by number."""
    return sorted(map(read_record, job_folders(sweep)), key=lambda job: (job.number or 0, job.folder.name))


def job_folders(sweep: Path) -> set[Path]:
    """Returns the folders of the jobs that a sweep has begun."""
    with suppress(OSError):  # deleted in the meantime, or not to be looked at
        return {path for path in sweep.iterdir() if JOB.match(path.name) and path.is_dir()}
    return set()


def jobs_left(sweep: Path, selected: Collection[Path]) -> int:
    """Counts the jobs that a sweep has not begun; 0 if not all folders of those that it has were selected."""
    begun = job_folders(sweep)
    return max(0, (planned_jobs(sweep) or 0) - len(begun)) if begun <= set(selected) else 0


def planned_jobs(sweep: Path) -> int | None:
    """Returns how many jobs a sweep will have; None if unknown."""
    try:
        counts = (read_sweep(sweep) or {})["swept"].values()
        return math.prod(map(int, counts)) or None  # 0 if the sweeper decides while it runs
    except (UserError, ValueError, LookupError, TypeError, AttributeError):
        return None


def read_sweep(folder: Path) -> dict[str, Any] | None:
    """Returns the record of how a sweep was started; None if the folder contains no sweep.

    Raises:
        UserError: it is too large for a record.
    """
    path = folder / SWEEP
    try:
        status = path.stat()
        if status.st_size > MAX_RECORD:
            raise UserError("run", path, "is not a record of a sweep", "start the sweep again")
        # Reading from a named pipe would block forever, and a device may have no end.
        record = json.loads(path.read_text(encoding="utf-8")) if stat.S_ISREG(status.st_mode) else None
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
