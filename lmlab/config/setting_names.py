"""The names of settings: those of each command, and those that other tools have for them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from lmlab.config.setting import Setting, known_of
from lmlab.config.settings import ModelSettings, Settings
from lmlab.config.slots import SLOTS

# Of known_settings, by the name of the class.
_known: dict[str, tuple[str, ...]] = {}


def names(kind: type[Settings], prefix: str = "") -> Iterator[tuple[str, Setting, Any]]:
    """Yields dotted name, help and type of each setting that lmlab knows, of all options of each group."""
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        name = f"{prefix}{field.name}"
        if field.name == "target":
            continue
        if name in SLOTS:
            seen: set[str] = set()
            for own in dict.fromkeys(SLOTS[name].own.values()):
                new = [found for found in names(own, f"{name}.") if found[0] not in seen]
                seen.update(found[0] for found in new)
                yield from new
            if name == "model.core":  # a core's own settings are also settings of the model
                there = {f.name for f in dataclasses.fields(ModelSettings)}
                of_core = [(full.rpartition(".")[2], known, kind) for full, known, kind in _own_of_cores()]
                yield from ((f"model.{last}", known, kind) for last, known, kind in of_core if last not in there)
        elif is_group(hints[field.name]):
            yield from names(hints[field.name], f"{name}.")
        else:
            yield name, known_of(field), hints[field.name]


def known_settings(kind: type[Settings]) -> tuple[str, ...]:
    """Returns every setting of a command, with dots: `model.hidden_size`; and its groups."""
    if kind.__name__ not in _known:
        words = [name.split(".") for name, *_ in names(kind)]
        found = {".".join(parts[:count]) for parts in words for count in range(1, len(parts) + 1)}
        _known[kind.__name__] = tuple(sorted(found))
    return _known[kind.__name__]


def other_names(kind: type[Settings]) -> Mapping[str, str]:
    """Returns the settings of a command by the names that other tools have for them."""
    return {other: name for name, known, _ in names(kind) for other in known.also}


def _own_of_cores() -> Iterator[tuple[str, Setting, Any]]:
    seen: set[str] = set()
    for own in SLOTS["model.core"].own.values():
        for found in names(own, "model.core."):
            if found[0] not in seen:
                seen.add(found[0])
                yield found


def is_group(kind: Any) -> typing.TypeGuard[type[Settings]]:
    """Returns whether a type is that of a group of settings."""
    return isinstance(kind, type) and issubclass(kind, Settings)
