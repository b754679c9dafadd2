"""The whole model: parts in order, parameters counted, state carried."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from lmlab.data.loaders.streams import Streams
from lmlab.data.token_store import TokenStore
from lmlab.models.core import reset_rows
from lmlab.models.language_model import LanguageModel
from lmlab.models.recurrent import GRU, LSTM, RNN, RecurrentCore

EACH_CORE = pytest.mark.parametrize("kind", [RNN, GRU, LSTM], ids=lambda kind: kind.__name__)
VOCABULARY_SIZE, DIM = 11, 6


DROPOUTS = {"locked_dropout": False, "embedding_dropout": 0.0}


def make_model(kind: type[RecurrentCore] = LSTM, *, hidden_size: int = DIM, **options) -> LanguageModel:
    torch.manual_seed(0)
    defaults = {"input_dropout": 0.0, "output_dropout": 0.0, "tie_weights": False, "freeze_embedding": False} | DROPOUTS
    core = kind(input_size=DIM, hidden_size=hidden_size, num_layers=2, dropout=0.0, locked_dropout=False)
    return LanguageModel(vectors=torch.randn(VOCABULARY_SIZE, DIM), core=core, **(defaults | options))


def random_ids(*shape: int) -> Tensor:
    return torch.randint(VOCABULARY_SIZE, shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("kind", "expected"), [(GRU, 4_024_131), (LSTM, 5_336_899)])
def test_parameters_of_the_known_sizes(kind, expected):
    core = kind(input_size=256, hidden_size=1024, num_layers=1, dropout=0.0, locked_dropout=False)
    options = {"input_dropout": 0.0, "output_dropout": 0.0, "tie_weights": False, "freeze_embedding": False} | DROPOUTS
    assert LanguageModel(vectors=torch.zeros(67, 256), core=core, **options).num_parameters == expected


def test_a_tied_matrix_is_one_and_counted_once():
    tied, apart = make_model(tie_weights=True), make_model()
    assert tied.decoder.weight.data_ptr() == tied.embedding.weight.data_ptr()
    assert apart.decoder.weight.data_ptr() != apart.embedding.weight.data_ptr()
    assert apart.num_parameters - tied.num_parameters == VOCABULARY_SIZE * DIM
    with torch.no_grad():
        tied.embedding.weight.fill_(0.5)
    assert bool((tied.decoder.weight == 0.5).all())


def test_a_tied_matrix_stays_one_when_it_is_moved_and_loaded():
    tied = make_model(tie_weights=True).double().float()
    assert tied.decoder.weight is tied.embedding.weight
    other = make_model(tie_weights=True)
    other.load_state_dict({name: tensor + 1 for name, tensor in tied.state_dict().items()})
    assert other.decoder.weight is other.embedding.weight
    assert torch.equal(other.decoder.weight, tied.embedding.weight + 1)


def test_a_tied_matrix_learns_from_both_ends():
    model = make_model(tie_weights=True)
    ids = random_ids(3, 5)

    def loss(embedding: Tensor, decoding: Tensor) -> Tensor:
        hidden, _ = model.core(torch.nn.functional.embedding(ids, embedding), model.init_state(3))
        logits = hidden @ decoding.t() + model.decoder.bias
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="sum")

    first, last = (model.embedding.weight.detach().clone().requires_grad_() for _ in range(2))
    parts = torch.autograd.grad(loss(first, last), [first, last])
    model.decoder.loss(model(ids, model.init_state(3)).hidden, ids).nll_sum.backward()
    torch.testing.assert_close(model.embedding.weight.grad, parts[0] + parts[1], rtol=1e-4, atol=1e-5)
    assert all(float(part.abs().sum()) > 1 for part in parts)


def test_weights_of_other_sizes_cannot_be_tied():
    with pytest.raises(ValueError, match="6 and 7"):
        make_model(hidden_size=7, tie_weights=True)


@EACH_CORE
def test_hidden_is_the_core_of_the_embedding(kind):
    model = make_model(kind)
    ids = random_ids(3, 5)
    output = model(ids, model.init_state(3))
    expected, state = model.core(model.embedding.weight[ids], model.core.init_state(3))
    assert torch.equal(output.hidden, expected)
    assert all(torch.equal(a, b) for a, b in zip(output.state, state, strict=True))
    assert float(output.penalty) == 0
    assert output.hidden.shape == (3, 5, DIM)


def test_the_vectors_given_are_the_first_embedding():
    vectors = torch.randn(VOCABULARY_SIZE, DIM)
    core = RNN(input_size=DIM, hidden_size=4, num_layers=1, dropout=0.0, locked_dropout=False)
    options = {"input_dropout": 0.0, "output_dropout": 0.0, "tie_weights": False, "freeze_embedding": False} | DROPOUTS
    model = LanguageModel(vectors=vectors, core=core, **options)
    assert torch.equal(model.embedding.weight, vectors)


@pytest.mark.parametrize("where", ["input_dropout", "output_dropout"])
def test_dropout_acts_while_training_only(where):
    model = make_model(**{where: 0.5})
    ids = random_ids(3, 5)
    state = model.init_state(3)
    outputs = [model(ids, state).hidden for _ in range(2)]
    assert not torch.equal(outputs[0], outputs[1])
    model.eval()
    assert torch.equal(model(ids, state).hidden, model(ids, state).hidden)
    assert torch.equal(model(ids, state).hidden, make_model().eval()(ids, state).hidden)


def test_output_dropout_does_not_touch_the_state():
    model, plain = make_model(output_dropout=0.5), make_model()
    ids = random_ids(3, 5)
    output, expected = model(ids, model.init_state(3)), plain(ids, plain.init_state(3))
    assert all(torch.equal(a, b) for a, b in zip(output.state, expected.state, strict=True))
    dropped = output.hidden == 0
    assert 0 < int(dropped.sum()) < dropped.numel()
    torch.testing.assert_close(output.hidden[~dropped], 2 * expected.hidden[~dropped])


def test_input_dropout_changes_the_state():
    model, plain = make_model(input_dropout=0.5), make_model()
    ids = random_ids(3, 5)
    assert not torch.equal(model(ids, model.init_state(3)).state[0], plain(ids, plain.init_state(3)).state[0])


def test_a_frozen_embedding_gets_no_gradient():
    for freeze in (True, False):
        model = make_model(freeze_embedding=freeze)
        ids = random_ids(3, 5)
        model.decoder.loss(model(ids, model.init_state(3)).hidden, ids).nll_sum.backward()
        assert (model.embedding.weight.grad is None) is freeze
        others = [p for name, p in model.named_parameters() if name != "embedding.weight"]
        assert all(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in others)


def test_a_frozen_embedding_does_not_change_when_training():
    model = make_model(freeze_embedding=True)
    before = model.embedding.weight.clone()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    ids = random_ids(3, 5)
    model.decoder.loss(model(ids, model.init_state(3)).hidden, ids).nll_sum.backward()
    optimizer.step()
    assert torch.equal(model.embedding.weight, before)


@EACH_CORE
@pytest.mark.parametrize("cuts", [(0, 6, 12), (0, 1, 2, 12), (0, 5, 10, 12)])
def test_windows_with_carried_state_equal_one_long_window(kind, cuts):
    """Three streams of 12 tokens, the last of them padded."""
    ids = random_ids(34).numpy().astype(np.int32)
    streams = Streams(TokenStore(ids, 34, 0, "", 1), 3)
    model = make_model(kind).double()

    def run(edges: tuple[int, ...]) -> tuple[list[float], list[Tensor]]:
        state, nats = model.init_state(3), []
        for start, stop in pairwise(edges):
            batch = streams.window(start, stop)
            output = model(batch.inputs, model.initial_state(state, batch.reset))
            state = output.state
            nats.append(model.decoder.loss(output.hidden, batch.targets).nll_sum.item())
        return nats, list(state)

    nats, state = run((0, 12))
    parts, parts_state = run(cuts)
    assert len(parts) == len(cuts) - 1
    assert sum(parts) == pytest.approx(sum(nats), rel=1e-5)
    for ours, theirs in zip(parts_state, state, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_only_flagged_rows_are_reset():
    generator = torch.Generator().manual_seed(0)
    state = tuple(torch.randn(1, 5, 3, generator=generator) for _ in range(4))
    reset = torch.tensor([True, False, False, True, False])
    fresh = tuple(torch.full_like(tensor, i) for i, tensor in enumerate(state))
    for i, (old, new) in enumerate(zip(state, reset_rows(state, fresh, reset), strict=True)):
        assert new.shape == old.shape
        assert bool((new[:, [0, 3]] == i).all())
        assert torch.equal(new[:, [1, 2, 4]], old[:, [1, 2, 4]])


def test_resetting_cures_a_state_that_is_not_finite():
    state = (torch.tensor([[[torch.nan, torch.inf], [1.0, 2.0]]]),)
    (new,) = reset_rows(state, (torch.zeros(1, 2, 2),), torch.tensor([True, False]))
    assert new.tolist() == [[[0.0, 0.0], [1.0, 2.0]]]


@EACH_CORE
def test_a_reset_row_runs_as_if_it_were_fresh(kind):
    model = make_model(kind)
    ids = random_ids(2, 5)
    state = model(random_ids(2, 7), model.init_state(2)).state
    output = model(ids, model.initial_state(state, torch.tensor([True, False]))).hidden
    fresh = model(ids, model.init_state(2)).hidden
    torch.testing.assert_close(output[0], fresh[0])
    assert not torch.allclose(output[1], fresh[1])


@EACH_CORE
def test_the_state_of_a_model_has_its_batch_on_dim_1(kind):
    model = make_model(kind)
    for tensor in model(random_ids(3, 5), model.init_state(3)).state:
        assert tensor.shape == (1, 3, DIM)
