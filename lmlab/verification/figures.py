"""Compares the stored figures of a split with those computed by `lmlab.reference`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmlab import reference
from lmlab.data.sources.generated import make_grammar
from lmlab.data.tokenizers.base import Tokenizer
from lmlab.metric_spec import exp
from lmlab.verification.check import ROUNDING, Check, agreement, near, shown

# Evaluations are in float32, the reference in float64. Measured on runs of every kind: their nats per token differ by
# about 1e-9 to 1e-8.
TOLERANCE = 1e-6
PREFIXES = {"validation": "val", "test": "test"}
# What the reference computes; the error rate up to near ties.
RECOMPUTED = (
    "nats_per_token", "perplexity", "bits_per_char", "unk_rate", "num_tokens", "source_nats_per_token",
    "excess_nats_per_token", "error_rate",
)  # fmt: skip


@dataclass(frozen=True)
class Split:
    """A split in the form in which the reference reads it.

    Args:
        documents: ids of each document, end tokens included.
        rows: streams or sentences, each read from a fresh state.
        num_streams: number of streams of running text; None for sentences.
        characters: (D,) number of characters of each document.
        source_nats: (D,) nats of each string under the grammar that generated it; None for natural text.
    """

    documents: Sequence[reference.Ids]
    rows: Sequence[reference.Row]
    num_streams: int | None
    characters: NDArray[np.int64]
    source_nats: NDArray[np.float64] | None


def make_split(texts: Sequence[str], tokenizer: Tokenizer, config: Mapping[str, Any]) -> Split:
    """Encodes the texts and divides them into rows.

    Args:
        texts: documents or sentences.
        tokenizer: fitted.
        config: the run's configuration.
    """
    documents = reference.encoded(texts, tokenizer)
    characters = np.array([len(text) for text in texts])
    source, source_nats = config["data"]["source"], None
    if source["_target_"].endswith(".Generated"):
        grammar = make_grammar(source["grammar"])
        source_nats = np.array([grammar.nats(text) for text in texts])
    if tokenizer.end_token == "sentence":
        return Split(documents, reference.sentence_rows(documents), None, characters, source_nats)
    ids = np.concatenate(documents)
    streams = reference.number_of_streams(len(ids), config["evaluation"]["num_streams"])
    rows = reference.stream_rows(ids, end_id=tokenizer.end_id, num_streams=streams)
    return Split(documents, rows, streams, characters, source_nats)


def figures(
    split: str, stored: Mapping[str, Any], where: str, measured: reference.Measured, made: Split
) -> Iterator[Check]:
    """Compares each stored figure with that of the reference.

    Args:
        split: ``validation`` or ``test``.
        stored: stored figures by name.
        where: the file in which they are stored.
        measured: totals computed by the reference.
        made: the split that was measured.
    """
    prefix = PREFIXES[split]
    for figure, value in _expected(measured, made).items():
        name, key = f"{split} {figure.replace('_', ' ')}", f"{prefix}/{figure}"
        if key in stored:
            yield _beside(name, stored[key], value)
        else:
            yield Check("unknown", name, f"not in {where} (reference {shown(value)})")
    yield _errors(f"{split} error rate", stored.get(f"{prefix}/error_rate"), where, measured)


def _expected(measured: reference.Measured, made: Split) -> dict[str, float]:
    nats, tokens = float(measured.row_nats.sum()), measured.num_tokens
    unknown = sum(int((document == 0).sum()) for document in made.documents)
    found = {
        "nats_per_token": nats / tokens,
        "perplexity": exp(nats / tokens),
        "bits_per_char": nats / math.log(2) / max(1, int(made.characters.sum())),
        "unk_rate": unknown / sum(map(len, made.documents)),
        "num_tokens": tokens,
    }
    if made.source_nats is not None:
        found["source_nats_per_token"] = float(made.source_nats.sum()) / tokens
        found["excess_nats_per_token"] = found["nats_per_token"] - found["source_nats_per_token"]
    return found


def _beside(name: str, stored: Any, value: float) -> Check:
    """Compares a stored figure (None if it was not finite) with that of the reference."""
    number = math.nan if stored is None else stored
    if not math.isfinite(value) or not math.isfinite(number):
        verdict = "ok" if math.isfinite(value) == math.isfinite(number) else "wrong"
        return Check(verdict, name, f"{shown(stored)} (reference {shown(value)})")
    difference = abs(number - value)
    equal = number == value if isinstance(value, int) else difference <= TOLERANCE * max(1.0, abs(value))
    told = f"{difference:.0e}" if difference else "0"
    detail = f"{shown(stored)} (reference {shown(value)}, difference {told})"
    return Check("ok" if equal else "wrong", name, detail)


def _errors(name: str, stored: float | None, where: str, measured: reference.Measured) -> Check:
    """Checks that the stored error rate is in the range of the reference, in which ties may count as right or wrong."""
    tokens = measured.num_tokens
    least, most = measured.fewest_errors / tokens, measured.most_errors / tokens
    ties = measured.most_errors - measured.fewest_errors
    told = f"{shown(least)} to {shown(most)}, {ties} ties" if ties else shown(least)
    if stored is None:
        return Check("unknown", name, f"not in {where} (reference {told})")
    inside = least - ROUNDING <= stored <= most + ROUNDING
    return Check("ok" if inside else "wrong", name, f"{shown(stored)} (reference {told})")


def bits_of_characters(split: str, stored: Mapping[str, Any], made: Split) -> list[str]:
    """Returns a fault if bits per character are not nats per token x tokens / ln 2 / characters."""
    names = [f"{PREFIXES[split]}/{name}" for name in ("nats_per_token", "num_tokens", "bits_per_char")]
    nats, tokens, bits = (stored.get(name) for name in names)
    if nats is None or tokens is None or bits is None:
        return []
    expected = nats * tokens / math.log(2) / max(1, int(made.characters.sum()))
    return [] if near(bits, expected) else [f"{names[2]} {shown(bits)} is not {shown(expected)}"]


def streams(split: str, stored: Mapping[str, Any], measured: reference.Measured, made: Split) -> Iterator[Check]:
    """Compares the middle and the worst of the streams with those of the reference; nothing if they are not stored."""
    found = stored.get(f"{PREFIXES[split]}/streams")
    if found is None:
        return
    means = measured.row_nats / np.array([len(row.targets) for row in made.rows])
    expected = {"median_nats_per_token": float(np.median(means)), "worst_nats_per_token": float(means.max())}
    results = [_beside(name, found.get(name), value) for name, value in expected.items()]
    faults = [f"{result.name} {result.detail}" for result in results if result.verdict == "wrong"]
    faults += [] if found.get("count") == len(means) else [f"count {found.get('count')} (reference {len(means)})"]
    yield agreement(f"{split} streams", faults, f"worst {shown(expected['worst_nats_per_token'])} nats/token")


def lengths(stored: Mapping[str, Any], measured: reference.Measured, made: Split) -> Iterator[Check]:
    """Compares the figures of strings of a formal language up to each length with those of the reference."""
    for limit, row in stored.items():
        chosen = made.characters <= int(limit.split()[2])
        if made.source_nats is None or not chosen.any():
            yield Check("wrong", f"validation {limit}", "there are no such strings")
            continue
        tokens = sum(len(document) for document, take in zip(made.documents, chosen, strict=True) if take)
        of_model, of_source = (float(nats[chosen].sum()) / tokens for nats in (measured.row_nats, made.source_nats))
        expected = {
            "strings": int(chosen.sum()),
            "tokens": tokens,
            "nats_per_token": of_model,
            "source_nats_per_token": of_source,
            "excess_nats_per_token": of_model - of_source,
        }
        results = [_beside(name, row.get(name), value) for name, value in expected.items()]
        faults = [f"{result.name} {result.detail}" for result in results if result.verdict == "wrong"]
        yield agreement(f"validation {limit}", faults, f"excess {shown(expected['excess_nats_per_token'])} nats/token")
