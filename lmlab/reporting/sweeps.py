"""A sweep's jobs, what differs between them, and their order."""

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
from lmlab.reporting.intervals import Estimate, estimate
from lmlab.reporting.spreadsheets import csv_text

# The setting that repeats a job instead of changing it.
SEED = "seed"
NATS, BITS = "val/nats_per_token", "val/bits_per_char"
# Of formal languages: how far a model is above the source of its strings.
EXCESS = "val/excess_nats_per_token"
_FIGURES = (
    NATS, "val/perplexity", BITS, "val/error_rate", "val/unk_rate", "val/num_tokens",
    "val/source_nats_per_token", EXCESS,
    "test/nats_per_token", "test/perplexity", "test/bits_per_char", "test/error_rate", "test/unk_rate",
    "test/num_tokens", "best_epoch", "best_step", "num_parameters", "num_train_tokens", "tokens_per_second",
    "wall_seconds", "peak_memory_bytes", "vocabulary_size", "device", "precision", "fingerprint", "train_fingerprint",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Args:
        folder: its own.
        number: in the sweep.
        settings: the overrides it was started with, as typed.
        summary: what it left; empty where it left nothing yet.
    """

    folder: Path
    number: int
    settings: dict[str, str]
    summary: dict[str, Any]

    @property
    def status(self) -> str:
        """``finished``, ``interrupted``, ``failed`` or ``missing``."""
        return str(self.summary.get("status", "missing"))

    @property
    def nats(self) -> float:
        """Best validation nats a token; infinity where that is no number."""
        return _number(self.summary.get(NATS))

    @property
    def reason(self) -> str:
        """Why it failed, in one line; empty where it did not."""
        return str(self.summary.get("error", ""))


@dataclass(frozen=True)
class Setting:
    """Jobs that differ in nothing but the seed.

    Args:
        settings: what differs from the others.
        jobs: one for each seed, finished.
    """

    settings: dict[str, str]
    jobs: tuple[Job, ...]

    def mean(self, figure: str) -> Estimate:
        """A figure over the seeds; infinite where one of them is no number."""
        values = self.values(figure)
        return estimate(values) if values else Estimate(math.inf, None, len(self.jobs))

    def values(self, figure: str) -> list[float]:
        """A figure of each seed; none where one of them is no number."""
        values = [_number(job.summary.get(figure)) for job in self.jobs]
        return values if all(map(math.isfinite, values)) else []


@dataclass(frozen=True)
class Ranking:
    """The finished jobs of a sweep in order.

    Args:
        settings: the best first.
        figure: by which they are ordered; None where they cannot be compared at all.
        note: why the order is another than by perplexity; empty where it is not.
    """

    settings: tuple[Setting, ...]
    figure: str | None
    note: str


def read_jobs(sweep: Path) -> list[Job]:
    """The jobs of a sweep's folder, by number."""
    jobs = [_read_job(folder) for folder in sweep.iterdir() if re.match(r"\d+(_|$)", folder.name) and folder.is_dir()]
    return sorted(jobs, key=lambda job: job.number)


def _read_job(folder: Path) -> Job:
    number = int(folder.name.partition("_")[0])
    return Job(folder, number, read_overrides(folder), read_summary(folder))


def read_summary(folder: Path) -> dict[str, Any]:
    """A run's summary; empty where there is none that can be read."""
    path = folder / "summary.json"
    try:
        if not path.is_file():  # a pipe would be waited for, without end
            return {}
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return summary if isinstance(summary, dict) else {}


def read_overrides(folder: Path) -> dict[str, str]:
    """The overrides a job was started with, as Hydra keeps them."""
    try:
        listed = plain_yaml.read(folder / ".hydra" / "overrides.yaml")
    except UserError:
        return {}
    return overrides_as_settings(listed) if isinstance(listed, list) else {}


def overrides_as_settings(overrides: Sequence[object]) -> dict[str, str]:
    """`key=value` words as a mapping; quotes around a value are Hydra's."""
    pairs = (str(override).lstrip("+~").partition("=") for override in overrides)
    return {key: _unquoted(value) for key, _, value in pairs}


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == "'" else value


def differing(jobs: Sequence[Job]) -> list[str]:
    """The settings with more than one value among the jobs, in the order in which they were typed."""
    names = list(dict.fromkeys(name for job in jobs for name in job.settings))
    return [name for name in names if len({job.settings.get(name) for job in jobs}) > 1]


def rank(jobs: Sequence[Job]) -> Ranking:
    """Finished jobs, those of different seeds together, the best first.

    By validation nats where all were evaluated on the same text, vocabulary and protocol; by bits per character
    where only the text is the same; in the order of their numbers where not even that is.
    """
    finished = [job for job in jobs if job.status == "finished"]
    names = [name for name in differing(jobs) if name != SEED]
    groups: dict[tuple[str, ...], list[Job]] = {}
    for job in finished:
        groups.setdefault(tuple(job.settings.get(name, "") for name in names), []).append(job)
    settings = [Setting(dict(zip(names, values, strict=True)), tuple(found)) for values, found in groups.items()]
    if _all_same(finished, "fingerprint"):
        return Ranking(_ordered(settings, NATS), NATS, "")
    if _all_same(finished, "text_fingerprint"):
        note = "vocabulary or protocol differ, so perplexities do not compare: ranked by bits per character"
        return Ranking(_ordered(settings, BITS), BITS, note)
    return Ranking(
        tuple(settings), None, "the jobs were evaluated on different texts, so their numbers do not compare: not ranked"
    )


def _ordered(settings: Sequence[Setting], figure: str) -> tuple[Setting, ...]:
    return tuple(sorted(settings, key=lambda setting: setting.mean(figure).mean))


def _all_same(jobs: Sequence[Job], fingerprint: str) -> bool:
    """Whether the fingerprints are known and equal; a single job always compares with itself."""
    found = [job.summary.get(fingerprint) for job in jobs]
    return len(jobs) <= 1 or (isinstance(found[0], str) and all(value == found[0] for value in found))


def _number(value: object) -> float:
    """Infinity for what is no number, so that it comes last."""
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
    jobs: Sequence[Job], *, name_of: Callable[[Job], str] = _name_of_folder, aside: Collection[Path] = ()
) -> str:
    """A row for each job: the best first, then what is not finished or not ranked; settings under their full names.

    The rank is that of a job's setting, as in the table: seeds of one setting share it. Where jobs cannot be compared
    with each other, it is empty and the order is that of the numbers.

    Args:
        jobs: of one sweep, or runs of any kind with the settings in which they differ.
        name_of: what the column `job` says.
        aside: folders of jobs that are not to be ranked.
    """
    ranking = rank([job for job in jobs if job.folder not in aside])
    names = differing(jobs)
    places: list[tuple[int | None, Job]] = [
        (place, job)
        for place, setting in enumerate(ranking.settings, 1)
        for job in sorted(setting.jobs, key=lambda job: _number(job.summary.get(ranking.figure or "")))
    ]
    if ranking.figure is None:
        places = sorted(((None, job) for _, job in places), key=lambda item: item[1].number)
    ranked_folders = {job.folder for _, job in places}
    places += [(None, job) for job in jobs if job.folder not in ranked_folders]
    rows = []
    for ranked, job in places:
        settings = [job.settings.get(name, "") for name in names]
        figures = [job.summary.get(name) for name in _FIGURES]
        warnings = job.summary.get("warnings")
        num_warnings = len(warnings) if isinstance(warnings, list) else 0
        rows.append([ranked, name_of(job), *settings, job.status, *figures, num_warnings, job.reason])
    return csv_text(["rank", "job", *names, "status", *_FIGURES, "num_warnings", "error"], rows)


def jobs_left(sweep: Path, folders: Collection[Path]) -> int:
    """How many jobs of a sweep have not begun; 0 where only some of those that have were chosen.

    Args:
        sweep: its folder.
        folders: of runs that were chosen.
    """
    begun = job_folders(sweep)
    return max(0, (planned_jobs(sweep) or 0) - len(begun)) if begun <= set(folders) else 0


def job_folders(sweep: Path) -> set[Path]:
    """Those of the jobs of a sweep that have begun."""
    return {path for path in sweep.iterdir() if re.match(r"\d+(_|$)", path.name) and path.is_dir()}


def planned_jobs(sweep: Path) -> int | None:
    """How many jobs a sweep is to have; None where that is not known."""
    try:
        counts = json.loads((sweep / "sweep.json").read_text(encoding="utf-8"))["swept"].values()
        return math.prod(map(int, counts)) or None  # 0 where a sweeper decides on the way
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
