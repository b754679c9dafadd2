"""Lists a model's parts with their sizes and numbers of parameters."""

from __future__ import annotations

from typing import Any

from torch import nn

from lmlab.models.language_model import LanguageModel


def architecture(model: LanguageModel) -> list[dict[str, Any]]:
    """Returns the parts of a model from input to output.

    Returns:
        For each part its name (`part`), the sizes of its `input` and `output` (for ids and probabilities that of the
        vocabulary), its number of `parameters` (for a tied decoder only the bias, because its matrix belongs to the
        embedding) and whether they are `trained`.
    """
    vocabulary, dim = model.embedding.weight.shape
    parts = [_part("embedding", model.embedding, vocabulary, dim)]
    layers = list(model.core.named_layers().values())
    inputs = dim
    for number, layer in enumerate(layers, 1):
        inputs = getattr(layer, "input_size", getattr(layer, "in_features", inputs))
        name = f"{type(layer).__name__} layer" + (f" {number}" if len(layers) > 1 else "")
        parts.append(_part(name, layer, inputs, model.core.output_size))
        inputs = model.core.output_size
    in_layers = {id(weight) for layer in layers for weight in layer.parameters()}
    outside = sum(weight.numel() for weight in model.core.parameters() if id(weight) not in in_layers)
    if outside:
        parts.append(_row("core, outside of its layers", dim, model.core.output_size, outside, trained=True))
    rest = model.num_parameters - sum(part["parameters"] for part in parts)
    return [*parts, _row("decoder", model.core.output_size, vocabulary, rest, trained=True)]


def _part(name: str, module: nn.Module, inputs: int, outputs: int) -> dict[str, Any]:
    weights = list(module.parameters())
    return _row(name, inputs, outputs, sum(p.numel() for p in weights), trained=all(p.requires_grad for p in weights))


def _row(name: str, inputs: int, outputs: int, parameters: int, *, trained: bool) -> dict[str, Any]:
    return {"part": name, "input": inputs, "output": outputs, "parameters": parameters, "trained": trained}
