"""Recurrent cores: stacks of one-layer modules with dropout between them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lmlab.models import sequences
from lmlab.models.core import Core, State, Stepper
from lmlab.models.dropout import Dropout, make_dropout
from lmlab.models.products import PreparedProduct

# Runs one step of a layer: (inputs (B, I), or ids (B,) for a table, and its state) -> its new state, the output first.
LayerStep = Callable[[Tensor, list[Tensor]], list[Tensor]]


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
    num_gates: int
    tanh_gate: int | None

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
        """Returns a function that runs one step without dropout and gradients, with one or two products per layer.

        On a CPU, calling the layer's own module for one token takes many times as long as its arithmetic. The weights
        are prepared once, so the function is valid until they change.
        """
        return self.prepared_stepper()

    def prepared_stepper(self, *, vectors: Tensor | None = None, bfloat16: bool = False) -> Stepper:
        """Returns a stepper with more prepared than `stepper`, which knows nothing but the core, can prepare.

        Args:
            vectors: (V, I) if the function is to take ids (B,) instead of inputs (B, I): the first layer's products
                with all vectors are computed here, (V, gates), so that a step has one product less.
            bfloat16: whether products are computed in bfloat16; the state stays in the parameters' type.
        """
        product = partial(PreparedProduct, bfloat16=bfloat16)
        steps = [self._layer_step(layer, None if i else vectors, product) for i, layer in enumerate(self.layers)]
        count = self.tensors_per_layer

        @torch.no_grad()
        def step(inputs: Tensor, state: State) -> tuple[Tensor, State]:
            new_state: list[Tensor] = []
            output = inputs
            for i, layer_step in enumerate(steps):
                new = layer_step(output, [tensor[0] for tensor in state[i * count : (i + 1) * count]])
                new_state.extend(tensor[None] for tensor in new)
                output = new[0]
            return output, tuple(new_state)

        return step

    def _layer_step(
        self, layer: nn.Module, vectors: Tensor | None, product: Callable[..., PreparedProduct]
    ) -> LayerStep:
        """Returns a layer's step; from ids if there are vectors."""
        input_weight, hidden_weight, input_bias, hidden_bias = _weights(layer)
        bias = input_bias + hidden_bias
        if vectors is None:
            both = product(self._scaled(torch.cat([input_weight, hidden_weight], dim=1)), self._scaled(bias))
            return lambda inputs, state: self._cell(both(torch.cat([inputs, state[0]], dim=1)), state=state)
        table = self._scaled(nn.functional.linear(vectors.detach(), input_weight, bias), dim=1)
        hidden = product(self._scaled(hidden_weight.clone()))
        return lambda ids, state: self._cell(nn.functional.embedding(ids, table).add_(hidden(state[0])), state=state)

    def _scaled(self, gates: Tensor, *, dim: int = 0) -> Tensor:
        """Multiplies the gate with a tanh by -2, in place, for tanh(a) = 1 - 2 sigmoid(-2 a).

        On a CPU torch's sigmoid takes an eighth of the time of its tanh, and all gates of a layer are then one call.
        The error is absolute, 1e-7 in float32.
        """
        if self.tanh_gate is not None:
            gates.chunk(self.num_gates, dim=dim)[self.tanh_gate].mul_(-2)
        return gates

    @abstractmethod
    def _cell(self, *gates: Tensor, state: list[Tensor]) -> list[Tensor]:
        """Returns the new state of a layer, its output first, each (B, H).

        Args:
            gates: the sum of both products and biases (B, gates), or the two apart; they are overwritten.
            state: the old state, not changed.
        """


def _weights(layer: nn.Module) -> list[Tensor]:
    """Returns both matrices (gates, I) and (gates, H) and both biases (gates,)."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return [layer.get_parameter(name).detach() for name in names]


class RNN(RecurrentCore):
    """Elman network: h' = f(W_ih x + b_ih + W_hh h + b_hh) with f = tanh or ReLU.

    Source: Elman 1990, Finding Structure in Time; as `torch.nn.RNN`.

    Args:
        nonlinearity: ``tanh`` or ``relu``; the others as for every recurrent core.
    """

    tensors_per_layer = 1
    num_gates = 1

    def __init__(
        self,
        *,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        locked_dropout: bool,
        weight_dropout: float = 0.0,
        nonlinearity: str = "tanh",
    ) -> None:
        self.make_layer = partial(sequences.RNN, nonlinearity=nonlinearity)
        self.tanh_gate = 0 if nonlinearity == "tanh" else None
        super().__init__(
            input_size=input_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            dropout=dropout,
            locked_dropout=locked_dropout,
            weight_dropout=weight_dropout,
        )

    def _cell(self, *gates: Tensor, state: list[Tensor]) -> list[Tensor]:
        return [gates[0].relu_() if self.tanh_gate is None else gates[0].sigmoid_().mul_(-2).add_(1)]


class GRU(RecurrentCore):
    """Gated recurrent unit.

    Source: Cho et al. 2014; the reset gate multiplies W_hn h + b_hn, as in `torch.nn.GRU` (and cuDNN).
    """

    make_layer = sequences.GRU
    tensors_per_layer = 1
    num_gates = 3
    tanh_gate = 2

    def _layer_step(
        self, layer: nn.Module, vectors: Tensor | None, product: Callable[..., PreparedProduct]
    ) -> LayerStep:
        # The reset gate needs the hidden part separately, so the two products are not merged.
        input_weight, hidden_weight, input_bias, hidden_bias = _weights(layer)
        hidden = product(self._scaled(hidden_weight.clone()), self._scaled(hidden_bias.clone()))
        from_inputs: Callable[[Tensor], Tensor]
        if vectors is None:
            from_inputs = product(self._scaled(input_weight.clone()), self._scaled(input_bias.clone()))
        else:
            table = self._scaled(nn.functional.linear(vectors.detach(), input_weight, input_bias), dim=1)
            from_inputs = partial(nn.functional.embedding, weight=table)
        return lambda inputs, state: self._cell(from_inputs(inputs), hidden(state[0]), state=state)

    def _cell(self, *gates: Tensor, state: list[Tensor]) -> list[Tensor]:
        from_inputs, from_hidden = gates
        units = state[0].shape[1]
        reset, update = from_inputs[:, : 2 * units].add_(from_hidden[:, : 2 * units]).sigmoid_().chunk(2, dim=1)
        new = from_inputs[:, 2 * units :].addcmul_(reset, from_hidden[:, 2 * units :]).sigmoid_().mul_(-2).add_(1)
        return [torch.lerp(new, state[0], update)]


class LSTM(RecurrentCore):
    """Long short-term memory with forget gate.

    Source: Hochreiter & Schmidhuber 1997, Gers et al. 2000; gates in the order of `torch.nn.LSTM`.
    """

    make_layer = nn.LSTM
    tensors_per_layer = 2
    num_gates = 4
    tanh_gate = 2

    def _run_layer(self, layer: nn.Module, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        output, hidden = self._call(layer, inputs, (state[0], state[1]))
        return output, hidden

    def _cell(self, *gates: Tensor, state: list[Tensor]) -> list[Tensor]:
        input_gate, forget_gate, candidate, output_gate = gates[0].sigmoid_().chunk(4, dim=1)
        # i tanh(g) = i - 2 i s, where s = sigmoid(-2 g); the output's tanh in the same way.
        cell = torch.addcmul(input_gate, forget_gate, state[1]).addcmul_(input_gate, candidate, value=-2)
        return [torch.addcmul(output_gate, output_gate, (cell * -2).sigmoid_(), value=-2), cell]
