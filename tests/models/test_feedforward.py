from __future__ import annotations

import pytest
import torch

from lmlab.models.feedforward import FeedForward


def make_core(context: int, layers: int = 1) -> FeedForward:
    torch.manual_seed(0)
    return FeedForward(
        input_size=3, hidden_size=5, num_layers=layers, dropout=0.0, locked_dropout=False, context=context
    ).double()


@pytest.mark.parametrize("context", [1, 2, 4, 9])
def test_the_output_is_a_function_of_the_last_tokens_only(context: int) -> None:
    core = make_core(context)
    inputs = torch.randn(2, 7, 3, dtype=torch.float64)
    output, _ = core(inputs, core.init_state(2))
    padded = torch.cat([torch.zeros(2, context - 1, 3, dtype=torch.float64), inputs], dim=1)
    layer = core.layers[0]
    for t in range(7):
        window = padded[:, t : t + context].reshape(2, -1)
        expected = torch.tanh(window @ layer.weight.T + layer.bias)
        torch.testing.assert_close(output[:, t], expected)


@pytest.mark.parametrize("layers", [1, 3])
def test_two_windows_equal_one_and_a_step_equals_a_window(layers: int) -> None:
    core = make_core(4, layers)
    inputs = torch.randn(2, 9, 3, dtype=torch.float64)
    whole, end = core(inputs, core.init_state(2))
    first, state = core(inputs[:, :2], core.init_state(2))
    second, parts_end = core(inputs[:, 2:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    torch.testing.assert_close(parts_end[0], end[0])
    assert torch.equal(end[0], inputs[:, -4:].transpose(0, 1))
    step, state = core.stepper(), core.init_state(2)
    for t in range(9):
        output, state = step(inputs[:, t], state)
        torch.testing.assert_close(output, whole[:, t])
