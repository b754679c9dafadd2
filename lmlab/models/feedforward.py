"""The fixed-window neural language model as a core."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lmlab.models.core import Core, State, Stepper
from lmlab.models.dropout import make_dropout


class FeedForward(Core):
    """The fixed-window neural language model as a core: a hidden layer over the last tokens' embeddings.

    h_t = tanh(d + H [x_(t-n+2), ..., x_t]) for an n-gram model, which predicts from n - 1 tokens. The state is those
    n - 1 embeddings, (n - 1, B, I); zeros stand for tokens before the first.

    Args:
        input_size: I, size of the embedding.
        hidden_size: H, units of a layer.
        num_layers: number of hidden layers, each of tanh units.
        dropout: dropout rate between layers.
        locked_dropout: whether dropout uses one mask for all steps of a batch.
        context: n - 1, number of tokens to predict from.

    Source: Bengio et al. 2003, A Neural Probabilistic Language Model, equation 1, whose y = b + U h is the decoder,
    without the direct connections (their W is 0). More than one hidden layer is an extension.
    """

    def __init__(
        self,
        *,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        locked_dropout: bool,
        context: int,
    ) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.input_size = input_size
        self.context = context
        sizes = [input_size * context] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(nn.Linear(size, hidden_size) for size in sizes)
        self.dropout = make_dropout(dropout, locked=locked_dropout)

    def init_state(self, batch_size: int) -> State:
        """Returns zeros, which stand for tokens before the first."""
        return (next(self.parameters()).new_zeros(self.context, batch_size, self.input_size),)

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Runs T steps.

        Args:
            inputs: (B, T, I).
            state: in the form of `init_state`.

        Returns:
            The last layer's output (B, T, H) and the state after the last step.
        """
        steps = inputs.shape[1]
        # (B, n - 1 + T, I): the state's oldest token is outside every window.
        seen = torch.cat([state[0].transpose(0, 1).to(inputs.dtype), inputs], dim=1)
        windows = torch.cat([seen[:, i + 1 : i + 1 + steps] for i in range(self.context)], dim=2)
        return self._layers(windows), (seen[:, seen.shape[1] - self.context :].transpose(0, 1).contiguous(),)

    def _layers(self, output: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            output = layer(self.dropout(output) if i > 0 else output).tanh()
        return output

    def named_layers(self) -> Mapping[str, nn.Module]:
        """Returns `core.0`, `core.1`, ..., from input to output."""
        return {f"core.{i}": layer for i, layer in enumerate(self.layers)}

    def stepper(self) -> Stepper:
        """Returns a function that runs one step without dropout."""

        def step(inputs: Tensor, state: State) -> tuple[Tensor, State]:
            seen = torch.cat([state[0][1:], inputs[None]])
            output = seen.transpose(0, 1).flatten(1)
            for layer in self.layers:
                output = layer(output).tanh()
            return output, (seen,)

        return step
