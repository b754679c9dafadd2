"""Computes all baselines of a text."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmlab.evaluation.baselines.frequencies import uniform_nats, unigram_nats
from lmlab.evaluation.baselines.kneser_ney import KneserNey

# Tokens that are predicted at once, for which some 50 bytes each are needed.
CHUNK = 1 << 22


def baselines(
    train_ids: NDArray[np.integer[Any]],
    train_starts: NDArray[np.integer[Any]],
    ids: NDArray[np.integer[Any]],
    starts: NDArray[np.integer[Any]],
    *,
    counted: NDArray[np.bool_],
    vocabulary_size: int,
    order: int,
) -> dict[str, float]:
    """Returns nats per counted token of the uniform, the unigram and the modified Kneser-Ney model.

    Args:
        train_ids: (N_train,) tokens that the models are fitted to.
        train_starts: (S_train,) sorted positions at which their sequences begin; the first is 0.
        ids: (N,) tokens to predict.
        starts: (S,) sorted positions at which their sequences begin; the first is 0.
        counted: (N,) which tokens are counted; the others are only contexts.
        vocabulary_size: all ids are below it.
        order: n of the Kneser-Ney n-grams.

    Returns:
        Nats per counted token by name: `uniform`, `unigram` and `kneser_ney_{order}`; the last two are NaN if no token
        is counted.

    Raises:
        ValueError: as in `KneserNey`, or `counted` does not have one flag for each id.
    """
    if counted.dtype != np.bool_ or counted.shape != ids.shape:
        raise ValueError(f"counted is {counted.dtype} {counted.shape}: needs bool {ids.shape}, one flag for each id")
    num_counted = int(np.count_nonzero(counted))
    # Made first, because it checks the ids.
    kneser_ney = KneserNey(order, vocabulary_size).fit(train_ids, train_starts)
    sums = [0.0, 0.0]
    for start in range(0, max(1, len(ids)), CHUNK):
        # A token is predicted from the n - 1 before it at most.
        before = min(start, order - 1)
        part, chosen = ids[start - before : start + CHUNK], counted[start : start + CHUNK]
        begins = starts[(starts >= start - before) & (starts < start + CHUNK)] - (start - before)
        found = kneser_ney.nats(part, np.append(0, begins) if start else begins)[before:]
        sums[0] += float(unigram_nats(train_ids, part[before:], vocabulary_size)[chosen].sum())
        sums[1] += float(found[chosen].sum())
    unigram, longest = (total / num_counted if num_counted else math.nan for total in sums)
    return {"uniform": uniform_nats(vocabulary_size), "unigram": unigram, f"kneser_ney_{order}": longest}
