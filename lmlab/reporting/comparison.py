"""A comparison of runs: the settings in which they differ, which condition is best, and whether that is significant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lmlab.metric_spec import MetricSpec, exp
from lmlab.reporting.intervals import Difference, Estimate, difference
from lmlab.reporting.naming import RUN, setting_labels
from lmlab.reporting.settings import Values, varied_settings
from lmlab.reporting.sweeps import SweepCondition, rank
from lmlab.reporting.tables import short_names
from lmlab.runs.records import RunRecord
from lmlab.runs.summary import BITS, NATS, SEED
from lmlab.runs.sweeps import Job


@dataclass(frozen=True)
class Condition:
    """An experimental condition: finished runs that differ only in the seed.

    Args:
        place: 1 for the best; None if the conditions cannot be ranked.
        label: short and unique among the conditions.
        settings: full names and values of the settings in which the conditions differ.
        runs: one for each seed.
        gap_to_best: how much worse than the best condition this one is, in the metric by which they are ranked; None
            for the best itself, without a ranking, or if a metric is not finite.
    """

    place: int | None
    label: str
    settings: Values
    runs: tuple[RunRecord, ...]
    gap_to_best: Difference | None

    def mean(self, metric: str) -> Estimate:
        """Returns the mean of a metric of the summary over the seeds; infinite if it is not finite for one of them."""
        return _as_sweep_condition(self).mean(metric)

    @property
    def nats(self) -> Estimate:
        """Validation nats per token."""
        return self.mean(NATS)

    @property
    def bits(self) -> Estimate:
        """Validation bits per character."""
        return self.mean(BITS)

    @property
    def perplexity(self) -> float:
        """exp of the mean nats; infinite if that overflows."""
        return exp(self.nats.mean)


@dataclass(frozen=True, eq=False)
class Comparison:
    """All runs of a report.

    Args:
        records: in the order in which they were found.
        settings: for each record, its values of the settings in which the records differ, and of `seed`.
        conditions: the finished runs by condition, the best first.
        metric: by which the conditions are ranked, ``val/nats_per_token`` or ``val/bits_per_char``; None if they cannot
            be ranked.
        note: why they are not ranked by nats; empty if they are.
        duplicates: finished runs with the same settings and seed as a later run, which counts instead.
    """

    records: tuple[RunRecord, ...]
    settings: tuple[Values, ...]
    conditions: tuple[Condition, ...]
    metric: str | None
    note: str
    duplicates: tuple[RunRecord, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The settings that differ, without the seed."""
        return tuple(name for name in self.settings[0] if name != SEED) if self.settings else ()

    @cached_property
    def short(self) -> dict[str, str]:
        """The short name of each setting in `names`: its last part, unless that is ambiguous."""
        return short_names(self.names)

    @cached_property
    def specs(self) -> dict[str, MetricSpec]:
        """What is known of the figures of all runs' evaluations, by name."""
        return {name: spec for record in reversed(self.records) for name, spec in record.specs.items()}

    @property
    def best(self) -> Condition | None:
        """The best condition; None without a ranking, or if its metric is not finite."""
        condition = self.conditions[0] if self.conditions and self.metric is not None else None
        return condition if condition is not None and math.isfinite(condition.mean(self.metric or NATS).mean) else None

    @property
    def shown(self) -> RunRecord | None:
        """The run whose curves and texts are shown: the best of the best condition, or else the first with a curve."""
        if self.best is not None:
            return min(self.best.runs, key=lambda record: record.metric(self.metric or NATS) or math.inf)
        return next((record for record in self.records if record.history), None)

    @property
    def finished(self) -> tuple[RunRecord, ...]:
        """The runs of all conditions."""
        return tuple(record for condition in self.conditions for record in condition.runs)

    @property
    def unfinished(self) -> tuple[RunRecord, ...]:
        """The runs that failed, were interrupted, are still training or have not begun, and partial ones."""
        return tuple(record for record in self.records if record.status != "finished")

    def settings_of(self, record: RunRecord) -> Values:
        """Returns a run's values of the settings in which the runs differ, and its seed."""
        return self._settings_by_folder[record.folder]

    def label(self, record: RunRecord) -> str:
        """Returns the label of a run: the settings in which the runs differ, and the seed if there are several."""
        return self._labels[record.folder]

    @cached_property
    def _settings_by_folder(self) -> dict[Path, Values]:
        return {record.folder: values for record, values in zip(self.records, self.settings, strict=True)}

    @cached_property
    def _labels(self) -> dict[Path, str]:
        several = len({values[SEED] for values in self.settings}) > 1
        labels = setting_labels(self.settings, self.short)
        named = {}
        for record, values, label in zip(self.records, self.settings, labels, strict=True):
            seed = f"seed {values[SEED]}" if several and values[SEED] else ""
            named[record.folder] = ", ".join(part for part in (label, seed) if part) or record.label
        used = list(named.values())
        return {
            r.folder: named[r.folder] if used.count(named[r.folder]) == 1 else f"{named[r.folder]} ({r.label})"
            for r in self.records
        }


def compare(records: Sequence[RunRecord]) -> Comparison:
    """Groups runs by condition and ranks the finished ones.

    They are ranked by validation nats if all were evaluated on the same text with the same vocabulary and protocol, by
    bits per character if only the text is the same, and otherwise not at all. Of several runs with the same settings
    and seed only the latest counts, because they are not independent. If whole sweeps were repeated with the same
    seeds, the repetitions are conditions of their own.

    Args:
        records: of any runs.
    """
    settings = varied_settings(records)
    kept, duplicates = _one_a_seed(records, settings)
    jobs = [Job(records[i].folder, i, settings[i], records[i].summary) for i in kept]
    ranking = rank(jobs)
    by_folder = {record.folder: record for record in records}
    names = [name for name in settings[0] if name != SEED] if settings else []
    labels = dict(zip((r.folder for r in records), setting_labels(settings, short_names(names)), strict=True))
    best: list[float] = []
    conditions = []
    for place, found in enumerate(ranking.conditions, 1):
        runs = tuple(by_folder[job.folder] for job in found.jobs)
        values = found.values(ranking.metric) if ranking.metric is not None else []
        best = values if place == 1 else best
        gap_to_best = difference(best, values) if place > 1 and best and values else None
        ranked = place if ranking.metric is not None else None
        label = labels[runs[0].folder] or _common_label(runs)
        conditions.append(Condition(ranked, label, found.settings, runs, gap_to_best))
    return Comparison(
        records=tuple(records),
        settings=tuple(settings),
        conditions=tuple(conditions),
        metric=ranking.metric,
        note=ranking.note,
        duplicates=tuple(records[i] for i in duplicates),
    )


def by_text(comparison: Comparison) -> list[Comparison]:
    """Compares the finished runs separately for each text that they were evaluated on.

    Returns:
        A comparison for each text with several conditions; empty if the runs were ranked all together.
    """
    if comparison.metric is not None:
        return []
    groups: dict[str, list[RunRecord]] = {}
    for record in comparison.finished:
        fingerprint = record.summary.get("text_fingerprint")
        if isinstance(fingerprint, str):
            groups.setdefault(fingerprint, []).append(record)
    parts = [compare(group) for group in groups.values()]
    return [part for part in parts if len(part.conditions) > 1]


def _one_a_seed(records: Sequence[RunRecord], settings: list[Values]) -> tuple[list[int], list[int]]:
    """Returns the indices of the runs that count and those of duplicates.

    Where all seeds of a condition were repeated alike, nothing is a duplicate: the name of the folder is added to
    `settings` so that the repetitions become conditions of their own.
    """
    conditions: dict[tuple[str, ...], list[int]] = {}
    for i, record in enumerate(records):
        if record.status == "finished":
            conditions.setdefault(tuple(settings[i][name] for name in settings[i] if name != SEED), []).append(i)
    duplicates: set[int] = set()
    split: dict[int, str] = {}
    for members in conditions.values():
        seeds = [settings[i][SEED] for i in members]
        if len(set(seeds)) == len(seeds):
            continue
        origins: dict[Path, list[int]] = {}
        for i in members:
            origins.setdefault(records[i].origin, []).append(i)
        repeated = [sorted(settings[i][SEED] for i in found) for found in origins.values()]
        if all(seeds == repeated[0] and len(set(seeds)) == len(seeds) for seeds in repeated):
            split |= {i: _origin_label(records[i]) for i in members}
        else:
            latest = {settings[i][SEED]: i for i in sorted(members, key=lambda i: _age(records[i]))}
            duplicates |= set(members) - set(latest.values())
    if split:
        for i, values in enumerate(settings):
            seed = values.pop(SEED)
            values |= {RUN: split.get(i, ""), SEED: seed}
    return [i for i in range(len(records)) if i not in duplicates], sorted(duplicates)


def _common_label(runs: Sequence[RunRecord]) -> str:
    return runs[0].label if len(runs) == 1 else str(runs[0].summary.get("name") or runs[0].origin.name)


def _age(record: RunRecord) -> tuple[str, str]:
    """Returns the key that sorts runs by the dates in their folders' names."""
    return record.origin.name, record.folder.name


def _origin_label(record: RunRecord) -> str:
    return record.label if record.number is None else record.origin.name


def _as_sweep_condition(condition: Condition) -> SweepCondition:
    return SweepCondition(
        condition.settings, tuple(Job(r.folder, i, condition.settings, r.summary) for i, r in enumerate(condition.runs))
    )
