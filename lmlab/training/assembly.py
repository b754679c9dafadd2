"""The parts of a run, made from its plain, resolved configuration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

from lmlab.build import instantiate
from lmlab.data.datamodule import LanguageModelData
from lmlab.data.token_store import TokenStore
from lmlab.data.tokenizers import Tokenizer, special_tokens
from lmlab.errors import UserError
from lmlab.models.embedding import EmbeddingVectors, Vectors
from lmlab.models.language_model import LanguageModel
from lmlab.training.averaging import WeightAverage
from lmlab.training.module import LanguageModelModule

Config = dict[str, Any]


def build_data(config: Config, *, tokenizer: Tokenizer | None = None) -> LanguageModelData:
    """Reads the corpus and fits the tokenizer, or takes a fitted one.

    Raises:
        UserError: an unusable text.
    """
    corpus = instantiate(config["data"]["source"]).load()

    def make_train_loader(store: TokenStore) -> Any:
        return instantiate(config["data"]["batching"], store=store, seed=config["seed"])

    return LanguageModelData(
        corpus=corpus,
        tokenizer=instantiate(config["tokenizer"]) if tokenizer is None else tokenizer,
        make_train_loader=make_train_loader,
        num_streams=config["evaluation"]["num_streams"],
        fit=tokenizer is None,
    )


def build_vectors(config: Config, tokenizer: Tokenizer) -> Vectors:
    """The embedding's first values."""
    num_special = len(special_tokens(tokenizer.end_token))
    tied = config["model"]["tie_weights"]
    ours = ("freeze", "download", "path") if config["embedding"]["path"] is None else ("freeze", "download")
    settings = {key: value for key, value in config["embedding"].items() if key not in ours}
    source = instantiate(settings)
    assert isinstance(source, EmbeddingVectors)
    return source.vectors(vocabulary=tokenizer.vocabulary, num_special=num_special, tied=tied)


def build_model(config: Config, weight: torch.Tensor) -> LanguageModel:
    """The model around an embedding's first values (V, E).

    Raises:
        UserError: a tie of unequal sizes.
    """
    model, dim = config["model"], weight.shape[1]
    if model["tie_weights"] and dim != model["hidden_size"]:
        problem = f"needs embedding.dim ({dim}) equal to model.hidden_size ({model['hidden_size']})"
        raise UserError("model.tie_weights", "true", problem, "set one of them")
    return LanguageModel(
        vectors=weight,
        core=instantiate(model["core"], input_size=dim),
        input_dropout=model["input_dropout"],
        output_dropout=model["output_dropout"],
        locked_dropout=model["locked_dropout"],
        embedding_dropout=model["embedding_dropout"],
        tie_weights=model["tie_weights"],
        freeze_embedding=config["embedding"]["freeze"],
    )


def build_task(config: Config, model: LanguageModel, *, total_steps: int, steps_per_epoch: int) -> LanguageModelModule:
    """The model with its optimizer, learning rates and average.

    Args:
        config: the run's.
        model: to be trained.
        total_steps: optimizer steps of the whole run.
        steps_per_epoch: optimizer steps of an epoch.
    """

    def make_optimizer(parameters: Iterable[Parameter]) -> Optimizer:
        # One kernel for all parameters; with 16-mixed, Lightning must unscale gradients itself to clip them.
        fused = config["trainer"]["precision"] != "16-mixed"
        groups = decay_groups(list(parameters), config["optimizer"]["weight_decay"])
        optimizer = instantiate(config["optimizer"], params=groups, fused=fused)
        assert isinstance(optimizer, Optimizer)
        return optimizer

    lr_lambda = instantiate(config["scheduler"], total_steps=total_steps, steps_per_epoch=steps_per_epoch)
    averaging = WeightAverage(instantiate(config["averaging"])) if config["averaging"]["_target_"] else None
    return LanguageModelModule(model=model, make_optimizer=make_optimizer, lr_lambda=lr_lambda, averaging=averaging)


def decay_groups(parameters: list[Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Matrices with weight decay; vectors (biases and norms' gains), which it would only bias, without.

    Args:
        parameters: all that are trained.
        weight_decay: of the optimizer; 0 needs one group only.
    """
    if weight_decay == 0:
        return [{"params": parameters}]
    matrices = [p for p in parameters if p.ndim >= 2]
    vectors = [p for p in parameters if p.ndim < 2]
    return [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
