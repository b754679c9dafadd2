"""Builds a run's model; what only uses one need not wait for the import of Lightning."""

from __future__ import annotations

import functools

import torch

from lmlab.config import registry
from lmlab.config.settings import TrainSettings
from lmlab.errors import UserError
from lmlab.models.core import Core
from lmlab.models.language_model import LanguageModel


def build_model(settings: TrainSettings, weight: torch.Tensor) -> LanguageModel:
    """Builds the model with the given initial values of the embedding (V, E).

    Raises:
        UserError: weights are tied but the sizes differ.
    """
    model, dim = settings.model, weight.shape[1]
    core: Core = registry.build("model.core", model.core, input_size=dim)
    _check_state(core)
    if model.tie_weights and dim != core.output_size:
        problem = f"needs embedding.dim ({dim}) equal to model.hidden_size ({core.output_size})"
        raise UserError("model.tie_weights", "true", problem, "set one of them")
    return LanguageModel(
        vectors=weight,
        core=core,
        input_dropout=model.input_dropout,
        output_dropout=model.output_dropout,
        locked_dropout=model.locked_dropout,
        embedding_dropout=model.embedding_dropout,
        tie_weights=model.tie_weights,
        freeze_embedding=settings.embedding.freeze,
        make_decoder=functools.partial(registry.build, "model.decoder", model.decoder),
    )


def _check_state(core: Core) -> None:
    """Checks that a first state has the batch on dim 1: a state of another form would silently never be carried on.

    Raises:
        UserError: it has not.
    """
    for batch_size in (2, 3):
        shapes = [tuple(tensor.shape) for tensor in core.init_state(batch_size)]
        if any(len(shape) < 2 or shape[1] != batch_size for shape in shapes):
            made = ", ".join(map(str, shapes))
            problem = f"init_state({batch_size}) of {type(core).__name__} gives {made}: the batch must be on dim 1"
            raise UserError("model.core", None, problem, "lmlab.testing.check_core checks a core")
