"""Figures of an evaluation, as metrics of torchmetrics: summed first, divided once.

A metric is one class here, with its specification, and an entry in `OWN`; everything that records, shows or documents
figures follows from these. `metrics.<name>` in a configuration adds a class of a user's package.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from lmlab.data.token_store import UNKNOWN_ID, TokenStore
from lmlab.metric_spec import (
    BITS_PER_CHAR,
    ERROR_RATE,
    NATS_PER_TOKEN,
    NUM_TOKENS,
    PERPLEXITY,
    UNK_RATE,
    MetricSpec,
    exp,
)
from lmlab.models.decoder import TokenStatistics


class EvaluatedText(NamedTuple):
    """What is known of a split that was evaluated as a whole.

    Args:
        num_characters: of the original text.
        num_uncounted: tokens that are read, but not predicted: the first, where there is no end token before it.
        num_uncounted_unknown: how many of those are `<unk>`.
    """

    num_characters: int
    num_uncounted: int
    num_uncounted_unknown: int


def text_of(store: TokenStore) -> EvaluatedText:
    """Returns what is known of a split."""
    uncounted = store.ids[: len(store) - store.num_targets]
    return EvaluatedText(store.num_characters, len(uncounted), int((uncounted == UNKNOWN_ID).sum()))


class TokenMetric(Metric, ABC):
    """A figure of predictions of tokens.

    To write your own, subclass it (or any `torchmetrics.Metric`) with the class attributes `spec` and `fields`, make
    its sums with `add_state(..., dist_reduce_fx="sum")`, and implement `update` and `compute`, which returns a scalar.

    Attributes:
        spec: its specification.
        fields: optional statistics that `update` needs: ``wrong``, ``rank``, ``top_probability``.
        needs_text: whether it is known only where a split was evaluated as a whole.
        text: what is known of that split; None for other batches.
    """

    full_state_update = False
    spec: MetricSpec
    fields: tuple[str, ...] = ()
    needs_text = False
    text: EvaluatedText | None = None

    def add_sums(self, *names: str, dtype: torch.dtype = torch.int64, size: tuple[int, ...] = ()) -> None:
        """Adds states that are summed over batches and processes."""
        for name in names:
            self.add_state(name, torch.zeros(size, dtype=dtype), dist_reduce_fx="sum")


class NatsSum(TokenMetric):
    """The sums of nats and tokens, which torchmetrics keeps once for all figures made from them."""

    nats: Tensor
    num_tokens: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Sums of a long text need more digits than float32 has.
        self.add_sums("nats", dtype=torch.float64)
        self.add_sums("num_tokens")

    def update(self, statistics: TokenStatistics) -> None:
        """Adds a batch."""
        self.nats.add_(statistics.nats.sum(dtype=torch.float64))
        self.num_tokens.add_(statistics.mask.sum())


class NatsPerToken(NatsSum):
    """The mean negative log likelihood of a counted token; NaN where none was counted."""

    spec = NATS_PER_TOKEN

    def compute(self) -> Tensor:
        """Total nats / tokens, float64."""
        return self.nats / self.num_tokens


class Perplexity(NatsSum):
    """exp of the mean nats; infinite where that is too large for a float."""

    spec = PERPLEXITY

    def compute(self) -> Tensor:
        """exp(total nats / tokens), float64."""
        # Python's exp rather than torch's: their last digits differ between machines.
        return self.nats.new_tensor(exp(float(self.nats / self.num_tokens)))


class BitsPerChar(NatsSum):
    """Bits for each character of the original text."""

    spec = BITS_PER_CHAR
    needs_text = True

    def compute(self) -> Tensor:
        """Total nats / ln 2 / characters, float64."""
        characters = 0 if self.text is None else self.text.num_characters
        return self.nats / math.log(2) / (characters or math.nan)


class TokenCount(NatsSum):
    """The number of counted tokens."""

    spec = NUM_TOKENS

    def compute(self) -> Tensor:
        """The number, int64."""
        return self.num_tokens.clone()


class TokenShare(TokenMetric):
    """The share of counted tokens of which something is true; a subclass says of which."""

    num_found: Tensor
    num_tokens: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_sums("num_found", "num_tokens")

    @abstractmethod
    def is_true(self, statistics: TokenStatistics) -> Tensor:
        """Returns for which tokens (N,) it is true; those that are not counted do not matter."""

    def update(self, statistics: TokenStatistics) -> None:
        """Adds a batch."""
        self.num_found.add_((self.is_true(statistics) & statistics.mask).sum())
        self.num_tokens.add_(statistics.mask.sum())

    def compute(self) -> Tensor:
        """The share, float64."""
        return self.num_found.double() / self.num_tokens


class ErrorRate(TokenShare):
    """The share of wrong predictions."""

    spec = ERROR_RATE
    fields = ("wrong",)

    def is_true(self, statistics: TokenStatistics) -> Tensor:
        """Returns which predictions are wrong."""
        assert statistics.wrong is not None
        return statistics.wrong


class UnknownRate(TokenShare):
    """The share of unknown tokens: of those predicted and, where a split is known, of those that are only read."""

    spec = UNK_RATE

    def is_true(self, statistics: TokenStatistics) -> Tensor:
        """Returns which tokens are unknown."""
        assert statistics.targets is not None
        return statistics.targets == UNKNOWN_ID

    def compute(self) -> Tensor:
        """The share, float64."""
        text = self.text or EvaluatedText(0, 0, 0)
        return (self.num_found + text.num_uncounted_unknown).double() / (self.num_tokens + text.num_uncounted)


class TopKAccuracy(TokenShare):
    """The share of tokens that were among the k most probable ones.

    Args:
        k: number of guesses.

    Raises:
        ValueError: k is below 1.
    """

    spec = MetricSpec(
        "top_5_accuracy",
        "share",
        "%",
        "higher",
        label="top-5 accuracy",
        definition="share of counted tokens that were among the 5 most probable ones (fewer than 5 were more probable)",
    )
    fields = ("rank",)

    def __init__(self, *, k: int = 5) -> None:
        if k < 1:
            raise ValueError(f"k must be 1 or more, not {k}")
        super().__init__()
        if k != 5:
            text = f"share of counted tokens that were among the {k} most probable ones"
            self.spec = MetricSpec(f"top_{k}_accuracy", "share", "%", "higher", text, f"top-{k} accuracy")
        self.k = k

    def is_true(self, statistics: TokenStatistics) -> Tensor:
        """Returns which targets have fewer than k tokens above them."""
        assert statistics.rank is not None
        return statistics.rank < self.k


class CalibrationError(TokenMetric):
    """The expected calibration error (ECE) of the most probable token: Guo et al. 2017, arXiv 1706.04599.

    Predictions are binned by the probability of the most probable token into ranges of equal width, open below and
    closed above. The error is the mean over the tokens of |accuracy - mean probability| of their bin.

    Args:
        num_bins: number of ranges.

    Raises:
        ValueError: it is below 1.
    """

    spec = MetricSpec(
        "calibration_error",
        "share",
        "%",
        "lower",
        definition="expected calibration error (ECE): counted tokens in 15 bins of equal width by the probability of "
        "the most probable token; mean over the tokens of |accuracy - mean probability| of their bin",
    )
    fields = ("wrong", "top_probability")
    num_hits: Tensor
    num_tokens: Tensor
    confidence: Tensor

    def __init__(self, *, num_bins: int = 15) -> None:
        if num_bins < 1:
            raise ValueError(f"num_bins must be 1 or more, not {num_bins}")
        super().__init__()
        self.num_bins = num_bins
        self.add_sums("num_hits", "num_tokens", size=(num_bins,))
        self.add_sums("confidence", dtype=torch.float64, size=(num_bins,))

    def update(self, statistics: TokenStatistics) -> None:
        """Adds a batch."""
        top, wrong, mask = statistics.top_probability, statistics.wrong, statistics.mask
        assert top is not None
        assert wrong is not None
        bins = (top * self.num_bins).ceil().long().sub(1).clamp(0, self.num_bins - 1)
        # (N, bins): sums over a comparison, because a histogram with weights has no deterministic kernel on a GPU.
        inside = (bins[:, None] == torch.arange(self.num_bins, device=bins.device)) & mask[:, None]
        self.num_tokens.add_(inside.sum(dim=0))
        self.num_hits.add_((inside & ~wrong[:, None]).sum(dim=0))
        self.confidence.add_(torch.where(inside, top[:, None], 0.0).sum(dim=0, dtype=torch.float64))

    def compute(self) -> Tensor:
        """The error, float64."""
        return (self.num_hits - self.confidence).abs().sum() / self.num_tokens.sum()


_CLASSES = (NatsPerToken, Perplexity, BitsPerChar, ErrorRate, UnknownRate, TopKAccuracy, CalibrationError, TokenCount)
OWN: dict[str, type[TokenMetric]] = {metric.spec.name: metric for metric in _CLASSES}
