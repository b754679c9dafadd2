"""Layers whose sequence is one function, in the types that are trained in, against `torch.nn` in float64."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from lmlab.models import products, sequences

LAYERS = {
    "GRU": (sequences.GRU, nn.GRU, {}),
    "tanh": (sequences.RNN, nn.RNN, {"nonlinearity": "tanh"}),
    "ReLU": (sequences.RNN, nn.RNN, {"nonlinearity": "relu"}),
}
EACH_LAYER = pytest.mark.parametrize("name", list(LAYERS))


@pytest.fixture(autouse=True)
def whatever_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "_SMALL", 0)


def made(name: str, *, size: int = 6, units: int = 9) -> nn.RNNBase:
    torch.manual_seed(0)
    return LAYERS[name][0](size, units, batch_first=True, **LAYERS[name][2])


def in_float64(name: str, layer: nn.RNNBase) -> nn.RNNBase:
    reference = LAYERS[name][1](layer.input_size, layer.hidden_size, batch_first=True, **LAYERS[name][2])
    reference.load_state_dict(layer.state_dict())
    return reference.double()


def results(layer: nn.RNNBase, inputs: Tensor, state: Tensor, weights: Tensor) -> list[Tensor]:
    """Outputs, the last state, and the gradients of inputs, state and parameters."""
    inputs, state = inputs.clone().requires_grad_(), state.clone().requires_grad_()
    outputs, last = layer(inputs, state)
    total = (outputs * weights).sum() + (last**2).sum()
    gradients = torch.autograd.grad(total, [inputs, state, *layer.parameters()])
    return [outputs.detach(), last.detach(), *gradients]


def drawn(batch: int, steps: int, layer: nn.RNNBase, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    shapes = [(batch, steps, layer.input_size), (1, batch, layer.hidden_size), (batch, steps, layer.hidden_size)]
    return tuple(torch.randn(shape, generator=generator).to(dtype) for shape in shapes)


@EACH_LAYER
@pytest.mark.parametrize(("batch", "steps"), [(1, 1), (1, 7), (5, 1), (4, 13)])
@pytest.mark.parametrize("block", [1, 100, 2**16], ids=lambda block: f"block{block}")
def test_results_and_gradients_are_those_of_torch_in_float64(name, batch, steps, block, monkeypatch):
    monkeypatch.setattr(sequences, "_BLOCK", block)
    layer = made(name)
    given = drawn(batch, steps, layer)
    ours = results(layer, *given)
    theirs = results(in_float64(name, layer), *(tensor.double() for tensor in given))
    assert len(ours) == 8
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == torch.float32
        assert other.abs().sum() > 0
        torch.testing.assert_close(one.double(), other, rtol=2e-5, atol=2e-6)


@EACH_LAYER
def test_under_autocast_results_are_as_exact_as_torchs_own(name, monkeypatch):
    """Rounding differs, so the distance from float64 is compared with that of the torch.nn module under autocast."""
    monkeypatch.setattr(products, "SMALL", 0)
    layer = made(name, size=48, units=64)
    reference = in_float64(name, layer)
    given = drawn(16, 20, layer)
    truth = results(reference, *(tensor.double() for tensor in given))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = results(layer, *given)
        theirs = results(copy.deepcopy(reference).float(), *given)
    for one, other, exact in zip(ours, theirs, truth, strict=True):
        assert one.shape == exact.shape
        assert one.dtype == other.dtype
        distance = [float((tensor.double() - exact).norm() / exact.norm()) for tensor in (one, other)]
        assert distance[0] <= 1.3 * distance[1] + 1e-3, (name, distance)


@EACH_LAYER
def test_under_autocast_small_products_stay_in_float32(name):
    layer = made(name)
    given = drawn(3, 5, layer)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = results(layer, *given)
    for one, other in zip(found, results(layer, *given), strict=True):
        assert torch.equal(one, other)


@EACH_LAYER
def test_a_tensor_that_needs_no_gradient_gets_none_and_changes_nothing(name):
    layer = made(name)
    inputs, state, weights = drawn(3, 5, layer)
    expected = results(layer, inputs, state, weights)
    outputs, last = layer(inputs, state)
    total = (outputs * weights).sum() + (last**2).sum()
    for ours, theirs in zip(torch.autograd.grad(total, list(layer.parameters())), expected[4:], strict=True):
        assert torch.equal(ours, theirs)
    with torch.no_grad():
        assert torch.equal(layer(inputs, state)[0], expected[0])
    assert not inputs.requires_grad


@EACH_LAYER
def test_a_backward_pass_can_be_repeated(name):
    """So what the forward pass kept is not changed by it."""
    layer = made(name)
    inputs, state, weights = drawn(3, 5, layer)
    total = (layer(inputs, state)[0] * weights).sum()
    first = torch.autograd.grad(total, list(layer.parameters()), retain_graph=True)
    for one, other in zip(first, torch.autograd.grad(total, list(layer.parameters())), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("with_bias", [True, False])
def test_products_are_those_of_float64(dtype, with_bias):
    torch.manual_seed(0)
    inputs, weight, bias = torch.randn(7, 5), torch.randn(3, 5), torch.randn(3)
    inputs, weight, bias = inputs.to(dtype), weight.to(dtype), bias.to(dtype)
    expected = inputs.double() @ weight.double().t()
    if with_bias:
        expected = expected + bias.double()
    tolerance = {torch.float32: 1e-6, torch.bfloat16: 1e-2, torch.float64: 1e-14}[dtype]
    for matrix in (weight, weight.t().contiguous().t()):
        found = products.product(inputs, matrix, bias if with_bias else None)
        assert found.dtype == dtype
        torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)
    sums = products.transposed_product(inputs, inputs[:, :2])
    expected = inputs.double().t() @ inputs[:, :2].double()
    torch.testing.assert_close(sums.double(), expected, rtol=tolerance, atol=tolerance)


@EACH_LAYER
def test_a_torch_without_onednns_product_gives_the_same(name, monkeypatch):
    layer = made(name)
    given = drawn(3, 5, layer)
    with_it = results(layer, *given)
    monkeypatch.setattr(products, "_ONEDNN", None)
    for one, other in zip(with_it, results(layer, *given), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@EACH_LAYER
def test_without_a_gradient_torch_computes_what_is_small(name, monkeypatch):
    def torch_has_it(*_):
        raise RuntimeError("torch's own layer")

    monkeypatch.setattr(LAYERS[name][1], "forward", torch_has_it)
    layer = made(name, units=8)
    given, state, _ = drawn(2, 3, layer)
    monkeypatch.setattr(sequences, "_SMALL", 2 * 8 * 8 - 1)
    with torch.no_grad():
        layer(given, state)
    monkeypatch.setattr(sequences, "_SMALL", 2 * 8 * 8)
    layer(given, state)  # with a gradient
    with torch.no_grad(), pytest.raises(RuntimeError, match="torch's own layer"):
        layer(given, state)
