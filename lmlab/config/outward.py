"""What reaches out of a run: a stored configuration alone does not start it, for it may be a stranger's.

Weights & Biases is reached over the network. Of a user's own logger, callback or metric lmlab cannot know what it
reaches; trust in its package covers what its class does by itself, but not the texts (a server, a path) that a file
gives it. A logger sends figures away, so all of its texts count only when they are typed; callbacks and metrics are
also told what to watch, so those of theirs count that can only be words.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from lmlab.changes import unchangeable
from lmlab.command_lines import command_line, for_shell
from lmlab.config import plugins, registry
from lmlab.config.arguments import spelled
from lmlab.config.folders import configuration_folder
from lmlab.config.retyped import GROUPS, LOGGER, Retyped, parts_of
from lmlab.config.settings import AddedSettings, CallbacksSettings, PartSettings, TrainSettings
from lmlab.config.slots import OPEN, added_slot
from lmlab.config.typed import plain, targets
from lmlab.errors import UserError, printable
from lmlab.files import shown

# lmlab's own loggers that reach out.
OPTIONS = frozenset({"wandb"})
_TARGET = "_target_"
# Words with / between them, such as val/perplexity. Without a dot, colon, tilde, backslash, dollar sign, leading / or
# leading digit no place above or outside the working directory can be written, no file with an ending and no address.
_WORDS = re.compile(r"[^\W\d][\w ,+-]*(/[\w ,+-]+)*")


def confirmed(settings: TrainSettings, retyped: Retyped, *, run: str) -> dict[str, Any]:
    """Returns the settings with which a stored run goes on, as plain data: as stored, with what was typed.

    Args:
        settings: as stored.
        retyped: on the command line.
        run: the run's folder, for errors.

    Raises:
        UserError: what reaches out was not typed, or what was typed is not of this run.
    """
    parts = dict(parts_of(settings))
    _check_changes(parts, retyped)
    kept = {name: part for name, part in parts.items() if name not in retyped.removed}
    missing = {name: words for name, part in kept.items() if (words := _missing(name, part, retyped))}
    if missing:
        names = ", ".join(map(printable, missing))
        wanted = for_shell(word for words in missing.values() for word in words)
        without = " ".join(f"{printable(name)}=null" for name in missing)
        problem = f"its stored {names} may reach out of the run, which counts only when typed"
        remedy = f"to go on with it add {printable(wanted, longest=300)}; without it {without}"
        raise UserError("run", run, problem, remedy)
    found = plain(settings)
    for full in parts:
        group, _, name = full.partition(".")
        if full in kept:
            found[group][name] |= retyped.values.get(full, {})
        else:
            del found[group][name]
    return found


def words_by_part(settings: TrainSettings) -> dict[str, list[str]]:
    """Returns the words that must be typed to resume a run, by the part that may reach out."""
    found = {name: _missing(name, part, Retyped()) for name, part in parts_of(settings)}
    return {name: words for name, words in found.items() if words}


def resume_command(folder: Path, settings: TrainSettings) -> str:
    """Returns the command that resumes a run, with the words that its files alone are not trusted with."""
    typed = [word for found in words_by_part(settings).values() for word in found]
    return command_line("train", [*plugins.as_words(targets(settings)), *typed], run=shown(folder))


def may_differ(name: str, *values: Any) -> bool:
    """Returns whether a setting may have several values in the files of a run, because it was typed again.

    Args:
        name: of the setting.
        values: that it has; None if it is missing.
    """
    group, *path = name.split(".")
    if group == LOGGER:
        return True
    own = {known.name for known in dataclasses.fields(CallbacksSettings)}
    is_added = group in GROUPS and bool(path) and path[0] not in own and path[-1] != _TARGET
    return is_added and any(_has_text(_without_target(value), _is_not_words) for value in values)


def _check_changes(parts: Mapping[str, PartSettings], retyped: Retyped) -> None:
    """Checks that of callbacks and metrics only that is changed which must be typed; the rest determines the run.

    Raises:
        UserError: more is changed, or a part is named that is not there.
    """
    for name in sorted({*retyped.named, *retyped.removed} - parts.keys()):
        if not name.startswith(f"{LOGGER}."):
            raise unchangeable(name, None)
        stored = [full.partition(".")[2] for full in parts if full.startswith(f"{LOGGER}.")]
        has = f"it has {', '.join(map(printable, stored))}" if stored else "it has none"
        raise UserError(name, None, "this run has no such logger", has)
    for name, part in parts.items():
        if name.startswith(f"{LOGGER}."):
            continue
        reaching, stored_values = _reaching(name, part), plain(part)
        if name in retyped.removed and not reaching:
            raise unchangeable(name, "null")
        for key, value in retyped.values.get(name, {}).items():
            if key not in reaching and (key not in stored_values or stored_values[key] != value):
                raise unchangeable(f"{name}.{key}", printable(value))


def _missing(name: str, part: PartSettings, retyped: Retyped) -> list[str]:
    """Returns the words that would have to be typed for a part and were not."""
    typed = retyped.values.get(name, {})
    words = [f"{name}.{key}={spelled(value)}" for key, value in _reaching(name, part).items() if key not in typed]
    if not words and name not in retyped.named and _must_be_named(name, part):
        return [name.replace(".", "=")]
    return words


def _reaching(name: str, part: PartSettings) -> dict[str, Any]:
    """Returns the settings that may reach out and are not the class's own, or those of lmlab's file."""
    group = name.partition(".")[0]
    if part.target in OPEN[group].others or not (isinstance(part, AddedSettings) or _is_option(name, part)):
        return {}
    counts = (lambda text: True) if group == LOGGER else _is_not_words
    defaults = _defaults(name, part)
    values = {key: value for key, value in _without_target(plain(part)).items() if _has_text(value, counts)}
    return {key: value for key, value in values.items() if key not in defaults or defaults[key] != value}


def _is_option(name: str, part: PartSettings) -> bool:
    return name.partition(".")[2] in OPTIONS and not isinstance(part, AddedSettings)


def _defaults(name: str, part: PartSettings) -> dict[str, Any]:
    if _is_option(name, part):
        group, _, option = name.partition(".")
        path = configuration_folder() / group / f"{option}.yaml"
        found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))[option]
        return found
    return {
        known.name: known.default if known.default_factory is dataclasses.MISSING else known.default_factory()
        for known in dataclasses.fields(part)
        if known.default is not dataclasses.MISSING or known.default_factory is not dataclasses.MISSING
    }


def _must_be_named(name: str, part: PartSettings) -> bool:
    """Returns whether it is a logger that reaches out by itself, or made from one of Lightning's that does."""
    group, _, short = name.partition(".")
    if group != LOGGER or not isinstance(part, AddedSettings):
        return _is_option(name, part)
    assert part.target is not None
    bases = {base.__module__ for base in registry.class_of(added_slot(group, short), part.target).__mro__}
    offline = ("logger", "tensorboard", "csv_logs")
    of_lightning = [module for module in bases if module.startswith("pytorch_lightning.loggers.")]
    return any(module.rpartition(".")[2] not in offline for module in of_lightning)


def _has_text(value: Any, counts: Callable[[str], bool]) -> bool:
    """Returns whether a value has a text that counts, also as a key or within a list."""
    if isinstance(value, dict):
        return any(_has_text(item, counts) for item in [*value.keys(), *value.values()])
    if isinstance(value, list):
        return any(_has_text(item, counts) for item in value)
    return isinstance(value, str) and counts(value)


def _without_target(value: Any) -> Any:
    return {key: item for key, item in value.items() if key != _TARGET} if isinstance(value, dict) else value


def _is_not_words(text: str) -> bool:
    return _WORDS.fullmatch(text) is None
