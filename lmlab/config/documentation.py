"""Help and documentation of settings, made from their one place."""

from __future__ import annotations

import dataclasses
import textwrap
import typing
from collections.abc import Iterator
from typing import Any

from lmlab.config.setting import Setting, known_of
from lmlab.config.settings import Settings

_COLUMN, _WIDTH = 44, 118


def described(settings: Settings, prefix: str = "") -> Iterator[tuple[str, Any, Any, Setting]]:
    """Yields dotted name, value, type and what is known of each setting; a part's class comes under its own name."""
    hints = typing.get_type_hints(type(settings), include_extras=True)
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Settings):
            yield from described(value, f"{prefix}{field.name}.")
        elif field.name != "target":
            yield f"{prefix}{field.name}", value, hints[field.name], known_of(field)


def help_lines(settings: Settings, prefix: str = "") -> Iterator[str]:
    """Yields a line or more for each setting: its value, what it is, and its range.

    Args:
        settings: with the values that are shown.
        prefix: of their names.
    """
    for name, value, _, known in described(settings, prefix):
        left = f"  {name}={as_typed(value)}"
        lines = textwrap.wrap(" ".join(filter(None, (known.help, bounds(known)))), _WIDTH - _COLUMN) or [""]
        if len(left) >= _COLUMN:
            yield left
            left = ""
        yield f"{left:<{_COLUMN}}{lines[0]}".rstrip()
        yield from (" " * _COLUMN + line for line in lines[1:])


def bounds(known: Setting) -> str:
    """Returns range or choices in brackets; empty for none."""
    if known.choices is not None:
        return f"({', '.join(known.choices)})"
    return f"({known.range})" if known.range is not None else ""


def as_typed(value: Any) -> str:
    """Returns a value as it is typed on a command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(as_typed, value))}]"
    if isinstance(value, float):
        return f"{value:g}"
    return '""' if value == "" else str(value).replace("\n", "\\n")


def kind_of(kind: Any) -> str:
    """Returns a type in words."""
    if typing.get_origin(kind) is typing.Annotated:
        return kind_of(typing.get_args(kind)[0])
    arguments = [kind_of(item) for item in typing.get_args(kind)]
    if typing.get_origin(kind) is list:
        return f"list of {arguments[0]}"
    if arguments:
        return " or ".join(arguments)
    return {int: "int", float: "float", bool: "bool", str: "text", type(None): "null"}.get(kind, "any")
