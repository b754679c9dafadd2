"""Contiguous streams of running text, for training and for evaluation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from lmlab.data.loaders.base import IGNORE_INDEX, Batch, TrainLoader
from lmlab.data.token_store import TokenStore

# Tokens per window of an evaluation; the state is carried across windows, so results do not depend on it.
EVALUATION_WINDOW = 256


def num_evaluation_streams(num_tokens: int) -> int:
    """Returns the evaluation protocol's number of streams for a split of `num_tokens` tokens."""
    return max(1, min(16, num_tokens // 2_000))


class Streams:
    """A split cut into contiguous streams of ceil(N / S) tokens; the last is padded, nothing is dropped.

    Every token is a target once, except the very first if the store has no end token to predict it from. The first
    input of a stream is the last token of the stream before it.

    Args:
        store: the split, N tokens.
        num_streams: S, number of streams.
    """

    def __init__(self, store: TokenStore, num_streams: int) -> None:
        self.store = store
        self.num_streams = num_streams
        length = -(-len(store) // num_streams)
        # (S, 1): each stream's first target and the position after its last. Without an end token the very first token
        # is not a target: its stream begins with the second, so that the first is read once and from a fresh state.
        borders = np.minimum(np.arange(num_streams + 1, dtype=np.int64)[:, None] * length, len(store))
        self._starts, self._stops = borders[:-1].copy(), borders[1:]
        self._starts[0] = 0 if store.end_id is not None else 1
        self.length = int((self._stops - self._starts).max())

    def num_windows(self, sequence_length: int) -> int:
        """Returns the number of windows of that length that cover the streams."""
        return -(-self.length // sequence_length)

    def num_targets(self, sequence_length: int) -> NDArray[np.int64]:
        """Returns the number of counted targets of each window of that length."""
        starts = np.arange(self.num_windows(sequence_length), dtype=np.int64) * sequence_length
        counted = np.zeros_like(starts)
        # Stream by stream: all at once would take as much memory as a long text.
        for length in (self._stops - self._starts)[:, 0].tolist():
            counted += np.clip(length - starts, 0, sequence_length)
        return counted

    def window(self, start: int, stop: int) -> Batch:
        """Makes a batch of positions `start` to `stop` of every stream; rows are reset at position 0.

        Returns:
            A batch of shape (S, stop - start).
        """
        stop = min(stop, self.length)
        ids = self.store.ids
        # (S, T + 1): one token before each target.
        positions = self._starts + np.arange(start - 1, stop, dtype=np.int64)[None, :]
        taken = ids[np.clip(positions, 0, len(self.store) - 1)].astype(np.int64)
        inputs, targets = taken[:, :-1].copy(), taken[:, 1:].copy()
        targets[positions[:, 1:] >= self._stops] = IGNORE_INDEX
        if start == 0 and self.store.end_id is not None:
            inputs[0, 0] = self.store.end_id
        reset = torch.full((self.num_streams,), start == 0)
        return Batch(torch.from_numpy(inputs), torch.from_numpy(targets), reset)


class StreamsLoader(TrainLoader):
    """Contiguous streams for truncated back-propagation: the state is carried from batch to batch, reset each epoch.

    The order is that of the text in every epoch. The loader's state is the epoch and the position within it, so that an
    interrupted epoch can be continued.

    Args:
        store: the training split.
        batch_size: number of streams B; reduced if the text is too short for so many.
        sequence_length: T, tokens between two truncations.
        seed: unused, because streams are not shuffled; every loader takes it.
    """

    def __init__(self, *, store: TokenStore, batch_size: int, sequence_length: int, seed: int) -> None:
        self.store = store
        self.seed = seed
        self.sequence_length = max(1, min(sequence_length, store.num_targets))
        # At least one full window for each stream.
        self.batch_size = max(1, min(batch_size, store.num_targets // self.sequence_length))
        self.note = ""
        if (self.batch_size, self.sequence_length) != (batch_size, sequence_length):
            self.note = (
                f"the training text ({len(store):,} tokens) is shorter than one batch of "
                f"{batch_size} x {sequence_length}; "
                f"trained with data.batch_size={self.batch_size} data.sequence_length={self.sequence_length}"
            )
        self.streams = Streams(store, self.batch_size)
        super().__init__(num_batches=self.streams.num_windows(self.sequence_length))

    def batch(self, epoch: int, index: int) -> Batch:
        """Returns the next window of every stream; all are reset at index 0."""
        start = index * self.sequence_length
        return self.streams.window(start, start + self.sequence_length)

    def num_targets(self, epoch: int) -> NDArray[np.int64]:
        """Returns the number of counted targets of each batch of an epoch."""
        return self.streams.num_targets(self.sequence_length)

    @property
    def padded_tokens(self) -> float:
        """The number of tokens of a batch, padding counted."""
        return float(self.batch_size * self.sequence_length)

    def describe(self) -> str:
        """Describes a batch in words."""
        return f"{self.batch_size} streams x {self.sequence_length} tokens, state carried"


class EvaluationLoader:
    """Batches of a split of running text under the evaluation protocol.

    Args:
        store: the split.
        num_streams: S; None for the number that the protocol sets.
        sequence_length: tokens of each stream per batch; affects memory, not results.
    """

    def __init__(self, store: TokenStore, *, num_streams: int | None, sequence_length: int = EVALUATION_WINDOW) -> None:
        self.streams = Streams(store, min(num_streams or num_evaluation_streams(len(store)), max(1, len(store))))
        self.sequence_length = sequence_length

    @property
    def num_streams(self) -> int:
        """The number of streams S."""
        return self.streams.num_streams

    def __len__(self) -> int:
        return self.streams.num_windows(self.sequence_length)

    def __iter__(self) -> Iterator[Batch]:
        for i in range(len(self)):
            yield self.streams.window(i * self.sequence_length, (i + 1) * self.sequence_length)
