"""Totals of training: summed first, divided once."""

from __future__ import annotations

import math

import pytest
import torch

from lmlab.metric_spec import exp
from lmlab.models.decoder import TokenLoss
from lmlab.training.token_totals import TokenTotals, Totals


def make_loss(nats: float, num_errors: int, num_tokens: int, dtype: torch.dtype = torch.float64) -> TokenLoss:
    return TokenLoss(torch.tensor(nats, dtype=dtype), torch.tensor(num_errors), torch.tensor(num_tokens))


def test_batches_count_by_their_tokens():
    """1.0 nats over 4 tokens and 3.0 over 6 make 0.4 a token, not the mean of 0.25 and 0.5."""
    totals = TokenTotals()
    totals.update(make_loss(1.0, 1, 4))
    totals.update(make_loss(3.0, 2, 6))
    found = totals.totals
    assert found == Totals(4.0, 3, 10)
    assert [value.item() for value in totals.compute()] == [4.0, 3, 10]
    assert found.nats_per_token == 0.4
    assert found.perplexity == math.exp(0.4)
    assert found.error_rate == 0.3


def test_perplexity_is_exp_of_the_mean_nats():
    for nats, tokens in [(0.0, 1), (17.5, 3), (1234.5, 678)]:
        assert Totals(nats, 0, tokens).perplexity == math.exp(nats / tokens) == exp(nats / tokens)


def test_a_uniform_guess_over_v_tokens_has_perplexity_v():
    for size in (2, 67, 10_000):
        assert Totals(500 * math.log(size), 0, 500).perplexity == pytest.approx(size, rel=1e-12)


def test_a_perplexity_too_large_for_a_float_is_infinite():
    assert Totals(1e6, 0, 1).perplexity == math.inf
    assert exp(709) < math.inf
    assert math.isnan(exp(math.nan))


def test_no_tokens_have_no_mean():
    nothing = Totals(0.0, 0, 0)
    assert all(math.isnan(x) for x in (nothing.nats_per_token, nothing.perplexity, nothing.error_rate))


def test_small_additions_to_a_large_total_are_not_lost():
    totals = TokenTotals()
    totals.update(make_loss(2.0**25, 0, 1))
    for _ in range(1000):
        totals.update(make_loss(0.5, 0, 1, torch.float32))
    assert totals.totals.nats == 2.0**25 + 500


def test_totals_can_be_started_anew():
    totals = TokenTotals()
    totals.update(make_loss(5.0, 5, 5))
    assert totals.totals.nats == 5
    totals.reset()
    totals.update(make_loss(1.0, 0, 2))
    assert totals.totals == Totals(1.0, 0, 2)


def test_totals_keep_no_graph():
    nats = torch.ones((), requires_grad=True) * 2
    totals = TokenTotals()
    totals.update(TokenLoss(nats, torch.tensor(0), torch.tensor(1)))
    assert not totals.nats.requires_grad
    assert totals.totals == Totals(2.0, 0, 1)


def test_totals_of_several_processes_are_summed():
    totals = TokenTotals()
    assert set(totals._reductions) == {"nats", "num_errors", "num_tokens"}
    gathered = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    for reduce in totals._reductions.values():
        assert float(reduce(gathered)) == 7
