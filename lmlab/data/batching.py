"""Ids to batches: contiguous streams, for training and for evaluation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmlab.data.token_store import TokenStore

# A target that is not counted: padding, and a first token that nothing predicts.
IGNORE_INDEX = -100

# Evaluation's windows; the state is carried over their borders, so the numbers do not depend on it.
EVALUATION_WINDOW = 256

Order = TypeVar("Order")


class Batch(NamedTuple):
    """What a model is trained or evaluated on.

    Args:
        inputs: (B, T) int64 ids.
        targets: (B, T) int64 ids, `IGNORE_INDEX` where nothing is counted.
        reset: (B,) bool, rows that start from a fresh state.
    """

    inputs: Tensor
    targets: Tensor
    reset: Tensor


def num_evaluation_streams(num_tokens: int) -> int:
    """The protocol's number of streams for a split of so many tokens."""
    return max(1, min(16, num_tokens // 2_000))


class Streams:
    """A split cut into contiguous streams of ceil(N / S) tokens; the last is padded, nothing is dropped.

    Every token is a target once, except the very first where the store has no end token to predict it from. The
    first input of a stream is the last token of the stream before it.

    Args:
        store: the split, N tokens.
        num_streams: S.
    """

    def __init__(self, store: TokenStore, num_streams: int) -> None:
        self.store = store
        self.num_streams = num_streams
        length = -(-len(store) // num_streams)
        # (S, 1): each stream's first target and the one after its last. Without an end token the very first token is
        # no target: its stream begins with the second, so that the first is read once and from a fresh state.
        borders = np.minimum(np.arange(num_streams + 1, dtype=np.int64)[:, None] * length, len(store))
        self._starts, self._stops = borders[:-1].copy(), borders[1:]
        self._starts[0] = 0 if store.end_id is not None else 1
        self.length = int((self._stops - self._starts).max())

    def num_windows(self, sequence_length: int) -> int:
        """How many windows of that length cover the streams."""
        return -(-self.length // sequence_length)

    def num_targets(self, sequence_length: int) -> NDArray[np.int64]:
        """Counted targets of each window of that length."""
        starts = np.arange(self.num_windows(sequence_length), dtype=np.int64)[None, :] * sequence_length
        left = self._stops - self._starts - starts
        counted: NDArray[np.int64] = np.clip(left, 0, sequence_length).sum(axis=0)
        return counted

    def window(self, start: int, stop: int) -> Batch:
        """Positions `start` to `stop` of every stream; rows reset at position 0.

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


class PlaceInEpoch:
    """Which batch of which epoch comes next, so that an interrupted epoch goes on where it stopped.

    Args:
        num_batches: of an epoch.
    """

    def __init__(self, num_batches: int) -> None:
        self.num_batches = num_batches
        self.epoch = 0
        self.position = 0
        self._resumed = False

    def steps(self) -> Iterator[tuple[int, int]]:
        """Epoch and number of each batch that is left of the epoch."""
        # Lightning does not exhaust a sized iterator, so a new one starts an epoch, unless a state was just loaded.
        if not self._resumed:
            self.position = 0
        self._resumed = False
        while True:
            step = self.epoch, self.position
            # Counted before the batch is handed out: the state then says where to go on after it.
            self.position += 1
            if self.position >= self.num_batches:
                self.epoch, self.position = self.epoch + 1, 0
            yield step
            if self.position == 0:
                return

    def state_dict(self) -> dict[str, int]:
        """Epoch and position after the last batch that was handed out."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on from a saved state at the next call of `steps`."""
        self.epoch, self.position = state["epoch"], state["position"]
        self._resumed = True


class EpochOrder(Generic[Order]):
    """What a loader draws for an epoch, drawn once an epoch.

    Args:
        draw: called with the epoch.
    """

    def __init__(self, draw: Callable[[int], Order]) -> None:
        self._draw = draw
        self._drawn: tuple[int, Order] | None = None

    def __call__(self, epoch: int) -> Order:
        """Returns what was drawn for an epoch."""
        if self._drawn is None or self._drawn[0] != epoch:
            self._drawn = epoch, self._draw(epoch)
        return self._drawn[1]


class TrainLoader(ABC):
    """Batches of the training split, in an order that is a function of (seed, epoch).

    One of your own is a subclass whose constructor takes the keywords `store` (the training split) and `seed`, which
    lmlab gives, and whatever stands in its YAML file; it calls this constructor and implements `batch`. The position
    within an epoch, from which an interrupted run goes on, is kept here. `lmlab.testing.check_loader` checks that
    `batch` gives the same every time, that `num_targets` counts right, and that a restored loader goes on exactly.

    Args:
        num_batches: of an epoch.

    Attributes:
        sentences: whether it reads data of sentences, instead of running text.
        note: a warning for the user; empty for none.
    """

    sentences: ClassVar[bool] = False
    note: str = ""

    def __init__(self, *, num_batches: int) -> None:
        self.place = PlaceInEpoch(num_batches)

    @abstractmethod
    def batch(self, epoch: int, index: int) -> Batch:
        """Returns batch `index` of an epoch, a function of these two and the seed."""

    def num_targets(self, epoch: int) -> NDArray[np.int64]:
        """Returns the counted targets of each batch of an epoch; their sum is the same in every epoch.

        The default makes every batch; give it where it can be computed.
        """
        counted = [int((self.batch(epoch, i).targets != IGNORE_INDEX).sum()) for i in range(len(self))]
        return np.array(counted, dtype=np.int64)

    def example(self) -> Batch:
        """Returns a typical batch, for timing; default: the first."""
        return self.batch(0, 0)

    @property
    def padded_tokens(self) -> float:
        """Mean tokens of a batch, padding counted; default: those of the example."""
        return float(self.example().inputs.numel())

    @property
    def passes(self) -> float:
        """How many times an epoch reads each token of the text."""
        return 1.0

    def describe(self) -> str:
        """Returns in words what a batch is, for the plan that a run begins with."""
        rows, steps = self.example().inputs.shape
        return f"{rows} rows x {steps} tokens"

    def __len__(self) -> int:
        return self.place.num_batches

    def __iter__(self) -> Iterator[Batch]:
        for epoch, index in self.place.steps():
            yield self.batch(epoch, index)

    def state_dict(self) -> dict[str, int]:
        """Returns epoch and position after the last batch that was handed out."""
        return self.place.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on from a saved state at the next iteration."""
        self.place.load_state_dict(state)


class StreamsLoader(TrainLoader):
    """Contiguous streams for truncated back-propagation: the state is carried from batch to batch, reset each epoch.

    The order is a function of (seed, epoch); for streams it is the order of the text in every epoch. Its state is
    the epoch and the position within it, so that an interrupted epoch goes on where it stopped.

    Args:
        store: the training split.
        batch_size: number of streams B; fewer where the text is too short for them.
        sequence_length: T, tokens between two truncations.
        seed: taken by every loader; streams have nothing to shuffle.
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
        """Counted targets of each batch of an epoch."""
        return self.streams.num_targets(self.sequence_length)

    @property
    def padded_tokens(self) -> float:
        """Tokens of a batch, padding counted."""
        return float(self.batch_size * self.sequence_length)

    def describe(self) -> str:
        """What a batch is, in words."""
        return f"{self.batch_size} streams x {self.sequence_length} tokens, state carried"


class EvaluationLoader:
    """The evaluation protocol's batches of a split.

    Args:
        store: the split.
        num_streams: S; None for the protocol's own.
        sequence_length: tokens a batch; changes memory, not numbers.
    """

    def __init__(self, store: TokenStore, *, num_streams: int | None, sequence_length: int = EVALUATION_WINDOW) -> None:
        self.streams = Streams(store, min(num_streams or num_evaluation_streams(len(store)), max(1, len(store))))
        self.sequence_length = sequence_length

    @property
    def num_streams(self) -> int:
        """S."""
        return self.streams.num_streams

    def __len__(self) -> int:
        return self.streams.num_windows(self.sequence_length)

    def __iter__(self) -> Iterator[Batch]:
        for i in range(len(self)):
            yield self.streams.window(i * self.sequence_length, (i + 1) * self.sequence_length)
