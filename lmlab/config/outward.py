"""Loggers that reach out of the run: a stored configuration alone does not start them, for it may be a stranger's.

Weights & Biases is reached over the network. Of a user's own logger lmlab cannot know what it reaches; trust in its
package covers what its class does by itself, but not the texts (a server, a path, a project) that a file gives it.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from lmlab.config import registry
from lmlab.config.arguments import quote
from lmlab.config.folders import configuration_folder
from lmlab.config.settings import LoggersSettings, PartSettings
from lmlab.config.slots import added_slot
from lmlab.config.typed import plain
from lmlab.errors import UserError, printable

GROUP = "logger"
# Options of the group that reach out.
OPTIONS = frozenset({"wandb"})
_TARGET = "_target_"
# What Hydra reads as text without quotes.
_UNQUOTED = re.compile(r"[A-Za-z_/][\w./:@-]*")
_NO_TEXT = frozenset({"null", "true", "false", "nan", "inf"})


@dataclass(frozen=True)
class TypedLoggers:
    """What is typed about loggers when a run is resumed.

    Args:
        named: the loggers that are named.
        values: their settings, by logger and setting.
        removed: the loggers that are left out from now on.
    """

    named: frozenset[str] = frozenset()
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, loggers: LoggersSettings) -> TypedLoggers:
        """Returns loggers whose configuration has just been composed from a command line."""
        found = plain(loggers)
        return cls(frozenset(found), {name: _without_target(part) for name, part in found.items()})


def is_about_loggers(word: str) -> bool:
    """Returns whether a word of a command line sets a logger."""
    key = word.lstrip("+").partition("=")[0]
    return "=" in word and (key == GROUP or key.startswith(f"{GROUP}."))


def typed_loggers(words: Sequence[str]) -> TypedLoggers:
    """Returns what words such as ``logger=wandb`` and ``logger.wandb.project=mine`` say.

    Raises:
        UserError: a word that cannot be read, or that says something else.
    """
    named: set[str] = set()
    removed: set[str] = set()
    values: dict[str, dict[str, Any]] = {}
    for word in filter(is_about_loggers, words):
        path, value = _parsed(word)
        if not path and _are_names(value):
            named.update([value] if isinstance(value, str) else value)
        elif len(path) == 1 and value is None:
            removed.add(path[0])
        elif len(path) == 1 and isinstance(value, dict):
            values.setdefault(path[0], {}).update(_without_target(value))
        elif len(path) == 2:
            values.setdefault(path[0], {})[path[1]] = value
        else:
            remedy = f"write {GROUP}=<name>, {GROUP}.<name>.<setting>=... or {GROUP}.<name>=null"
            raise UserError(word, None, "cannot be said when a run is resumed", remedy)
    return TypedLoggers(frozenset({*named, *values}), values, frozenset(removed))


def confirmed(loggers: LoggersSettings, typed: TypedLoggers, *, run: str) -> dict[str, Any]:
    """Returns the loggers with which a stored run goes on, as plain data: as stored, with what was typed.

    Args:
        loggers: as stored.
        typed: on the command line.
        run: the run's folder, for errors.

    Raises:
        UserError: what reaches out was not typed, or what was typed is not of this run.
    """
    stored = plain(loggers)
    for name in sorted({*typed.named, *typed.removed} - stored.keys()):
        has = f"it has {', '.join(map(printable, stored))}" if stored else "it has none"
        raise UserError(f"{GROUP}.{name}", None, "this run has no such logger", has)
    kept = {name: {**part, **typed.values.get(name, {})} for name, part in stored.items() if name not in typed.removed}
    missing = {
        name: words
        for name, part in _parts(loggers)
        if name not in typed.removed and (words := _missing(name, part, typed))
    }
    if missing:
        names = ", ".join(f"{GROUP}.{printable(name)}" for name in missing)
        wanted = " ".join(word for found in missing.values() for word in found)
        without = " ".join(f"{GROUP}.{printable(name)}=null" for name in missing)
        problem = f"its stored {names} may reach out of the run, which counts only when typed"
        remedy = f"to go on with it add {printable(wanted, longest=300)}; without it {without}"
        raise UserError("run", run, problem, remedy)
    return kept


def as_words(loggers: LoggersSettings) -> list[str]:
    """Returns the words that must be typed to resume a run with these loggers."""
    return [word for name, part in _parts(loggers) for word in _missing(name, part, TypedLoggers())]


def _parts(loggers: LoggersSettings) -> Iterator[tuple[str, PartSettings]]:
    for found in dataclasses.fields(loggers):
        part = getattr(loggers, found.name)
        if part is not None:
            yield found.name, part


def _missing(name: str, part: PartSettings, typed: TypedLoggers) -> list[str]:
    """Returns the words that would have to be typed for a logger and were not."""
    texts = {key: value for key, value in _texts(name, part).items() if key not in typed.values.get(name, {})}
    words = [f"{GROUP}.{name}.{key}={_spelled(value)}" for key, value in texts.items()]
    must_be_named = name in OPTIONS or _is_of_the_network(name, part)
    if must_be_named and not words and name not in typed.named:
        return [f"{GROUP}={name}"]
    return words


def _texts(name: str, part: PartSettings) -> dict[str, Any]:
    """Returns the settings with a text that is not the class's own, or that of lmlab's file."""
    if name in _own() and name not in OPTIONS:
        return {}
    defaults = _defaults(name, part)
    values = _without_target(plain(part))
    return {k: v for k, v in values.items() if _has_text(v) and (k not in defaults or defaults[k] != v)}


def _defaults(name: str, part: PartSettings) -> dict[str, Any]:
    if name in OPTIONS:
        path = configuration_folder() / GROUP / f"{name}.yaml"
        found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))[name]
        return found
    return {
        known.name: known.default if known.default_factory is dataclasses.MISSING else known.default_factory()
        for known in dataclasses.fields(part)
        if known.default is not dataclasses.MISSING or known.default_factory is not dataclasses.MISSING
    }


def _is_of_the_network(name: str, part: PartSettings) -> bool:
    """Returns whether a user's logger is made from one of Lightning's that reach out."""
    if name in _own():
        return False
    assert part.target is not None
    bases = {base.__module__: base for base in registry.class_of(added_slot(GROUP, name), part.target).__mro__}
    offline = ("logger", "tensorboard", "csv_logs")
    of_lightning = [m for m in bases if m.startswith("pytorch_lightning.loggers.")]
    return any(module.rpartition(".")[2] not in offline for module in of_lightning)


def _own() -> frozenset[str]:
    return frozenset(found.name for found in dataclasses.fields(LoggersSettings))


def _without_target(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != _TARGET}


def _has_text(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_text, [*value.keys(), *value.values()]))
    return any(map(_has_text, value)) if isinstance(value, list) else isinstance(value, str)


def _spelled(value: Any) -> str:
    """Returns a value as Hydra's grammar has it."""
    if isinstance(value, str):
        return value if _UNQUOTED.fullmatch(value) and value.lower() not in _NO_TEXT else quote(value)
    if isinstance(value, list):
        return f"[{','.join(map(_spelled, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_spelled(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)


def _parsed(word: str) -> tuple[list[str], Any]:
    """Returns the names behind `logger` in a word's key, and its value."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    key, _, text = word.partition("=")
    try:
        parsed = OverridesParser.create().parse_override(word)
        value = None if parsed.is_sweep_override() else parsed.value()
    except HydraException:
        raise UserError(key, text, "cannot be read as a value", f"put it in quotes: {key}=\"'...'\"") from None
    if parsed.is_sweep_override():
        raise UserError(key, text, "has several values, but this is a single run", f"for a list write '{key}=[{text}]'")
    return key.lstrip("+").split(".")[1:], typing.cast(Any, value)


def _are_names(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(name, str) for name in value))
