"""The answer at the head of a report: what the runs show and what they do not, in a few sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lmlab.diagnostics.comparison_rules import ENOUGH_SEEDS
from lmlab.diagnostics.rules import Diagnostic, name_runs
from lmlab.metric_spec import percent
from lmlab.runs.comparison import Comparison, Condition, by_text
from lmlab.runs.formatting import (
    baseline_words,
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

_RISEN = {"overfitting", "failed-optimisation", "unsteady", "last-worse", "diverged"}


class Verdict(NamedTuple):
    """The text at the head of a report, as plain text."""

    headline: str  # which condition is best, or why none is
    shows: tuple[str, ...]  # by how much, whether that is significant, what went wrong: a sentence or two each
    limitations: tuple[str, ...]  # what must not be concluded from the results


def verdict(comparison: Comparison, diagnostics: Sequence[Diagnostic]) -> Verdict:
    """Returns the verdict on one run, on several ranked runs, or on runs that cannot be ranked."""
    conditions, best, total = comparison.conditions, comparison.best, len(comparison.records)
    # Which runs overfitted, diverged and the like; of the baseline, the figures of the best say more.
    told = [d for d in diagnostics if d.rule.short and d.kind != "baseline"]
    alarms, wrong = (
        [sentence(f"{d.rule.title}, in {name_runs(d.runs, total)}") for d in told if d.level == level]
        for level in ("alarm", "warning")
    )
    evaluated = all(record.status == "finished" and len(record.history) > 1 for record in comparison.records)
    if evaluated and not {diagnostic.kind for diagnostic in diagnostics} & _RISEN:
        wrong.append("No sign of overfitting: no validation loss rose again after its best.")
    if not conditions:
        return Verdict(_nothing_finished(comparison), (*alarms, *wrong), ())
    limits = [words for diagnostic in diagnostics if (words := diagnostic.words("limits"))]
    if len(conditions) == 1 and len(conditions[0].runs) < ENOUGH_SEEDS:
        limits.append("How much another seed would change the figure: that takes three runs or more.")
    what = "order" if len(conditions) > 1 else "figure"
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
    bits, epoch = best.mean(BITS).mean, best.mean("best_epoch").mean
    bits_too = f", {number(bits)} bits per character" if math.isfinite(bits) and comparison.metric == NATS else ""
    where = f", at its best epoch, {epoch:.3g}" if math.isfinite(epoch) and len(best.runs) == 1 else ""
    name = "This run" if len(comparison.records) == 1 else f"“{best.label}”"
    return f"{name} has {value}{bits_too} on the validation text{seeds}{where}."


def _nothing_finished(comparison: Comparison) -> str:
    partial = sum(record.status == PARTIAL for record in comparison.records)
    if len(comparison.records) > 1:
        what = f"is a finished one of the whole text ({partial} partial)" if partial else "has finished"
        return f"None of the {plural(len(comparison.records), 'run')} {what}, so none is best."
    (record,) = comparison.records
    if record.status in ("failed", DAMAGED):
        what = "failed" if record.status == "failed" else "has no result"
        return sentence(f"This run {what}: {record.reason or 'no reason is recorded'}")
    if partial:
        return f"This run is partial ({record.reason}): its figures are those of a trial and are not ranked."
    if (best := record.best_row) is None:
        return "This run has not been evaluated yet."
    words = "was interrupted" if record.status == "interrupted" else "has not finished"
    seen = measured(Estimate(best[NATS], None), NATS)
    return f"This run {words}. So far its best epoch, {best.get('epoch', 0):.3g}, has {seen} on the validation text."


def _by_text(comparison: Comparison) -> Iterator[str]:
    for part in by_text(comparison):
        if part.best is not None:
            value = measured(part.best.mean(part.metric or NATS), part.metric)
            best = f"of {plural(len(part.conditions), 'setting')}, “{part.best.label}” is best, with {value}."
            read = listing(sorted({text_name(record) for record in part.records}))
            yield f"Evaluated on {read}: {best} {' '.join(_lead(part, part.best))}"


def text_name(record: RunRecord) -> str:
    """Returns the name of the data set that a run read, or of the user's own file."""
    name, path = (setting(record.config, f"data.{key}") for key in ("name", "path"))
    own = name in ("text", "sentences", "") and path not in ("", "null")
    return Path(path).name if own else name or "the same text"


def _lead(comparison: Comparison, best: Condition) -> Iterator[str]:
    """Says by how much the best condition leads, and whether that is more than chance explains."""
    gaps = [(other, gap) for other in comparison.conditions[1:] if (gap := other.gap_to_best) is not None]
    which, words = "The other" if len(comparison.conditions) == 2 else "The next", unit(comparison.metric)
    for other, gap in [*gaps[:1], *gaps[1:][-1:]]:
        if comparison.metric == BITS:
            more = f"{percent(gap.mean / best.mean(BITS).mean)} more" if best.mean(BITS).mean else "more"
        else:
            share = f"{percent(math.expm1(gap.mean))} more" if gap.mean < 100 else "far more"
            more = f"perplexity {perplexity(other.nats.mean)} against {perplexity(best.nats.mean)}, {share}"
        text, which = f"{which}, “{other.label}”, is {number(gap.mean)} {words} behind ({more}).", "The last"
        if other is not gaps[0][0]:
            yield text
        elif all(gap.significant is None for _, gap in gaps):
            yield f"{text} Whether that is real is not known: one seed each, and another seed may turn the order round."
        elif gap.significant is None:
            yield f"{text} Whether that is real is not known: one of the two was run with one seed only."
        else:
            ends = (number(gap.mean + sign * (gap.half_width or 0.0)) for sign in (-1, 1))
            around = f"its 95% interval, {' to '.join(ends)} {words},"
            if gap.significant:
                text += f" That is real as far as the seeds can tell: {around} leaves out zero."
            else:
                text += f" That is not significant: {around} includes zero, so chance may have made it."
            rest = [f"“{other.label}”" for other, gap in gaps[1:] if gap.significant is False]
            yield text + (f" Not told apart from the best either: {listing(rest)}." if rest else "")


def _figures(comparison: Comparison, best: Condition) -> Iterator[str]:
    """Compares the best condition with its test text, its baselines and the source of its strings."""
    name, nats = "It" if len(comparison.conditions) == 1 else "The best", best.nats.mean
    test, source = best.mean("test/nats_per_token"), best.mean("val/source_nats_per_token").mean
    if math.isfinite(test.mean):
        yield f"{name} has {measured(test, NATS)} on the test text."
    known = {n: v for n, value in best.runs[0].table("val/baselines").items() if (v := finite(value)) is not None}
    if known and math.isfinite(nats):
        counting = min(known, key=lambda n: known[n])
        side = f"{number(abs(known[counting] - nats))} nats per token {'better' if known[counting] > nats else 'worse'}"
        yield f"{name} is {side} than {baseline_words(counting)}, which only counts."
    if math.isfinite(source):
        side = f"{number(abs(nats - source))} {'above' if nats >= source else 'below'}"
        yield (
            f"The grammar that wrote the validation strings has {number(source)} nats per token on them, which no "
            f"model beats but by chance; {name.lower()} is {side} that."
        )
    judged = [found for run in best.runs if isinstance(found := run.table("samples").get("language"), dict)]
    pairs = [(finite(found.get("samples")) or 0.0, finite(found.get("valid"))) for found in judged]
    known_pairs = [(size, valid) for size, valid in pairs if size and valid is not None]
    if known_pairs:
        total = sum(size for size, _ in known_pairs)
        share = percent(sum(size * valid for size, valid in known_pairs) / total)
        yield f"Of {total:,.0f} of its samples at temperature 1, {share} are in the language."
