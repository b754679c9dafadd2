"""The check of an embedding's first vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import torch
from torch import Tensor

from lmlab.data.tokenizers.base import END, START, UNKNOWN
from lmlab.models.embedding import EmbeddingVectors, Vectors
from lmlab.testing.assertions import expect, failures_as_assertions, shape
from lmlab.testing.components import same_random_numbers, seed_everything

_WORDS = "the of and to in a is was for on as with he it by at from his an were are which this be or had xqzj ."
_VOCABULARY = (UNKNOWN, END, *_WORDS.split())


def check_embedding(embedding: EmbeddingVectors, *, vocabulary: Sequence[str] | None = None) -> None:
    """Checks the vectors that an embedding begins with, tied to the decoder and not.

    Args:
        embedding: what makes the vectors.
        vocabulary: the entries that it is asked for, perhaps with special tokens at the beginning; None: two special
            tokens and some frequent English words.

    Raises:
        AssertionError: says which promise is broken.
    """
    is_embedding = isinstance(embedding, EmbeddingVectors)
    found = type(embedding).__name__
    expect(is_embedding, f"embedding: must be made from a subclass of lmlab.EmbeddingVectors, but is {found}")
    entries = list(_VOCABULARY if vocabulary is None else vocabulary)
    with same_random_numbers():
        plain, tied = (_check(embedding, entries, tied=tied) for tied in (False, True))
    found = f"{plain.shape[1]} and {tied.shape[1]} where they are tied"
    expect(plain.shape == tied.shape, f"vectors: the dimension must not depend on `tied`, but is {found}")


def _check(embedding: EmbeddingVectors, entries: list[str], *, tied: bool) -> Tensor:
    vectors = _vectors(embedding, entries, tied=tied)
    where = f"vectors(tied={tied})"
    expect(isinstance(vectors, Vectors), f"{where}: must return lmlab.Vectors, but returned {type(vectors).__name__}")
    weight = vectors.weight
    expect(isinstance(weight, Tensor), f"{where}: the weight must be a tensor, but is {type(weight).__name__}")
    has_rows = weight.ndim == 2 and len(weight) == len(entries) and weight.shape[1] >= 1
    found = f"for {len(entries)} entries it is {shape(weight)}"
    expect(has_rows, f"{where}: the weight must have a row for each entry of the vocabulary, but {found}")
    expect(weight.dtype == torch.float32, f"{where}: the weight must be float32, but is {weight.dtype}")
    bad = [entry for entry, row in zip(entries, weight, strict=True) if not bool(torch.isfinite(row).all())]
    expect(not bad, f"{where}: the weight must be finite, but the vectors of these entries are not: {', '.join(bad)}")
    dim = getattr(embedding, "dim", None)
    found = f"vectors have {weight.shape[1]} numbers"
    expect(not isinstance(dim, int) or weight.shape[1] == dim, f"{where}: the attribute dim is {dim}, but {found}")
    _check_coverage(vectors, entries, where)
    again = _vectors(embedding, entries, tied=tied).weight
    same = again.shape == weight.shape and torch.equal(again, weight)
    message = "seeded alike, two calls must give the same, but differ; draw by torch's global generator"
    expect(same, f"{where}: {message}")
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
    said = f"but has {len(found)}"
    expect(len(found) == len(entries), f"{where}: found must have an entry for each of the {len(entries)}, {said}")
    num_special = _num_special(entries)
    share = sum(found[num_special:]) / max(1, len(entries) - num_special)
    agrees = coverage is not None and abs(coverage - share) < 1e-6
    message = f"coverage must be the share of found, special tokens aside, {share:.4g}, but is {coverage}"
    expect(agrees, f"{where}: {message}")


def _num_special(entries: Sequence[str]) -> int:
    return len(list(takewhile(lambda entry: entry in (UNKNOWN, END, START), entries)))
