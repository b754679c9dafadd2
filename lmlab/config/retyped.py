"""What is typed about loggers, added callbacks and added metrics on the command line that resumes a run."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lmlab.config.settings import AddedSettings, PartSettings, TrainSettings
from lmlab.config.typed import plain
from lmlab.errors import UserError

LOGGER = "logger"
GROUPS = (LOGGER, "callbacks", "metrics")


def parts_of(settings: TrainSettings) -> Iterator[tuple[str, PartSettings]]:
    """Yields a run's loggers, and the callbacks and metrics that are added to it, by names such as `logger.csv`."""
    for group in GROUPS:
        found = getattr(settings, group)
        for name in (known.name for known in dataclasses.fields(found)):
            part = getattr(found, name)
            if isinstance(part, AddedSettings) or (group == LOGGER and part is not None):
                yield f"{group}.{name}", part


@dataclass(frozen=True)
class Retyped:
    """What is typed about the parts of a stored run.

    Args:
        named: the parts that are named, such as `logger.wandb`.
        values: their settings, by part and setting.
        removed: the parts that are left out from now on.
    """

    named: frozenset[str] = frozenset()
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: TrainSettings) -> Retyped:
        """Returns the parts of a configuration that has just been composed from a command line."""
        found = {name: plain(part) for name, part in parts_of(settings)}
        return cls(frozenset(found), found)

    @classmethod
    def parse(cls, words: Sequence[str]) -> Retyped:
        """Returns what words such as ``logger=wandb`` and ``callbacks.mine.path=/somewhere`` say.

        Raises:
            UserError: a word that cannot be read, or that says something else.
        """
        named: set[str] = set()
        removed: set[str] = set()
        values: dict[str, dict[str, Any]] = {}
        for word in filter(is_about_parts, words):
            (group, *path), value = _parsed(word)
            name = ".".join([group, *path[:1]])
            if not path and group == LOGGER and _are_names(value):
                named.update(f"{LOGGER}.{found}" for found in ([value] if isinstance(value, str) else value))
            elif len(path) == 1 and value is None:
                removed.add(name)
            elif len(path) == 1 and isinstance(value, dict):
                values.setdefault(name, {}).update(value)
            elif len(path) == 2:
                values.setdefault(name, {})[path[1]] = value
            else:
                short = f"{LOGGER}=<name>, " if group == LOGGER else ""
                remedy = f"write {short}{group}.<name>.<setting>=... or {group}.<name>=null"
                raise UserError(word, None, "cannot be said when a run is resumed", remedy)
        return cls(frozenset({*named, *values}), values, frozenset(removed))


def is_about_parts(word: str) -> bool:
    """Returns whether a word of a command line sets a logger, a callback or a metric."""
    key, equals, _ = word.lstrip("+").partition("=")
    return bool(equals) and key.partition(".")[0] in GROUPS


def _parsed(word: str) -> tuple[list[str], Any]:
    """Returns the names in a word's key, and its value."""
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
    return key.lstrip("+").split("."), typing.cast(Any, value)


def _are_names(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(name, str) for name in value))
