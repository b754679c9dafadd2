"""Builds the parts of a run from its plain, resolved configuration."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

from lmlab.config import registry
from lmlab.config.settings import TrainSettings
from lmlab.data.datamodule import LanguageModelData
from lmlab.data.loaders.base import TrainLoader
from lmlab.data.token_store import TokenStore
from lmlab.data.tokenizers.base import Tokenizer, special_tokens
from lmlab.errors import UserError
from lmlab.evaluation.figures import build_metrics
from lmlab.models.core import Core
from lmlab.models.embedding import EmbeddingVectors, Vectors
from lmlab.models.language_model import LanguageModel
from lmlab.training.callbacks.averaging import Averaging
from lmlab.training.module import LanguageModelModule


def build_data(settings: TrainSettings, *, tokenizer: Tokenizer | None = None) -> LanguageModelData:
    """Returns the data of a run, ready to be used.

    Args:
        settings: the run's settings.
        tokenizer: a fitted one, to be used unchanged; None to fit the one of the settings.

    Raises:
        UserError: the text cannot be used.
    """

    def make_train_loader(store: TokenStore) -> TrainLoader:
        made: TrainLoader = registry.build("data.batching", settings.data.batching, store=store, seed=settings.seed)
        return made

    data = LanguageModelData(
        source=registry.build("data.source", settings.data.source),
        tokenizer=registry.build("tokenizer", settings.tokenizer) if tokenizer is None else tokenizer,
        make_train_loader=make_train_loader,
        num_streams=settings.evaluation.num_streams,
        fit=tokenizer is None,
    )
    data.setup()
    return data


def build_vectors(settings: TrainSettings, tokenizer: Tokenizer) -> Vectors:
    """Returns the initial values of the embedding."""
    num_special = len(special_tokens(tokenizer.end_token))
    tied = settings.model.tie_weights
    source: EmbeddingVectors = registry.build("embedding", settings.embedding)
    return source.vectors(vocabulary=tokenizer.vocabulary, num_special=num_special, tied=tied)


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


def build_module(settings: TrainSettings, data: LanguageModelData) -> LanguageModelModule:
    """Returns the module of a run: its model with first weights from torch's generator, optimizer, rates and average.

    Args:
        settings: the run's settings.
        data: after `setup`.

    Raises:
        UserError: a part cannot be made.
    """
    vectors = build_vectors(settings, data.tokenizer)
    module = module_of(settings, build_model(settings, vectors.weight))
    module.vector_coverage = vectors.coverage
    return module


def module_of(settings: TrainSettings, model: LanguageModel) -> LanguageModelModule:
    """Returns the module that trains a model."""

    def make_optimizer(parameters: Iterable[Parameter]) -> Optimizer:
        listed = list(parameters)
        groups = decay_groups(listed, getattr(settings.optimizer, "weight_decay", 0.0))
        how = _kernels(settings, listed[0].device)
        optimizer: Optimizer = registry.build("optimizer", settings.optimizer, params=groups, **how)
        return optimizer

    make_scheduler = functools.partial(registry.build, "scheduler", settings.scheduler)
    rule = registry.build("averaging", settings.averaging) if settings.averaging.target else None
    averaging = None if rule is None else Averaging(rule)
    return LanguageModelModule(
        model=model,
        make_optimizer=make_optimizer,
        make_scheduler=make_scheduler,
        averaging=averaging,
        metrics=build_metrics(settings.metrics.added),
    )


def _kernels(settings: TrainSettings, device: torch.device) -> dict[str, bool]:
    """Returns the optimizer's keyword for updating all parameters in one or a few kernels, if it has one."""
    # With 16-mixed, Lightning must unscale gradients itself to clip them.
    # torch's fused Adagrad is for CPUs only.
    may = device.type == "cpu" or settings.optimizer.target != "torch.optim.Adagrad"
    if may and settings.trainer.precision != "16-mixed" and registry.takes("optimizer", settings.optimizer, "fused"):
        return {"fused": True}
    return {"foreach": True} if registry.takes("optimizer", settings.optimizer, "foreach") else {}


def decay_groups(parameters: list[Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Returns optimizer groups: matrices with weight decay, vectors (biases and norms' gains) without.

    Weight decay would only bias the vectors.

    Args:
        parameters: all trained parameters.
        weight_decay: the optimizer's weight decay; 0 gives a single group.
    """
    if weight_decay == 0:
        return [{"params": parameters}]
    matrices = [p for p in parameters if p.ndim >= 2]
    vectors = [p for p in parameters if p.ndim < 2]
    return [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
