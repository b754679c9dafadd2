"""Totals of nats, errors and tokens over some steps of training: summed first, divided once."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from lmlab.metric_spec import exp
from lmlab.models.decoder import TokenLoss


class Totals(NamedTuple):
    """Sums over some steps of training.

    Args:
        nats: total negative log likelihood.
        num_errors: targets that were not the most probable token.
        num_tokens: counted targets.
    """

    nats: float
    num_errors: int
    num_tokens: int

    @property
    def nats_per_token(self) -> float:
        """Mean nats of a counted token; NaN where none was counted."""
        return self.nats / self.num_tokens if self.num_tokens else math.nan

    @property
    def perplexity(self) -> float:
        """exp(total nats / tokens counted); infinite where that is too large for a float."""
        return exp(self.nats_per_token)

    @property
    def error_rate(self) -> float:
        """Share of wrong predictions."""
        return self.num_errors / self.num_tokens if self.num_tokens else math.nan


class TokenTotals(Metric):
    """Adds up the `TokenLoss`es of training on the device, without waiting for it; summed over processes."""

    full_state_update = False
    nats: Tensor
    num_errors: Tensor
    num_tokens: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("nats", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("num_errors", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("num_tokens", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, loss: TokenLoss) -> None:
        """Adds a batch."""
        self.nats.add_(loss.nll_sum.detach())
        self.num_errors.add_(loss.num_errors)
        self.num_tokens.add_(loss.num_tokens)

    def compute(self) -> TokenLoss:
        """The sums so far, over all processes."""
        return TokenLoss(self.nats.clone(), self.num_errors.clone(), self.num_tokens.clone())

    @property
    def totals(self) -> Totals:
        """The sums so far in this process; waits for the device."""
        return Totals(float(self.nats), int(self.num_errors), int(self.num_tokens))
