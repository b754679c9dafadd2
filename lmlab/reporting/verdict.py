"""The answer at the head of a report: what the runs show and what they do not, in a few sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lmlab.diagnostics.comparison_rules import ENOUGH_SEEDS
from lmlab.diagnostics.rules import Diagnostic, name_runs
from lmlab.metric_spec import percent
from lmlab.runs.comparison import Comparison, Condition, by_text
from lmlab.runs.formatting import (
    baseline_words,
    count,
    interval,
    listing,
    measured,
    number,
    perplexity,
    plural,
    sentence,
    unit,
)
from lmlab.runs.records import RunRecord, setting
from lmlab.runs.statistics import Estimate
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


def verdict(comparison: Comparison, diagnostics: Sequence[Diagnostic]) -> Verdict:
    """Returns the verdict on one run, on several ranked runs, or on runs that cannot be ranked.

    Args:
        comparison: of at least one run.
        diagnostics: of it.
    """
    alarms = _wrong(comparison, [d for d in diagnostics if d.level == "alarm"])
    wrong = _wrong(comparison, [d for d in diagnostics if d.level == "warning"]) + _no_sign(comparison, diagnostics)
    if not comparison.conditions:
        return Verdict(_nothing_finished(comparison), (*alarms, *wrong), ())
    several, best = len(comparison.conditions) > 1, comparison.best
    limits = [words for diagnostic in diagnostics if (words := diagnostic.words("limits"))]
    if not several and comparison.fewest_seeds < ENOUGH_SEEDS:
        limits.append("How much another seed would change the figure: that takes three runs or more.")
    what = "order" if several else "figure"
    limits.append(f"Anything about other texts, sizes or lengths of training: there the {what} may be another.")
    if comparison.metric is None:
        headline = "None can be called best: the runs were evaluated on different texts, and one may be easier."
        return Verdict(headline, (*alarms, *_by_text(comparison), *wrong), tuple(limits))
    if best is None:
        return Verdict("No run has a validation loss that is a number, so none is best.", (*alarms, *wrong), ())
    shows = [*alarms, *_lead(comparison, best), *_figures(comparison, best), *wrong]
    return Verdict(_headline(comparison, best), tuple(shows), tuple(limits))


def _headline(comparison: Comparison, best: Condition) -> str:
    value, size = measured(best.mean(comparison.metric or NATS), comparison.metric), len(comparison.conditions)
    seeds = f", the mean of {len(best.runs)} seeds" if len(best.runs) > 1 else ""
    if size > 1:
        best_of = "The better of the two settings" if size == 2 else f"The best of {size} settings"
        return f"{best_of} is “{best.label}”, with {value} on the validation text{seeds}."
    bits = best.mean(BITS).mean
    bits_too = f", {number(bits)} bits per character" if math.isfinite(bits) and comparison.metric == NATS else ""
    epoch = best.mean("best_epoch").mean
    where = f", at its best epoch, {epoch:.3g}" if math.isfinite(epoch) and len(best.runs) == 1 else ""
    name = "This run" if len(comparison.records) == 1 else f"“{best.label}”"
    return f"{name} has {value}{bits_too} on the validation text{seeds}{where}."


def _nothing_finished(comparison: Comparison) -> str:
    partial = sum(record.status == PARTIAL for record in comparison.records)
    if len(comparison.records) > 1:
        what = f"is a finished one of the whole text ({partial} partial)" if partial else "has finished"
        return f"None of the {plural(len(comparison.records), 'run')} {what}, so none is best."
    (record,) = comparison.records
    best = record.best_row
    if record.status in ("failed", DAMAGED):
        what = "failed" if record.status == "failed" else "has no result"
        return sentence(f"This run {what}: {record.reason or 'no reason is recorded'}")
    if partial:
        return f"This run is partial ({record.reason}): its figures are those of a trial and are not ranked."
    if best is None:
        return "This run has not been evaluated yet."
    words = "was interrupted" if record.status == "interrupted" else "has not finished"
    seen = measured(Estimate(best[NATS], None, 1), NATS)
    return f"This run {words}. So far its best epoch, {best.get('epoch', 0):.3g}, has {seen} on the validation text."


def _by_text(comparison: Comparison) -> Iterator[str]:
    for part in by_text(comparison):
        if part.best is not None:
            names = sorted({text_name(record) for record in part.records})
            value = measured(part.best.mean(part.metric or NATS), part.metric)
            best = f"of {plural(len(part.conditions), 'setting')}, “{part.best.label}” is best, with {value}."
            yield f"Evaluated on {listing(names)}: {best} {' '.join(_lead(part, part.best))}"


def text_name(record: RunRecord) -> str:
    """Returns the name of the data set that a run read, or of the user's own file."""
    name, path = (setting(record.config, f"data.{key}") for key in ("name", "path"))
    own = name in ("text", "sentences", "") and path not in ("", "null")
    return Path(path).name if own else name or "the same text"


def _lead(comparison: Comparison, best: Condition) -> Iterator[str]:
    """Says by how much the best condition leads, and whether that is significant."""
    others = [condition for condition in comparison.conditions[1:] if condition.gap_to_best is not None]
    if not others:
        return
    yield f"{_distance(comparison, best, others[0], 'The next')} {_significance(comparison, others)}"
    if len(others) > 1:
        yield _distance(comparison, best, others[-1], "The last")


def _distance(comparison: Comparison, best: Condition, other: Condition, which: str) -> str:
    assert other.gap_to_best is not None
    mean = other.gap_to_best.mean
    if comparison.metric == BITS:
        more = f"{percent(mean / best.mean(BITS).mean)} more" if best.mean(BITS).mean else "more"
    else:
        share = f"{percent(math.expm1(mean))} more" if mean < 100 else "far more"
        more = f"perplexity {perplexity(other.nats.mean)} against {perplexity(best.nats.mean)}, {share}"
    which = "The other" if len(comparison.conditions) == 2 else which
    return f"{which}, “{other.label}”, is {number(mean)} {unit(comparison.metric)} behind ({more})."


def _significance(comparison: Comparison, others: Sequence[Condition]) -> str:
    """Says whether the other conditions are worse by more than chance explains."""
    gaps = {condition.label: condition.gap_to_best for condition in others if condition.gap_to_best is not None}
    second = gaps[others[0].label]
    if all(gap.significant is None for gap in gaps.values()):
        return "Whether that is real is not known: one seed each, and another seed may turn the order round."
    if second.significant is None:
        return "Whether that is real is not known: one of the two was run with one seed only."
    around = f"its 95% interval, {interval(second)} {unit(comparison.metric)},"
    if second.significant:
        text = f"That is real as far as the seeds can tell: {around} leaves out zero."
    else:
        text = f"That is not significant: {around} includes zero, so chance may have made it."
    rest = [f"“{label}”" for label, gap in gaps.items() if gap is not second and gap.significant is False]
    return f"{text} Not told apart from the best either: {listing(rest)}." if rest else text


def _figures(comparison: Comparison, best: Condition) -> Iterator[str]:
    """Compares the best condition with its test text, its baselines and the source of its strings."""
    name = "It" if len(comparison.conditions) == 1 else "The best"
    test = best.mean("test/nats_per_token")
    if math.isfinite(test.mean):
        yield f"{name} has {measured(test, NATS)} on the test text."
    known = {n: v for n, value in best.runs[0].table("val/baselines").items() if (v := finite(value)) is not None}
    if known and math.isfinite(best.nats.mean):
        counting = min(known, key=lambda n: known[n])
        below = known[counting] - best.nats.mean
        side = "better" if below > 0 else "worse"
        than = f"{side} than {baseline_words(counting)}, which only counts"
        yield f"{name} is {number(abs(below))} nats per token {than}."
    source = best.mean("val/source_nats_per_token").mean
    if math.isfinite(source):
        above = best.nats.mean - source
        side = f"{number(abs(above))} {'above' if above >= 0 else 'below'}"
        yield (
            f"The grammar that wrote the validation strings has {number(source)} nats per token on them, which no "
            f"model beats but by chance; {name.lower()} is {side} that."
        )
    judged = [record.table("samples").get("language") for record in best.runs]
    pairs = [(finite(found.get("samples")), finite(found.get("valid"))) for found in judged if isinstance(found, dict)]
    known_pairs = [(size, valid) for size, valid in pairs if size and valid is not None]
    if known_pairs:
        total = sum(size for size, _ in known_pairs)
        share = percent(sum(size * valid for size, valid in known_pairs) / total)
        yield f"Of {count(total)} of its samples at temperature 1, {share} are in the language."


_RISEN = {"overfitting", "failed-optimisation", "unsteady", "last-worse", "diverged"}


def _wrong(comparison: Comparison, diagnostics: Sequence[Diagnostic]) -> list[str]:
    """Says which runs overfitted, diverged and the like; of the baseline, the figures of the best say more."""
    told = (d for d in diagnostics if d.rule.short and d.kind != "baseline")
    return [sentence(f"{d.rule.title}, in {name_runs(d.runs, len(comparison.records))}") for d in told]


def _no_sign(comparison: Comparison, diagnostics: Sequence[Diagnostic]) -> list[str]:
    evaluated = all(record.status == "finished" and len(record.history) > 1 for record in comparison.records)
    fine = evaluated and not {diagnostic.kind for diagnostic in diagnostics} & _RISEN
    return ["No sign of overfitting: no validation loss rose again after its best."] if fine else []
