"""Checks of values that need neither data nor torch, so that a mistake is answered at once."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lmlab.build import check_target, instantiate
from lmlab.config.glove import GLOVE_DIMENSIONS
from lmlab.config.optimization_checks import at_least, check_hardware, check_optimization
from lmlab.errors import UserError

PARTS = (
    "data",
    "tokenizer",
    "model",
    "embedding",
    "optimizer",
    "scheduler",
    "averaging",
    "trainer",
    "callbacks",
    "logger",
    "evaluation",
)


def check_training(config: DictConfig) -> None:
    """Refuses a training configuration that cannot work, by the setting at fault.

    Raises:
        UserError: the first setting that is out of its range or does not fit another.
    """
    _check_parts(config)
    _check_no_extras(config, "")
    _check_data(config)
    _check_tokenizer(config)
    _check_model(config)
    check_optimization(config)
    _check_samples(config)
    if config.evaluation.num_streams is not None:
        at_least(config, "evaluation.num_streams", 1)
    if config.evaluation.ngram_order is not None:
        at_least(config, "evaluation.ngram_order", 1)
    at_least(config, "evaluation.num_samples", 0)
    at_least(config, "evaluation.sample_length", 1)
    for temperature in config.evaluation.temperatures:
        if not 0 <= temperature < float("inf"):
            remedy = "give numbers from 0 on, for example evaluation.temperatures=[0.5,1.0]"
            raise UserError("evaluation.temperatures", temperature, "is no temperature", remedy)
    parts = Path(config.name).parts
    if not parts or ".." in parts or Path(config.name).is_absolute():
        raise UserError("name", config.name, "is no name of a folder below output_dir", "for example name=my_run")
    if not 0 <= config.seed < 2**32:
        raise UserError("seed", config.seed, "is not between 0 and 4294967295", "for example seed=1")


def check_sampling(config: Any) -> None:
    """Refuses sampling options that mean nothing; for `generate` and for the samples of a training run.

    Raises:
        UserError: the first setting that is out of its range.
    """
    _check_sampling_options(config, "")
    at_least(config, "num_samples", 1)
    _check_checkpoint(config)


def check_prediction(config: DictConfig) -> None:
    """Refuses a `predict` configuration that cannot work.

    Raises:
        UserError: the first setting that is out of its range.
    """
    at_least(config, "top", 1)
    if config.checkpoint is not None:
        _check_checkpoint(config)


def check_evaluation(config: DictConfig) -> None:
    """Refuses an `evaluate` configuration that cannot work.

    Raises:
        UserError: the first setting that is out of its range.
    """
    if config.data.path is not None and config.split is not None:
        raise UserError("split", config.split, "a text of data.path is evaluated whole", "leave split or data.path out")
    config.split = config.split or "test"
    config.split = {"valid": "validation", "val": "validation", "dev": "validation"}.get(config.split, config.split)
    if config.split not in ("train", "validation", "test"):
        remedy = "choose one of train, validation (or valid, val, dev), test"
        raise UserError("split", config.split, "no such split", remedy)
    _check_checkpoint(config)
    if config.num_streams is not None:
        at_least(config, "num_streams", 1)
    if config.data.path is not None:
        _check_exists("data.path", config.data.path)


def check_verify(config: DictConfig) -> None:
    """Refuses a `verify` configuration that cannot work.

    Raises:
        UserError: no name of a checkpoint.
    """
    _check_checkpoint(config)


def check_benchmark(config: DictConfig) -> None:
    """Refuses a `benchmark` configuration that cannot work.

    Raises:
        UserError: the first setting that is out of its range.
    """
    for model in config.models:
        if model not in ("rnn", "gru", "lstm"):
            raise UserError("models", model, "no such model", "choose among rnn, gru, lstm")
    for name in ("num_layers", "embedding_dim", "vocabulary_size", "batch_size", "sequence_length", "steps"):
        at_least(config, name, 1)
    if config.batches not in ("streams", "sentences"):
        raise UserError("batches", config.batches, "is not timed", "choose streams or sentences")
    if config.batches == "sentences":
        at_least(config, "vocabulary_size", 3)  # the start token is the third
    if any(size < 1 for size in config.hidden_sizes):
        raise UserError("hidden_sizes", list(config.hidden_sizes), "has a size less than 1", "for example [256,512]")
    check_hardware(config, "")


def check_report(config: DictConfig) -> None:
    """Refuses a `report` configuration that cannot work.

    Raises:
        UserError: the first setting that is out of its range.
    """
    if config.along not in ("tokens", "steps", "epochs", "seconds"):
        raise UserError("along", config.along, "is nothing to draw curves along", "tokens, steps, epochs or seconds")
    if not 0 < config.every_seconds < float("inf"):
        raise UserError("every_seconds", config.every_seconds, "is no time to wait", "for example every_seconds=10")


def _check_checkpoint(config: Any) -> None:
    if not re.fullmatch(r"best|last|step-\d+", config.checkpoint):
        remedy = "choose best, last, or one that was kept (step-000500)"
        raise UserError("checkpoint", config.checkpoint, "no such checkpoint", remedy)


def _check_parts(config: DictConfig) -> None:
    for part in PARTS:
        if OmegaConf.is_missing(config, part) or config[part] is None:
            raise UserError(part, "null", "a run needs it", f"leave {part}=... out for the default")
    for path in ("data.source._target_", "data.batching._target_", "tokenizer._target_", "model.core._target_"):
        if not OmegaConf.select(config, path, throw_on_missing=False):
            part = path.partition(".")[0]
            raise UserError(part, None, f"{path} has no value", f"choose an option: {part}=...")


def _check_no_extras(config: DictConfig, prefix: str) -> None:
    """`+name=value` adds what the types do not know, and Hydra lets it; here it is refused like any other typo."""
    known = OmegaConf.get_type(config)
    names = {item.name for item in dataclasses.fields(known)} if dataclasses.is_dataclass(known) else None
    for key in map(str, config):
        if names is not None and key not in names:
            value = OmegaConf.select(config, str(key), throw_on_missing=False)
            raise UserError(f"+{prefix}{key}", value, "no such setting", "leave it out; --cfg job shows all settings")
        if key == "_target_" and config[key]:
            check_target(config[key])
        if not OmegaConf.is_missing(config, key) and isinstance(config[key], DictConfig) and names is not None:
            _check_no_extras(config[key], f"{prefix}{key}.")


def _check_data(config: DictConfig) -> None:
    at_least(config, "data.batch_size", 1)
    at_least(config, "data.sequence_length", 1)
    at_least(config, "data.stride", 1)
    if config.data.tokens_per_batch is not None:
        at_least(config, "data.tokens_per_batch", 1)
    _check_sentences(config)
    split = list(config.data.split)
    usable = len(split) in (2, 3) and all(share >= 0 for share in split) and min(split[:2]) > 0
    if not usable:
        remedy = "give the shares of train, validation and test, for example data.split=[0.8,0.1,0.1]"
        raise UserError("data.split", split, "is not two or three shares with a training and a validation part", remedy)
    source = OmegaConf.to_container(config.data.source, resolve=True)
    assert isinstance(source, dict)
    if config.data.path and "path" not in source:
        raise UserError("data.path", config.data.path, f"data={config.data.name} reads no path", "add data=text")
    needs_path = source["_target_"].endswith((".TextFiles", ".HarryPotter", ".SentenceFiles"))
    if "path" in source and not source["path"] and needs_path:
        problem, remedy = "this data set needs a text of yours", "give a file or folder: data.path=my_text.txt"
        raise UserError("data.path", None, problem, remedy)
    instantiate({str(key): value for key, value in source.items()}).check()
    encoding = config.data.encoding
    if encoding != "auto":
        try:
            "".encode(encoding)
        except LookupError:
            raise UserError(
                "data.encoding", encoding, "no such encoding", "for example utf-8, latin-1 or auto"
            ) from None


def _check_sentences(config: DictConfig) -> None:
    """Sentences are batched as sentences, running text is not; the tokenizer follows the data."""
    by_sentence = config.data.batching._target_.endswith("SentencesLoader")
    if config.data.sentences != by_sentence:
        name = config.data.batching._target_.rpartition(".")[2].removesuffix("Loader").lower()
        if by_sentence:
            remedy = "use batching=streams, windows or chunks, or data=sentences for a text with one sentence a line"
            raise UserError("batching", name, f"data={config.data.name} is running text", remedy)
        raise UserError("batching", name, f"data={config.data.name} gives sentences", "use batching=sentences")
    if config.data.sentences:
        if config.tokenizer.end_token not in (None, "sentence"):
            problem = "sentences have start and end tokens of their own"
            raise UserError("tokenizer.end_token", config.tokenizer.end_token, problem, "leave it out")
        config.tokenizer.end_token = "sentence"


def _check_exists(field: str, value: str) -> None:
    if not Path(value).expanduser().exists():
        where = "" if os.path.isabs(value) else f" in {os.getcwd()}"
        raise UserError(field, value, f"no such file or folder{where}", "check the path")


def _check_tokenizer(config: DictConfig) -> None:
    tokenizer = config.tokenizer
    by_word = "split" in tokenizer
    allowed: tuple[str | None, ...] = (None, "line", "document") if by_word else (None, "document")
    if config.data.sentences:
        allowed = ("sentence",)
    if tokenizer.end_token not in allowed:
        choices = ", ".join(str(a or "null") for a in allowed)
        raise UserError("tokenizer.end_token", tokenizer.end_token, "no such option", f"choose one of {choices}")
    if by_word and tokenizer.split not in ("punctuation", "whitespace"):
        raise UserError("tokenizer.split", tokenizer.split, "no such option", "choose punctuation or whitespace")
    # Of words or pairs; the 256 bytes and the special tokens are always there.
    special = 3 if config.data.sentences else 2
    for name, least in (("min_frequency", 1), ("max_size", special + 1), ("vocabulary_size", special + 256)):
        if tokenizer.get(name) is not None:
            at_least(config, f"tokenizer.{name}", least)


def _check_model(config: DictConfig) -> None:
    model, embedding = config.model, config.embedding
    at_least(config, "model.hidden_size", 1)
    at_least(config, "model.num_layers", 1)
    if "context" in model:
        at_least(config, "model.context", 1)
    for name in ("dropout", "input_dropout", "output_dropout", "embedding_dropout", "weight_dropout"):
        value = model.get(name, 0.0)
        if not 0 <= value < 1:
            raise UserError(f"model.{name}", value, "is not a share of units", "give 0 or more and less than 1")
    by_file = embedding._target_.endswith("GloveVectors")
    if embedding.dim is not None:
        at_least(config, "embedding.dim", 1)
    elif not by_file:
        raise UserError("embedding.dim", "null", "random vectors need a size", "for example embedding.dim=128")
    if embedding.path and not by_file:
        raise UserError("embedding.path", embedding.path, "random vectors read no file", "add embedding=glove")
    if by_file and "vocabulary_size" in config.tokenizer:
        problem = "GloVe has vectors for words, not for their pieces"
        raise UserError("embedding", "glove", problem, "add tokenizer=word, or use embedding=random")
    if by_file and embedding.path:
        _check_exists("embedding.path", embedding.path)
    elif by_file and embedding.dim not in (None, *GLOVE_DIMENSIONS):
        choices = ", ".join(map(str, GLOVE_DIMENSIONS))
        problem = "glove.6B has no vectors of this size"
        raise UserError("embedding.dim", embedding.dim, problem, f"choose one of {choices}, or give embedding.path")
    if model.tie_weights:
        if embedding.dim not in (None, model.hidden_size):  # None: known when the file has been read
            problem = f"needs embedding.dim ({embedding.dim}) equal to model.hidden_size ({model.hidden_size})"
            raise UserError("model.tie_weights", "true", problem, "set one of them")
        if embedding.freeze:
            remedy = "set one of them to false"
            raise UserError(
                "model.tie_weights", "true", "with embedding.freeze=true the decoder could not learn", remedy
            )


def _check_samples(config: DictConfig) -> None:
    samples = config.callbacks.sample_text
    _check_sampling_options(samples, "callbacks.sample_text.")
    for name in ("every_n_epochs", "every_n_steps"):
        if samples[name] is not None and samples[name] < 1:
            field = f"callbacks.sample_text.{name}"
            raise UserError(field, samples[name], "is less than 1", "null switches it off")
    if config.callbacks.checkpoints.keep_every is not None:
        at_least(config, "callbacks.checkpoints.keep_every", 1)
    at_least(config, "callbacks.sample_text.num_samples", 1)
    minutes = config.callbacks.checkpoints.every_minutes
    if minutes is not None and not minutes > 0:
        raise UserError(
            "callbacks.checkpoints.every_minutes", minutes, "is not a positive number", "null switches it off"
        )


def _check_sampling_options(options: Any, prefix: str) -> None:
    if not 0 <= options.temperature < float("inf"):
        problem = "is not 0 or more"
        raise UserError(f"{prefix}temperature", options.temperature, problem, "0 takes the most probable token")
    if options.top_k is not None and options.top_k < 1:
        raise UserError(f"{prefix}top_k", options.top_k, "is less than 1", "null keeps all tokens")
    if options.top_p is not None and not 0 < options.top_p <= 1:
        raise UserError(f"{prefix}top_p", options.top_p, "is not above 0 and at most 1", "null keeps all tokens")
    if options.length < 1:
        raise UserError(f"{prefix}length", options.length, "is less than 1", f"for example {prefix}length=200")
    if not 0 <= options.seed < 2**32:
        raise UserError(f"{prefix}seed", options.seed, "is not between 0 and 4294967295", f"for example {prefix}seed=1")
