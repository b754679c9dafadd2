"""Runs side by side: what differs between them, which setting is best, and whether that may be said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lmlab.reporting.intervals import Difference, Estimate, difference
from lmlab.reporting.naming import RUN, setting_labels
from lmlab.reporting.records import RunRecord
from lmlab.reporting.settings import Values, varied_settings
from lmlab.reporting.sweeps import BITS, NATS, SEED, Job, Setting, rank
from lmlab.reporting.tables import exp, short_names


@dataclass(frozen=True)
class Cell:
    """A setting: finished runs that differ in nothing but the seed.

    Args:
        place: 1 for the best; None where settings cannot be ranked.
        label: short, unlike that of any other cell.
        settings: full names and values of what differs between cells.
        runs: one for each seed.
        behind: how much worse than the best it is, in the figure that ranks; None for the best, without a ranking,
            or where a figure is no number.
    """

    place: int | None
    label: str
    settings: Values
    runs: tuple[RunRecord, ...]
    behind: Difference | None

    def mean(self, figure: str) -> Estimate:
        """A figure of the summary over the seeds; infinite where one of them is no number."""
        return _setting(self).mean(figure)

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
        """exp of the mean nats; infinite beyond all numbers."""
        return exp(self.nats.mean)


@dataclass(frozen=True, eq=False)
class Comparison:
    """All runs of a report.

    Args:
        records: as they were found.
        settings: of each record, what differs between them, and `seed`.
        cells: the finished runs by setting, the best first.
        figure: the one that ranks, ``val/nats_per_token`` or ``val/bits_per_char``; None where none may.
        note: why it is not the nats; empty where it is.
        set_aside: finished runs that repeat settings and seed of a later one, which counts.
    """

    records: tuple[RunRecord, ...]
    settings: tuple[Values, ...]
    cells: tuple[Cell, ...]
    figure: str | None
    note: str
    set_aside: tuple[RunRecord, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The settings that differ, without the seed."""
        return tuple(name for name in self.settings[0] if name != SEED) if self.settings else ()

    @cached_property
    def short(self) -> dict[str, str]:
        """Their last words, where these are unambiguous."""
        return short_names(self.names)

    @property
    def best(self) -> Cell | None:
        """The first of a ranking; None where there is none, or its figure is no number."""
        cell = self.cells[0] if self.cells and self.figure is not None else None
        return cell if cell is not None and math.isfinite(cell.mean(self.figure or NATS).mean) else None

    @property
    def shown(self) -> RunRecord | None:
        """The run whose curves and texts are shown: the best seed of the best setting, or the first with a curve."""
        if self.best is not None:
            return min(self.best.runs, key=lambda record: record.figure(self.figure or NATS) or math.inf)
        return next((record for record in self.records if record.history), None)

    @property
    def finished(self) -> tuple[RunRecord, ...]:
        """The runs in the cells."""
        return tuple(record for cell in self.cells for record in cell.runs)

    @property
    def unfinished(self) -> tuple[RunRecord, ...]:
        """Failed, interrupted, still training, or not begun."""
        return tuple(record for record in self.records if record.status != "finished")

    def settings_of(self, record: RunRecord) -> Values:
        """What differs, with the record's own values, and its seed."""
        return self._settings_by_folder[record.folder]

    def label(self, record: RunRecord) -> str:
        """What a run is called beside the others: its settings, and its seed where there are several."""
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
    """Groups runs by setting and ranks the finished ones.

    By validation nats where all were evaluated on the same text, vocabulary and protocol; by bits per character where
    only the text is the same; not at all otherwise. Of runs with the same settings and seed the latest counts, for
    such runs are no independent repetitions; where each setting was repeated alike, the repetitions stand side by side.

    Args:
        records: of any runs.
    """
    settings = varied_settings(records)
    kept, aside = _one_a_seed(records, settings)
    jobs = [Job(records[i].folder, i, settings[i], records[i].summary) for i in kept]
    ranking = rank(jobs)
    by_folder = {record.folder: record for record in records}
    names = [name for name in settings[0] if name != SEED] if settings else []
    labels = dict(zip((r.folder for r in records), setting_labels(settings, short_names(names)), strict=True))
    best: list[float] = []
    cells = []
    for place, found in enumerate(ranking.settings, 1):
        runs = tuple(by_folder[job.folder] for job in found.jobs)
        values = found.values(ranking.figure) if ranking.figure is not None else []
        best = values if place == 1 else best
        behind = difference(best, values) if place > 1 and best and values else None
        ranked = place if ranking.figure is not None else None
        label = labels[runs[0].folder] or _common_label(runs)
        cells.append(Cell(ranked, label, found.settings, runs, behind))
    return Comparison(
        records=tuple(records),
        settings=tuple(settings),
        cells=tuple(cells),
        figure=ranking.figure,
        note=ranking.note,
        set_aside=tuple(records[i] for i in aside),
    )


def by_text(comparison: Comparison) -> list[Comparison]:
    """The finished runs apart by what they were evaluated on, where they cannot be ranked together.

    Of each such group with several settings, a comparison of its own; empty where all were ranked.
    """
    if comparison.figure is not None:
        return []
    groups: dict[str, list[RunRecord]] = {}
    for record in comparison.finished:
        fingerprint = record.summary.get("text_fingerprint")
        if isinstance(fingerprint, str):
            groups.setdefault(fingerprint, []).append(record)
    parts = [compare(group) for group in groups.values()]
    return [part for part in parts if len(part.cells) > 1]


def _one_a_seed(records: Sequence[RunRecord], settings: list[Values]) -> tuple[list[int], list[int]]:
    """Indices of the runs that count, and of those set aside; tells repeated settings apart by their folder."""
    cells: dict[tuple[str, ...], list[int]] = {}
    for i, record in enumerate(records):
        if record.status == "finished":
            cells.setdefault(tuple(settings[i][name] for name in settings[i] if name != SEED), []).append(i)
    aside: set[int] = set()
    split: dict[int, str] = {}
    for cell in cells.values():
        seeds = [settings[i][SEED] for i in cell]
        if len(set(seeds)) == len(seeds):
            continue
        origins: dict[Path, list[int]] = {}
        for i in cell:
            origins.setdefault(records[i].origin, []).append(i)
        repeated = [sorted(settings[i][SEED] for i in found) for found in origins.values()]
        if all(seeds == repeated[0] and len(set(seeds)) == len(seeds) for seeds in repeated):
            split |= {i: _origin_label(records[i]) for i in cell}
        else:
            latest = {settings[i][SEED]: i for i in sorted(cell, key=lambda i: _age(records[i]))}
            aside |= set(cell) - set(latest.values())
    if split:
        for i, values in enumerate(settings):
            seed = values.pop(SEED)
            values |= {RUN: split.get(i, ""), SEED: seed}
    return [i for i in range(len(records)) if i not in aside], sorted(aside)


def _common_label(runs: Sequence[RunRecord]) -> str:
    return runs[0].label if len(runs) == 1 else str(runs[0].summary.get("name") or runs[0].origin.name)


def _age(record: RunRecord) -> tuple[str, str]:
    """Sorts runs by the dates in their folders' names."""
    return record.origin.name, record.folder.name


def _origin_label(record: RunRecord) -> str:
    return record.label if record.number is None else record.origin.name


def _setting(cell: Cell) -> Setting:
    return Setting(cell.settings, tuple(Job(r.folder, i, cell.settings, r.summary) for i, r in enumerate(cell.runs)))
