"""Diagnoses of a run's learning curve: overfitting, failed optimisation, clipping, values that are not finite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lmlab.runs.history import Row
from lmlab.runs.records import RunRecord, setting
from lmlab.runs.summary import NATS

TRAIN = "train/nats_per_token"
# The same values as in training/callbacks/alarms.py, which needs PyTorch; a test checks that they are equal.
NOTICEABLE = 0.01
CLIPPED_ALARM = 0.5
IMPOSSIBLE_NATS = 20.0
DIVERGED_NATS = 1.0
# Nats a token. A run whose last evaluation is better than the one before by this much or more was still improving.
STILL_FALLING = 0.02
# Nats a token. A last evaluation that is worse than the best by less than this counts as equally good.
SLIGHT = 0.001

Kind = Literal["overfitting", "failed optimisation", "unsteady", "last worse"]


@dataclass(frozen=True)
class CurveDiagnosis:
    """A validation loss that rose again after its best value.

    Args:
        kind: ``overfitting`` if the training loss kept falling, ``unsteady`` if it kept falling but the text had not
            been read once to the end yet, ``failed optimisation`` if it stagnated or rose, ``last worse`` if the rise
            is small or the training loss is unknown.
        best: the evaluation with the fewest validation nats.
        last: the last evaluation.
    """

    kind: Kind
    best: Row
    last: Row

    @property
    def rise(self) -> float:
        """Increase of the validation loss from the best to the last evaluation, in nats a token."""
        return self.last[NATS] - self.best[NATS]


def diagnose_curve(record: RunRecord) -> CurveDiagnosis | None:
    """Diagnoses a run's validation loss; None if it did not rise again, or if the run diverged."""
    if diverged(record) is not None:
        return None
    return diagnose_history(record.history, passes_per_epoch=passes_per_epoch(record))


def diverged(record: RunRecord) -> Row | None:
    """Returns the last evaluation if both its losses are clearly worse than guessing uniformly; otherwise None."""
    size = record.metric("vocabulary_size")
    if not record.history or size is None or size < 1:
        return None
    last = record.history[-1]
    least = math.log(size) + DIVERGED_NATS
    return last if min(last.get(NATS, -math.inf), last.get(TRAIN, -math.inf)) > least else None


def passes_per_epoch(record: RunRecord) -> float:
    """Returns how often an epoch reads the training text: more than once if windows overlap."""
    length, stride = (setting(record.config, f"data.batching.{name}") for name in ("sequence_length", "stride"))
    try:
        return max(1.0, float(length) / float(stride))
    except (ValueError, ZeroDivisionError):
        return 1.0


def diagnose_history(history: Sequence[Row], *, passes_per_epoch: float = 1.0) -> CurveDiagnosis | None:
    """Diagnoses the validation loss of some evaluations; None if the last is as good as the best.

    Args:
        history: the evaluations in order; those without a finite validation loss are passed over.
        passes_per_epoch: how often an epoch reads the training text.
    """
    rows = [row for row in history if math.isfinite(row.get(NATS, math.nan))]
    if not rows:
        return None
    best, last = min(rows, key=lambda row: row[NATS]), rows[-1]
    rise = last[NATS] - best[NATS]
    if rise < SLIGHT:
        return None
    fall = best.get(TRAIN, math.nan) - last.get(TRAIN, math.nan)
    if rise < NOTICEABLE or math.isnan(fall):
        return CurveDiagnosis("last worse", best, last)
    if fall <= NOTICEABLE:
        return CurveDiagnosis("failed optimisation", best, last)
    # Text that was read once at most cannot have been memorised.
    once = last.get("epoch", math.inf) * passes_per_epoch <= 1
    return CurveDiagnosis("unsteady" if once else "overfitting", best, last)


def clip_fraction(history: Sequence[Row]) -> float | None:
    """Returns the share of all steps on which the gradient was clipped; None if it was not recorded."""
    clipped, steps, before = 0.0, 0.0, 0.0
    for row in history:
        if "clip_fraction" in row and "step" in row:
            clipped += row["clip_fraction"] * (row["step"] - before)
            steps += row["step"] - before
        before = row.get("step", before)
    return clipped / steps if steps > 0 else None


def nats_below_source(record: RunRecord) -> float | None:
    """Returns by how many nats in total a model was better than the source of the validation strings.

    None if it was not better, or by less than `IMPOSSIBLE_NATS`, which may be chance.
    """
    found = []
    for row in [*record.history, record.summary]:
        excess, count = row.get("val/excess_nats_per_token"), row.get("val/num_tokens")
        if isinstance(excess, int | float) and isinstance(count, int | float):
            found.append(-float(excess) * float(count))
    most = max(found, default=0.0)
    return most if most >= IMPOSSIBLE_NATS else None


def first_non_finite(history: Sequence[Row]) -> Row | None:
    """Returns the first evaluation whose validation or training loss is infinite or NaN; None if there is none."""
    for row in history:
        if any(not math.isfinite(row[name]) for name in (NATS, TRAIN) if name in row):
            return row
    return None
