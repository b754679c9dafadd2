"""What every loader of training batches is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

# A target that is not counted: padding, and a first token that nothing predicts.
IGNORE_INDEX = -100


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
