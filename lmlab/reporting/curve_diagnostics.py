"""Diagnostics of the learning curves of single runs: each kind once, however many runs have it."""

from __future__ import annotations

import math
import re

from lmlab.metric_spec import percent
from lmlab.reporting.comparison import Comparison
from lmlab.reporting.curves import (
    CLIPPED_ALARM,
    NOTICEABLE,
    STILL_FALLING,
    TRAIN,
    CurveDiagnosis,
    Kind,
    clip_fraction,
    diagnose_curve,
    diverged,
    first_non_finite,
    nats_below_source,
)
from lmlab.reporting.diagnostic import (
    Diagnostic,
    Level,
    find_affected,
    first_number,
    format_affected,
    largest,
    make_diagnostic,
    own_warning,
)
from lmlab.reporting.formatting import number
from lmlab.runs.records import RunRecord
from lmlab.runs.summary import NATS, finite


def curve_diagnostics(comparison: Comparison) -> list[Diagnostic]:
    """Returns overfitting, failed optimisation and other problems that the evaluations show, in no particular order."""
    checks = (_below_source, _non_finite, _still_falling, _baseline, _clipping)
    found = (check(comparison) for check in checks)
    return [*_rising_validation(comparison), *(diagnostic for diagnostic in found if diagnostic is not None)]


def _below_source(comparison: Comparison) -> Diagnostic | None:
    found = find_affected(
        comparison, lambda r: nats_below_source(r) or first_number_of(own_warning(r, "below the source"))
    )
    if not found:
        return None
    record, nats = max(found, key=lambda item: item[1])
    where, example = format_affected(comparison, found, record)
    text = (
        f"In {where} the model is {nats:,.1f} nats better on the validation strings than the grammar that wrote "
        f"them{example}. No honest model can be that: validation strings have leaked into the "
        "training text, or a number is wrong."
    )
    words = ("Better than possible", text, "Do not use these figures before the reason is found.")
    return make_diagnostic(comparison, found, "below-source", "alarm", words)


def first_number_of(text: str | None) -> float | None:
    """Returns the first number in a text; None if there is none."""
    match = re.search(r"\d+(?:\.\d+)?", text or "")
    return float(match[0]) if match else None


def _non_finite(comparison: Comparison) -> Diagnostic | None:
    def seen(record: RunRecord) -> str | None:
        if record.status == "failed":
            matched = re.search(r"diverged|not finite|non-finite|\bnan\b", record.reason)
            return record.reason if matched else None
        last = diverged(record)
        if last is not None:
            guessing = math.log(record.metric("vocabulary_size") or 1)
            return f"{last[NATS]:,.1f} nats per token at the end, where guessing has {number(guessing)}"
        row = first_non_finite(record.history)
        if row is not None:
            return f"first seen at the evaluation after step {row.get('step', 0):,.0f}"
        absent = record.status == "finished" and record.metric(NATS) is None
        return "its summary has no validation loss" if absent else None

    found = find_affected(comparison, seen)
    if not found:
        return None
    record, what = found[0]
    where, example = format_affected(comparison, found, record)
    text = f"In {where} the loss became huge, infinite or no number at all: {what}{example}. Such a run "
    text += "learned nothing from there on and cannot be ranked."
    remedy = "Lower optimizer.lr or set a smaller trainer.gradient_clip_val."
    return make_diagnostic(comparison, found, "non-finite", "alarm", ("Diverged", text, remedy))


def _diagnosed(comparison: Comparison, kind: Kind) -> list[tuple[RunRecord, CurveDiagnosis | str]]:
    def seen(record: RunRecord) -> CurveDiagnosis | str | None:
        found = diagnose_curve(record)
        if found is not None:
            return found if found.kind == kind else None
        # Without evaluations the warning that the run itself recorded counts.
        return None if record.history else own_warning(record, kind)

    return find_affected(comparison, seen)


def _rise(item: tuple[RunRecord, CurveDiagnosis | str]) -> float:
    return item[1].rise if isinstance(item[1], CurveDiagnosis) else -1.0


def _example(found: CurveDiagnosis | str) -> str:
    if isinstance(found, str):
        return found.partition(";")[0]
    best, last = found.best, found.last
    seen = f"validation rose from {number(best[NATS])} nats per token (epoch {best.get('epoch', 0):g}) "
    seen += f"to {number(last[NATS])} (epoch {last.get('epoch', 0):g})"
    if TRAIN not in best or TRAIN not in last:
        return seen
    fall = best[TRAIN] - last[TRAIN]
    verb = "fell" if fall > NOTICEABLE else "hardly moved" if fall > -NOTICEABLE else "rose"
    return f"{seen} while the training loss {verb} from {number(best[TRAIN])} to {number(last[TRAIN])}"


def _rising_validation(comparison: Comparison) -> list[Diagnostic]:
    """Validation losses that rose again after their best: for each kind what it means and what to do."""
    diagnostics = []
    for kind, (level, title, meaning, remedy) in _RISING_VALIDATION.items():
        found = _diagnosed(comparison, kind)
        if found:
            record, worst = max(found, key=_rise)
            where, example = format_affected(comparison, found, record)
            words = (title, f"In {where} {_example(worst)}{example}{meaning}", remedy)
            diagnostics.append(make_diagnostic(comparison, found, kind.replace(" ", "-"), level, words))
    return diagnostics


_RISING_VALIDATION: dict[Kind, tuple[Level, str, str, str]] = {
    "overfitting": (
        "warning",
        "Overfitting",
        ": the model began to memorise its training text instead of learning the language. The figures are of the best "
        "epoch, so they stand.",
        "More model.dropout, a smaller model, more text or fewer epochs help.",
    ),
    "failed optimisation": (
        "warning",
        "Failed optimisation",
        ". This is not overfitting: the model did not get better on the text it learns from either.",
        "Lower optimizer.lr or trainer.gradient_clip_val; a smaller model will not help.",
    ),
    "unsteady": (
        "warning",
        "Unsteady training",
        ", before the text had been read through once. So nothing was memorised: the steps were too large, or it "
        "was evaluated at a bad moment. The figures are of the best epoch.",
        "Lower optimizer.lr, or train longer and see whether it rises again.",
    ),
    "last worse": (
        "note",
        "The last epoch is not the best",
        ". The figures are of the best epoch.",
        "Nothing has to be done; use best.ckpt, as all commands do by themselves.",
    ),
}


def _still_falling(comparison: Comparison) -> Diagnostic | None:
    def seen(record: RunRecord) -> float | None:
        rows = [row for row in record.history if math.isfinite(row.get(NATS, math.nan))]
        if record.status != "finished" or len(rows) < 2:
            return None
        fall = rows[-2][NATS] - rows[-1][NATS]
        return fall if fall >= STILL_FALLING and rows[-1] is record.best_row else None

    found = find_affected(comparison, seen)
    if not found:
        return None
    most, up_to, where, example = largest(comparison, found)
    text = f"In {where} the last evaluation is the best, and {up_to}{number(most)} nats per token better than the one "
    text += f"before{example}: longer training would go on. "
    text += "Who learns fastest need not be best in the end." if len(comparison.conditions) > 1 else ""
    remedy = "Raise trainer.max_epochs (and trainer.max_steps, where it is set)."
    return make_diagnostic(
        comparison, found, "still-falling", "note", ("Still falling at the end", text.strip(), remedy)
    )


def _baseline(comparison: Comparison) -> Diagnostic | None:
    def seen(record: RunRecord) -> tuple[float, float, str] | None:
        figures, nats = record.summary.get("val/baselines"), record.metric(NATS)
        if not isinstance(figures, dict) or nats is None:
            return None
        known = {name: value for name in figures if (value := finite(figures[name])) is not None}
        name = min(known, key=lambda name: known[name], default=None)
        return (known[name], nats, str(name)) if name is not None and nats > known[name] else None

    found = find_affected(comparison, seen)
    if not found:
        return None
    record, (best, nats, name) = max(found, key=lambda item: item[1][1] - item[1][0])
    where, example = format_affected(comparison, found, record)
    text = f"In {where} the network does worse than {baseline_words(name)}, which only counts: {number(nats)} "
    text += f"against {number(best)} nats per token on the same tokens{example}."
    remedy = "Train longer, or change optimizer.lr or the model's size."
    return make_diagnostic(comparison, found, "baseline", "warning", ("Worse than counting", text, remedy))


def baseline_words(name: str) -> str:
    """Returns a baseline's name in words: `a 5-gram model (Kneser-Ney)` for `kneser_ney_5`."""
    if name.startswith("kneser_ney_"):
        return f"a {name.rpartition('_')[2]}-gram model (Kneser-Ney)"
    return f"a {name} model"


def _clipping(comparison: Comparison) -> Diagnostic | None:
    def seen(record: RunRecord) -> float | None:
        share = clip_fraction(record.history)
        share = share if share is not None else first_number(own_warning(record, "clipping") or "")
        return share if share is not None and share > CLIPPED_ALARM else None

    found = find_affected(comparison, seen)
    if not found:
        return None
    most, up_to, where, example = largest(comparison, found)
    text = f"In {where} the gradient was clipped on {up_to}{percent(most)} of the steps{example}, so "
    text += "the clip and not optimizer.lr sets the size of a step."
    remedy = "Raise trainer.gradient_clip_val or lower optimizer.lr."
    return make_diagnostic(comparison, found, "clipping", "warning", ("Clipped on most steps", text, remedy))
