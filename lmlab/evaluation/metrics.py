"""Totals of nats, errors and tokens, and the figures made from them: summed first, divided once."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from lmlab.models.decoder import TokenLoss


class Totals(NamedTuple):
    """Sums over an evaluation.

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
        """exp(total nats / tokens counted); infinity where that is too large for a float."""
        return perplexity(self.nats_per_token)

    @property
    def error_rate(self) -> float:
        """Share of wrong predictions."""
        return self.num_errors / self.num_tokens if self.num_tokens else math.nan

    def bits_per_char(self, num_characters: int) -> float:
        """Total nats / ln 2 / characters of the original text."""
        return self.nats / math.log(2) / num_characters if num_characters else math.nan


def split_figures(prefix: str, totals: Totals, *, num_characters: int, unk_rate: float) -> dict[str, float]:
    """Returns the figures of one split under their names.

    Args:
        prefix: ``val`` or ``test``.
        totals: totals of the evaluation.
        num_characters: number of characters of the original text.
        unk_rate: share of unknown tokens in it.
    """
    return {
        f"{prefix}/nats_per_token": totals.nats_per_token,
        f"{prefix}/perplexity": totals.perplexity,
        f"{prefix}/bits_per_char": totals.bits_per_char(num_characters),
        f"{prefix}/error_rate": totals.error_rate,
        f"{prefix}/unk_rate": unk_rate,
        f"{prefix}/num_tokens": totals.num_tokens,
    }


def perplexity(nats_per_token: float) -> float:
    """exp, with infinity instead of an overflow."""
    try:
        return math.exp(nats_per_token)
    except OverflowError:
        return math.inf


class TokenTotals(Metric):
    """Adds up `TokenLoss`es on the device, without waiting for it; summed over processes."""

    full_state_update = False
    nats: Tensor
    num_errors: Tensor
    num_tokens: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Sums of a long text need more digits than float32 has.
        self.add_state("nats", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("num_errors", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("num_tokens", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, loss: TokenLoss) -> None:
        """Adds a batch."""
        self.nats.add_(loss.nll_sum.detach())
        self.num_errors.add_(loss.num_errors)
        self.num_tokens.add_(loss.num_tokens)

    def compute(self) -> Totals:
        """The sums so far, over all processes; waits for the device."""
        return self.totals

    @property
    def totals(self) -> Totals:
        """The sums so far in this process; waits for the device."""
        return Totals(float(self.nats), int(self.num_errors), int(self.num_tokens))
