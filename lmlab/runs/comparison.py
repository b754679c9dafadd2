"""A comparison of runs: the settings in which they differ, which condition is best, and whether that is significant."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lmlab.metric_spec import MetricSpec
from lmlab.runs.records import RunRecord
from lmlab.runs.settings import RUN, Values, setting_labels, short_names, varied_settings
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
        values = [value for record in self.runs if (value := record.metric(metric)) is not None]
        return values if len(values) == len(self.runs) else []

    def mean(self, metric: str) -> Estimate:
        """Returns the mean of a metric over the seeds; infinite if it is not finite for one of them."""
        return estimate(values) if (values := self.values(metric)) else Estimate(math.inf, None)

    @property
    def nats(self) -> Estimate:
        """Validation nats per token."""
        return self.mean(NATS)


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
        first = self.conditions[0] if self.conditions and self.metric is not None else None
        return first if first is not None and math.isfinite(first.mean(self.metric or NATS).mean) else None

    @property
    def best_run(self) -> RunRecord | None:
        """The best run of the best condition; None without one."""
        runs = self.best.runs if self.best else ()
        return min(runs, key=lambda record: record.metric(self.metric or NATS) or 0.0, default=None)  # none is unknown

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

    def settings_of(self, record: RunRecord) -> Values:
        """Returns a run's values of the settings in which the runs differ, and its seed."""
        return self._told[record.folder][0]

    def label(self, record: RunRecord) -> str:
        """Returns the label of a run: the settings in which the runs differ, and the seed if there are several."""
        return self._told[record.folder][1]

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
    def _told(self) -> dict[Path, tuple[Values, str]]:
        """The settings and label of each run."""
        seeds = [values[SEED] and f"seed {values[SEED]}" for values in self.settings]
        pairs = zip(setting_labels(self.settings, self.short), seeds, strict=True)
        labels = [", ".join(filter(None, pair if len(set(seeds)) > 1 else pair[:1])) for pair in pairs]
        told = zip(self.records, self.settings, _told_apart(labels, self.records), strict=True)
        return {record.folder: (values, label) for record, values, label in told}


def compare(records: Sequence[RunRecord]) -> Comparison:
    """Groups runs by condition and ranks the finished ones.

    They are ranked by validation nats if all were evaluated on the same text with the same vocabulary and protocol, by
    bits per character if only the text is the same, and otherwise not at all. Of several runs with the same settings
    and seed only the latest counts, because they are not independent. If whole sweeps were repeated with the same
    seeds, the repetitions are conditions of their own. Runs that read only a part of the text are never ranked.
    """
    settings = varied_settings(records)
    duplicates = _duplicates(records, settings)
    names = [name for name in settings[0] if name != SEED] if settings else []
    of_run = {record: {name: values[name] for name in names} for record, values in zip(records, settings, strict=True)}
    called = dict(zip(records, setting_labels(settings, short_names(names)), strict=True))

    def conditions(status: str) -> list[Condition]:
        counting = (record for record in records if record.status == status and record not in duplicates)
        groups = _grouped(counting, lambda record: tuple(of_run[record].values()))
        labels = [called[r] or (str(r.summary.get("name") or r.origin.name) if more else "") for r, *more in groups]
        pairs = zip(_told_apart(labels, [runs[0] for runs in groups]), groups, strict=True)
        return [Condition(None, label, of_run[runs[0]], tuple(runs), None) for label, runs in pairs]

    whole = conditions("finished")
    runs = [record for condition in whole for record in condition.runs]
    metric = NATS if _alike(runs, "fingerprint") else BITS if _alike(runs, "text_fingerprint") else None
    ranked, partial = whole if metric is None else _ranked(whole, metric), conditions(PARTIAL)
    skipped = tuple(record for record in records if record in duplicates)
    return Comparison(tuple(records), tuple(settings), tuple(ranked), metric, tuple(partial), skipped)


def _ranked(conditions: Sequence[Condition], metric: str) -> list[Condition]:
    """Returns the conditions with their places and how far they are behind the best, which is the first."""
    ordered = sorted(conditions, key=lambda condition: condition.mean(metric).mean)
    values = [condition.values(metric) for condition in ordered]
    gaps = [difference(values[0], own) if i > 0 and values[0] and own else None for i, own in enumerate(values)]
    pairs = enumerate(zip(ordered, gaps, strict=True), 1)
    return [replace(condition, place=place, gap_to_best=gap) for place, (condition, gap) in pairs]


def _grouped(records: Iterable[RunRecord], key: Callable[[RunRecord], Hashable]) -> list[list[RunRecord]]:
    groups: dict[Hashable, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return list(groups.values())


def _told_apart(labels: Sequence[str], records: Sequence[RunRecord]) -> list[str]:
    """Completes labels that are empty or occur several times by the unique ones of their runs."""
    full = [label or record.label for label, record in zip(labels, records, strict=True)]
    pairs = zip(full, records, strict=True)
    return [label if full.count(label) == 1 else f"{label} ({record.label})" for label, record in pairs]


def _alike(records: Sequence[RunRecord], fingerprint: str) -> bool:
    """Returns whether the fingerprints are known and equal, which is always true of a single run."""
    found = {record.summary.get(fingerprint) for record in records}
    return len(records) <= 1 or (len(found) == 1 and None not in found)


def by_text(comparison: Comparison) -> list[Comparison]:
    """Compares the finished runs of each text with several conditions; empty if all were ranked together."""
    if comparison.metric is not None:
        return []
    known = (record for record in comparison.finished if record.summary.get("text_fingerprint") is not None)
    parts = map(compare, _grouped(known, lambda record: record.summary["text_fingerprint"]))
    return [part for part in parts if len(part.conditions) > 1]


def _duplicates(records: Sequence[RunRecord], settings: Sequence[Values]) -> set[RunRecord]:
    """Returns the finished runs that do not count, because a later one has the same settings and seed.

    Where all seeds of a condition were repeated alike, nothing is a duplicate: the name of the folder is added to
    `settings` so that the repetitions become conditions of their own.
    """
    of_run = dict(zip(records, settings, strict=True))
    finished = (record for record in records if record.status == "finished")
    duplicates: set[RunRecord] = set()
    split: dict[RunRecord, str] = {}
    for runs in _grouped(finished, lambda r: tuple(v for name, v in of_run[r].items() if name != SEED)):
        repetitions = _grouped(runs, lambda record: of_run[record][SEED])
        origins = sorted({record.origin for record in runs})
        if len(repetitions) == len(runs):
            continue
        if all(sorted(record.origin for record in same) == origins for same in repetitions):
            split |= {record: record.label if record.number is None else record.origin.name for record in runs}
        else:  # the dates are in the folders' names
            by_date = (sorted(same, key=lambda r: (r.origin.name, r.folder.name)) for same in repetitions)
            duplicates.update(record for same in by_date for record in same[:-1])
    if split:
        for record, values in of_run.items():
            values |= {RUN: split.get(record, ""), SEED: values.pop(SEED)}
    return duplicates
