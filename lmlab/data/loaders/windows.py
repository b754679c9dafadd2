"""Batches of windows and chunks of running text, each of which starts from a fresh state."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lmlab.data.loaders.base import Batch, EpochOrder, TrainLoader
from lmlab.data.token_store import TokenStore


def _batch(store: TokenStore, starts: NDArray[np.int64], length: int) -> Batch:
    """Makes a batch of rows of `length` targets; the first input of each row is the token before its first target.

    Args:
        store: running text.
        starts: (B,) positions of the first inputs.
        length: T.
    """
    taken = store.ids[starts[:, None] + np.arange(length + 1)].astype(np.int64)
    reset = torch.ones(len(starts), dtype=torch.bool)
    return Batch(torch.from_numpy(taken[:, :-1].copy()), torch.from_numpy(taken[:, 1:].copy()), reset)


def _fitting(sequence_length: int, store: TokenStore) -> tuple[int, str]:
    """Returns the length of a row, and a warning if the text is too short for the length asked for."""
    length = max(1, min(sequence_length, len(store) - 1))
    if length == sequence_length:
        return length, ""
    return length, f"the training text has {len(store):,} tokens only; trained with data.sequence_length={length}"


class WindowsLoader(TrainLoader):
    """Overlapping or adjacent windows of the text in random order, each from a fresh state.

    Window k begins at token k * stride. If these windows do not reach the end of the text, one more window ends there,
    so that every token but the first is a target. An epoch has each window once; its order is a function of
    (seed, epoch).

    Args:
        store: the training split, running text.
        batch_size: windows per batch; the last batch of an epoch has the remaining ones.
        sequence_length: targets per window.
        stride: tokens from the start of one window to that of the next.
        seed: seed of the order.
    """

    def __init__(self, *, store: TokenStore, batch_size: int, sequence_length: int, stride: int, seed: int) -> None:
        self.store = store
        self.seed = seed
        self.batch_size = batch_size
        self.stride = stride
        self.sequence_length, self.note = _fitting(sequence_length, store)
        self._last = len(store) - 1 - self.sequence_length
        self.num_windows = 1 - (-self._last // stride)
        super().__init__(num_batches=-(-self.num_windows // batch_size))
        self._order = EpochOrder(self._permutation)

    def _permutation(self, epoch: int) -> NDArray[np.integer[Any]]:
        # Of numbers that take four bytes where that is enough; the order is the same.
        numbers = np.arange(self.num_windows, dtype=np.int32 if self.num_windows < 1 << 31 else np.int64)
        return np.random.default_rng([self.seed, epoch]).permutation(numbers)

    def _windows(self, numbers: NDArray[np.integer[Any]]) -> Batch:
        starts = np.minimum(numbers.astype(np.int64) * self.stride, self._last)
        return _batch(self.store, starts, self.sequence_length)

    def batch(self, epoch: int, index: int) -> Batch:
        """Returns up to `batch_size` windows, from number `index * batch_size` of the epoch's order on."""
        chosen = self._order(epoch)[index * self.batch_size : (index + 1) * self.batch_size]
        return self._windows(chosen)

    def num_targets(self, epoch: int) -> NDArray[np.int64]:
        """Returns the number of targets of each batch of an epoch."""
        rows = np.full(len(self), self.batch_size, dtype=np.int64)
        rows[-1] = self.num_windows - self.batch_size * (len(self) - 1)
        return rows * self.sequence_length

    @property
    def padded_tokens(self) -> float:
        """The number of tokens of a batch."""
        return float(self.num_windows * self.sequence_length) / len(self)

    @property
    def passes(self) -> float:
        """The number of times that an epoch reads each token: more than 1 if windows overlap."""
        return max(1.0, self.sequence_length / self.stride)

    def describe(self) -> str:
        """Describes a batch in words."""
        passes = self.num_windows * self.sequence_length / len(self.store)
        return (
            f"{self.batch_size} windows x {self.sequence_length} tokens in random order, each from a fresh state; "
            f"stride {self.stride}, so an epoch reads the text {passes:.3g} times"
        )

    def example(self) -> Batch:
        """Returns a batch, for timing."""
        return self._windows(np.arange(min(self.batch_size, self.num_windows)))


class ChunksLoader(TrainLoader):
    """Chunks from random positions, each from a fresh state; drawn with replacement, as a function of (seed, epoch).

    An epoch has as many batches as are needed to hold all tokens of the text once, though some tokens are left out by
    chance and others are drawn repeatedly.

    Args:
        store: the training split, running text.
        batch_size: chunks per batch.
        sequence_length: targets per chunk.
        seed: seed of the positions.
    """

    def __init__(self, *, store: TokenStore, batch_size: int, sequence_length: int, seed: int) -> None:
        self.store = store
        self.seed = seed
        self.batch_size = batch_size
        self.sequence_length, self.note = _fitting(sequence_length, store)
        super().__init__(num_batches=-(-(len(store) - 1) // (batch_size * self.sequence_length)))
        self._starts = EpochOrder(self._places)

    def _places(self, epoch: int) -> NDArray[np.int64]:
        generator = np.random.default_rng([self.seed, epoch])
        return generator.integers(0, len(self.store) - self.sequence_length, (len(self), self.batch_size))

    def batch(self, epoch: int, index: int) -> Batch:
        """Returns chunks from positions drawn for this epoch."""
        return _batch(self.store, self._starts(epoch)[index], self.sequence_length)

    def num_targets(self, epoch: int) -> NDArray[np.int64]:
        """Returns the number of targets of each batch of an epoch."""
        return np.full(len(self), self.batch_size * self.sequence_length, dtype=np.int64)

    @property
    def padded_tokens(self) -> float:
        """The number of tokens of a batch."""
        return float(self.batch_size * self.sequence_length)

    def describe(self) -> str:
        """Describes a batch in words."""
        return f"{self.batch_size} random chunks x {self.sequence_length} tokens, each from a fresh state"

    def example(self) -> Batch:
        """Returns a batch, for timing."""
        return _batch(self.store, np.zeros(self.batch_size, dtype=np.int64), self.sequence_length)
