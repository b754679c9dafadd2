"""Leaky-integrator units: a recurrent network whose state moves by a fixed share of the way at each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import lmlab
import torch
from lmlab.models.dropout import make_dropout
from torch import Tensor, nn


class LeakyCore(lmlab.Core):
    """A stack of leaky-integrator layers: h' = leak h + (1 - leak) tanh(W x + U h + b).

    With leak 0 each layer is an Elman network. The nearer leak is to 1, the slower a unit changes: it follows its input
    with a time constant of about 1 / (1 - leak) tokens. A state is a tuple with one tensor (1, B, H) for each layer,
    its output of the step before. The first one is learned and begins as zeros.

    Args:
        input_size: I, size of the embedding.
        hidden_size: H, units of a layer.
        leak: share of the state that stays from one token to the next.
        num_layers: stacked layers.
        dropout: between layers.
        locked_dropout: one dropout mask for all steps of a batch.

    Source: Jaeger, Lukosevicius, Popovici & Siewert 2007, Optimization and applications of echo state networks with
    leaky-integrator neurons, with a time step of 1, gamma = 1 - leak and a = 1. There W and U are drawn at random and
    only the output is trained, and the output may be fed back; here all weights are trained by truncated
    back-propagation, there is no feedback from the output, and layers are stacked.
    """

    def __init__(
        self,
        *,
        input_size: int,
        hidden_size: int,
        leak: Annotated[float, lmlab.Range(at_least=0, below=1)],
        num_layers: int = 1,
        dropout: float = 0.0,
        locked_dropout: bool = False,
    ) -> None:
        super().__init__()
        self.output_size = hidden_size
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(LeakyLayer(size, hidden_size, leak) for size in sizes)
        self.first = nn.ParameterList(nn.Parameter(torch.zeros(hidden_size)) for _ in sizes)
        self.dropout = make_dropout(dropout, locked=locked_dropout)

    def init_state(self, batch_size: int) -> lmlab.State:
        """Returns the learned first state of each layer, (1, B, H)."""
        return tuple(first.expand(1, batch_size, -1) for first in self.first)

    def forward(self, inputs: Tensor, state: lmlab.State) -> tuple[Tensor, lmlab.State]:
        """Runs T steps.

        Args:
            inputs: (B, T, I).
            state: as `init_state` gives it.

        Returns:
            The last layer's output (B, T, H), and the state after the last step.
        """
        output, new_state = inputs, []
        for i, layer in enumerate(self.layers):
            output = layer(self.dropout(output) if i > 0 else output, state[i][0])
            new_state.append(output[:, -1][None])
        return output, tuple(new_state)

    def named_layers(self) -> Mapping[str, nn.Module]:
        """Returns `core.0`, `core.1`, ..., from input to output."""
        return {f"core.{i}": layer for i, layer in enumerate(self.layers)}


class LeakyLayer(nn.Module):
    """One layer.

    Args:
        input_size: I.
        hidden_size: H.
        leak: share of the state that stays.
    """

    def __init__(self, input_size: int, hidden_size: int, leak: float) -> None:
        super().__init__()
        self.input_size = input_size  # shown in lmlab's table of the model's parts
        self.leak = leak
        self.from_input = nn.Linear(input_size, hidden_size)
        self.from_state = nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(self, inputs: Tensor, hidden: Tensor) -> Tensor:
        """Returns the states of all steps (B, T, H) for inputs (B, T, I) and the state before them (B, H)."""
        # One product for all steps; only what depends on the step before is left to the loop.
        driven = self.from_input(inputs)
        states = []
        for step in driven.unbind(dim=1):
            hidden = self.leak * hidden + (1 - self.leak) * torch.tanh(step + self.from_state(hidden))
            states.append(hidden)
        return torch.stack(states, dim=1)
