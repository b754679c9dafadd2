"""The settings in which the jobs of a sweep differ, and their ranking."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from lmlab.metric_spec import OF_RUNS
from lmlab.reporting.intervals import Estimate, estimate
from lmlab.reporting.spreadsheets import csv_text
from lmlab.runs.summary import BITS, NATS, PARTIAL, SEED
from lmlab.runs.sweeps import Job, number_or_infinity

# Columns of results.csv after the figures.
_OTHERS = ("device", "precision", "fingerprint", "train_fingerprint")


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
        values = [number_or_infinity(job.summary.get(metric)) for job in self.jobs]
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
        for job in sorted(condition.jobs, key=lambda job: number_or_infinity(job.summary.get(ranking.metric or "")))
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
