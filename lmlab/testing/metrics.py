"""The check of a metric."""

from __future__ import annotations

import copy
import math
import pickle
import typing
from collections.abc import Sequence
from typing import Any

import torch
from torchmetrics import Metric

from lmlab.metric_spec import MetricSpec
from lmlab.models.decoder import OPTIONAL_STATISTICS, TokenStatistics
from lmlab.testing.assertions import expect, expect_instance
from lmlab.testing.components import attempt, failures_as_assertions, same_random_numbers

_VOCABULARY = 20


def check_metric(metric: Metric) -> None:
    """Checks that a metric sums before it divides: over batches, over processes, and once it is started anew.

    It is updated with made-up statistics; the metric given stays as it is.

    Args:
        metric: made as a configuration would.

    Raises:
        AssertionError: names the violated requirement.
    """
    expect_instance(metric, Metric, "metric: must be an instance of a subclass of torchmetrics.Metric")
    spec = getattr(metric, "spec", None)
    expect_instance(spec, MetricSpec, "spec: must be a lmlab.MetricSpec")
    fields = tuple(getattr(metric, "fields", OPTIONAL_STATISTICS))
    unknown = sorted(set(fields) - set(OPTIONAL_STATISTICS))
    expect(not unknown, f"fields: {', '.join(unknown)} is none of {', '.join(OPTIONAL_STATISTICS)}")
    with same_random_numbers():
        batches = [_made_up(size, fields) for size in (40, 1, 7)]
        whole = _value(metric, [_joined(batches)], "one batch")
        expect(math.isfinite(whole), f"compute: of usual statistics it must be finite, but is {whole}")
        _expect_same(_value(metric, batches, "several batches"), whole, "must not depend on how tokens are batched")
        nothing = _made_up(7, fields, counted=0.0)
        masked = _value(metric, [*batches, nothing], "a batch without counted targets")
        _expect_same(masked, whole, "must not depend on targets that are not counted")
        _check_reset(metric, batches, whole)
        _check_processes(metric, batches, whole)
        used = _updated(metric, batches)
        copied = attempt("pickling and reading it again", lambda: pickle.loads(pickle.dumps(used)))
        _expect_same(_computed(copied, "once pickled"), whole, "must be the same once pickled")


def _made_up(size: int, fields: Sequence[str], *, counted: float = 0.9) -> TokenStatistics:
    log_probs = (2 * torch.randn(size, _VOCABULARY)).log_softmax(dim=1)
    targets, mask = torch.randint(_VOCABULARY, (size,)), torch.rand(size) < counted
    own = log_probs.gather(1, targets[:, None])
    return TokenStatistics(
        nats=torch.where(mask, -own.squeeze(1), 0.0),
        mask=mask,
        wrong=(log_probs.argmax(dim=1) != targets) & mask if "wrong" in fields else None,
        rank=torch.where(mask, (log_probs > own).sum(dim=1), 0) if "rank" in fields else None,
        top_probability=torch.where(mask, log_probs.amax(dim=1).exp(), 0.0) if "top_probability" in fields else None,
        targets=targets,
    )


def _joined(batches: Sequence[TokenStatistics]) -> TokenStatistics:
    columns: Any = zip(*batches, strict=True)
    return TokenStatistics(*(None if parts[0] is None else torch.cat(parts) for parts in columns))  # type: ignore[arg-type]


def _updated(metric: Metric, batches: Sequence[TokenStatistics]) -> Metric:
    """A copy, started anew, with some batches."""
    copied = copy.deepcopy(metric)
    copied.reset()
    with failures_as_assertions(f"update with the fields {', '.join(getattr(metric, 'fields', ())) or 'of any batch'}"):
        for batch in batches:
            copied.update(batch)
    return copied


def _computed(metric: Metric, of: str) -> float:
    value = attempt(f"compute of {of}", metric.compute)
    number = torch.as_tensor(value) if isinstance(value, torch.Tensor | int | float) else None
    if number is None or number.numel() != 1:
        raise AssertionError(f"compute: must return a scalar tensor, not {value!r}")
    return float(number)


def _value(metric: Metric, batches: Sequence[TokenStatistics], of: str) -> float:
    return _computed(_updated(metric, batches), of)


def _check_reset(metric: Metric, batches: Sequence[TokenStatistics], whole: float) -> None:
    used = _updated(metric, batches)
    used.reset()
    for batch in batches:
        used.update(batch)
    _expect_same(_computed(used, "the same batches after reset"), whole, "must be the same after reset")


def _check_processes(metric: Metric, batches: Sequence[TokenStatistics], whole: float) -> None:
    """Reduces the states of two copies as torchmetrics does those of two processes."""
    parts = [_updated(metric, batches[:1]), _updated(metric, batches[1:])]
    for name, reduce in parts[0]._reductions.items():
        values = [getattr(part, name) for part in parts]
        if reduce is None or not isinstance(values[0], torch.Tensor):
            return  # kept as lists, which torchmetrics gathers by its own rules
        setattr(parts[0], name, typing.cast(Any, reduce)(torch.stack(values)))
    found = _computed(parts[0], "two processes")
    _expect_same(found, whole, 'must be that of all batches; add its states with dist_reduce_fx="sum"')


def _expect_same(found: float, expected: float, requirement: str) -> None:
    is_same = math.isclose(found, expected, rel_tol=1e-5, abs_tol=1e-7)
    expect(is_same, f"compute: {requirement}, but {found:.6g} is not {expected:.6g}")
