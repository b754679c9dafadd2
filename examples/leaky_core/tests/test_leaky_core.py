from __future__ import annotations

import pytest
import torch
from lmlab.testing import check_core
from torch import nn

from leaky_core import LeakyCore


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("leak", [0.0, 0.8])
def test_it_keeps_the_contract(leak: float, num_layers: int) -> None:
    check_core(LeakyCore(input_size=5, hidden_size=7, leak=leak, num_layers=num_layers, dropout=0.2))


@pytest.mark.parametrize("num_layers", [1, 2])
def test_without_leak_it_is_torchs_rnn(num_layers: int) -> None:
    torch.manual_seed(0)
    core = LeakyCore(input_size=5, hidden_size=7, leak=0.0, num_layers=num_layers)
    reference = nn.RNN(5, 7, num_layers, batch_first=True)
    with torch.no_grad():
        for i, layer in enumerate(core.layers):
            reference.get_parameter(f"weight_ih_l{i}").copy_(layer.from_input.weight)
            reference.get_parameter(f"bias_ih_l{i}").copy_(layer.from_input.bias)
            reference.get_parameter(f"weight_hh_l{i}").copy_(layer.from_state.weight)
            reference.get_parameter(f"bias_hh_l{i}").zero_()
    inputs, state = torch.randn(3, 11, 5), torch.randn(num_layers, 3, 7)
    output, new_state = core(inputs, tuple(state.split(1)))
    expected, expected_state = reference(inputs, state)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(torch.cat(new_state), expected_state)


def test_each_step_is_the_formula() -> None:
    torch.manual_seed(0)
    core = LeakyCore(input_size=2, hidden_size=3, leak=0.75)
    (layer,) = core.layers
    w, b, u = layer.from_input.weight, layer.from_input.bias, layer.from_state.weight
    inputs, state = torch.randn(1, 4, 2), core.init_state(1)
    output, _ = core(inputs, state)
    h = torch.zeros(3)
    for t in range(4):
        h = 0.75 * h + 0.25 * torch.tanh(w @ inputs[0, t] + u @ h + b)
        torch.testing.assert_close(output[0, t], h)


def test_the_first_state_is_learned() -> None:
    core = LeakyCore(input_size=2, hidden_size=3, leak=0.5, num_layers=2)
    output, _ = core(torch.randn(4, 6, 2), core.init_state(4))
    output.sum().backward()
    for first in core.first:
        assert first.grad is not None
        assert first.grad.abs().min() > 0
