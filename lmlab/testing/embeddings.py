"""The check of an embedding's initial vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import torch
from torch import Tensor

from lmlab.data.tokenizers.base import END, START, UNKNOWN
from lmlab.models.embedding import EmbeddingVectors, Vectors
from lmlab.testing.assertions import expect, expect_equal, expect_instance, expect_tensor, shape
from lmlab.testing.components import failures_as_assertions, same_random_numbers, seed_everything

_WORDS = "the of and to in a is was for on as with he it by at from his an were are which this be or had xqzj ."
_VOCABULARY = (UNKNOWN, END, *_WORDS.split())


def check_embedding(embedding: EmbeddingVectors, *, vocabulary: Sequence[str] | None = None) -> None:
    """Checks the initial vectors of an embedding, tied to the decoder and not.

    Args:
        embedding: what makes the vectors.
        vocabulary: the entries that it is asked for, perhaps with special tokens at the beginning; None: two special
            tokens and some frequent English words.

    Raises:
        AssertionError: names the violated requirement.
    """
    expect_instance(
        embedding, EmbeddingVectors, "embedding: must be an instance of a subclass of lmlab.EmbeddingVectors"
    )
    entries = list(_VOCABULARY if vocabulary is None else vocabulary)
    with same_random_numbers():
        plain, tied = (_check(embedding, entries, tied=tied) for tied in (False, True))
    found = f"{plain.shape[1]} and {tied.shape[1]} where they are tied"
    expect(plain.shape == tied.shape, f"vectors: the dimension must not depend on `tied`, but is {found}")


def _check(embedding: EmbeddingVectors, entries: list[str], *, tied: bool) -> Tensor:
    """Checks the vectors and returns them: (V, E)."""
    vectors = _vectors(embedding, entries, tied=tied)
    where = f"vectors(tied={tied})"
    expect_instance(vectors, Vectors, f"{where}: must return lmlab.Vectors")
    weight = vectors.weight
    expect_tensor(weight, f"{where}: the weight", dtype=torch.float32)
    has_rows = weight.ndim == 2 and len(weight) == len(entries) and weight.shape[1] >= 1
    expect(has_rows, f"{where}: the weight must have a row for each of {len(entries)} entries, but is {shape(weight)}")
    bad = [entry for entry, row in zip(entries, weight, strict=True) if not bool(torch.isfinite(row).all())]
    expect(not bad, f"{where}: the weight must be finite, but the vectors of these entries are not: {', '.join(bad)}")
    if isinstance(dim := getattr(embedding, "dim", None), int):
        expect_equal(weight.shape[1], dim, f"{where}: the length of vectors, by the attribute dim,")
    _check_coverage(vectors, entries, where)
    same = torch.equal(_vectors(embedding, entries, tied=tied).weight, weight)
    remedy = "draw from torch's global generator"
    expect(same, f"{where}: with equal seeds two calls must return equal vectors; {remedy}")
    return weight


def _vectors(embedding: EmbeddingVectors, entries: list[str], *, tied: bool) -> Vectors:
    seed_everything(0)
    with failures_as_assertions(f"vectors(tied={tied})"):
        return embedding.vectors(vocabulary=list(entries), num_special=_num_special(entries), tied=tied)


def _check_coverage(vectors: Vectors, entries: list[str], where: str) -> None:
    coverage, found = vectors.coverage, vectors.found
    is_share = coverage is None or 0 <= coverage <= 1
    expect(is_share, f"{where}: coverage must be a share of the vocabulary or None, but is {coverage!r}")
    if found is None:
        return
    expect_equal(len(found), len(entries), f"{where}: the length of found")
    num_special = _num_special(entries)
    share = sum(found[num_special:]) / max(1, len(entries) - num_special)
    message = f"coverage must be the share of found without special tokens, {share:.4g}, but is {coverage}"
    expect(coverage is not None and abs(coverage - share) < 1e-6, f"{where}: {message}")


def _num_special(entries: Sequence[str]) -> int:
    return len(list(takewhile(lambda entry: entry in (UNKNOWN, END, START), entries)))
