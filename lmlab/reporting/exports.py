"""The tables of a report as CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lmlab.metric_spec import OF_RUNS, heading, spec_of
from lmlab.reporting.analysis import SAMPLE_FIGURES, Temperature, temperatures
from lmlab.reporting.comparison import Comparison
from lmlab.reporting.naming import RUN
from lmlab.reporting.spreadsheets import csv_text
from lmlab.reporting.sweeps import results_csv
from lmlab.runs.records import RunRecord, setting
from lmlab.runs.summary import SEED, Summary, finite
from lmlab.runs.sweeps import Job

# Columns of experiment_logs.csv with settings: name with unit, and name of the setting.
_SETTINGS = {
    "data": "data.name",
    "model": "model.name",
    "num_layers (layers)": "model.num_layers",
    "hidden_size (units)": "model.hidden_size",
    "embedding_dim (units)": "embedding.dim",
    "dropout (share)": "model.dropout",
    "learning_rate": "optimizer.lr",
    "batch_size (rows)": "data.batch_size",
    "sequence_length (tokens)": "data.sequence_length",
    "seed": SEED,
}
# Columns of history.csv whose names do not say what is counted.
_COUNTS = ("tokens", "seconds", "epoch", "step")


def results(comparison: Comparison) -> str:
    """Returns ``results.csv``: a row for each run, the best condition first, with the exact numbers of the summaries.

    The columns are those of a sweep's own results.csv, but `job` contains the run's label.
    """
    labels = {record.folder: record.label for record in comparison.records}
    jobs = [
        Job(record.folder, i, comparison.settings_of(record), Summary(record.summary, status=record.status))
        for i, record in enumerate(comparison.records)
    ]
    duplicates = {record.folder for record in comparison.duplicates}
    return results_csv(jobs, name_of=lambda job: labels[job.folder], unranked=duplicates)


def experiment_logs(comparison: Comparison) -> str:
    """Returns ``experiment_logs.csv``: a row for each run and sampling temperature (and prompt, if there are several).

    A run without samples has one row. Every setting in which the runs differ has a column.
    """
    more = [name for name in comparison.names if name not in (*_SETTINGS.values(), "model", "data", RUN)]
    figures = [f"{split}/{name}" for split in ("val", "test") for name in comparison.specs]
    figures = [name for name in figures if any(record.metric(name) is not None for record in comparison.records)]
    figures += OF_RUNS
    header = ["run", "status", *_SETTINGS, *more, *(heading(n, comparison.specs, formatted=False) for n in figures)]
    header += ["temperature", "number of samples", *SAMPLE_FIGURES.values(), "prompt", "sample"]
    rows = []
    for record in comparison.records:
        own = comparison.settings_of(record)
        about: list[object] = [record.label, record.status]
        about += [_setting(record, name) for name in _SETTINGS.values()]
        about += [own[name] for name in more]
        about += [record.summary.get(name) for name in figures]
        drawn: list[Temperature | None] = [*temperatures(record)]
        rows += [[*about, *_sample(row)] for row in drawn or [None]]
    return csv_text(header, rows)


def history(comparison: Comparison) -> str:
    """Returns ``history.csv``: a row for each evaluation of each run, with the exact numbers of ``metrics.csv``."""
    names = list(dict.fromkeys(name for record in comparison.records for row in record.history for name in row))
    settings = [name for name in comparison.names if name != RUN]
    header = [
        "run",
        *settings,
        SEED,
        *(f"{name} ({spec_of(name).unit})" if name in _COUNTS else name for name in names),
    ]
    rows = []
    for record in comparison.records:
        own = comparison.settings_of(record)
        about = [record.label, *(own[name] for name in settings), record.seed]
        rows += [[*about, *(_whole(row.get(name)) for name in names)] for row in record.history]
    return csv_text(header, rows)


def _setting(record: RunRecord, name: str) -> str:
    """Returns a setting from the configuration, or as it was typed if the run has stored no configuration."""
    typed = record.overrides.get(name) or record.overrides.get(name.removesuffix(".name"))
    return setting(record.config, name) or typed or ""


def _sample(row: Temperature | None) -> Sequence[Any]:
    if row is None:
        return [None] * (len(SAMPLE_FIGURES) + 4)
    figures = [row.figures.get(name) for name in SAMPLE_FIGURES]
    return [row.temperature, row.num_samples, *figures, row.prompt, row.text]


def _whole(value: float | None) -> float | int | None:
    """Returns whole numbers, such as steps and counts, without a decimal point."""
    known = finite(value)
    return int(known) if known is not None and known.is_integer() and abs(known) < 2**53 else value
