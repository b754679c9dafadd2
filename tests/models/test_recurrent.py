"""Cores, against `torch.nn`'s own stacks of layers."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor, nn

from lmlab.models.core import State
from lmlab.models.dropout import Dropout
from lmlab.models.recurrent import GRU, LSTM, RNN, RecurrentCore


class ReLU(RNN):
    """An RNN with rectified linear units."""

    def __init__(self, **sizes) -> None:
        super().__init__(nonlinearity="relu", **sizes)


CORES = {RNN: nn.RNN, ReLU: functools.partial(nn.RNN, nonlinearity="relu"), GRU: nn.GRU, LSTM: nn.LSTM}
EACH_CORE = pytest.mark.parametrize("kind", list(CORES), ids=lambda kind: kind.__name__)
EACH_DEPTH = pytest.mark.parametrize("num_layers", [1, 2, 3])


def make_core(kind: type[RecurrentCore], num_layers: int, *, dropout: float = 0.0) -> RecurrentCore:
    torch.manual_seed(0)
    return kind(input_size=3, hidden_size=5, num_layers=num_layers, dropout=dropout, locked_dropout=False).double()


def make_reference(core: RecurrentCore) -> nn.RNNBase:
    """torch's module with the same weights."""
    num_layers = len(core.layers)
    reference = CORES[type(core)](3, 5, num_layers=num_layers, batch_first=True).double()
    with torch.no_grad():
        for i, layer in enumerate(core.layers):
            for name, weight in layer.named_parameters():
                getattr(reference, name.replace("l0", f"l{i}")).copy_(weight)
    return reference


def random_state(core: RecurrentCore, batch_size: int) -> State:
    return tuple(torch.randn_like(t).requires_grad_() for t in core.init_state(batch_size))


def as_torch_wants_it(core: RecurrentCore, state: State) -> Tensor | tuple[Tensor, Tensor]:
    """(L, B, H), or a pair of them for the LSTM."""
    if isinstance(core, LSTM):
        return torch.cat(state[0::2]), torch.cat(state[1::2])
    return torch.cat(state)


def as_pair(state: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def assert_close(left: Tensor, right: Tensor) -> None:
    torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-12)


@EACH_CORE
@EACH_DEPTH
def test_outputs_states_and_gradients_equal_torchs(kind, num_layers):
    core = make_core(kind, num_layers)
    reference = make_reference(core)
    inputs = torch.randn(4, 7, 3, dtype=torch.float64, requires_grad=True)
    state = random_state(core, 4)
    leaves = [inputs, *state]

    output, new_state = core(inputs, state)
    weights = torch.randn_like(output)
    state_weights = [torch.randn_like(t) for t in as_pair(as_torch_wants_it(core, new_state))]

    def gradients(output: Tensor, final: tuple[Tensor, ...], module: nn.Module) -> list[Tensor]:
        module.zero_grad()
        total = (output * weights).sum() + sum((t * w).sum() for t, w in zip(final, state_weights, strict=True))
        found = torch.autograd.grad(total, [*leaves, *module.parameters()])
        return list(found)

    expected, expected_state = reference(inputs, as_torch_wants_it(core, state))
    assert_close(output, expected)
    final = as_pair(as_torch_wants_it(core, new_state))
    for ours, theirs in zip(final, as_pair(expected_state), strict=True):
        assert_close(ours, theirs)
    ours = gradients(output, final, core)
    theirs = gradients(expected, as_pair(expected_state), reference)
    assert len(ours) == 1 + len(state) + 4 * num_layers
    for one, other in zip(ours, theirs, strict=True):
        assert one.abs().sum() > 0
        assert_close(one, other)


@EACH_CORE
@EACH_DEPTH
def test_parameters_are_as_many_as_torchs(kind, num_layers):
    core = make_core(kind, num_layers)
    expected = CORES[kind](3, 5, num_layers=num_layers).parameters()
    assert sum(p.numel() for p in core.parameters()) == sum(p.numel() for p in expected)


@EACH_CORE
@EACH_DEPTH
def test_a_fresh_state_is_zeros_with_the_batch_on_dim_1(kind, num_layers):
    core = make_core(kind, num_layers)
    state = core.init_state(4)
    assert len(state) == num_layers * (2 if kind is LSTM else 1)
    for tensor in state:
        assert tensor.shape == (1, 4, 5)
        assert tensor.dtype == torch.float64
        assert not tensor.requires_grad
        assert not bool(tensor.any())
    assert core.output_size == 5


@EACH_CORE
@EACH_DEPTH
def test_a_new_state_is_laid_out_as_the_old_one(kind, num_layers):
    core = make_core(kind, num_layers)
    _, state = core(torch.randn(4, 2, 3, dtype=torch.float64), core.init_state(4))
    assert [t.shape for t in state] == [t.shape for t in core.init_state(4)]


@EACH_CORE
@EACH_DEPTH
def test_rows_of_a_batch_do_not_meet(kind, num_layers):
    core = make_core(kind, num_layers)
    inputs = torch.randn(4, 6, 3, dtype=torch.float64)
    state = random_state(core, 4)
    output, new_state = core(inputs, state)
    order = torch.tensor([2, 0, 3, 1])
    moved, moved_state = core(inputs[order], tuple(t[:, order] for t in state))
    assert_close(moved, output[order])
    for ours, theirs in zip(moved_state, new_state, strict=True):
        assert_close(ours, theirs[:, order])


@EACH_CORE
@EACH_DEPTH
def test_two_parts_with_carried_state_equal_one_run(kind, num_layers):
    core = make_core(kind, num_layers)
    inputs = torch.randn(2, 9, 3, dtype=torch.float64)
    whole, whole_state = core(inputs, core.init_state(2))
    first, state = core(inputs[:, :4], core.init_state(2))
    second, state = core(inputs[:, 4:], state)
    assert_close(torch.cat([first, second], dim=1), whole)
    for ours, theirs in zip(state, whole_state, strict=True):
        assert_close(ours, theirs)


@EACH_CORE
@EACH_DEPTH
def test_stepping_equals_running(kind, num_layers):
    """Also while training with dropout, which a step leaves out."""
    core = make_core(kind, num_layers, dropout=0.5)
    inputs = torch.randn(4, 8, 3, dtype=torch.float64)
    state = random_state(core, 4)
    core.eval()
    expected, expected_state = core(inputs, state)
    core.train()
    step = core.stepper()
    for position in range(8):
        output, state = step(inputs[:, position], state)
        assert_close(output, expected[:, position])
    assert [t.shape for t in state] == [t.shape for t in expected_state]
    for ours, theirs in zip(state, expected_state, strict=True):
        assert_close(ours, theirs)


@EACH_CORE
def test_dropout_is_between_layers_only(kind):
    inputs = torch.randn(4, 8, 3, dtype=torch.float64)
    for num_layers, changes in ((1, False), (2, True)):
        core = make_core(kind, num_layers, dropout=0.5)
        state = core.init_state(4)
        training, _ = core(inputs, state)
        evaluating, _ = core.eval()(inputs, state)
        assert torch.equal(training, evaluating) is not changes


@EACH_CORE
def test_nothing_is_random_while_evaluating(kind):
    core = make_core(kind, 3, dropout=0.9).eval()
    inputs = torch.randn(4, 8, 3, dtype=torch.float64)
    before = torch.get_rng_state()
    first, _ = core(inputs, core.init_state(4))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, core(inputs, core.init_state(4))[0])


def test_dropout_zeroes_its_share_and_scales_the_rest():
    torch.manual_seed(0)
    inputs = torch.full((200, 500), 3.0)
    output = Dropout(0.25)(inputs)
    assert set(output.unique().tolist()) == {0.0, 4.0}
    assert abs(float((output == 0).double().mean()) - 0.25) < 0.01


def test_dropout_at_rate_0_or_while_evaluating_changes_nothing():
    inputs = torch.randn(10, 10)
    assert torch.equal(Dropout(0.0)(inputs), inputs)
    assert torch.equal(Dropout(0.9).eval()(inputs), inputs)


@EACH_CORE
def test_weight_dropout_thins_the_hidden_matrices_once_a_batch(kind):
    torch.manual_seed(0)
    core = kind(
        input_size=3, hidden_size=5, num_layers=2, dropout=0.0, locked_dropout=False, weight_dropout=0.4
    ).double()
    before = {name: weight.clone() for name, weight in core.named_parameters()}
    inputs = torch.randn(4, 7, 3, dtype=torch.float64)
    state = core.init_state(4)
    torch.manual_seed(1)
    output, new_state = core(inputs, state)
    torch.autograd.backward(output.sin().sum())

    torch.manual_seed(1)
    reference = make_reference(core)
    torch.manual_seed(1)
    scales = [Dropout(0.4)(torch.ones(matrix(core, i).shape, dtype=torch.float64)) for i in range(2)]
    assert all(0 < (scale == 0).sum() < scale.numel() for scale in scales)
    with torch.no_grad():
        for i, scale in enumerate(scales):
            getattr(reference, f"weight_hh_l{i}").mul_(scale)
    expected, expected_state = reference(inputs)
    torch.autograd.backward(expected.sin().sum())

    assert_close(output, expected)
    for ours, theirs in zip(as_pair(as_torch_wants_it(core, new_state)), as_pair(expected_state), strict=True):
        assert_close(ours, theirs)
    for i, scale in enumerate(scales):
        assert_close(matrix(core, i).grad, getattr(reference, f"weight_hh_l{i}").grad * scale)
    assert all(torch.equal(weight, before[name]) for name, weight in core.named_parameters())


@EACH_CORE
def test_no_weight_is_dropped_while_evaluating_or_generating(kind):
    torch.manual_seed(0)
    core = kind(
        input_size=3, hidden_size=5, num_layers=2, dropout=0.0, locked_dropout=False, weight_dropout=0.9
    ).double()
    inputs = torch.randn(4, 1, 3, dtype=torch.float64)
    expected, _ = make_reference(core)(inputs)
    assert_close(core.eval()(inputs, core.init_state(4))[0], expected)
    assert_close(core.stepper()(inputs[:, 0], core.init_state(4))[0], expected[:, 0])


def matrix(core: RecurrentCore, layer: int) -> nn.Parameter:
    return core.layers[layer].get_parameter("weight_hh_l0")
