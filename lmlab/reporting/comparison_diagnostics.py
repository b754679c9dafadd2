"""Diagnostics of comparisons: runs that cannot be compared, or only in part, and what a ranking does not show."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lmlab.metric_spec import compact, percent
from lmlab.reporting.comparison import Comparison
from lmlab.reporting.diagnostic import Diagnostic, Level, labels, name_runs
from lmlab.reporting.formatting import count, listing, plural
from lmlab.reporting.limitations import MUCH_LARGER, edges, fewest_seeds, spread
from lmlab.reporting.tables import ENOUGH_SEEDS, UNK_SEEN
from lmlab.runs.records import RunRecord
from lmlab.runs.summary import BITS, DAMAGED, NATS, PARTIAL
from lmlab.runs.sweeps import jobs_left, planned_jobs

_VERSIONS = ("lmlab", "torch")


def comparison_diagnostics(comparison: Comparison) -> list[Diagnostic]:
    """Returns the diagnostics about several runs together and about unfinished runs, in no particular order."""
    checks = (
        _damaged, _evaluated, _trained_on, _failed, _unfinished, _partial, _seeds, _edge, _parameters, _tokens, _steps,
        _unknown_in_bits, _repeated, _machines, _versions,
    )  # fmt: skip
    return [diagnostic for check in checks if (diagnostic := check(comparison)) is not None]


def _different(records: Sequence[RunRecord], name: str) -> int:
    """Counts the different values of a fingerprint."""
    return len({str(record.summary.get(name)) for record in records})


def _evaluated(comparison: Comparison) -> Diagnostic | None:
    records = comparison.finished
    texts, protocols = _different(records, "text_fingerprint"), _different(records, "fingerprint")
    known = all(record.summary.get("text_fingerprint") and record.summary.get("fingerprint") for record in records)
    if comparison.metric is None:
        text = f"The runs were evaluated on {texts} different texts. " if known else "On what text some of the "
        text += "" if known else "runs were evaluated is not recorded. "
        text += "A text can be easier than another, so nothing can be said about which model is better, and the "
        text += "runs are not ranked."
        remedy = "Compare runs that read the same data, or evaluate them on one text with lmlab.evaluate."
        return Diagnostic("different-text", "alarm", "Different texts", text, remedy)
    if protocols <= 1:
        return None
    sizes = sorted({int(size) for r in records if (size := r.metric("vocabulary_size")) is not None})
    why = f"vocabularies of {listing([f'{size:,}' for size in sizes], 4)} entries" if len(sizes) > 1 else ""
    why = why or "different vocabularies or evaluation settings (evaluation.num_streams, end tokens)"
    text = f"The runs read the same text with {why}. A token is not the same thing in each, so their perplexities and "
    text += "nats per token do not compare. They are ranked by bits per character of the text, which do."
    return Diagnostic("different-vocabulary", "alarm", "Perplexities do not compare", text, _BITS_REMEDY)


_BITS_REMEDY = "Look at bits per character only, or train all with the same tokenizer."


def _trained_on(comparison: Comparison) -> Diagnostic | None:
    found = _different(comparison.finished, "train_fingerprint")
    if found <= 1 or comparison.metric is None:
        return None
    text = f"The runs were trained on {found} different texts, though they were evaluated on the same one. A "
    text += "difference between them may come from the text and not from the settings."
    remedy = "Train all on the same text, unless the text is what you compare."
    return Diagnostic("training-text", "warning", "Different training texts", text, remedy)


def _failed(comparison: Comparison) -> Diagnostic | None:
    reasons: dict[str, list[RunRecord]] = {}
    for record in comparison.records:
        if record.status == "failed":
            reasons.setdefault(record.reason or "no reason is recorded", []).append(record)
    if not reasons:
        return None
    failed = [record for found in reasons.values() for record in found]
    parts = [f"{name_runs(comparison, found)}: {reason.rstrip('.')}" for reason, found in reasons.items()]
    text = "; ".join(parts[:4]) + (f"; and {len(parts) - 4} other reasons" if len(parts) > 4 else "") + "."
    text = f"{plural(len(failed), 'run')} failed and {'has' if len(failed) == 1 else 'have'} no result. " + _sentence(
        text
    )
    remedy = "Put right what the reason names, then start again; a sweep that is started again runs only what failed."
    return Diagnostic("failed", "alarm", "Failed runs", text, remedy, labels(comparison, failed))


def _damaged(comparison: Comparison) -> Diagnostic | None:
    found = [record for record in comparison.records if record.damages]
    if not found:
        return None
    each = [f"{name_runs(comparison, [r])}: {'; '.join(map(str, r.damages))}" for r in found]
    text = _sentence("; ".join(each[:4])) + (f"; and {plural(len(each) - 4, 'other run')}" if len(each) > 4 else "")
    text += ". Nothing of a damaged file is shown, and a run without its summary is not ranked."
    remedy = "Restore the files from a copy, or train these runs again."
    return Diagnostic("damaged", "alarm", "Damaged files", text, remedy, labels(comparison, found))


def _unfinished(comparison: Comparison) -> Diagnostic | None:
    found = [record for record in comparison.unfinished if record.status not in ("failed", PARTIAL, DAMAGED)]
    sweeps = {record.origin for record in comparison.records if record.number is not None}
    missing = sum(jobs_left(sweep, {record.folder for record in comparison.records}) for sweep in sweeps)
    planned = sum(planned_jobs(sweep) or 0 for sweep in sweeps)
    if not found and not missing:
        return None
    parts = [f"{name_runs(comparison, found)} {'has' if len(found) == 1 else 'have'} not finished"] if found else []
    parts += [f"{missing} of {plural(planned, 'job')} of the sweep {'has' if missing == 1 else 'have'} not begun"]
    text = " and ".join(parts if missing else parts[:1])
    alone = len(comparison.records) == 1 and not missing
    text += (
        ": its figures are those of the best epoch so far." if alone else ", and what is not finished is not ranked."
    )
    text = _sentence(text)
    remedy = "Wait, or go on where they stopped: python -m lmlab.train run=FOLDER."
    return Diagnostic("unfinished", "warning", "Not finished", text, remedy, labels(comparison, found))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _partial(comparison: Comparison) -> Diagnostic | None:
    found = [record for record in comparison.unfinished if record.status == PARTIAL]
    if not found:
        return None
    limits = listing(sorted({record.reason for record in found}), 3)
    text = f"{plural(len(found), 'run')} read only a part of the text ({limits}). Figures of a part say nothing about "
    text += "the whole, so such a run is never ranked."
    remedy = "Train without trainer.limit_*_batches, trainer.overfit_batches and trainer.fast_dev_run for a result."
    return Diagnostic("partial", "warning", "Partial runs", text, remedy, labels(comparison, found))


def _seeds(comparison: Comparison) -> Diagnostic | None:
    fewest = fewest_seeds(comparison)
    if len(comparison.conditions) < 2 or fewest >= ENOUGH_SEEDS:
        return None
    few = sum(len(condition.runs) < ENOUGH_SEEDS for condition in comparison.conditions)
    total = len(comparison.conditions)
    which = "Each setting" if few == total else f"{few} of the {total} settings"
    alike = all(len(condition.runs) == fewest for condition in comparison.conditions)
    times = {1: "once"}.get(fewest, "twice") if alike else "fewer than three times"
    text = f"{which} was run {times}. The same setting "
    text += "with another seed ends a little better or worse, and from so few runs nobody can tell that from a real "
    text += "difference."
    remedy = "Repeat each setting with three seeds or more: add seed=0,1,2 to the sweep."
    return Diagnostic("seeds", "warning", "Too few seeds", text, remedy)


def _edge(comparison: Comparison) -> Diagnostic | None:
    found = edges(comparison)
    if not found:
        return None
    text = f"Of the best setting, {listing(found, 5)} that were tried. A better one may lie beyond."
    names = sorted(re.split(" ", edge)[0] for edge in found)
    remedy = f"Widen the sweep on that side of {listing(names, 5)}."
    return Diagnostic("edge", "warning", "Best at the edge of the grid", text, remedy)


def _parameters(comparison: Comparison) -> Diagnostic | None:
    sizes = spread(comparison, "num_parameters")
    if len(comparison.conditions) < 2 or sizes is None:
        return None
    least, most = sizes
    level: Level = "warning" if most / least >= MUCH_LARGER else "note"
    text = (
        f"The models have between {compact(least)} and {compact(most)} parameters, {most / least:.3g} times as many. A "
    )
    text += (
        "larger model may be better by its size alone, so this does not show which kind of model is better at equal "
    )
    text += "size."
    remedy = "For a comparison at equal size choose model.hidden_size so that num_parameters are close."
    return Diagnostic("parameters", level, "Models of different size", text, remedy)


def _tokens(comparison: Comparison) -> Diagnostic | None:
    tokens = spread(comparison, "num_train_tokens")
    if len(comparison.conditions) < 2 or tokens is None:
        return None
    least, most = tokens
    text = f"The runs were trained on between {compact(least)} and {compact(most)} tokens (repeats counted). One that "
    text += "read more may be better for that reason alone."
    remedy = "Give all the same trainer.max_epochs, or compare the curves at equal tokens."
    return Diagnostic("training-tokens", "warning", "Different amounts of training", text, remedy)


def _steps(comparison: Comparison) -> Diagnostic | None:
    """Equal numbers of tokens in different numbers of steps, as in a sweep over sequence lengths or batch sizes."""
    last = [record.history[-1].get("step", 0.0) for record in comparison.finished if record.history]
    if len(comparison.conditions) < 2 or not last or min(last) <= 0 or max(last) < MUCH_LARGER * min(last):
        return None
    known = all(record.metric("num_train_tokens") for record in comparison.finished)
    if comparison.metric != NATS or not known or spread(comparison, "num_train_tokens") is not None:
        return None
    text = f"The runs read equally many tokens, in {count(min(last))} to {count(max(last))} steps. More and smaller "
    text += "steps often learn faster at first, so a difference may come from the number of steps and not from how "
    text += "much a step reads or how far back it looks."
    remedy = "Train longer, or compare after equally many steps as well (trainer.max_steps)."
    return Diagnostic("steps", "warning", "Different numbers of steps", text, remedy)


def _unknown_in_bits(comparison: Comparison) -> Diagnostic | None:
    rates = {r: r.metric("val/unk_rate") or 0.0 for r in comparison.finished}
    found = [record for record, rate in rates.items() if rate > UNK_SEEN]
    if comparison.metric != BITS or not found:
        return None
    where, most = name_runs(comparison, found), percent(max(rates.values()))
    text = f"In {where} up to {most} of the tokens are <unk>. What an unknown word was need not be "
    text += "predicted, which flatters bits per character, too."
    remedy = "Compare tokenizers that know every word (tokenizer=char or bpe), or lower tokenizer.min_frequency."
    title = "Unknown words flatter the ranking"
    return Diagnostic("unknown-in-bits", "warning", title, text, remedy, labels(comparison, found))


def _repeated(comparison: Comparison) -> Diagnostic | None:
    duplicates = comparison.duplicates
    if not duplicates:
        return None
    has = "has" if len(duplicates) == 1 else "have"
    text = f"{plural(len(duplicates), 'run')} {has} the settings and the seed of a later run. That is no independent "
    text += "repetition, so only the latest counts in the ranking."
    remedy = "For more repetitions take other seeds."
    return Diagnostic("repeated", "note", "The same run again", text, remedy, labels(comparison, duplicates))


def _machines(comparison: Comparison) -> Diagnostic | None:
    devices = {str(record.summary.get("device")) for record in comparison.finished}
    if len(devices) <= 1:
        return None
    text = f"The runs were trained on {listing(sorted(devices))}, so tokens per second, wall time and memory do not "
    text += "compare."
    remedy = "Compare speeds on one machine, with one number of threads."
    return Diagnostic("machines", "note", "Different machines", text, remedy)


def _versions(comparison: Comparison) -> Diagnostic | None:
    found = []
    for package in _VERSIONS:
        versions = (record.summary.get("versions") for record in comparison.finished)
        known = sorted({str(version.get(package)) for version in versions if isinstance(version, dict)})
        if len(known) > 1:
            found.append(f"{package} {listing(known)}")
    if not found:
        return None
    text = f"The runs were trained with {' and '.join(found)}, which may train or evaluate a little differently."
    return Diagnostic("versions", "note", "Different versions", text, "Train all with one version where it matters.")
