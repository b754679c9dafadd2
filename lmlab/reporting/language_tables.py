"""Tables for a model of a formal language: loss above its source's, and validity of samples by length and depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lmlab.metric_spec import percent
from lmlab.reporting.comparison import Comparison
from lmlab.reporting.formatting import count
from lmlab.reporting.report_tables import NOTHING, Table
from lmlab.runs.summary import finite


def language_tables(comparison: Comparison) -> list[Table]:
    """Returns the tables for the shown run, as far as it has the data."""
    record = comparison.shown
    if record is None:
        return []
    of = f" of {comparison.label(record)}" if len(comparison.records) > 1 else ""
    samples = record.summary.get("samples")
    language = samples.get("language") if isinstance(samples, dict) else None
    judged: Mapping[str, Any] = language if isinstance(language, dict) else {}
    tables = [
        _above_the_source(f"Above the source on validation strings{of}", record.summary.get("val/by_length")),
        _validity(f"Samples by length{of}", "characters", judged.get("by_length")),
        _validity(f"Samples by depth{of}", "brackets open at once", judged.get("by_depth")),
        _closing(f"Closing brackets predicted on validation strings{of}", samples),
    ]
    return [table for table in tables if table.rows]


def _above_the_source(title: str, found: object) -> Table:
    rows = []
    for name, row in _rows(found):
        excess = finite(row.get("excess_nats_per_token"))
        shown = NOTHING if excess is None else f"{excess:+.4f}"
        rows.append((name, _count(row.get("strings")), _count(row.get("tokens")), shown))
    header = ("strings", "how many", "symbols, end tokens counted", "above the source (nats per symbol)")
    return Table(title, header, tuple(rows), 1)


def _validity(title: str, by: str, found: object) -> Table:
    rows = []
    for name, row in _rows(found):
        shares = (finite(row.get(key)) for key in ("valid", "distinct"))
        shown = (NOTHING if share is None else percent(share) for share in shares)
        rows.append((name, _count(row.get("count")), *shown))
    header = (by, "samples", "in the language", "of these different")
    return Table(title, header, tuple(rows), 1)


def _closing(title: str, samples: object) -> Table:
    found = samples.get("closing") if isinstance(samples, dict) else None
    given: Mapping[str, Any] = found if isinstance(found, dict) else {}
    depth = _count(given.get("trained_depth"))
    names = {
        "within": f"closing brackets at depths that training had (up to {depth})",
        "beyond": "closing brackets deeper than that",
        "end": "ends of strings",
    }
    rows = []
    for name, words in names.items():
        share = finite(given.get(name))
        shown = NOTHING if share is None else percent(share)
        if f"{name}_count" in given:
            rows.append((words, _count(given[f"{name}_count"]), shown))
    return Table(title, ("what comes", "how many", "ranked first"), tuple(rows), 1)


def _rows(found: object) -> list[tuple[str, Mapping[str, Any]]]:
    given = found if isinstance(found, dict) else {}
    return [(str(name), row) for name, row in given.items() if isinstance(row, dict)]


def _count(value: object) -> str:
    number = finite(value)
    return NOTHING if number is None else count(number)
