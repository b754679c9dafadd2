"""What a run's evaluations say: overfitting, failed optimisation, clipping, numbers that are none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lmlab.reporting.records import Row, RunRecord, setting
from lmlab.reporting.sweeps import NATS

TRAIN = "train/nats_per_token"
# As in the alarms of training, which cannot be imported without PyTorch; a test holds them equal.
NOTICEABLE = 0.01
CLIPPED_ALARM = 0.5
IMPOSSIBLE_NATS = 20.0
DIVERGED_NATS = 1.0
# Nats a token that the last evaluation may be better than the one before, in a run that is trained to its end.
STILL_FALLING = 0.02
# Nats a token; a last evaluation that is worse by less than this is as good as the best.
SLIGHT = 0.001

Kind = Literal["overfitting", "failed optimisation", "unsteady", "last worse"]


@dataclass(frozen=True)
class Turn:
    """A validation loss that rose again after its best.

    Args:
        kind: ``overfitting`` where the training loss went on falling, ``unsteady`` where it did so before the text had
            been read through once, ``failed optimisation`` where it stood or rose; ``last worse`` where the rise is
            small or the training loss is not known.
        best: the evaluation with the fewest validation nats.
        last: the last evaluation.
    """

    kind: Kind
    best: Row
    last: Row

    @property
    def rise(self) -> float:
        """Validation nats a token from the best to the last evaluation."""
        return self.last[NATS] - self.best[NATS]


def turn_of(record: RunRecord) -> Turn | None:
    """Whether and how a run's validation loss turned; one that diverged has not turned."""
    if diverged(record) is not None:
        return None
    return turn(record.history, passes_per_epoch=passes_per_epoch(record))


def diverged(record: RunRecord) -> Row | None:
    """The last evaluation of a run that knows less than nothing, on the text it learns from too; None for others."""
    size = record.figure("vocabulary_size")
    if not record.history or size is None or size < 1:
        return None
    last = record.history[-1]
    least = math.log(size) + DIVERGED_NATS
    return last if min(last.get(NATS, -math.inf), last.get(TRAIN, -math.inf)) > least else None


def passes_per_epoch(record: RunRecord) -> float:
    """How often an epoch reads the training text: more than once where windows overlap."""
    length, stride = (setting(record.config, f"data.batching.{name}") for name in ("sequence_length", "stride"))
    try:
        return max(1.0, float(length) / float(stride))
    except (ValueError, ZeroDivisionError):
        return 1.0


def turn(history: Sequence[Row], *, passes_per_epoch: float = 1.0) -> Turn | None:
    """Whether and how the validation loss turned; None where the last evaluation is as good as the best.

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
        return Turn("last worse", best, last)
    if fall <= NOTICEABLE:
        return Turn("failed optimisation", best, last)
    # Nothing that was read once can have been learnt by heart.
    once = last.get("epoch", math.inf) * passes_per_epoch <= 1
    return Turn("unsteady" if once else "overfitting", best, last)


def clip_fraction(history: Sequence[Row]) -> float | None:
    """The share of all steps on which the gradient was clipped; None where that was not recorded."""
    clipped, steps, before = 0.0, 0.0, 0.0
    for row in history:
        if "clip_fraction" in row and "step" in row:
            clipped += row["clip_fraction"] * (row["step"] - before)
            steps += row["step"] - before
        before = row.get("step", before)
    return clipped / steps if steps > 0 else None


def nats_below_source(record: RunRecord) -> float | None:
    """By how many nats in all a model was better than the source of the validation strings; None where by too few.

    Fewer than `IMPOSSIBLE_NATS` may be chance.
    """
    found = []
    for row in [*record.history, record.summary]:
        excess, count = row.get("val/excess_nats_per_token"), row.get("val/num_tokens")
        if isinstance(excess, int | float) and isinstance(count, int | float):
            found.append(-float(excess) * float(count))
    most = max(found, default=0.0)
    return most if most >= IMPOSSIBLE_NATS else None


def first_non_finite(history: Sequence[Row]) -> Row | None:
    """The first evaluation whose validation or training loss is infinite or no number; None for none."""
    for row in history:
        if any(not math.isfinite(row[name]) for name in (NATS, TRAIN) if name in row):
            return row
    return None
