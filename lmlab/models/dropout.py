"""Dropout modules. Each costs nothing at rate 0 or in evaluation mode."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Independent dropout of every unit at every step.

    Args:
        rate: probability that a unit is zeroed.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, inputs: Tensor) -> Tensor:
        """Zeroes units and scales the rest by 1 / (1 - rate); any shape."""
        if self.rate == 0 or not self.training:
            return inputs
        return nn.functional.dropout(inputs, self.rate)


class LockedDropout(nn.Module):
    """Dropout with one mask for all time steps of a row, drawn anew for each batch.

    Args:
        rate: probability that a unit is zeroed.

    Source: Gal & Ghahramani 2016, A Theoretically Grounded Application of Dropout in Recurrent Neural Networks (here
    between layers and at both ends, not on the recurrent connections); "locked" as Merity et al. 2018 call it.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, inputs: Tensor) -> Tensor:
        """Zeroes units of (B, T, H) and scales the rest by 1 / (1 - rate)."""
        if self.rate == 0 or not self.training:
            return inputs
        mask = inputs.new_empty(inputs.shape[0], 1, inputs.shape[2]).bernoulli_(1 - self.rate)
        return inputs * mask.div_(1 - self.rate)


class EmbeddingDropout(nn.Module):
    """Zeroes the vectors of whole entries of the vocabulary, wherever they occur in a batch.

    Args:
        rate: share of the vocabulary.
        vocabulary_size: V.

    Source: Gal & Ghahramani 2016, section 4.2; Merity et al. 2018, section 4.3 (embedding dropout).
    """

    def __init__(self, rate: float, vocabulary_size: int) -> None:
        super().__init__()
        self.rate = rate
        self.vocabulary_size = vocabulary_size

    def forward(self, embedded: Tensor, ids: Tensor) -> Tensor:
        """Zeroes vectors and scales the rest by 1 / (1 - rate).

        Args:
            embedded: (B, T, E).
            ids: (B, T), the ids of these vectors.
        """
        if self.rate == 0 or not self.training:
            return embedded
        # Drawn per entry and looked up by id, so that the matrix itself, which may be large, is not copied.
        mask = torch.empty(self.vocabulary_size, device=ids.device).bernoulli_(1 - self.rate).div_(1 - self.rate)
        return embedded * mask[ids][..., None].to(embedded.dtype)


def make_dropout(rate: float, *, locked: bool) -> Dropout | LockedDropout:
    """Makes dropout between layers: independent at every step or, if `locked`, with one mask for all steps."""
    return LockedDropout(rate) if locked else Dropout(rate)
