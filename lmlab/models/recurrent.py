"""Recurrent cores: stacks of one-layer modules with dropout between them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lmlab.models import sequences
from lmlab.models.core import Core, State, Stepper
from lmlab.models.dropout import Dropout, make_dropout


class RecurrentCore(Core):
    """A stack of recurrent layers.

    Each layer is a module of its own, so that dropout between layers draws from torch's own generator (then a resumed
    run is exact on CUDA too) and cuDNN may use its fastest kernels. Parameters and results are those of the `torch.nn`
    module of the same name with as many layers.

    A state is a flat tuple of tensors with the batch on dim 1: (h,) for each layer of RNN and GRU, (h, c) for each of
    the LSTM; each (1, B, H).

    Args:
        input_size: I, size of the embedding.
        hidden_size: H, units of a layer.
        num_layers: number of stacked layers.
        dropout: dropout rate between layers.
        locked_dropout: whether dropout uses one mask for all steps of a batch.
        weight_dropout: dropout rate of the hidden-to-hidden matrices, with one mask for a whole batch.

    Source: Merity et al. 2018, Regularizing and Optimizing LSTM Language Models, section 2 (weight dropout as
    DropConnect).
    """

    make_layer: Callable[..., nn.Module]
    tensors_per_layer: int

    def __init__(
        self,
        *,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        locked_dropout: bool,
        weight_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.output_size = hidden_size
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(self.make_layer(size, hidden_size, batch_first=True) for size in sizes)
        self.dropout = make_dropout(dropout, locked=locked_dropout)
        self.weight_dropout = Dropout(weight_dropout)

    def init_state(self, batch_size: int) -> State:
        """Returns a state of zeros."""
        weight = next(self.parameters())
        shape = (1, batch_size, self.output_size)
        return tuple(weight.new_zeros(shape) for _ in range(len(self.layers) * self.tensors_per_layer))

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Runs T steps.

        Args:
            inputs: (B, T, I).
            state: in the form of `init_state`.

        Returns:
            The last layer's output (B, T, H) and the state after the last step.
        """
        new_state: list[Tensor] = []
        output = inputs
        for i, layer in enumerate(self.layers):
            if i > 0:
                output = self.dropout(output)
            output, layer_state = self._run_layer(layer, output, state[i * self.tensors_per_layer :])
            new_state.extend(layer_state)
        return output, tuple(new_state)

    def _run_layer(self, layer: nn.Module, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        output, hidden = self._call(layer, inputs, state[0])
        return output, (hidden,)

    def _call(self, layer: nn.Module, inputs: Tensor, hidden: object) -> Any:
        if self.weight_dropout.rate == 0 or not self.training:
            return layer(inputs, hidden)
        # The module runs with the masked matrix in place of its own, so that the fast kernels are still used.
        dropped = self.weight_dropout(layer.get_parameter("weight_hh_l0"))
        return torch.func.functional_call(layer, {"weight_hh_l0": dropped}, (inputs, hidden))

    def named_layers(self) -> Mapping[str, nn.Module]:
        """Returns `core.0`, `core.1`, ..., from input to output."""
        return {f"core.{i}": layer for i, layer in enumerate(self.layers)}

    def stepper(self) -> Stepper:
        """Returns a function that runs one step without dropout, with one or two matrix products per layer.

        On a CPU, calling the layer's own module for one token takes many times as long as its arithmetic. The weights
        are prepared once, so the function is valid until they change.
        """
        weights = [self._step_weights(layer) for layer in self.layers]
        count = self.tensors_per_layer

        def step(inputs: Tensor, state: State) -> tuple[Tensor, State]:
            new_state: list[Tensor] = []
            output = inputs
            for i, weight in enumerate(weights):
                old = [tensor[0] for tensor in state[i * count : (i + 1) * count]]
                new = self._step(weight, output, old)
                new_state.extend(tensor[None] for tensor in new)
                output = new[0]
            return output, tuple(new_state)

        return step

    def _step_weights(self, layer: nn.Module) -> tuple[Tensor, ...]:
        """Returns the transposed input-and-hidden matrix ((I + H), gates) and the summed bias (gates,)."""
        both = torch.cat([layer.get_parameter("weight_ih_l0"), layer.get_parameter("weight_hh_l0")], dim=1)
        bias = layer.get_parameter("bias_ih_l0") + layer.get_parameter("bias_hh_l0")
        return both.t().contiguous(), bias

    @staticmethod
    @abstractmethod
    def _step(weights: tuple[Tensor, ...], inputs: Tensor, state: list[Tensor]) -> list[Tensor]:
        """Returns the new state of a layer, its output first: each (B, H) from inputs (B, I) and the old state."""


class RNN(RecurrentCore):
    """Elman network: h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

    Source: Elman 1990, Finding Structure in Time; as `torch.nn.RNN`.
    """

    make_layer = sequences.RNN
    tensors_per_layer = 1

    @staticmethod
    def _step(weights: tuple[Tensor, ...], inputs: Tensor, state: list[Tensor]) -> list[Tensor]:
        matrix, bias = weights
        return [torch.addmm(bias, torch.cat([inputs, state[0]], dim=1), matrix).tanh()]


class GRU(RecurrentCore):
    """Gated recurrent unit.

    Source: Cho et al. 2014; the reset gate multiplies W_hn h + b_hn, as in `torch.nn.GRU` (and cuDNN).
    """

    make_layer = sequences.GRU
    tensors_per_layer = 1

    def _step_weights(self, layer: nn.Module) -> tuple[Tensor, ...]:
        # The reset gate needs the hidden part separately, so the two products are not merged.
        return (
            layer.get_parameter("weight_ih_l0").t().contiguous(),
            layer.get_parameter("bias_ih_l0"),
            layer.get_parameter("weight_hh_l0").t().contiguous(),
            layer.get_parameter("bias_hh_l0"),
        )

    @staticmethod
    def _step(weights: tuple[Tensor, ...], inputs: Tensor, state: list[Tensor]) -> list[Tensor]:
        matrix_x, bias_x, matrix_h, bias_h = weights
        x_reset, x_update, x_new = torch.addmm(bias_x, inputs, matrix_x).chunk(3, dim=1)
        h_reset, h_update, h_new = torch.addmm(bias_h, state[0], matrix_h).chunk(3, dim=1)
        update = torch.sigmoid(x_update + h_update)
        new = torch.tanh(x_new + torch.sigmoid(x_reset + h_reset) * h_new)
        return [torch.lerp(new, state[0], update)]


class LSTM(RecurrentCore):
    """Long short-term memory with forget gate.

    Source: Hochreiter & Schmidhuber 1997, Gers et al. 2000; gates in the order of `torch.nn.LSTM`.
    """

    make_layer = nn.LSTM
    tensors_per_layer = 2

    def _run_layer(self, layer: nn.Module, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        output, hidden = self._call(layer, inputs, (state[0], state[1]))
        return output, hidden

    @staticmethod
    def _step(weights: tuple[Tensor, ...], inputs: Tensor, state: list[Tensor]) -> list[Tensor]:
        matrix, bias = weights
        hidden, cell = state
        gates = torch.addmm(bias, torch.cat([inputs, hidden], dim=1), matrix)
        input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=1)
        cell = torch.sigmoid(forget_gate) * cell + torch.sigmoid(input_gate) * torch.tanh(candidate)
        return [torch.sigmoid(output_gate) * torch.tanh(cell), cell]
