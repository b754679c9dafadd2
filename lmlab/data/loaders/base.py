"""The base class of all loaders of training batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Marks a target that is not counted: padding, and a first token that has no token before it.
IGNORE_INDEX = -100


Order = TypeVar("Order")


class Batch(NamedTuple):
    """A batch to train or evaluate a model on.

    Args:
        inputs: (B, T) int64 ids.
        targets: (B, T) int64 ids; `IGNORE_INDEX` for targets that are not counted.
        reset: (B,) bool, rows that start from a fresh state.
    """

    inputs: Tensor
    targets: Tensor
    reset: Tensor


class PlaceInEpoch:
    """Keeps track of the next batch and its epoch, so that an interrupted epoch can be continued.

    Args:
        num_batches: number of batches of an epoch.
    """

    def __init__(self, num_batches: int) -> None:
        self.num_batches = num_batches
        self.epoch = 0
        self.position = 0
        self._resumed = False

    def steps(self) -> Iterator[tuple[int, int]]:
        """Yields epoch and index of each remaining batch of the epoch."""
        # Lightning does not exhaust an iterator with a length, so a new one starts an epoch unless a state was just
        # loaded.
        if not self._resumed:
            self.position = 0
        self._resumed = False
        while True:
            step = self.epoch, self.position
            # Counted before the batch is yielded, so that the state is that after this batch.
            self.position += 1
            if self.position >= self.num_batches:
                self.epoch, self.position = self.epoch + 1, 0
            yield step
            if self.position == 0:
                return

    def set_epoch(self, epoch: int) -> None:
        """Moves to the beginning of an epoch, unless already in it; Lightning calls this before each epoch.

        An epoch that `limit_train_batches` cuts short is not exhausted, so the next one would have the same order.
        """
        if epoch != self.epoch:
            self.epoch, self.position = epoch, 0

    def state_dict(self) -> dict[str, int]:
        """Returns epoch and position after the last batch that was yielded."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restores a saved state; the next call of `steps` continues from it."""
        self.epoch, self.position = state["epoch"], state["position"]
        self._resumed = True


class EpochOrder(Generic[Order]):
    """Caches the random order that a loader draws for an epoch, so that it is drawn once per epoch.

    Args:
        draw: called with the epoch; returns the order.
    """

    def __init__(self, draw: Callable[[int], Order]) -> None:
        self._draw = draw
        self._drawn: tuple[int, Order] | None = None

    def __call__(self, epoch: int) -> Order:
        """Returns the order of an epoch."""
        if self._drawn is None or self._drawn[0] != epoch:
            self._drawn = epoch, self._draw(epoch)
        return self._drawn[1]


class TrainLoader(ABC):
    """Batches of the training split, in an order that is a function of (seed, epoch).

    To write your own, subclass it with a constructor that takes the keywords `store` (the training split) and `seed`,
    which lmlab passes, and the keys of its YAML file, and that calls this constructor; implement `batch`. This class
    stores the position within an epoch, from which an interrupted run continues. `lmlab.testing.check_loader` checks
    that `batch` gives the same every time, that `num_targets` is correct, and that a restored loader continues exactly.
    The first batch of an epoch resets every row; a row that is not reset continues where it ended in the batch before.
    Nearly all of the text becomes a target within a few epochs.

    Args:
        num_batches: number of batches of an epoch.

    Attributes:
        sentences: whether it reads sentences instead of running text.
        note: a warning for the user; empty if there is none.
    """

    sentences: ClassVar[bool] = False
    note: str = ""

    def __init__(self, *, num_batches: int) -> None:
        self.place = PlaceInEpoch(num_batches)

    @abstractmethod
    def batch(self, epoch: int, index: int) -> Batch:
        """Returns batch `index` of an epoch, which depends on these two and the seed alone."""

    def num_targets(self, epoch: int) -> NDArray[np.int64]:
        """Returns the number of counted targets of each batch of an epoch; their sum is the same in every epoch.

        The default constructs every batch; override it if the numbers can be computed.
        """
        counted = [int((self.batch(epoch, i).targets != IGNORE_INDEX).sum()) for i in range(len(self))]
        return np.array(counted, dtype=np.int64)

    def epoch_of(self, num_tokens: int) -> tuple[int, int]:
        """Returns the epoch in which a number of counted targets is reached, and the targets of the epochs before."""
        by_epoch = int(self.num_targets(0).sum())
        epoch = (num_tokens - 1) // by_epoch
        return epoch, epoch * by_epoch

    def keep_on(self, device: torch.device, num_bytes: int) -> None:  # noqa: B027  (most have nothing to do)
        """Asks the loader to return batches on a device, with its ids kept there; the default returns them on the CPU.

        Args:
            device: that is trained on.
            num_bytes: most memory to be taken there.
        """

    def example(self) -> Batch:
        """Returns a typical batch, for timing; by default the first."""
        return self.batch(0, 0)

    @property
    def padded_tokens(self) -> float:
        """The mean number of tokens of a batch, padding counted; by default that of the example."""
        return float(self.example().inputs.numel())

    @property
    def passes(self) -> float:
        """The number of times that an epoch reads each token of the text."""
        return 1.0

    def describe(self) -> str:
        """Describes a batch in words, for the plan shown at the start of a run."""
        rows, steps = self.example().inputs.shape
        return f"{rows} rows x {steps} tokens"

    def __len__(self) -> int:
        return self.place.num_batches

    def __iter__(self) -> Iterator[Batch]:
        for epoch, index in self.place.steps():
            yield self.batch(epoch, index)

    @property
    def sampler(self) -> PlaceInEpoch:
        """The place in the epoch: Lightning tells a loader's `sampler` the number of each epoch."""
        return self.place

    def state_dict(self) -> dict[str, int]:
        """Returns epoch and position after the last batch that the loader yielded."""
        return self.place.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restores a saved state; the next iteration continues from it."""
        self.place.load_state_dict(state)
