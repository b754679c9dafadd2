"""All baselines of one text at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmlab.baselines.frequencies import uniform_nats, unigram_nats
from lmlab.baselines.kneser_ney import KneserNey


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
    """Nats per counted token of the uniform, the unigram and the modified Kneser-Ney model.

    Args:
        train_ids: (N_train,) tokens the models are fitted to.
        train_starts: (S_train,) sorted positions at which their sequences begin, 0 the first.
        ids: (N,) tokens that are predicted.
        starts: (S,) sorted positions at which their sequences begin, 0 the first.
        counted: (N,) the tokens that make up the figures; the others are only contexts.
        vocabulary_size: ids of both are below it.
        order: n of the Kneser-Ney n-grams.

    Returns:
        Nats per counted token by name: `uniform`, `unigram` and `kneser_ney_{order}`; the last two are NaN where no
        token is counted.

    Raises:
        ValueError: as in `KneserNey`, or `counted` is not one flag for each id.
    """
    if counted.dtype != np.bool_ or counted.shape != ids.shape:
        raise ValueError(f"counted is {counted.dtype} {counted.shape}: needs bool {ids.shape}, one flag for each id")
    # First, as it checks the ids.
    kneser_ney = KneserNey(order, vocabulary_size).fit(train_ids, train_starts).nats(ids, starts)
    return {
        "uniform": uniform_nats(vocabulary_size),
        "unigram": _mean(unigram_nats(train_ids, ids, vocabulary_size), counted),
        f"kneser_ney_{order}": _mean(kneser_ney, counted),
    }


def _mean(nats: NDArray[np.float64], counted: NDArray[np.bool_]) -> float:
    """The float64 sum of the counted, divided once."""
    num_counted = int(np.count_nonzero(counted))
    return float(nats[counted].sum()) / num_counted if num_counted else math.nan
