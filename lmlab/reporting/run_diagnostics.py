"""Diagnostics of the data and settings of single runs: each kind once, however many runs have it."""

from __future__ import annotations

import re

from lmlab.metric_spec import percent
from lmlab.reporting.comparison import Comparison
from lmlab.reporting.diagnostic import (
    Diagnostic,
    find_affected,
    first_number,
    format_affected,
    largest,
    make_diagnostic,
    name_runs,
    own_warning,
    runs_of,
)
from lmlab.runs.records import RunRecord, setting

# The same values as in training, whose modules need PyTorch; a test checks that they are equal.
UNK_ALARM = 0.05
COVERAGE_ALARM = 0.9
_VECTORS = re.compile(r"only ([\d.]+)% of the vocabulary has a pretrained vector")
_KINDS = (
    "overfitting", "failed optimisation", "unsteady", "below the source", "clipping", "baseline", "leak",
    "unknown tokens", "precision",
)  # fmt: skip


def run_diagnostics(comparison: Comparison) -> list[Diagnostic]:
    """Returns leaks, unknown words, missing vectors, slow precision and other warnings, in no particular order."""
    found = [
        diagnostic
        for check in (_leak, _unknown, _coverage, _precision)
        if (diagnostic := check(comparison)) is not None
    ]
    return [*found, *_others(comparison)]


def _leak(comparison: Comparison) -> Diagnostic | None:
    found = find_affected(comparison, lambda r: own_warning(r, "leak"))
    if not found:
        return None
    record, warning = max(found, key=lambda item: first_number(item[1]) or 0.0)
    seen = re.sub(r"; its perplexity is flattered.*", "", warning)
    where, example = format_affected(comparison, found, record)
    text = f"In {where}, {seen}{example}. What a model has read it has memorised, so its "
    text += "figures are too good."
    remedy = "Remove what is there twice, or split the text otherwise (data.split, or whole files)."
    return make_diagnostic(comparison, found, "leak", "alarm", ("Validation text in the training text", text, remedy))


def _unknown(comparison: Comparison) -> Diagnostic | None:
    def seen(record: RunRecord) -> float | None:
        rates = [record.metric(f"{split}/unk_rate") or 0.0 for split in ("val", "test")]
        rates.append(first_number(own_warning(record, "unknown tokens") or "") or 0.0)
        return max(rates) if max(rates) > UNK_ALARM else None

    found = find_affected(comparison, seen)
    if not found:
        return None
    most, up_to, where, example = largest(comparison, found)
    text = f"In {where}, {up_to}{percent(most)} of the evaluated tokens are <unk>{example}. All "
    text += "unknown words are one easy token, so perplexity is flattered."
    remedies = {(own_warning(r, "unknown tokens") or "").partition("; ")[2] for r, _ in found} - {""}
    remedy = "Lower tokenizer.min_frequency, raise tokenizer.max_size, or read pieces of words (tokenizer=bpe)."
    if len(remedies) == 1:
        (remedy,) = remedies
        remedy = remedy[:1].upper() + remedy[1:] + ("" if remedy.endswith("?") else ".")
    return make_diagnostic(comparison, found, "unknown-words", "warning", ("Unknown words", text, remedy))


def _coverage(comparison: Comparison) -> Diagnostic | None:
    def seen(record: RunRecord) -> float | None:
        share = record.metric("vector_coverage")
        matches = (_VECTORS.search(warning) for warning in record.warnings)
        share = next((float(match[1]) / 100 for match in matches if match), share)
        return share if share is not None and share < COVERAGE_ALARM else None

    found = find_affected(comparison, seen)
    if not found:
        return None
    record, least = min(found, key=lambda item: item[1])
    where, example = format_affected(comparison, found, record)
    text = f"In {where} only {percent(least)} of the vocabulary has a GloVe vector{example}; the "
    frozen = any(setting(r.config, "embedding.freeze") == "true" for r, _ in found)
    text += "rest began at random" + (", and stays so where the vectors are frozen" if frozen else "")
    text += ". So this is only in part a test of GloVe."
    remedy = "Take a GloVe file that knows more of these words, or a smaller vocabulary."
    return make_diagnostic(
        comparison, found, "glove-coverage", "warning", ("Words without a GloVe vector", text, remedy)
    )


def _precision(comparison: Comparison) -> Diagnostic | None:
    found = find_affected(comparison, lambda r: own_warning(r, "precision"))
    if not found:
        return None
    where = name_runs(comparison, runs_of(found))
    text = f"In {where} the CPU had no units for bfloat16, which is slower than float32 then."
    words = ("Slow precision", text, "Use trainer.precision=32-true on that machine.")
    return make_diagnostic(comparison, found, "precision", "note", words)


def _others(comparison: Comparison) -> list[Diagnostic]:
    """Collects the warnings that no other diagnostic covers; those that differ only in numbers count as one."""
    kinds: dict[str, list[tuple[RunRecord, str]]] = {}
    for record in comparison.records:
        for warning in record.warnings:
            if not any(warning.startswith(f"{kind}:") for kind in _KINDS) and not _VECTORS.search(warning):
                kinds.setdefault(re.sub(r"\d[\d.,]*", "#", warning), []).append((record, warning))
    diagnostics = []
    for found in kinds.values():
        words = (
            "Said while training",
            f"In {name_runs(comparison, runs_of(found))}: {found[0][1]}.",
            "See train.log in the run's folder.",
        )
        diagnostics.append(make_diagnostic(comparison, found, "other", "note", words))
    return diagnostics
