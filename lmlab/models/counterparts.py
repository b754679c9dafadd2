"""The module of `torch.nn` that computes the same as a core, for comparisons."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from lmlab.models.core import Core
from lmlab.models.recurrent import GRU, LSTM, RNN, RecurrentCore

_MODULES: dict[type[Core], Callable[..., nn.RNNBase]] = {RNN: nn.RNN, GRU: nn.GRU, LSTM: nn.LSTM}


def counterpart(core: Core) -> nn.RNNBase | None:
    """Returns the `torch.nn` module of as many layers with a copy of a core's weights, the batch first.

    Args:
        core: any; None is returned if its class has no counterpart in `torch.nn`, or if it has dropout.
    """
    module = _MODULES.get(type(core))
    if module is None or not isinstance(core, RecurrentCore) or core.dropout.rate or core.weight_dropout.rate:
        return None
    layers = [layer for layer in core.layers if isinstance(layer, nn.RNNBase)]
    first = layers[0]
    kind = {"nonlinearity": first.nonlinearity} if isinstance(first, nn.RNN) else {}
    made = module(first.input_size, first.hidden_size, len(layers), batch_first=True, **kind)
    copied = made.to(first.get_parameter("weight_ih_l0").device)
    with torch.no_grad():
        for i, layer in enumerate(layers):
            for name, parameter in layer.named_parameters():
                copied.get_parameter(name.replace("_l0", f"_l{i}")).copy_(parameter)
    return copied
