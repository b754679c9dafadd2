"""The configuration in a run's folder or checkpoint: anybody's data, checked without anything in it being followed.

Strings stay as they are, `${...}` included: OmegaConf, which would run resolvers, never sees them.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from lmlab.config import typed
from lmlab.config.plugins import PluginError
from lmlab.config.settings import TrainSettings
from lmlab.errors import UserError, printable

# What is derived from other settings, or belongs to a source of texts.
_DERIVED = ("data.source.", "data.batching.", "model.core.", "model.decoder.")


def read_settings(config: Any, *, where: Path | str) -> TrainSettings:
    """Returns the stored configuration of a run as settings; those that are newer than the run get their defaults.

    Args:
        config: as read from a file or checkpoint.
        where: that, for the error.

    Raises:
        UserError: by its name, the first setting that is unknown, missing, of a wrong type or out of range, or the
            first `_target_` that its part may not be made as.
        PluginError: a package that is not trusted, or not as the run needs it.
    """
    try:
        return typed.read(config, TrainSettings, stored=True)
    except PluginError as error:
        raise type(error)(error.field, printable(error.value), error.problem, error.remedy) from None
    except UserError as error:
        value = None if error.value is None else printable(error.value)
        problem = f"{printable(error.problem, longest=300)} (in {where})"
        raise UserError(printable(error.field), value, problem, "restore it, or train again") from None


def checked(config: Any, *, where: Path | str) -> dict[str, Any]:
    """Returns the same as plain data, all settings in it.

    Raises:
        UserError: see `read_settings`.
    """
    return typed.plain(read_settings(config, where=where))


@functools.cache
def settings() -> frozenset[str]:
    """Returns the dotted names of all settings of lmlab that a person types, whatever options are chosen.

    What is derived from others (a model's core, batching) or belongs to a source of texts is not among them.
    """
    return frozenset(name for name, *_ in typed.names(TrainSettings) if not name.startswith(_DERIVED))
