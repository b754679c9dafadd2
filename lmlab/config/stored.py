"""The configuration in a run's folder or checkpoint: untrusted data, checked without resolving anything in it.

Strings stay as they are, `${...}` included: OmegaConf, which would run resolvers, never sees them.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from lmlab import plain_yaml
from lmlab.config import setting_names, typed
from lmlab.config.plugins import PluginError
from lmlab.config.settings import TrainSettings
from lmlab.errors import UserError, printable
from lmlab.runs.files import CONFIG

# Settings derived from others, or of a source of texts.
_DERIVED = ("data.source.", "data.batching.", "model.core.", "model.decoder.")


def read_settings(config: Any, *, where: Path | str) -> TrainSettings:
    """Returns the stored configuration of a run as settings; those that are newer than the run get their defaults.

    Args:
        config: as read from a file or checkpoint.
        where: that file or checkpoint, for errors.

    Raises:
        UserError: by its name, the first setting that is unknown, missing, of a wrong type or out of range, or the
            first `_target_` that is not allowed for its part.
        PluginError: a package is not trusted, or not the one that the run needs.
    """
    if not isinstance(config, dict) or not config:
        raise UserError("run", where, "has no settings of a run", "restore it, or train again")
    try:
        return typed.read(config, TrainSettings, stored=True)
    except PluginError as error:
        problem, remedy = printable(error.problem, longest=300), printable(error.remedy, longest=300)
        raise type(error)(printable(error.field), printable(error.value), problem, remedy) from None
    except UserError as error:
        value = None if error.value is None else printable(error.value)
        problem = f"{printable(error.problem, longest=300)} (in {where})"
        raise UserError(printable(error.field), value, problem, "restore it, or train again") from None


def checked(config: Any, *, where: Path | str) -> dict[str, Any]:
    """Returns the stored configuration as plain data with all settings.

    Raises:
        UserError: see `read_settings`.
    """
    return typed.plain(read_settings(config, where=where))


def check_trust(folder: Path) -> None:
    """Checks that the packages named in a run's config.yaml are trusted, before torch is imported.

    Other problems of the file are reported later, when the checkpoint has been read.

    Raises:
        PluginError: a package is not trusted, or cannot be used.
    """
    path = folder / CONFIG
    if not path.is_file():
        return
    try:
        read_settings(plain_yaml.read(path), where=path)
    except PluginError:
        raise
    except UserError:
        return


@functools.cache
def settings() -> frozenset[str]:
    """Returns the dotted names of all settings of lmlab that users type, whatever options are chosen.

    Settings derived from others (a model's core, batching), those of a source of texts and those that are not stored
    with a run are not included.
    """
    known = (
        (name, setting) for name, setting, _ in setting_names.names(TrainSettings) if not name.startswith(_DERIVED)
    )
    return frozenset(name for name, setting in known if not setting.typed_only)
