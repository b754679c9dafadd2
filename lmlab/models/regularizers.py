"""Dropout."""

from __future__ import annotations

from torch import Tensor, nn


class Dropout(nn.Module):
    """Independent dropout of every unit at every step; costs nothing at rate 0 or while evaluating.

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
