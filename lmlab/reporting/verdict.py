"""The verdict of a report: what a comparison shows and what it does not, in a few sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmlab.metric_spec import percent
from lmlab.reporting.comparison import Comparison, Condition, by_text
from lmlab.reporting.curve_diagnostics import baseline_words
from lmlab.reporting.curves import Kind, diagnose_curve, first_non_finite
from lmlab.reporting.formatting import count, interval, listing, measured, number, perplexity, plural, unit
from lmlab.reporting.limitations import limitations
from lmlab.runs.records import RunRecord, setting
from lmlab.runs.summary import BITS, DAMAGED, NATS, PARTIAL, finite


@dataclass(frozen=True)
class Verdict:
    """The text at the head of a report, as plain text.

    Args:
        headline: which condition is best, or why none is.
        shows: what the results show, a sentence or two each: by how much, whether that is significant, what went wrong.
        limitations: what must not be concluded from them.
    """

    headline: str
    shows: tuple[str, ...]
    limitations: tuple[str, ...]


def verdict(comparison: Comparison) -> Verdict:
    """Returns the verdict on one run, on several ranked runs, or on runs that cannot be ranked.

    Args:
        comparison: of at least one run.
    """
    if not comparison.conditions:
        return Verdict(_nothing_finished(comparison), tuple(_curves(comparison)), ())
    if comparison.metric is None:
        return _unranked(comparison)
    best = comparison.best
    if best is None:
        headline = "No run has a validation loss that is a number, so none is best."
        return Verdict(headline, tuple(_curves(comparison)), ())
    name = "It" if len(comparison.conditions) == 1 else "The best"
    shows = [*_lead(comparison), *_test(best, name), *_against_baselines(best, name), *_curves(comparison)]
    return Verdict(_headline(comparison, best), tuple(shows), tuple(limitations(comparison)))


def _headline(comparison: Comparison, best: Condition) -> str:
    value = measured(best.mean(comparison.metric or NATS), comparison.metric)
    seeds = f", the mean of {len(best.runs)} seeds" if len(best.runs) > 1 else ""
    if len(comparison.conditions) > 1:
        total = len(comparison.conditions)
        return f"Best of {total} settings: {quoted(best)}, with {value} on the validation text{seeds}."
    bits = best.bits.mean
    bits_too = f", {number(bits)} bits per character" if math.isfinite(bits) and comparison.metric == NATS else ""
    epoch = best.mean("best_epoch").mean
    where = f", at its best epoch, {epoch:g}" if math.isfinite(epoch) and len(best.runs) == 1 else ""
    name = "This run" if len(comparison.records) == 1 else quoted(best)
    return f"{name} has {value}{bits_too} on the validation text{seeds}{where}."


def _nothing_finished(comparison: Comparison) -> str:
    partial = sum(record.status == PARTIAL for record in comparison.records)
    if len(comparison.records) > 1 and partial:
        runs = plural(len(comparison.records), "run")
        return f"None of the {runs} is a finished one of the whole text ({partial} partial), so none is best."
    if len(comparison.records) > 1:
        return f"None of the {plural(len(comparison.records), 'run')} has finished, so there is nothing to compare yet."
    (record,) = comparison.records
    if record.status == "failed":
        return f"This run failed: {record.reason or 'no reason is recorded'}"
    if partial:
        return f"This run is partial ({record.reason}): its figures are those of a trial and are not ranked."
    if record.status == DAMAGED:
        return f"This run has no result: {record.reason}."
    best = record.best_row
    if best is None:
        return "This run has not been evaluated yet."
    words = "was interrupted" if record.status == "interrupted" else "has not finished"
    seen = f"{number(best[NATS])} nats per token (perplexity {perplexity(best[NATS])})"
    return f"This run {words}. So far its best epoch, {best.get('epoch', 0):g}, has {seen} on the validation text."


def _unranked(comparison: Comparison) -> Verdict:
    headline = (
        "None can be called best: the runs were evaluated on different texts, and one may be easier than another."
    )
    shows = []
    for part in by_text(comparison):
        best = part.best
        if best is None:
            continue
        names = sorted({text_name(record) for record in part.records})
        of = f"Of {plural(len(part.conditions), 'setting')} evaluated on {listing(names)}"
        shows.append(f"{of}, {quoted(best)} is best, with {measured(best.mean(part.metric or NATS), part.metric)}.")
        shows += _lead(part)[:2]
    return Verdict(headline, (*shows, *_curves(comparison)), tuple(limitations(comparison)))


def text_name(record: RunRecord) -> str:
    """Returns the name of the data set that a run read, or of the user's own file."""
    name, path = (setting(record.config, f"data.{key}") for key in ("name", "path"))
    own = name in ("text", "sentences", "") and path not in ("", "null")
    return Path(path).name if own else name or "the same text"


def quoted(condition: Condition) -> str:
    """Returns the label of a condition in quotation marks."""
    return f"“{condition.label}”"


def _lead(comparison: Comparison) -> list[str]:
    """Says by how much the best condition leads, and whether that is significant."""
    best = comparison.best
    if best is None or len(comparison.conditions) < 2:
        return []
    second = comparison.conditions[1]
    if second.gap_to_best is None:
        return [f"The next, {quoted(second)}, has no validation loss that is a number."]
    found = [f"The next, {quoted(second)}, is {_distance(comparison, best, second)} behind."]
    found.append(_significance(comparison, best))
    last = next(
        (condition for condition in reversed(comparison.conditions[2:]) if condition.gap_to_best is not None), None
    )
    if last is not None:
        found.append(f"The last, {quoted(last)}, is {_distance(comparison, best, last)} behind.")
    return found


def _distance(comparison: Comparison, best: Condition, other: Condition) -> str:
    assert other.gap_to_best is not None
    mean = other.gap_to_best.mean
    amount = f"{number(mean)} {unit(comparison.metric)}"
    if comparison.metric == BITS:
        return f"{amount} ({percent(mean / best.bits.mean)})" if best.bits.mean else amount
    more = f"{percent(math.expm1(mean))} more" if mean < 100 else "far more"
    return f"{amount} (perplexity {perplexity(other.nats.mean)} against {perplexity(best.nats.mean)}, {more})"


def _significance(comparison: Comparison, best: Condition) -> str:
    """Says whether the other conditions are worse by more than chance explains."""
    others = [condition for condition in comparison.conditions[1:] if condition.gap_to_best is not None]
    within = [
        condition
        for condition in others
        if condition.gap_to_best is not None and condition.gap_to_best.significant is False
    ]
    unknown = [
        condition
        for condition in others
        if condition.gap_to_best is not None and condition.gap_to_best.significant is None
    ]
    if len(unknown) == len(others):
        return (
            "Whether these differences are real is not known: without several seeds of a setting nothing can be "
            "concluded about small differences, for another seed may turn the order round."
        )
    second = others[0]
    assert second.gap_to_best is not None
    if second.gap_to_best.significant:
        text = (
            f"That difference is real as far as the seeds can tell: its 95% interval, {interval(second.gap_to_best)} "
        )
        text += f"{unit(comparison.metric)}, leaves out zero."
    elif second.gap_to_best.significant is False:
        text = f"That difference is inside its 95% interval, {interval(second.gap_to_best)} {unit(comparison.metric)}: "
        text += "chance may have made it, so neither of the two can be called better."
    else:
        text = f"Whether that is real is not known: {quoted(best)} or {quoted(second)} was run with one seed only."
    rest = [condition for condition in within if condition is not second]
    if rest:
        words = "Inside the interval, too" if second in within else "Not told apart from the best, though worse"
        text += f" {words}: {listing([quoted(condition) for condition in rest])}."
    return text


def _test(best: Condition, name: str) -> list[str]:
    nats = best.mean("test/nats_per_token")
    return [f"{name} has {measured(nats, NATS)} on the test text."] if math.isfinite(nats.mean) else []


def _against_baselines(best: Condition, name: str) -> list[str]:
    """Compares the best condition with its baselines and with the source of its strings.

    Says also which share of the samples is valid.
    """
    found = []
    figures = [record.summary.get("val/baselines") for record in best.runs]
    known: dict[str, Any] = figures[0] if isinstance(figures[0], dict) else {}
    values = {name: value for name in known if (value := finite(known[name])) is not None}
    if values and best.runs[0].metric(NATS) is not None:
        baseline = min(values, key=lambda name: values[name])
        below = values[baseline] - best.nats.mean
        words = "better" if below > 0 else "worse"
        counting = baseline_words(baseline)
        found.append(f"{name} is {number(abs(below))} nats per token {words} than {counting}, which only counts.")
    source = best.mean("val/source_nats_per_token").mean
    if math.isfinite(source):
        above = best.nats.mean - source
        side = "above" if above >= 0 else "below"
        found.append(
            f"The grammar that wrote the validation strings has {number(source)} nats per token on them, which no "
            f"model beats but by chance; {name.lower()} is {number(abs(above))} {side} that."
        )
    return found + _validity(best, name)


def _validity(best: Condition, name: str) -> list[str]:
    """Says which share of the samples at temperature 1 is in the language."""
    counts = []
    for record in best.runs:
        samples = record.summary.get("samples")
        judged = samples.get("language") if isinstance(samples, dict) else None
        size, valid = (finite(judged.get(key)) for key in ("samples", "valid")) if isinstance(judged, dict) else (0, 0)
        if size and valid is not None:
            counts.append((size, valid * size))
    if not counts:
        return []
    total, right = (sum(values) for values in zip(*counts, strict=True))
    whose = "its" if name == "It" else "the best's"
    return [f"Of {count(total)} of {whose} samples at temperature 1, {percent(right / total)} are in the language."]


def _curves(comparison: Comparison) -> list[str]:
    """Says which runs overfitted, failed to optimise or were unsteady."""
    diagnoses = {record: found.kind for record in comparison.records if (found := diagnose_curve(record)) is not None}
    words: list[tuple[Kind, str]] = [
        ("overfitting", "Overfitted (validation rose while the training loss fell)"),
        ("failed optimisation", "Failed to optimise (validation rose, the training loss stood or rose too)"),
        ("unsteady", "Unsteady (validation rose before the text had been read through once, so not by overfitting)"),
    ]
    sentences = []
    for kind, text in words:
        runs = [record for record, seen in diagnoses.items() if seen == kind]
        if runs:
            sentences.append(f"{text}: {_listed(comparison, runs)}.")
    ended = all(record.status == "finished" and len(record.history) > 1 for record in comparison.records)
    if not diagnoses and ended and not any(first_non_finite(record.history) for record in comparison.records):
        sentences.append("No sign of overfitting: no validation loss rose again after its best.")
    return sentences


def _listed(comparison: Comparison, runs: Sequence[RunRecord]) -> str:
    """Lists runs: by condition if all runs of it are among them, otherwise one by one."""
    names: list[str] = []
    left = list(runs)
    for condition in comparison.conditions:
        if all(record in left for record in condition.runs):
            several = f" (all {len(condition.runs)} seeds)" if len(condition.runs) > 1 else ""
            names.append(f"{quoted(condition)}{several}")
            left = [record for record in left if record not in condition.runs]
    if len(comparison.records) == 1:
        return "this run"
    return listing([*names, *(f"“{comparison.label(record)}”" for record in left)], most=6)
