"""The modules of `torch.nn` that benchmarks compare with: they compute the same as the cores."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from lmlab.models.counterparts import counterpart
from lmlab.models.feedforward import FeedForward
from lmlab.models.recurrent import GRU, LSTM, RNN, RecurrentCore

SIZES = {"input_size": 5, "hidden_size": 7, "num_layers": 2, "locked_dropout": False}


@pytest.mark.parametrize("kind", [RNN, partial(RNN, nonlinearity="relu"), GRU, LSTM])
def test_it_computes_the_same(kind: Callable[..., RecurrentCore]) -> None:
    torch.manual_seed(0)
    core = kind(**SIZES, dropout=0.0)
    module = counterpart(core)
    assert module is not None
    inputs = torch.randn(3, 4, 5)
    torch.testing.assert_close(core(inputs, core.init_state(3))[0], module(inputs)[0], atol=1e-5, rtol=1e-5)
    # A copy: training the one must not change the other.
    assert not {p.data_ptr() for p in core.parameters()} & {p.data_ptr() for p in module.parameters()}


class Mine(LSTM):
    pass


def test_other_cores_have_none() -> None:
    assert counterpart(FeedForward(**SIZES, dropout=0.0, context=2)) is None
    assert counterpart(Mine(**SIZES, dropout=0.0)) is None
    assert counterpart(LSTM(**SIZES, dropout=0.1)) is None
    assert counterpart(LSTM(**SIZES, dropout=0.0, weight_dropout=0.1)) is None
