"""The check of a metric passes lmlab's own, and finds what is wrong with others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchmetrics import Metric

from lmlab.evaluation.metrics import OWN, TokenMetric
from lmlab.metric_spec import MetricSpec
from lmlab.models.decoder import TokenStatistics
from lmlab.testing import check_metric


@pytest.mark.parametrize("name", [name for name, metric in OWN.items() if not metric.needs_text])
def test_lmlabs_own_pass(name: str) -> None:
    before = torch.get_rng_state()
    metric = OWN[name]()
    check_metric(metric)
    assert torch.equal(torch.get_rng_state(), before)
    assert metric._update_count == 0


class Mean(TokenMetric):
    """Right: the mean nats."""

    spec = MetricSpec("mean")

    def __init__(self, reduce: str | None = "sum") -> None:
        super().__init__()
        self.add_state("total", torch.zeros(()), dist_reduce_fx=reduce)
        self.add_state("count", torch.zeros(()), dist_reduce_fx=reduce)

    def update(self, statistics: TokenStatistics) -> None:
        self.total += statistics.nats.sum()
        self.count += statistics.mask.sum()

    def compute(self) -> Tensor:
        return self.total / self.count


class MeanOfMeans(Mean):
    def update(self, statistics: TokenStatistics) -> None:
        self.total += statistics.nats.sum() / statistics.mask.sum().clamp(min=1)
        self.count += 1


class CountsAll(Mean):
    def update(self, statistics: TokenStatistics) -> None:
        self.total += statistics.nats.sum()
        self.count += len(statistics.mask)


class KeepsASecret(Mean):
    def __init__(self) -> None:
        super().__init__()
        self.secret = 0.0

    def update(self, statistics: TokenStatistics) -> None:
        super().update(statistics)
        self.secret += float(statistics.mask.sum())

    def compute(self) -> Tensor:
        return self.total / self.secret


class NeedsWhatItDoesNotAsk(Mean):
    def update(self, statistics: TokenStatistics) -> None:
        self.total += statistics.rank.sum()


class Pair(Mean):
    def compute(self) -> Tensor:
        return torch.stack([self.total, self.count])


class NotFinite(Mean):
    def compute(self) -> Tensor:
        return self.total / 0


class Unnamed(Mean):
    spec = "mean"


class AsksForMore(Mean):
    fields = ("rank", "logits")


def test_a_right_one_passes() -> None:
    check_metric(Mean())


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (MeanOfMeans(), "must not depend on how tokens are batched"),
        (CountsAll(), "must not depend on targets that are not counted"),
        (KeepsASecret(), "must be the same after reset|must be that of all batches"),
        (Mean("mean"), None),
        (Mean("max"), "must be that of all batches"),
        (NeedsWhatItDoesNotAsk(), "update with the fields"),
        (Pair(), "must return a scalar tensor"),
        (NotFinite(), "must be finite"),
        (Unnamed(), "spec: must be a lmlab.MetricSpec"),
        (AsksForMore(), "fields: logits is none of"),
        (torch.nn.Linear(1, 1), "subclass of torchmetrics.Metric"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_others_do_not(metric: Metric, message: str | None) -> None:
    if message is None:  # sums of two processes may as well be averaged, where only their ratio counts
        check_metric(metric)
        return
    with pytest.raises(AssertionError, match=message):
        check_metric(metric)
