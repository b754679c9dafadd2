"""Applies the rules: to a run while it trains, to one that has ended, and to several together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lmlab.diagnostics.rules import RULES, Diagnostic, noted
from lmlab.runs.comparison import Comparison
from lmlab.runs.records import RunRecord

_LEVELS = ("alarm", "warning", "note")
# How older versions of lmlab began their warnings of what is found again in a run's folder.
_FOUND_AGAIN = (
    "overfitting:", "failed optimisation:", "unsteady:", "diverged:", "below the source:", "clipping:", "baseline:",
    "unknown tokens:", "only ",
)  # fmt: skip


def of_run(run: RunRecord, *, live: bool = False) -> list[Diagnostic]:
    """Returns the diagnostics of one run, the most important first.

    Args:
        run: with what it has stored.
        live: only those that are told while it trains, as far as they show already.
    """
    tested = ((rule, rule.test(run)) for rule in _of("run") if rule.test and (rule.live or not live))
    found = {rule.kind: Diagnostic(rule.kind, rule.level, values) for rule, values in tested if values is not None}
    for entry in stored(run.summary):
        # What the folder shows now counts before what was stored, unless only the run itself could know it.
        if entry.rule.noted or (entry.kind not in found and not (entry.rule.test and run.history)):
            found[f"{entry.kind} {entry.values.get(entry.rule.apart)}" if entry.rule.apart else entry.kind] = entry
    return _sorted(found.values())


def of_comparison(comparison: Comparison) -> tuple[Diagnostic, ...]:
    """Returns all diagnostics of some runs, the most important first; each once, with the runs that it is about."""
    tested = ((rule, rule.test(comparison)) for rule in _of("comparison") if rule.test)
    found = [Diagnostic(rule.kind, rule.level, values) for rule, values in tested if values is not None]
    groups: dict[tuple[str, str], list[tuple[str, Diagnostic]]] = {}
    for record in comparison.records:
        for diagnostic in of_run(record):
            # Those that differ in numbers only count as one.
            apart = re.sub(r"\d[\d.,]*", "#", str(diagnostic.values.get(diagnostic.rule.apart)))
            groups.setdefault((diagnostic.kind, apart), []).append((comparison.label(record), diagnostic))
    return tuple(_sorted([*found, *map(_merged, groups.values())]))


def _merged(found: Sequence[tuple[str, Diagnostic]]) -> Diagnostic:
    """Returns the diagnostic of the worst run with the labels of all, that of the worst first."""
    by = found[0][1].rule.worst
    sign, name = (-1.0, by[1:]) if by.startswith("-") else (1.0, by)
    worst = max(found, key=lambda item: sign * float(item[1].values.get(name) or 0.0)) if name else found[0]
    labels = [worst[0], *(label for label, _ in found if label != worst[0])]
    return Diagnostic(worst[1].kind, worst[1].level, worst[1].values, tuple(labels))


def _of(about: str) -> list[Any]:
    return [rule for rule in RULES.values() if rule.about == about]


def _sorted(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    order = list(RULES)
    return sorted(found, key=lambda d: (_LEVELS.index(d.level), order.index(d.rule.kind)))


def as_stored(diagnostics: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """Returns diagnostics as plain data for summary.json, with their text for whoever opens the file."""
    kept = [d for d in diagnostics if d.rule.stored]
    return [{"kind": d.kind, "level": d.level, "text": str(d), "values": dict(d.values)} for d in kept]


def stored(summary: Mapping[str, Any]) -> list[Diagnostic]:
    """Returns the diagnostics that a summary has.

    Of the sentences of an older lmlab, only those count that cannot be found again.
    """
    entries = summary.get("diagnostics") or ()
    old = [text for text in summary.get("warnings") or () if not text.startswith(_FOUND_AGAIN)]
    return [*map(_of_entry, (entry for entry in entries if entry["level"] in _LEVELS)), *map(_of_sentence, old)]


def _of_entry(entry: Mapping[str, Any]) -> Diagnostic:
    """Returns a stored diagnostic; if another version of lmlab had other words for it, with those as its text."""
    found = Diagnostic(entry["kind"], entry["level"], entry["values"])
    return found if found.words("finding") else replace(found, values={**entry["values"], "text": entry["text"]})


def _of_sentence(text: str) -> Diagnostic:
    """Returns a warning of an older lmlab, which began with its kind."""
    beginning, _, rest = text.partition(": ")
    kind = beginning.replace(" ", "-")
    return noted(kind, text=rest) if kind in RULES else noted("other", text=text)
