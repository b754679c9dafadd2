"""A diagnostic: one problem that a reader should know before trusting the numbers, and the runs that have it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from lmlab.reporting.comparison import Comparison
from lmlab.reporting.formatting import listing, plural
from lmlab.runs.records import RunRecord

T = TypeVar("T")
Level = Literal["alarm", "warning", "note"]


@dataclass(frozen=True)
class Diagnostic:
    """A problem found in one or several runs, in words.

    Args:
        kind: a word, or several joined by hyphens. Unique among the diagnostics of a report, except ``other``.
        level: ``alarm`` if the numbers cannot be used or compared as they are, ``warning`` if a conclusion depends on
            the problem, otherwise ``note``.
        title: a few words.
        text: what was found, with numbers, and what it means. Plain text that may contain words from a corpus.
        remedy: what the user can do.
        runs: labels of the affected runs; empty if the diagnostic is about all of them.
    """

    kind: str
    level: Level
    title: str
    text: str
    remedy: str
    runs: tuple[str, ...] = ()


def name_runs(comparison: Comparison, records: Sequence[RunRecord]) -> str:
    """Returns the runs as part of a sentence: `this run`, `“gru”`, `2 of the 12 runs (“gru” and “lstm”)`."""
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
    """Returns the labels of the runs."""
    return tuple(comparison.label(record) for record in records)


def find_affected(comparison: Comparison, test: Callable[[RunRecord], T | None]) -> list[tuple[RunRecord, T]]:
    """Returns the runs for which a test returns a result other than None, each with that result."""
    tested = ((record, test(record)) for record in comparison.records)
    return [(record, found) for record, found in tested if found is not None]


def runs_of(found: Sequence[tuple[RunRecord, T]]) -> list[RunRecord]:
    """Returns the runs without the results of the test."""
    return [record for record, _ in found]


def format_affected(comparison: Comparison, found: Sequence[tuple[RunRecord, T]], record: RunRecord) -> tuple[str, str]:
    """Formats the affected runs and the run that serves as the example.

    Returns:
        The affected runs as in `name_runs`, and the label of `record` in brackets (empty if only one run is affected).
    """
    example = f" ({comparison.label(record)})" if len(found) > 1 else ""
    return name_runs(comparison, runs_of(found)), example


def largest(comparison: Comparison, found: Sequence[tuple[RunRecord, float]]) -> tuple[float, str, str, str]:
    """Finds the affected run with the largest value.

    Returns:
        The value, `up to ` if several runs are affected (otherwise empty), and both parts of `format_affected`.
    """
    record, most = max(found, key=lambda item: item[1])
    return most, "up to " if len(found) > 1 else "", *format_affected(comparison, found, record)


def make_diagnostic(
    comparison: Comparison, found: Sequence[tuple[RunRecord, T]], kind: str, level: Level, words: tuple[str, str, str]
) -> Diagnostic:
    """Builds the diagnostic of the affected runs from its title, text and remedy (`words`)."""
    title, text, remedy = words
    return Diagnostic(kind, level, title, text, remedy, labels(comparison, runs_of(found)))


def own_warning(record: RunRecord, kind: str) -> str | None:
    """Returns the text of the run's own warning of a kind (such as ``leak``); None if there is none."""
    for warning in record.warnings:
        if warning.startswith(f"{kind}:"):
            return warning.removeprefix(f"{kind}:").strip()
    return None


def first_number(text: str) -> float | None:
    """Returns the first percentage in a text, as a share; None if there is none."""
    found = re.search(r"(\d+(?:\.\d+)?)%", text)
    return float(found[1]) / 100 if found else None
