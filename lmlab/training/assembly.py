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
from lmlab.data.corpus import Corpus
from lmlab.data.datamodule import LanguageModelData
from lmlab.data.loaders.base import TrainLoader
from lmlab.data.token_store import TokenStore
from lmlab.data.tokenizers.base import Tokenizer, special_tokens
from lmlab.evaluation.figures import build_metrics
from lmlab.models.embedding import EmbeddingVectors, Vectors
from lmlab.models.language_model import LanguageModel
from lmlab.training.callbacks.averaging import Averaging
from lmlab.training.initial import read_origin, take_weights
from lmlab.training.models import build_model
from lmlab.training.module import LanguageModelModule


def build_data(
    settings: TrainSettings, *, tokenizer: Tokenizer | None = None, corpus: Corpus | None = None
) -> LanguageModelData:
    """Returns the data of a run, ready to be used.

    Args:
        settings: the run's settings.
        tokenizer: a fitted one, to be used unchanged; None to fit the one of the settings.
        corpus: the text, if it has been read already.

    Raises:
        UserError: the text cannot be used, or nothing can start from the run of `init_from`.
    """
    origin = None if tokenizer is not None else read_origin(settings)

    def make_train_loader(store: TokenStore) -> TrainLoader:
        made: TrainLoader = registry.build("data.batching", settings.data.batching, store=store, seed=settings.seed)
        return made

    data = LanguageModelData(
        source=registry.build("data.source", settings.data.source),
        tokenizer=registry.build("tokenizer", settings.tokenizer) if tokenizer is None else tokenizer,
        make_train_loader=make_train_loader,
        num_streams=settings.evaluation.num_streams,
        fit=tokenizer is None,
        known=None if origin is None else origin.tokenizer,
        corpus=corpus,
    )
    data.setup()
    return data


def build_vectors(settings: TrainSettings, tokenizer: Tokenizer) -> Vectors:
    """Returns the initial values of the embedding."""
    num_special = len(special_tokens(tokenizer.end_token))
    tied = settings.model.tie_weights
    source: EmbeddingVectors = registry.build("embedding", settings.embedding)
    return source.vectors(vocabulary=tokenizer.vocabulary, num_special=num_special, tied=tied)


def build_module(settings: TrainSettings, data: LanguageModelData) -> LanguageModelModule:
    """Returns the module of a run: its model with first weights from torch's generator, optimizer, rates and average.

    Args:
        settings: the run's settings.
        data: after `setup`.

    Raises:
        UserError: a part cannot be made.
    """
    vectors = build_vectors(settings, data.tokenizer)
    model = build_model(settings, vectors.weight)
    origin = read_origin(settings)
    if origin is not None:
        take_weights(model, origin)
    module = module_of(settings, model)
    module.vector_coverage = vectors.coverage
    module.origin = None if origin is None else dict(origin.record)
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
    # torch's fused Adagrad is for CPUs only.
    may = device.type == "cpu" or settings.optimizer.target != "torch.optim.Adagrad"
    if may and registry.takes("optimizer", settings.optimizer, "fused"):
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
