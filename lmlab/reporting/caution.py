"""What a reader should know before believing the numbers: one such thing, and the runs it is about."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from lmlab.reporting.comparison import Comparison
from lmlab.reporting.formatting import listing, plural
from lmlab.reporting.records import RunRecord

T = TypeVar("T")
Level = Literal["alarm", "warning", "note"]


@dataclass(frozen=True)
class Caution:
    """A warning in words.

    Args:
        kind: one word or several joined by hyphens; no two cautions of a report share it but for ``other``.
        level: ``alarm`` where numbers cannot be used or compared as they stand, ``warning`` where a conclusion
            depends on it, ``note`` for the rest.
        title: a few words.
        text: what was seen, with numbers, and what it means; plain text, perhaps with words from a corpus in it.
        remedy: what can be done.
        runs: labels of the runs concerned; empty where it is about all.
    """

    kind: str
    level: Level
    title: str
    text: str
    remedy: str
    runs: tuple[str, ...] = ()


def who(comparison: Comparison, records: Sequence[RunRecord]) -> str:
    """The runs concerned, as part of a sentence: `this run`, `“gru”`, `2 of the 12 runs (“gru” and “lstm”)`."""
    total = len(comparison.records)
    if total == 1:
        return "this run"
    labels = [f"“{comparison.label(record)}”" for record in records]
    if len(labels) == total:
        return f"all {plural(total, 'run')}"
    if len(labels) == 1:
        return labels[0]
    return f"{len(labels)} of the {plural(total, 'run')} ({listing(labels)})"


def labels(comparison: Comparison, records: Sequence[RunRecord]) -> tuple[str, ...]:
    """What the runs are called."""
    return tuple(comparison.label(record) for record in records)


def concerned(comparison: Comparison, test: Callable[[RunRecord], T | None]) -> list[tuple[RunRecord, T]]:
    """The runs of which a test finds something, with what it finds."""
    tested = ((record, test(record)) for record in comparison.records)
    return [(record, found) for record, found in tested if found is not None]


def runs_of(found: Sequence[tuple[RunRecord, T]]) -> list[RunRecord]:
    """The runs alone."""
    return [record for record, _ in found]


def told_of(comparison: Comparison, found: Sequence[tuple[RunRecord, T]], record: RunRecord) -> tuple[str, str]:
    """The runs concerned as in `who`, and in brackets the one that the example is of, where they are several."""
    example = f" ({comparison.label(record)})" if len(found) > 1 else ""
    return who(comparison, runs_of(found)), example


def largest(comparison: Comparison, found: Sequence[tuple[RunRecord, float]]) -> tuple[float, str, str, str]:
    """Of runs with a figure each the largest, `up to ` where they are several, and both parts of `told_of` for it."""
    record, most = max(found, key=lambda item: item[1])
    return most, "up to " if len(found) > 1 else "", *told_of(comparison, found, record)


def made(
    comparison: Comparison, found: Sequence[tuple[RunRecord, T]], kind: str, level: Level, words: tuple[str, str, str]
) -> Caution:
    """A caution of title, text and remedy about the runs found."""
    title, text, remedy = words
    return Caution(kind, level, title, text, remedy, labels(comparison, runs_of(found)))


def own_warning(record: RunRecord, kind: str) -> str | None:
    """What a run itself said under a word (``leak``), without that word; None where it did not."""
    for warning in record.warnings:
        if warning.startswith(f"{kind}:"):
            return warning.removeprefix(f"{kind}:").strip()
    return None


def first_number(text: str) -> float | None:
    """The first percentage in a text, as a share."""
    found = re.search(r"(\d+(?:\.\d+)?)%", text)
    return float(found[1]) / 100 if found else None
