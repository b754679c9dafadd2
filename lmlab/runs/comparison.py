"""A comparison of runs: the settings in which they differ, which condition is best, and whether that is significant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lmlab.metric_spec import MetricSpec, exp
from lmlab.runs.labels import RUN, setting_labels, short_names
from lmlab.runs.records import RunRecord
from lmlab.runs.settings import Values, varied_settings
from lmlab.runs.statistics import Difference, Estimate, difference, estimate
from lmlab.runs.summary import BITS, NATS, PARTIAL, SEED


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

    def values(self, metric: str) -> list[float]:
        """Returns the metric of each seed; empty if it is not finite for one of them."""
        return _values(self.runs, metric)

    def mean(self, metric: str) -> Estimate:
        """Returns the mean of a metric over the seeds; infinite if it is not finite for one of them."""
        values = self.values(metric)
        return estimate(values) if values else Estimate(math.inf, None, len(self.runs))

    @property
    def nats(self) -> Estimate:
        """Validation nats per token."""
        return self.mean(NATS)

    @property
    def perplexity(self) -> float:
        """exp of the mean nats; infinite if that overflows."""
        return exp(self.nats.mean)


@dataclass(frozen=True, eq=False)
class Comparison:
    """All runs of a report or a sweep.

    Args:
        records: in the order in which they were found.
        settings: for each record, its values of the settings in which the records differ, and of `seed`.
        conditions: the finished runs by condition, the best first.
        metric: by which the conditions are ranked, ``val/nats_per_token`` or ``val/bits_per_char``; None if they cannot
            be ranked.
        partial: conditions of which only a part of the text was read; they have no place.
        duplicates: finished runs with the same settings and seed as a later run, which counts instead.
    """

    records: tuple[RunRecord, ...]
    settings: tuple[Values, ...]
    conditions: tuple[Condition, ...]
    metric: str | None
    partial: tuple[Condition, ...]
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
    def note(self) -> str:
        """Why the conditions are not ranked by nats; empty if they are."""
        return {
            NATS: "",
            BITS: "vocabulary or protocol differ, so perplexities do not compare: ranked by bits per character",
            None: "evaluated on different texts, so their numbers do not compare: not ranked",
        }[self.metric]

    @property
    def best(self) -> Condition | None:
        """The best condition; None without a ranking, or if its metric is not finite."""
        condition = self.conditions[0] if self.conditions and self.metric is not None else None
        return condition if condition is not None and math.isfinite(condition.mean(self.metric or NATS).mean) else None

    @property
    def best_run(self) -> RunRecord | None:
        """The best run of the best condition; None without one."""
        if self.best is None:
            return None
        return min(self.best.runs, key=lambda record: record.metric(self.metric or NATS) or math.inf)

    @property
    def shown(self) -> RunRecord | None:
        """The run whose curves and texts are shown: the best, or else the first with a curve."""
        return self.best_run or next((record for record in self.records if record.history), None)

    @property
    def finished(self) -> tuple[RunRecord, ...]:
        """The runs of all conditions."""
        return tuple(record for condition in self.conditions for record in condition.runs)

    @property
    def unfinished(self) -> tuple[RunRecord, ...]:
        """The runs that failed, were interrupted, are still training or have not begun, and partial ones."""
        return tuple(record for record in self.records if record.status != "finished")

    @property
    def fewest_seeds(self) -> int:
        """The number of repetitions of the condition that has the fewest."""
        return min((len(condition.runs) for condition in self.conditions), default=0)

    def settings_of(self, record: RunRecord) -> Values:
        """Returns a run's values of the settings in which the runs differ, and its seed."""
        return self._settings_by_folder[record.folder]

    def label(self, record: RunRecord) -> str:
        """Returns the label of a run: the settings in which the runs differ, and the seed if there are several."""
        return self._labels[record.folder]

    def spread(self, metric: str, *, least: float = 1.01) -> tuple[float, float] | None:
        """Returns the smallest and largest value of a metric among the finished runs.

        None if the largest is not `least` times the smallest, or if there is but one condition. Numbers of tokens are
        only compared if the tokens themselves are the same, that is, if the vocabulary is.
        """
        if len(self.conditions) < 2 or (metric == "num_train_tokens" and self.metric == BITS):
            return None
        values = [value for record in self.finished if (value := record.metric(metric)) is not None and value > 0]
        return (min(values), max(values)) if values and max(values) > least * min(values) else None

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
    seeds, the repetitions are conditions of their own. Runs that read only a part of the text are never ranked.

    Args:
        records: of any runs.
    """
    settings = varied_settings(records)
    kept, duplicates = _one_a_seed(records, settings)
    finished = [records[i] for i in kept if records[i].status == "finished"]
    metric = NATS if _alike(finished, "fingerprint") else BITS if _alike(finished, "text_fingerprint") else None
    names = [name for name in settings[0] if name != SEED] if settings else []
    labels = dict(zip((r.folder for r in records), setting_labels(settings, short_names(names)), strict=True))
    of_run = {record.folder: values for record, values in zip(records, settings, strict=True)}

    def grouped(chosen: Sequence[RunRecord]) -> list[tuple[Values, tuple[RunRecord, ...]]]:
        groups: dict[tuple[str, ...], list[RunRecord]] = {}
        for record in chosen:
            groups.setdefault(tuple(of_run[record.folder][name] for name in names), []).append(record)
        return [(dict(zip(names, values, strict=True)), tuple(runs)) for values, runs in groups.items()]

    def condition(place: int | None, values: Values, runs: tuple[RunRecord, ...], gap: Difference | None) -> Condition:
        label = label_of(runs)
        return Condition(place, f"{label} ({runs[0].label})" if used.count(label) > 1 else label, values, runs, gap)

    def label_of(runs: Sequence[RunRecord]) -> str:
        return labels[runs[0].folder] or _common_label(runs)

    groups = grouped(finished)
    used = [label_of(runs) for _, runs in groups]
    if metric is not None:
        groups.sort(key=lambda group: _mean(_values(group[1], metric)))
    best = _values(groups[0][1], metric) if groups and metric is not None else []
    conditions = []
    for place, (values, runs) in enumerate(groups, 1):
        own = _values(runs, metric) if metric is not None else []
        gap = difference(best, own) if place > 1 and best and own else None
        conditions.append(condition(None if metric is None else place, values, runs, gap))
    partial = grouped([records[i] for i in kept if records[i].status == PARTIAL])
    return Comparison(
        records=tuple(records),
        settings=tuple(settings),
        conditions=tuple(conditions),
        metric=metric,
        partial=tuple(condition(None, values, runs, None) for values, runs in partial),
        duplicates=tuple(records[i] for i in duplicates),
    )


def _values(runs: Sequence[RunRecord], metric: str) -> list[float]:
    values = [record.metric(metric) for record in runs]
    return [] if None in values else [value for value in values if value is not None]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.inf


def _alike(records: Sequence[RunRecord], fingerprint: str) -> bool:
    """Returns whether the fingerprints are known and equal, which is always true of a single run."""
    found = [record.summary.get(fingerprint) for record in records]
    return len(records) <= 1 or (isinstance(found[0], str) and all(value == found[0] for value in found))


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
