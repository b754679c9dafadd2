"""From the arguments of a command line to typed settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from lmlab.config import typed
from lmlab.config.error_messages import fold
from lmlab.config.folders import configuration_folder
from lmlab.config.settings import Settings, TrainSettings
from lmlab.config.words import checked
from lmlab.errors import UserError

Kind = TypeVar("Kind", bound=Settings)


def compose(name: str, arguments: Sequence[str]) -> DictConfig:
    """Composes `conf/<name>.yaml` with overrides from a command line, leaving no folder behind.

    Raises:
        UserError: an argument is not an override.
    """
    overrides = checked(arguments, name)
    with initialize_config_dir(config_dir=str(configuration_folder()), version_base="1.3"):
        return hydra_compose(name, overrides=overrides)


def compose_settings(name: str, kind: type[Kind], arguments: Sequence[str]) -> Kind:
    """Composes `conf/<name>.yaml` with overrides, as settings.

    Args:
        name: of the command.
        kind: its settings.
        arguments: overrides.

    Raises:
        UserError: the first override that is wrong.
    """
    try:
        return as_settings(compose(name, arguments), kind)
    except Exception as error:
        folded = fold(error, list(arguments), kind)
        if folded is None or folded is error:
            raise
        raise folded from error


def as_settings(config: DictConfig, kind: type[Kind]) -> Kind:
    """Resolves what Hydra composed and returns it as settings.

    Raises:
        UserError: the first setting that is wrong.
    """
    plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    try:
        return typed.read(plain, kind)
    except UserError as error:
        if error.field != "data.source.path" or error.value != "null":
            raise
        # One of the user's own sources, which takes its path from data.path as lmlab's do.
        problem, remedy = "this data set needs your own text", "give a file or folder: data.path=my_text.txt"
        raise UserError("data.path", None, problem, remedy) from None


def train_settings(arguments: Sequence[str] = ()) -> TrainSettings:
    """Composes a training run.

    Args:
        arguments: overrides, as on the command line.

    Raises:
        UserError: the first override that is wrong.
    """
    return compose_settings("train", TrainSettings, arguments)
