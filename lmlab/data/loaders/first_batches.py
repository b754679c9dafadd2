"""The first batches of other loaders, for runs that read only a part of their texts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from lmlab.data.loaders.base import Batch, TrainLoader


class Evaluated(Protocol):
    """A loader of the evaluation protocol."""

    @property
    def num_streams(self) -> int:
        """The number of streams or sentences."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


class FirstBatches(TrainLoader):
    """The first batches of each epoch of another loader, in whose order the epochs differ.

    Args:
        loader: with at least as many batches.
        num_batches: number of batches of an epoch.
        repeat: whether every epoch has the batches of the first.
    """

    def __init__(self, loader: TrainLoader, *, num_batches: int, repeat: bool = False) -> None:
        super().__init__(num_batches=num_batches)
        self.loader = loader
        self.repeat = repeat
        self.note = loader.note

    def batch(self, epoch: int, index: int) -> Batch:
        """Returns a batch of the other loader."""
        return self.loader.batch(self._drawn(epoch), index)

    def num_targets(self, epoch: int) -> NDArray[np.int64]:
        """Returns the number of counted targets of each batch; their sum may differ between epochs."""
        return self.loader.num_targets(self._drawn(epoch))[: len(self)]

    def epoch_of(self, num_tokens: int) -> tuple[int, int]:
        """Returns the epoch in which a number of targets is reached and the targets before it, epoch by epoch."""
        epoch = before = 0
        while before + (in_epoch := int(self.num_targets(epoch).sum())) < num_tokens:
            epoch, before = epoch + 1, before + in_epoch
        return epoch, before

    def _drawn(self, epoch: int) -> int:
        return 0 if self.repeat else epoch

    def keep_on(self, device: torch.device, num_bytes: int) -> None:
        """Asks the other loader."""
        self.loader.keep_on(device, num_bytes)

    def example(self) -> Batch:
        """Returns that of the other loader."""
        return self.loader.example()

    @property
    def padded_tokens(self) -> float:
        """That of the other loader."""
        return self.loader.padded_tokens

    @property
    def passes(self) -> float:
        """The number of times that an epoch reads each token of the text; below 1 for a part of it."""
        return self.loader.passes * len(self) / len(self.loader)

    def describe(self) -> str:
        """Describes a batch in words."""
        return f"the first of {len(self.loader):,} ({self.loader.describe()})"


class FirstEvaluationBatches:
    """The first batches of a loader of the evaluation protocol: the beginnings of streams, or the shortest sentences.

    Args:
        loader: with at least as many batches.
        num_batches: number of batches.
    """

    def __init__(self, loader: Evaluated, *, num_batches: int) -> None:
        self.loader = loader
        self.num_batches = num_batches

    @property
    def num_streams(self) -> int:
        """The number of streams or sentences of the whole split."""
        return self.loader.num_streams

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[Batch]:
        yield from islice(self.loader, self.num_batches)
