"""Cautions about what single runs were given: each kind once, however many runs it is about."""

from __future__ import annotations

import re

from lmlab.reporting.caution import Caution, concerned, first_number, largest, made, own_warning, runs_of, told_of, who
from lmlab.reporting.comparison import Comparison
from lmlab.reporting.formatting import percent
from lmlab.reporting.records import RunRecord, setting

# As in training, which cannot be imported without PyTorch; a test holds them equal.
UNK_ALARM = 0.05
COVERAGE_ALARM = 0.9
_VECTORS = re.compile(r"only ([\d.]+)% of the vocabulary has a pretrained vector")
_KINDS = (
    "overfitting", "failed optimisation", "unsteady", "below the source", "clipping", "baseline", "leak",
    "unknown tokens", "precision",
)  # fmt: skip


def run_cautions(comparison: Comparison) -> list[Caution]:
    """Leaks, unknown words, vectors, precision, and whatever else runs warned of, in no order."""
    found = [
        caution for check in (_leak, _unknown, _coverage, _precision) if (caution := check(comparison)) is not None
    ]
    return [*found, *_others(comparison)]


def _leak(comparison: Comparison) -> Caution | None:
    found = concerned(comparison, lambda r: own_warning(r, "leak"))
    if not found:
        return None
    record, said = max(found, key=lambda item: first_number(item[1]) or 0.0)
    seen = re.sub(r"; its perplexity is flattered.*", "", said)
    where, example = told_of(comparison, found, record)
    text = f"In {where}, {seen}{example}. What a model has read it knows by heart, so its "
    text += "figures are too good."
    remedy = "Remove what is there twice, or split the text otherwise (data.split, or whole files)."
    return made(comparison, found, "leak", "alarm", ("Validation text in the training text", text, remedy))


def _unknown(comparison: Comparison) -> Caution | None:
    def seen(record: RunRecord) -> float | None:
        rates = [record.figure(f"{split}/unk_rate") or 0.0 for split in ("val", "test")]
        rates.append(first_number(own_warning(record, "unknown tokens") or "") or 0.0)
        return max(rates) if max(rates) > UNK_ALARM else None

    found = concerned(comparison, seen)
    if not found:
        return None
    most, up_to, where, example = largest(comparison, found)
    text = f"In {where}, {up_to}{percent(most)} of the evaluated tokens are <unk>{example}. All "
    text += "unknown words are one easy token, so perplexity is flattered."
    said = {(own_warning(r, "unknown tokens") or "").partition("; ")[2] for r, _ in found} - {""}
    remedy = "Lower tokenizer.min_frequency, raise tokenizer.max_size, or read pieces of words (tokenizer=bpe)."
    if len(said) == 1:
        (remedy,) = said
        remedy = remedy[:1].upper() + remedy[1:] + ("" if remedy.endswith("?") else ".")
    return made(comparison, found, "unknown-words", "warning", ("Unknown words", text, remedy))


def _coverage(comparison: Comparison) -> Caution | None:
    def seen(record: RunRecord) -> float | None:
        share = record.figure("vector_coverage")
        matches = (_VECTORS.search(warning) for warning in record.warnings)
        share = next((float(match[1]) / 100 for match in matches if match), share)
        return share if share is not None and share < COVERAGE_ALARM else None

    found = concerned(comparison, seen)
    if not found:
        return None
    record, least = min(found, key=lambda item: item[1])
    where, example = told_of(comparison, found, record)
    text = f"In {where} only {percent(least)} of the vocabulary has a GloVe vector{example}; the "
    frozen = any(setting(r.config, "embedding.freeze") == "true" for r, _ in found)
    text += "rest began at random" + (", and stays so where the vectors are frozen" if frozen else "")
    text += ". So this is only in part a test of GloVe."
    remedy = "Take a GloVe file that knows more of these words, or a smaller vocabulary."
    return made(comparison, found, "glove-coverage", "warning", ("Words without a GloVe vector", text, remedy))


def _precision(comparison: Comparison) -> Caution | None:
    found = concerned(comparison, lambda r: own_warning(r, "precision"))
    if not found:
        return None
    text = f"In {who(comparison, runs_of(found))} the CPU had no units for bfloat16, which is slower than float32 then."
    words = ("Slow precision", text, "Use trainer.precision=32-true on that machine.")
    return made(comparison, found, "precision", "note", words)


def _others(comparison: Comparison) -> list[Caution]:
    """What runs warned of in other words; warnings that differ in numbers only are one."""
    kinds: dict[str, list[tuple[RunRecord, str]]] = {}
    for record in comparison.records:
        for warning in record.warnings:
            if not any(warning.startswith(f"{kind}:") for kind in _KINDS) and not _VECTORS.search(warning):
                kinds.setdefault(re.sub(r"\d[\d.,]*", "#", warning), []).append((record, warning))
    cautions = []
    for found in kinds.values():
        words = (
            "Said while training",
            f"In {who(comparison, runs_of(found))}: {found[0][1]}.",
            "See train.log in the run's folder.",
        )
        cautions.append(made(comparison, found, "other", "note", words))
    return cautions
