"""The jobs of a sweep, the settings in which they differ, and their ranking."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmlab import plain_yaml
from lmlab.errors import UserError
from lmlab.metric_spec import OF_RUNS
from lmlab.reporting.intervals import Estimate, estimate
from lmlab.reporting.partial import PARTIAL, status_of
from lmlab.reporting.spreadsheets import csv_text

# Jobs that differ only in this setting are repetitions of one condition.
SEED = "seed"
NATS, BITS = "val/nats_per_token", "val/bits_per_char"
# Formal languages only: how much worse a model is than the source of its strings.
EXCESS = "val/excess_nats_per_token"
# Columns of results.csv after the figures.
_OTHERS = ("device", "precision", "fingerprint", "train_fingerprint")


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Args:
        folder: the job's.
        number: of the job in the sweep.
        settings: the overrides that the job was started with, as typed.
        summary: of its summary.json; empty if there is none yet.
    """

    folder: Path
    number: int
    settings: dict[str, str]
    summary: dict[str, Any]

    @property
    def status(self) -> str:
        """``finished``, ``partial``, ``interrupted``, ``failed`` or ``missing``."""
        return status_of(self.summary) or "missing"

    @property
    def nats(self) -> float:
        """Best validation nats a token; infinity if unknown or NaN."""
        return _number(self.summary.get(NATS))

    @property
    def reason(self) -> str:
        """Why the job failed, in one line; empty if it did not fail."""
        return str(self.summary.get("error", ""))


@dataclass(frozen=True)
class SweepCondition:
    """An experimental condition: finished jobs that differ only in the seed.

    Args:
        settings: values of the settings in which the sweep's conditions differ.
        jobs: one for each seed.
    """

    settings: dict[str, str]
    jobs: tuple[Job, ...]

    def mean(self, metric: str) -> Estimate:
        """Returns the mean of a metric over the seeds; infinite if it is not finite for one of them."""
        values = self.values(metric)
        return estimate(values) if values else Estimate(math.inf, None, len(self.jobs))

    def values(self, metric: str) -> list[float]:
        """Returns the metric of each seed; empty if it is not finite for one of them."""
        values = [_number(job.summary.get(metric)) for job in self.jobs]
        return values if all(map(math.isfinite, values)) else []


@dataclass(frozen=True)
class Ranking:
    """The finished jobs of a sweep, ranked.

    Args:
        conditions: the best first.
        metric: by which they are ranked; None if they cannot be compared at all.
        note: why they are not ranked by perplexity; empty if they are.
        partial: conditions of which only a part of the text was read, which have no place.
    """

    conditions: tuple[SweepCondition, ...]
    metric: str | None
    note: str
    partial: tuple[SweepCondition, ...] = ()


def read_jobs(sweep: Path) -> list[Job]:
    """Reads the jobs in a sweep's folder, ordered by number."""
    jobs = [_read_job(folder) for folder in sweep.iterdir() if re.match(r"\d+(_|$)", folder.name) and folder.is_dir()]
    return sorted(jobs, key=lambda job: job.number)


def _read_job(folder: Path) -> Job:
    number = int(folder.name.partition("_")[0])
    return Job(folder, number, read_overrides(folder), read_summary(folder))


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


def read_overrides(folder: Path) -> dict[str, str]:
    """Reads the overrides that a job was started with, from Hydra's record."""
    try:
        listed = plain_yaml.read(folder / ".hydra" / "overrides.yaml")
    except UserError:
        return {}
    return overrides_as_settings(listed) if isinstance(listed, list) else {}


def overrides_as_settings(overrides: Sequence[object]) -> dict[str, str]:
    """Returns `key=value` words as a mapping, without the quotes that Hydra puts around values."""
    pairs = (str(override).lstrip("+~").partition("=") for override in overrides)
    return {key: _unquoted(value) for key, _, value in pairs}


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == "'" else value


def differing(jobs: Sequence[Job]) -> list[str]:
    """Returns the settings with more than one value among the jobs, in the order in which they were typed."""
    names = list(dict.fromkeys(name for job in jobs for name in job.settings))
    return [name for name in names if len({job.settings.get(name) for job in jobs}) > 1]


def rank(jobs: Sequence[Job]) -> Ranking:
    """Ranks the finished jobs by condition, the best first.

    They are ranked by validation nats if all were evaluated on the same text with the same vocabulary and protocol, by
    bits per character if only the text is the same. Otherwise they stay in the order of their numbers. Jobs that read
    only a part of the text are never ranked.
    """
    finished = [job for job in jobs if job.status == "finished"]
    names = [name for name in differing(jobs) if name != SEED]
    conditions = _conditions(finished, names)
    partial = _conditions([job for job in jobs if job.status == PARTIAL], names)
    if _all_same(finished, "fingerprint"):
        return Ranking(_ordered(conditions, NATS), NATS, "", partial)
    if _all_same(finished, "text_fingerprint"):
        note = "vocabulary or protocol differ, so perplexities do not compare: ranked by bits per character"
        return Ranking(_ordered(conditions, BITS), BITS, note, partial)
    note = "the jobs were evaluated on different texts, so their numbers do not compare: not ranked"
    return Ranking(conditions, None, note, partial)


def _conditions(jobs: Sequence[Job], names: Sequence[str]) -> tuple[SweepCondition, ...]:
    """Groups jobs that differ in the seed only."""
    groups: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        groups.setdefault(tuple(job.settings.get(name, "") for name in names), []).append(job)
    return tuple(
        SweepCondition(dict(zip(names, values, strict=True)), tuple(found)) for values, found in groups.items()
    )


def _ordered(conditions: Sequence[SweepCondition], metric: str) -> tuple[SweepCondition, ...]:
    return tuple(sorted(conditions, key=lambda condition: condition.mean(metric).mean))


def _all_same(jobs: Sequence[Job], fingerprint: str) -> bool:
    """Returns whether the fingerprints are known and equal, which is always true of a single job."""
    found = [job.summary.get(fingerprint) for job in jobs]
    return len(jobs) <= 1 or (isinstance(found[0], str) and all(value == found[0] for value in found))


def _number(value: object) -> float:
    """Returns the value as a number, or infinity if it is none, so that it is ranked last."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.inf
    try:
        number = float(value)
    except OverflowError:
        return math.inf
    return math.inf if math.isnan(number) else number


def _name_of_folder(job: Job) -> str:
    return job.folder.name


def results_csv(
    jobs: Sequence[Job], *, name_of: Callable[[Job], str] = _name_of_folder, unranked: Collection[Path] = ()
) -> str:
    """Returns a row for each job: the best first, then unfinished and unranked ones; settings have their full names.

    All seeds of a condition share its rank, as in the table. If the jobs cannot be compared with each other, the rank
    is empty and they are ordered by number.

    Args:
        jobs: of one sweep, or any runs with the settings in which they differ.
        name_of: returns the content of the column `job`.
        unranked: folders of jobs that must not be ranked.
    """
    ranking = rank([job for job in jobs if job.folder not in unranked])
    names = differing(jobs)
    places: list[tuple[int | None, Job]] = [
        (place, job)
        for place, condition in enumerate(ranking.conditions, 1)
        for job in sorted(condition.jobs, key=lambda job: _number(job.summary.get(ranking.metric or "")))
    ]
    if ranking.metric is None:
        places = sorted(((None, job) for _, job in places), key=lambda item: item[1].number)
    ranked_folders = {job.folder for _, job in places}
    places += [(None, job) for job in jobs if job.folder not in ranked_folders]
    figures = [*_evaluated(jobs), *OF_RUNS, *_OTHERS]
    rows = []
    for ranked, job in places:
        settings = [job.settings.get(name, "") for name in names]
        values = [job.summary.get(name) for name in figures]
        warnings = job.summary.get("warnings")
        num_warnings = len(warnings) if isinstance(warnings, list) else 0
        rows.append([ranked, name_of(job), *settings, job.status, *values, num_warnings, job.reason])
    return csv_text(["rank", "job", *names, "status", *figures, "num_warnings", "error"], rows)


def _evaluated(jobs: Sequence[Job]) -> list[str]:
    """Returns the names of the figures of the evaluations of any job, those of validation first."""
    found = [key for job in jobs for key, value in job.summary.items() if isinstance(value, int | float | None)]
    names = dict.fromkeys([NATS, *found])
    return [name for prefix in ("val/", "test/") for name in names if name.startswith(prefix)]


def jobs_left(sweep: Path, folders: Collection[Path]) -> int:
    """Counts the jobs of a sweep that have not been started; 0 if only some of the started ones were selected.

    Args:
        sweep: its folder.
        folders: of the runs that were selected for the report.
    """
    begun = job_folders(sweep)
    return max(0, (planned_jobs(sweep) or 0) - len(begun)) if begun <= set(folders) else 0


def job_folders(sweep: Path) -> set[Path]:
    """Returns the folders of the jobs that have been started."""
    return {path for path in sweep.iterdir() if re.match(r"\d+(_|$)", path.name) and path.is_dir()}


def planned_jobs(sweep: Path) -> int | None:
    """Returns how many jobs a sweep will have; None if unknown."""
    try:
        counts = json.loads((sweep / "sweep.json").read_text(encoding="utf-8"))["swept"].values()
        return math.prod(map(int, counts)) or None  # 0 if the sweeper decides while it runs
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
