"""The table of a run's evaluations."""

from __future__ import annotations

import math

from lmlab.reporting.comparison import Comparison
from lmlab.reporting.curves import TRAIN
from lmlab.reporting.formatting import count, number, percent
from lmlab.reporting.records import Row
from lmlab.reporting.report_tables import NOTHING, Table
from lmlab.reporting.sweeps import BITS, EXCESS, NATS

# Evaluations shown; history.csv has all.
MOST_EVALUATIONS = 30
_COLUMNS = {
    "step": "step",
    "tokens": "tokens read",
    TRAIN: "training loss (nats per token)",
    NATS: "validation loss (nats per token)",
    "val/perplexity": "validation perplexity",
    BITS: "validation loss (bits per character)",
    EXCESS: "above the source (nats per token)",
    "train/error_rate": "wrong in training",
    "val/error_rate": "wrong in validation",
    "grad_norm": "gradient norm before clipping",
    "clip_fraction": "steps clipped",
    "lr": "learning rate",
}


def evaluation_table(comparison: Comparison) -> Table:
    """Returns the evaluations of the shown run; if there are many, only some, with the best and the last among them."""
    record = comparison.shown
    rows = record.history if record is not None else []
    names = [name for name in _COLUMNS if any(name in row for row in rows)]
    best = record.best_row if record is not None else None
    shown = [(_epoch(row, best), *(_cell(name, row) for name in names)) for row in _some(rows, best)]
    left_out = f", {len(shown)} of {len(rows)} (all in history.csv)" if len(shown) < len(rows) else ""
    of = f" of {comparison.label(record)}" if record is not None and len(comparison.records) > 1 else ""
    return Table(f"Evaluations{of}{left_out}", ("epoch", *(_COLUMNS[name] for name in names)), tuple(shown), 1)


def _some(rows: list[Row], best: Row | None) -> list[Row]:
    if len(rows) <= MOST_EVALUATIONS:
        return rows
    kept = {round(i * (len(rows) - 1) / (MOST_EVALUATIONS - 2)) for i in range(MOST_EVALUATIONS - 1)}
    return [row for i, row in enumerate(rows) if i in kept or row is best]


def _epoch(row: Row, best: Row | None) -> str:
    epoch = f"{row['epoch']:.4g}" if "epoch" in row else NOTHING
    return f"{epoch} (best)" if row is best else epoch


def _cell(name: str, row: Row) -> str:
    value = row.get(name, math.nan)
    if not math.isfinite(value):
        return NOTHING
    if name in ("step", "tokens"):
        return count(value)
    if name == "val/perplexity":
        return f"{value:,.3f}"
    if name in ("train/error_rate", "val/error_rate", "clip_fraction"):
        return percent(value)
    return f"{value:.3g}" if name in ("grad_norm", "lr") else number(value)
