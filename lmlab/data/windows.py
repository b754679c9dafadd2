"""Windows and chunks of running text, each from a fresh state."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from lmlab.data.batching import Batch, PlaceInEpoch
from lmlab.data.token_store import TokenStore


def _batch(store: TokenStore, starts: NDArray[np.int64], length: int) -> Batch:
    """Rows of `length` targets; the first input of each is the token before its first target.

    Args:
        store: running text.
        starts: (B,) positions of the first inputs.
        length: T.
    """
    taken = store.ids[starts[:, None] + np.arange(length + 1)].astype(np.int64)
    reset = torch.ones(len(starts), dtype=torch.bool)
    return Batch(torch.from_numpy(taken[:, :-1].copy()), torch.from_numpy(taken[:, 1:].copy()), reset)


def _fitting(sequence_length: int, store: TokenStore) -> tuple[int, str]:
    """The length of a row, and what to say where the text is too short for the one asked for."""
    length = max(1, min(sequence_length, len(store) - 1))
    if length == sequence_length:
        return length, ""
    return length, f"the training text has {len(store):,} tokens only; trained with data.sequence_length={length}"


class WindowsLoader:
    """Overlapping or adjoining windows of the text in random order, each from a fresh state.

    Window k begins at token k * stride. Where a last stretch is left over, one more window ends with the text, so that
    every token but the first is a target. An epoch has each window once; its order is a function of (seed, epoch).

    Args:
        store: the training split, running text.
        batch_size: windows a batch; the last batch of an epoch has what is left.
        sequence_length: targets a window.
        stride: tokens from one window to the next.
        seed: of the order.
    """

    def __init__(self, *, store: TokenStore, batch_size: int, sequence_length: int, stride: int, seed: int) -> None:
        self.store = store
        self.seed = seed
        self.batch_size = batch_size
        self.stride = stride
        self.sequence_length, self.note = _fitting(sequence_length, store)
        last = len(store) - 1 - self.sequence_length
        starts = np.arange(0, last + 1, stride, dtype=np.int64)
        self.starts = starts if starts[-1] == last else np.append(starts, last)
        self.place = PlaceInEpoch(-(-len(self.starts) // batch_size))

    def __len__(self) -> int:
        return self.place.num_batches

    def __iter__(self) -> Iterator[Batch]:
        order = np.random.default_rng([self.seed, self.place.epoch]).permutation(len(self.starts))
        for _, index in self.place.steps():
            chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
            yield _batch(self.store, self.starts[chosen], self.sequence_length)

    def num_targets(self, epoch: int) -> NDArray[np.int64]:
        """Targets of each batch of an epoch."""
        rows = np.full(len(self), self.batch_size, dtype=np.int64)
        rows[-1] = len(self.starts) - self.batch_size * (len(self) - 1)
        return rows * self.sequence_length

    @property
    def padded_tokens(self) -> float:
        """Tokens of a batch."""
        return float(len(self.starts) * self.sequence_length) / len(self)

    def describe(self) -> str:
        """What a batch is, in words."""
        passes = len(self.starts) * self.sequence_length / len(self.store)
        return (
            f"{self.batch_size} windows x {self.sequence_length} tokens in random order, each from a fresh state; "
            f"stride {self.stride}, so an epoch reads the text {passes:.3g} times"
        )

    def example(self) -> Batch:
        """A batch, for timing."""
        return _batch(self.store, self.starts[: self.batch_size], self.sequence_length)

    def state_dict(self) -> dict[str, int]:
        """Epoch and position after the last batch that was handed out."""
        return self.place.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on from a saved state at the next iteration."""
        self.place.load_state_dict(state)


class ChunksLoader:
    """Chunks from random places, each from a fresh state; drawn with replacement, a function of (seed, epoch).

    An epoch is as many batches as hold the text's tokens once, though chance leaves some out and takes others twice.

    Args:
        store: the training split, running text.
        batch_size: chunks a batch.
        sequence_length: targets a chunk.
        seed: of the places.
    """

    def __init__(self, *, store: TokenStore, batch_size: int, sequence_length: int, seed: int) -> None:
        self.store = store
        self.seed = seed
        self.batch_size = batch_size
        self.sequence_length, self.note = _fitting(sequence_length, store)
        self.place = PlaceInEpoch(-(-(len(store) - 1) // (batch_size * self.sequence_length)))

    def __len__(self) -> int:
        return self.place.num_batches

    def __iter__(self) -> Iterator[Batch]:
        generator = np.random.default_rng([self.seed, self.place.epoch])
        starts = generator.integers(0, len(self.store) - self.sequence_length, (len(self), self.batch_size))
        for _, index in self.place.steps():
            yield _batch(self.store, starts[index], self.sequence_length)

    def num_targets(self, epoch: int) -> NDArray[np.int64]:
        """Targets of each batch of an epoch."""
        return np.full(len(self), self.batch_size * self.sequence_length, dtype=np.int64)

    @property
    def padded_tokens(self) -> float:
        """Tokens of a batch."""
        return float(self.batch_size * self.sequence_length)

    def describe(self) -> str:
        """What a batch is, in words."""
        return f"{self.batch_size} random chunks x {self.sequence_length} tokens, each from a fresh state"

    def example(self) -> Batch:
        """A batch, for timing."""
        return _batch(self.store, np.zeros(self.batch_size, dtype=np.int64), self.sequence_length)

    def state_dict(self) -> dict[str, int]:
        """Epoch and position after the last batch that was handed out."""
        return self.place.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on from a saved state at the next iteration."""
        self.place.load_state_dict(state)
