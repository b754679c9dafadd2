"""The configuration in a run's folder or checkpoint: data of anybody's, checked without anything in it being followed.

OmegaConf would run resolvers for what stands in ``${...}``; here a string is that string and nothing else.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from omegaconf import DictConfig, OmegaConf

from lmlab.config import schema
from lmlab.data.catalogue import TEXTS
from lmlab.errors import UserError

# What each part may be made as, and the settings that it then has. A part of a model is chosen by its core.
_SOURCES = (
    "lmlab.data.sources.PythonDocs",
    "lmlab.data.sources.TextFiles",
    "lmlab.data.sources.HarryPotter",
    "lmlab.data.published.PublishedBooks",
    "lmlab.data.published.PublishedCut",
    "lmlab.data.published.PublishedSplits",
    "lmlab.data.sentence_sources.SentenceFiles",
    "lmlab.data.sentence_sources.PublishedSentences",
    "lmlab.data.reviews.MovieReviews",
    "lmlab.data.generated.Generated",
)
PARTS: dict[str, dict[str | None, type]] = {
    "data.batching": {
        "lmlab.data.batching.StreamsLoader": schema.StreamsConfig,
        "lmlab.data.windows.WindowsLoader": schema.WindowsConfig,
        "lmlab.data.windows.ChunksLoader": schema.StreamsConfig,
        "lmlab.data.sentences.SentencesLoader": schema.SentencesConfig,
    },
    "tokenizer": {
        "lmlab.data.tokenizers.CharTokenizer": schema.TokenizerConfig,
        "lmlab.data.tokenizers.WordTokenizer": schema.WordTokenizerConfig,
        "lmlab.data.bpe.BPETokenizer": schema.BPETokenizerConfig,
    },
    "model": {
        "lmlab.models.recurrent.RNN": schema.RecurrentConfig,
        "lmlab.models.recurrent.GRU": schema.RecurrentConfig,
        "lmlab.models.recurrent.LSTM": schema.RecurrentConfig,
        "lmlab.models.feedforward.FeedForward": schema.FeedForwardConfig,
    },
    "embedding": {
        "lmlab.models.embedding.RandomVectors": schema.EmbeddingConfig,
        "lmlab.models.embedding.GloveVectors": schema.EmbeddingConfig,
    },
    "optimizer": {
        "torch.optim.Adam": schema.AdamConfig,
        "torch.optim.AdamW": schema.AdamConfig,
        "torch.optim.SGD": schema.SGDConfig,
    },
    "scheduler": {
        "lmlab.training.schedulers.Constant": schema.SchedulerConfig,
        "lmlab.training.schedulers.Cosine": schema.CosineConfig,
        "lmlab.training.schedulers.OneCycle": schema.OneCycleConfig,
        "lmlab.training.schedulers.Exponential": schema.ExponentialConfig,
        "lmlab.training.schedulers.Step": schema.StepConfig,
        "lmlab.training.schedulers.Plateau": schema.PlateauConfig,
    },
    "averaging": {
        None: schema.AveragingConfig,
        "lmlab.training.averaging.ExponentialMovingAverage": schema.EMAConfig,
        "lmlab.training.averaging.TriggeredAverage": schema.TriggeredConfig,
    },
    "trainer": {"pytorch_lightning.Trainer": schema.TrainerConfig},
    "callbacks.sample_text": {"lmlab.training.callbacks.samples.SampleText": schema.SampleTextConfig},
    "callbacks.checkpoints": {"lmlab.training.callbacks.checkpoints.Checkpoints": schema.CheckpointsConfig},
    "callbacks.early_stopping": {"pytorch_lightning.callbacks.EarlyStopping": schema.EarlyStoppingConfig},
    "callbacks.gradients": {"lmlab.training.callbacks.gradients.Gradients": schema.GradientsConfig},
    "callbacks.alarms": {"lmlab.training.callbacks.alarms.Alarms": schema.AlarmsConfig},
    "callbacks.progress": {"lmlab.training.callbacks.progress.Progress": schema.ProgressConfig},
    "logger": {None: schema.LoggerConfig, "pytorch_lightning.loggers.TensorBoardLogger": schema.LoggerConfig},
}
_SOURCE, _CORE = "data.source", "model.core"
# Settings that older runs do not have, with what they did.
NEWER: dict[str, Any] = {
    "trainer.max_tokens": -1,
    "stop_after_tokens": None,
    "model.weight_dropout": 0.0,
    "model.core.weight_dropout": 0.0,
}

_LARGEST = 2**63
# OmegaConf reads a string of this length with ${ in it in two seconds.
_LONGEST = 100_000
_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def checked(config: Any, *, where: Path | str) -> dict[str, Any]:
    """The stored configuration of a run, resolved and plain, with every setting of the types in `schema`.

    Strings are left as they are, ``${...}`` included. Settings that are newer than the run get their defaults.

    Args:
        config: as read from a file or checkpoint.
        where: that, for the error.

    Raises:
        UserError: by its name, the first setting that is unknown, missing or of a wrong type, or the first
            `_target_` that its part may not be made as.
    """
    return _Checker(str(where)).section(config, schema.TrainConfig, "")


@functools.cache
def settings() -> frozenset[str]:
    """The dotted names of all settings of a training run that a person types, whatever options are chosen.

    What is derived from others (a model's core, batching) or belongs to a source of texts is not among them.
    """
    found = set(_leaves(schema.TrainConfig, ""))
    for part, choices in PARTS.items():
        for node in choices.values():
            found.update(_leaves(node, part))
    return frozenset(found)


def as_config(plain: Mapping[str, Any]) -> DictConfig:
    """An OmegaConf configuration in which each string reads as it stands in `plain`: none is an interpolation.

    Args:
        plain: from `checked`.
    """
    config = OmegaConf.create(_escaped(plain))
    assert isinstance(config, DictConfig)
    return config


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        *before, last = value.split("${")
        # Only backslashes before `${` mean anything to OmegaConf; an odd one makes it text.
        return "".join(text + "\\" * num_backslashes(text) + "\\${" for text in before) + last
    if isinstance(value, Mapping):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value


def num_backslashes(text: str) -> int:
    """How many end a text (no regular expression: they take a time that grows with the square of the number)."""
    return len(text) - len(text.rstrip("\\"))


def _leaves(node: type, prefix: str) -> list[str]:
    names = []
    for name, kind in typing.get_type_hints(node).items():
        dotted = f"{prefix}.{name}" if prefix else name
        if name.startswith("_") or dotted in (_SOURCE, _CORE) or dotted.startswith("data.batching"):
            continue
        names += _leaves(kind, dotted) if _is_section(kind) else [dotted]
    return names


def _is_section(kind: Any) -> TypeGuard[type]:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def printable(value: Any, *, longest: int = 80) -> str:
    """A stranger's value as it may stand in one line on a terminal.

    Args:
        value: of any kind.
        longest: characters that are shown.
    """
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return "(a very large number)"
    if value is not None and not isinstance(value, str | int | float):
        return f"({type(value).__name__})"
    text = "null" if value is None else str(value)
    cut = "".join(character if character.isprintable() else "\ufffd" for character in text[:longest])
    return f"{cut}..." if len(text) > longest else cut


class _Checker:
    """Walks a stored configuration beside the classes of `schema`.

    Args:
        where: it was found, for errors.
    """

    def __init__(self, where: str) -> None:
        self._where = where

    def section(self, config: Any, node: type, name: str) -> dict[str, Any]:
        """The mapping, all of whose settings are those of the class."""
        found = self._mapping(config, name)
        node = self._chosen(found, name) if name in PARTS else node
        kinds = typing.get_type_hints(node)
        for key in found:
            if key not in kinds:
                raise self._error(_dotted(name, key), found[key], "no such setting")
        values = {key: self._setting(value, kinds[key], _dotted(name, key)) for key, value in found.items()}
        for key in kinds:
            if key not in values:
                values[key] = self._newer(_dotted(name, key))
        return values

    def _setting(self, value: Any, kind: Any, name: str) -> Any:
        if name == _SOURCE:
            return self._source(value)
        if name in PARTS or _is_section(kind):
            return self.section(value, kind, name)
        return self._value(value, kind, name)

    def _newer(self, name: str) -> Any:
        if name not in NEWER:
            raise self._error(name, None, "is missing")
        return NEWER[name]

    def _chosen(self, part: dict[str, Any], name: str) -> type:
        """The class of the settings that a part has by its `_target_`."""
        if name == "model":
            core = self._mapping(part.get("core"), _CORE)
            return PARTS[name][self._target(core, PARTS[name], _CORE)]
        return PARTS[name][self._target(part, PARTS[name], name)]

    def _target(self, part: dict[str, Any], choices: typing.Container[str | None], name: str) -> str | None:
        field = f"{name}._target_"
        if "_target_" not in part:
            raise self._error(field, None, "is missing")
        target = part["_target_"]
        if (target is None or type(target) is str) and target in choices:
            return target
        raise self._error(field, target, f"not on the list of what a configuration may make as {name}")

    def _source(self, config: Any) -> dict[str, Any]:
        """The mapping, all of whose entries the source's class takes; the class is looked at, not called."""
        found = self._mapping(config, _SOURCE)
        module, _, attribute = str(self._target(found, _SOURCES, _SOURCE)).rpartition(".")
        source = getattr(importlib.import_module(module), attribute)
        parameters = inspect.signature(source).parameters
        kinds = typing.get_type_hints(source.__init__)
        for key, parameter in parameters.items():
            if parameter.default is parameter.empty and key not in found:
                raise self._error(_dotted(_SOURCE, key), None, "is missing")
        values = {"_target_": found["_target_"]}
        for key, value in found.items():
            field = _dotted(_SOURCE, key)
            if key == "_target_":
                continue
            if key not in parameters:
                raise self._error(field, value, "no such setting")
            # A text of one's own is missed by name later, where data.path can be given.
            kind = kinds[key] | None if key == "path" else kinds[key]
            values[key] = self._value(value, kind, field)
        if "name" in parameters and values["name"] not in TEXTS:
            raise self._error(_dotted(_SOURCE, "name"), values["name"], "no such published text")
        return {key: values[key] for key in found}

    def _value(self, value: Any, kind: Any, name: str) -> Any:
        """The value, where it is of the type: int, float, bool, str, a list of these, or None with one of these."""
        if typing.get_origin(kind) in (types.UnionType, typing.Union):
            if value is None:
                return None
            (kind,) = (other for other in typing.get_args(kind) if other is not types.NoneType)
        if typing.get_origin(kind) in (list, Sequence):
            if type(value) is not list:
                raise self._error(name, value, "is not a list")
            (kind,) = typing.get_args(kind)
            return [self._value(item, kind, name) for item in value]
        if kind is float and type(value) is int and abs(value) < _LARGEST:
            return float(value)
        if type(value) is not kind or value != value or (kind is int and abs(value) >= _LARGEST):
            raise self._error(name, value, f"is not {_NAMES[kind]}")
        if value == "???":  # OmegaConf's mark of what is missing
            raise self._error(name, value, "has no value")
        if kind is str and len(value) > _LONGEST:
            raise self._error(name, value, "is too long")
        return value

    def _mapping(self, value: Any, name: str) -> dict[str, Any]:
        if type(value) is not dict:
            raise self._error(name or "run", value, "is missing" if value is None else "is not a group of settings")
        for key in value:
            if type(key) is not str:
                raise self._error(name or "run", key, "is no name of a setting")
        return value

    def _error(self, name: str, value: Any, problem: str) -> UserError:
        shown = None if value is None and problem == "is missing" else printable(value)
        return UserError(printable(name), shown, f"{problem} (in {self._where})", "restore it, or train again")


def _dotted(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key
