"""Contiguous streams of running text, for training and for evaluation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmlab.data.loaders.base import IGNORE_INDEX, Batch, EpochOrder, TrainLoader
from lmlab.data.token_store import TokenStore

# Tokens per window of an evaluation; the state is carried across windows, so results do not depend on it.
EVALUATION_WINDOW = 256
# Of an id that is kept on a device; ids that are copied there at once.
_KEPT_BYTES, _COPIED_AT_ONCE = 4, 1 << 22


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
        offset: the number of the target that the first stream begins with, where the text is a ring: a stream goes on
            from its end to its beginning. None for the text from its beginning to its end.
    """

    def __init__(self, store: TokenStore, num_streams: int, *, offset: int | None = None) -> None:
        self.store = store
        self.num_streams = num_streams
        # Without an end token the very first token is not a target: the second is predicted from it.
        self._first_target = 0 if store.end_id is not None else 1
        self._offset = offset
        tokens = len(store) if offset is None else store.num_targets
        length = -(-tokens // num_streams)
        # (S, 1): each stream's first target and the position after its last.
        borders = np.minimum(np.arange(num_streams + 1, dtype=np.int64)[:, None] * length, tokens)
        self._starts, self._stops = borders[:-1].copy(), borders[1:]
        if offset is None:
            self._starts[0] = self._first_target
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

        A row is reset at the beginning of the text too; within a window the state of a ring is carried over it.

        Returns:
            A batch of shape (S, stop - start).
        """
        numbers = self._starts + np.arange(start, min(stop, self.length), dtype=np.int64)[None, :]
        if self._offset is None:
            places = np.minimum(numbers, len(self.store) - 1)
        else:
            places = self._first_target + (numbers + self._offset) % self.store.num_targets
        targets = self.store.ids[places].astype(np.int64)
        targets[numbers >= self._stops] = IGNORE_INDEX
        inputs = self.store.ids[np.maximum(places - 1, 0)].astype(np.int64)
        if self.store.end_id is not None:
            inputs[places == 0] = self.store.end_id
        return Batch(torch.from_numpy(inputs), torch.from_numpy(targets), torch.from_numpy(self.resets(start)))

    def resets(self, start: int) -> NDArray[np.bool_]:
        """Returns which rows (S,) are reset at a position."""
        found = np.full(self.num_streams, start == 0)
        if self._offset is not None:  # the text's beginning does not continue its end
            found |= (self._starts[:, 0] + start + self._offset) % self.store.num_targets == 0
        return found


class StreamsLoader(TrainLoader):
    """Contiguous streams for truncated back-propagation: the state is carried from batch to batch, reset each epoch.

    The order is that of the text. A network that reads nothing but carried states is at a loss behind a short prompt,
    so a row can start afresh now and then, and each epoch can begin at another place of the text, which also cuts the
    text into other windows. The loader's state is the epoch and the position within it, so that an interrupted epoch
    can be continued.

    Args:
        store: the training split.
        batch_size: number of streams B; reduced if the text is too short for so many.
        sequence_length: T, tokens between two truncations.
        seed: of what is drawn, which is a function of (seed, epoch, batch).
        reset_probability: of each row of each batch, to start from a fresh state.
        random_offset: whether each epoch begins at a random token and reads the text as a ring.
    """

    def __init__(
        self,
        *,
        store: TokenStore,
        batch_size: int,
        sequence_length: int,
        seed: int,
        reset_probability: float = 0.0,
        random_offset: bool = False,
    ) -> None:
        self.store = store
        self.seed = seed
        self.reset_probability = reset_probability
        self.random_offset = random_offset
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
        self._device: torch.device | None = None
        self._streams = EpochOrder(self._cut)
        self._kept = EpochOrder(self._epoch_on_device)
        super().__init__(num_batches=self._streams(0).num_windows(self.sequence_length))

    def _cut(self, epoch: int) -> Streams:
        offset = int(self._generator(epoch).integers(self.store.num_targets)) if self.random_offset else None
        return Streams(self.store, self.batch_size, offset=offset)

    def _generator(self, *numbers: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *numbers])

    def batch(self, epoch: int, index: int) -> Batch:
        """Returns the next window of every stream; all are reset at index 0."""
        start = index * self.sequence_length
        stop = start + self.sequence_length
        streams = self._streams(epoch)
        if self._device is None:
            inputs, targets, _ = streams.window(start, stop)
        else:
            inputs, targets = (ids[:, start:stop].long() for ids in self._kept(epoch))
        reset = streams.resets(start)
        if self.reset_probability:
            reset |= self._generator(epoch, index).random(self.batch_size) < self.reset_probability
        return Batch(inputs, targets, self._on_device(reset))

    def keep_on(self, device: torch.device, num_bytes: int) -> None:
        """Keeps inputs and targets of an epoch on a device if there is room, so that a batch is two slices of them."""
        if 2 * _KEPT_BYTES * self.batch_size * self._streams(0).length <= num_bytes:
            self._device = device

    def _epoch_on_device(self, epoch: int) -> tuple[Tensor, Tensor]:
        streams = self._streams(epoch)
        shape = self.batch_size, streams.length
        inputs, targets = (torch.empty(shape, dtype=torch.int32, device=self._device) for _ in range(2))
        columns = max(1, _COPIED_AT_ONCE // self.batch_size)
        for start in range(0, streams.length, columns):
            part = streams.window(start, start + columns)
            inputs[:, start : start + columns] = part.inputs.int()
            targets[:, start : start + columns] = part.targets.int()
        return inputs, targets

    def _on_device(self, reset: NDArray[np.bool_]) -> Tensor:
        """Returns which rows are reset; mostly none or all, which need no copy."""
        if self._device is None:
            return torch.from_numpy(reset)
        if reset.all() or not reset.any():
            return torch.full(reset.shape, bool(reset[0]), device=self._device)
        return torch.from_numpy(reset).to(self._device)

    def num_targets(self, epoch: int) -> NDArray[np.int64]:
        """Returns the number of counted targets of each batch of an epoch."""
        return self._streams(epoch).num_targets(self.sequence_length)

    @property
    def padded_tokens(self) -> float:
        """The number of tokens of a batch, padding counted."""
        return float(self.batch_size * self.sequence_length)

    def describe(self) -> str:
        """Describes a batch in words."""
        afresh = f", a row afresh before {self.reset_probability:.3g} of its windows" if self.reset_probability else ""
        return f"{self.batch_size} streams x {self.sequence_length} tokens, state carried{afresh}"


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
