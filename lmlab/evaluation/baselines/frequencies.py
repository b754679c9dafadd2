"""Baselines without context: uniform, and by frequency of the token."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def uniform_nats(vocabulary_size: int) -> float:
    """Returns the nats of any token if all are equally probable: the logarithm of the vocabulary size."""
    return math.log(vocabulary_size)


def unigram_nats(
    train_ids: NDArray[np.integer[Any]], ids: NDArray[np.integer[Any]], vocabulary_size: int
) -> NDArray[np.float64]:
    """Returns the nats of every token by its frequency in the training text, add-one smoothed.

    p(w) = (c(w) + 1) / (N_train + vocabulary size), so that unseen tokens have a probability too.

    Args:
        train_ids: (N_train,) tokens to count.
        ids: (N,) tokens to predict.
        vocabulary_size: all ids are below it.

    Returns:
        (N,) nats, all finite.
    """
    counts = np.bincount(train_ids, minlength=vocabulary_size) + 1
    nats: NDArray[np.float64] = (math.log(len(train_ids) + vocabulary_size) - np.log(counts))[ids]
    return nats
