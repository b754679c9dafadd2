"""Each dropout: what is zeroed together, that the mean stays, and that nothing happens while evaluating."""

from __future__ import annotations

import pytest
import torch

from lmlab.models.dropout import Dropout, EmbeddingDropout, LockedDropout, make_dropout
from lmlab.models.language_model import LanguageModel
from lmlab.models.recurrent import GRU

RATE = 0.3


@pytest.mark.parametrize("make", [Dropout, LockedDropout])
def test_units_are_zeroed_or_scaled_and_the_mean_stays(make) -> None:
    torch.manual_seed(0)
    out = make(RATE)(torch.ones(200, 7, 50))
    values = out.unique()
    assert values.tolist() == pytest.approx([0.0, 1 / (1 - RATE)])
    assert out.mean().item() == pytest.approx(1, abs=0.03)


def test_locked_dropout_has_one_mask_for_all_steps_of_a_row_and_another_for_each_row_and_batch() -> None:
    torch.manual_seed(0)
    dropout = LockedDropout(RATE)
    first, second = dropout(torch.ones(4, 9, 64)), dropout(torch.ones(4, 9, 64))
    assert torch.equal(first, first[:, :1].expand_as(first))
    assert len({tuple(row.tolist()) for row in first[:, 0]}) == 4
    assert not torch.equal(first, second)


def test_plain_dropout_has_a_mask_for_each_step() -> None:
    torch.manual_seed(0)
    out = Dropout(RATE)(torch.ones(4, 9, 64))
    assert not torch.equal(out, out[:, :1].expand_as(out))


def test_word_dropout_zeroes_an_entry_wherever_it_occurs() -> None:
    torch.manual_seed(0)
    ids = torch.randint(0, 40, (6, 30))
    out = EmbeddingDropout(RATE, 40)(torch.ones(6, 30, 5), ids)
    by_entry = [out[ids == entry] for entry in ids.unique()]
    assert all(vectors.unique().numel() == 1 for vectors in by_entry)
    scales = torch.tensor([vectors[0, 0].item() for vectors in by_entry])
    assert scales.unique().tolist() == pytest.approx([0.0, 1 / (1 - RATE)])
    shares = [
        EmbeddingDropout(RATE, 5_000)(torch.ones(1, 5_000, 1), torch.arange(5_000)[None]).mean() for _ in range(5)
    ]
    assert torch.stack(shares).mean().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("dropout", [Dropout(RATE), LockedDropout(RATE)])
def test_nothing_is_dropped_while_evaluating(dropout) -> None:
    inputs = torch.randn(2, 3, 4)
    assert dropout.eval()(inputs) is inputs
    assert type(dropout)(0.0).train()(inputs) is inputs


def test_no_word_is_dropped_while_evaluating() -> None:
    embedded, ids = torch.randn(2, 3, 4), torch.zeros(2, 3, dtype=torch.long)
    assert EmbeddingDropout(RATE, 5).eval()(embedded, ids) is embedded
    assert EmbeddingDropout(0.0, 5).train()(embedded, ids) is embedded


def test_gradients_flow_through_what_is_kept_only() -> None:
    torch.manual_seed(0)
    inputs = torch.ones(2, 5, 30, requires_grad=True)
    out = LockedDropout(RATE)(inputs)
    torch.autograd.backward(out.sum())
    assert torch.equal(inputs.grad, out.detach())


def make_model(*, locked: bool, embedding_dropout: float = 0.0) -> LanguageModel:
    torch.manual_seed(0)
    core = GRU(input_size=6, hidden_size=8, num_layers=3, dropout=0.5, locked_dropout=locked)
    return LanguageModel(
        vectors=torch.randn(11, 6), core=core, input_dropout=0.4, output_dropout=0.6, locked_dropout=locked,
        embedding_dropout=embedding_dropout, tie_weights=False, freeze_embedding=False,
    )  # fmt: skip


@pytest.mark.parametrize("locked", [True, False])
def test_the_model_uses_the_kind_that_is_asked_for_in_all_places(locked: bool) -> None:
    kind = LockedDropout if locked else Dropout
    model = make_model(locked=locked)
    found = [model.input_dropout, model.core.dropout, model.output_dropout]
    assert [type(dropout) for dropout in found] == [kind] * 3
    assert [dropout.rate for dropout in found] == [0.4, 0.5, 0.6]
    assert type(make_dropout(0.1, locked=locked)) is kind


def test_the_models_output_has_the_same_units_zeroed_at_every_step() -> None:
    model = make_model(locked=True).train()
    hidden = model(torch.randint(0, 11, (3, 20)), model.init_state(3)).hidden
    zero = hidden == 0
    assert zero.any()
    assert torch.equal(zero, zero[:, :1].expand_as(zero))


def test_dropped_entries_reach_the_core_as_zeros() -> None:
    model = make_model(locked=False, embedding_dropout=0.99).train()
    model.input_dropout.rate = model.core.dropout.rate = model.output_dropout.rate = 0.0
    seen = []
    model.core.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(torch.arange(11)[None], model.init_state(1))
    zeroed = (seen[0] == 0).all(dim=2)[0]
    assert zeroed.sum() >= 9
