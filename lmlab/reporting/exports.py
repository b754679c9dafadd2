"""The tables of a report as CSV files that spreadsheets display without interpreting them."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lmlab.diagnostics.diagnose import stored
from lmlab.metric_spec import OF_RUNS, heading, spec_of
from lmlab.reporting.texts import SAMPLE_FIGURES, Temperature, temperatures
from lmlab.runs.comparison import Comparison
from lmlab.runs.formatting import is_number
from lmlab.runs.records import RunRecord, setting
from lmlab.runs.settings import RUN
from lmlab.runs.summary import NATS, SEED, finite

# First characters that make a spreadsheet interpret a cell as a formula, also in the full width of East Asian fonts.
# A tab or carriage return before them is ignored by spreadsheets.
_FORMULA = tuple("=+-@＝＋－＠\t\r")
# Columns of experiment_logs.csv with settings: name with unit, and name of the setting.
_SETTINGS = {
    "data": "data.name", "model": "model.name", "num_layers (layers)": "model.num_layers",
    "hidden_size (units)": "model.hidden_size", "embedding_dim (units)": "embedding.dim",
    "dropout (share)": "model.dropout", "learning_rate": "optimizer.lr", "batch_size (rows)": "data.batch_size",
    "sequence_length (tokens)": "data.sequence_length", "seed": SEED,
}  # fmt: skip


def results(comparison: Comparison) -> str:
    """Returns ``results.csv``: a row for each run with the exact numbers of the summaries; settings by full names.

    The best condition comes first, then runs that are unfinished or cannot be ranked. All seeds of a condition share
    its rank. If the runs cannot be compared with each other, the rank is empty and they are in the order of the sweep.
    """
    key, records = comparison.metric, comparison.records
    ranks = {
        record: condition.place
        for condition in comparison.conditions
        for record in sorted(condition.runs, key=lambda record: record.metric(key or NATS) or 0.0)
    }
    order = [*(ranks if key else sorted(ranks, key=records.index)), *(r for r in records if r not in ranks)]
    evaluated = [NATS, *(k for r in records for k, v in r.summary.items() if v is None or isinstance(v, int | float))]
    figures = dict.fromkeys(name for split in ("val/", "test/") for name in evaluated if name.startswith(split))
    names = (*figures, *OF_RUNS, "device", "precision", "fingerprint", "train_fingerprint")
    several = len({values[SEED] for values in comparison.settings}) > 1
    rows = []
    for record in order:
        settings = comparison.settings_of(record)
        row = {"rank": ranks.get(record), "job": record.label}
        row |= {name: value for name, value in settings.items() if name != SEED or several}
        row |= {"status": record.status} | {name: record.summary.get(name) for name in names}
        rows.append(row | {"num_warnings": len(warnings(record)), "error": record.reason})
    return as_csv(rows)


def warnings(record: RunRecord) -> list[str]:
    """Returns the titles of the diagnostics that a run itself has stored and that are more than a note."""
    return [diagnostic.rule.title for diagnostic in stored(record.summary) if diagnostic.level != "note"]


def experiment_logs(comparison: Comparison) -> str:
    """Returns ``experiment_logs.csv``: a row for each run and sampling temperature; one for a run without samples.

    Every setting in which the runs differ has a column.
    """
    more = [name for name in comparison.names if name not in (*_SETTINGS.values(), "model", "data", RUN)]
    figures = [f"{split}/{name}" for split in ("val", "test") for name in comparison.specs]
    figures = [name for name in figures if any(record.metric(name) is not None for record in comparison.records)]
    rows = []
    for record in comparison.records:
        own = comparison.settings_of(record)
        row: dict[str, Any] = {"run": record.label, "status": record.status}
        for words, name in _SETTINGS.items():  # as it was typed if the run has stored no configuration
            typed = record.overrides.get(name) or record.overrides.get(name.removesuffix(".name"))
            row[words] = setting(record.config, name) or typed or ""
        row |= {name: own[name] for name in more}
        row |= {heading(n, comparison.specs, formatted=False): record.summary.get(n) for n in (*figures, *OF_RUNS)}
        for drawn in temperatures(record) or [Temperature(math.nan, "", "", None, {})]:
            sample = {"temperature": drawn.temperature, "number of samples": drawn.num_samples}
            sample |= {words: drawn.figures.get(name) for name, words in SAMPLE_FIGURES.items()}
            rows.append(row | sample | {"prompt": drawn.prompt, "sample": drawn.text})
    return as_csv(rows)


def history(comparison: Comparison) -> str:
    """Returns ``history.csv``: a row for each evaluation of each run, with the exact numbers of ``metrics.csv``."""
    names = dict.fromkeys(name for record in comparison.records for row in record.history for name in row)
    headings = {n: f"{n} ({spec_of(n).unit})" if n in ("tokens", "seconds", "epoch", "step") else n for n in names}
    rows = []
    for record in comparison.records:
        own = {name: value for name, value in comparison.settings_of(record).items() if name not in (RUN, SEED)}
        about = {"run": record.label, **own, SEED: record.seed}
        rows += [about | {headings[name]: _whole(row.get(name)) for name in names} for row in record.history]
    return as_csv(rows) if rows else f"run,{SEED}\n"


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns rows, cells by the names of their columns, as CSV.

    Text that looks like a formula gets an apostrophe before it; text that is a number (``-1``, ``1e-3``) does not.
    """
    safe = [{_safe(name): _safe(value) for name, value in row.items()} for row in rows]
    frame = pd.DataFrame(safe, dtype=object)
    text = str(frame.to_csv(index=False, lineterminator="\n"))
    # Cells with a line feed are quoted anyway, but not those with a carriage return alone.
    return str(frame.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)) if "\r" in text else text


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) and not is_number(value) else value


def _whole(value: float | None) -> float | int | None:
    """Returns whole numbers, such as steps and counts, without a decimal point."""
    known = finite(value)
    return int(known) if known is not None and known.is_integer() and abs(known) < 2**53 else value
