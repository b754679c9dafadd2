"""The table of a run's evaluations."""

from __future__ import annotations

import math

from lmlab.metric_spec import NUM_TOKENS, UNK_RATE, MetricSpec, heading, spec_of
from lmlab.reporting.comparison import Comparison
from lmlab.reporting.curves import TRAIN
from lmlab.reporting.report_tables import NOTHING, Table
from lmlab.runs.history import Row
from lmlab.runs.summary import BITS, EXCESS, NATS

# Evaluations shown; history.csv has all.
MOST_EVALUATIONS = 30
_FIRST = ("step", "tokens", TRAIN, NATS, "val/perplexity", BITS, EXCESS, "train/error_rate")
_LAST = ("grad_norm", "clip_fraction", "lr")


def evaluation_table(comparison: Comparison) -> Table:
    """Returns the evaluations of the shown run; if there are many, only some, with the best and the last among them."""
    record = comparison.shown
    rows = record.history if record is not None else []
    specs = {} if record is None else record.specs
    evaluated = (f"val/{name}" for name in specs if name not in (NUM_TOKENS.name, UNK_RATE.name))
    names = [n for n in dict.fromkeys([*_FIRST, *evaluated, *_LAST]) if any(n in row for row in rows)]
    best = record.best_row if record is not None else None
    shown = [
        (_epoch(row, best), *(_cell(spec_of(name, specs), row.get(name, math.nan)) for name in names))
        for row in _some(rows, best)
    ]
    left_out = f", {len(shown)} of {len(rows)} (all in history.csv)" if len(shown) < len(rows) else ""
    of = f" of {comparison.label(record)}" if record is not None and len(comparison.records) > 1 else ""
    header = ("epoch", *(heading(name, specs) for name in names))
    return Table(f"Evaluations{of}{left_out}", header, tuple(shown), 1)


def _some(rows: list[Row], best: Row | None) -> list[Row]:
    if len(rows) <= MOST_EVALUATIONS:
        return rows
    kept = {round(i * (len(rows) - 1) / (MOST_EVALUATIONS - 2)) for i in range(MOST_EVALUATIONS - 1)}
    return [row for i, row in enumerate(rows) if i in kept or row is best]


def _epoch(row: Row, best: Row | None) -> str:
    epoch = f"{row['epoch']:.4g}" if "epoch" in row else NOTHING
    return f"{epoch} (best)" if row is best else epoch


def _cell(spec: MetricSpec, value: float) -> str:
    return spec.shown(value) if math.isfinite(value) else NOTHING
