"""Checks a setting's value and converts it to its type."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
import unicodedata
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from lmlab.config.setting import Range, Setting
from lmlab.errors import LARGEST_NUMBER, UserError, printable

_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
# The first of its type in a setting's range is its example.
_EXAMPLES: Mapping[type, Sequence[Any]] = {
    int: (10, 1, 0, 3, 100),
    float: (0.001, 0.5, 1.0, 2.0, 0.0),
    bool: (True,),
    str: ("text",),
}
_TRUE, _FALSE = ("yes", "y", "on", "true"), ("no", "n", "off", "false")


def check_value(value: Any, kind: Any, known: Setting, *, name: str, convert: bool) -> Any:
    """Returns the value, converted to its type and checked.

    Args:
        value: plain: None, bool, int, float, str, or lists and mappings of these.
        kind: int, float, bool, str, a list of these, a mapping, Any, or one of them or None.
        known: its range and choices.
        name: with dots, for errors.
        convert: takes "yes" as true, 5 as "5", "3" as 3; a file that lmlab wrote has no such values.

    Raises:
        UserError: another type, or out of range.
    """
    metadata: tuple[Any, ...] = ()
    if typing.get_origin(kind) is typing.Annotated:
        kind, *found = typing.get_args(kind)
        metadata = tuple(found)
    ranges = [item for item in metadata if isinstance(item, Range)]
    if ranges and known.range is None:
        known = dataclasses.replace(known, range=ranges[0])
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        others = [other for other in typing.get_args(kind) if other is not types.NoneType]
        if value is None and len(others) < len(typing.get_args(kind)):
            return None
        if value is None:
            raise UserError(name, "null", "must have a value", "leave it out, or give one")
        if len(others) > 1:
            return _any_of(value, others, known, name=name, convert=convert)
        (kind,) = others
    origin = typing.get_origin(kind)
    if kind in (list, tuple) or origin in (list, tuple, Sequence):
        if type(value) is not list:
            raise UserError(name, _shown(value), "is not a list", f"write '{name}=[{_as_entry(value, kind, known)}]'")
        if not known.fewest <= len(value) <= known.longest:
            most = f"at most {known.longest:,}" if len(value) > known.longest else f"at least {known.fewest}"
            raise UserError(name, _shown(value), f"has {len(value):,} entries", f"give {most}")
        item = (typing.get_args(kind) or (Any,))[0]
        return [_entry(place, item, known, value, name=name, convert=convert) for place in range(len(value))]
    if origin is typing.Literal:
        known, kind = dataclasses.replace(known, choices=typing.get_args(kind)), str
    if kind in _NAMES:
        return _in_range(_of_type(value, kind, known, name=name, convert=convert), known, name=name)
    return _plain(value, name)


def _entry(place: int, kind: Any, known: Setting, whole: list[Any], *, name: str, convert: bool) -> Any:
    """Returns an entry of a list; an error names the whole list, which is what was typed."""
    try:
        return check_value(whole[place], kind, known, name=name, convert=convert)
    except UserError as error:
        example = f"for example {name}="
        value = error.remedy.removeprefix(example)
        mended = [_shown(entry) for entry in whole]
        mended[place] = value
        remedy = f"{example}[{','.join(map(str, mended))}]" if value != error.remedy else error.remedy
        raise UserError(name, _shown(whole), f"{error.value}: {error.problem}", remedy) from None


def _any_of(value: Any, kinds: Sequence[Any], known: Setting, *, name: str, convert: bool) -> Any:
    for kind in kinds:
        if type(value) is _without_range(kind):  # the type fits, so that only its range can be wrong
            return check_value(value, kind, known, name=name, convert=False)
        if type(value) is list and typing.get_origin(kind) is list:  # likewise an entry
            return check_value(value, kind, known, name=name, convert=convert)
    # Without conversion first: "5" may be text, even if a number is also allowed.
    for converting in (False, convert):
        for kind in kinds:
            try:
                return check_value(value, kind, known, name=name, convert=converting)
            except UserError:
                continue
    plain = [_without_range(kind) for kind in kinds]
    if all(kind in _NAMES for kind in plain):
        problem = f"is not {' or '.join(_NAMES[kind] for kind in plain)}"
        raise UserError(name, _shown(value), problem, _example(name, plain[-1], known))
    raise UserError(name, _shown(value), "has the wrong type", "check the type that its class accepts")


def _without_range(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def _as_entry(value: Any, kind: Any, known: Setting) -> str:
    """Returns a value that should have been a list as its entry, if it can be one; else dots."""
    try:
        check_value(value, (typing.get_args(kind) or (Any,))[0], known, name="", convert=True)
    except UserError:
        return "..."
    return str(printable(value)) if known.fewest < 2 else f"{printable(value)},..."


def _example(name: str, kind: Any, known: Setting) -> str:
    """Returns a remedy: a value of this type in the setting's range."""
    values = known.choices or [v for v in _EXAMPLES[kind] if known.range is None or known.range.problem(v) is None]
    return f"for example {name}={str(values[0]).lower()}" if values else f"give a number {known.range}"


def _of_type(value: Any, kind: Any, known: Setting, *, name: str, convert: bool) -> Any:
    if value is None:
        raise UserError(name, "null", "must have a value", "leave it out, or give one")
    converted = _converted(value, kind) if convert else value
    if kind is float and type(converted) is int and abs(converted) < LARGEST_NUMBER:
        converted = float(converted)
    if type(converted) is not kind:
        raise UserError(name, _shown(value), f"is not {_NAMES[kind]}", _example(name, kind, known))
    if isinstance(converted, float) and not math.isfinite(converted):
        raise UserError(name, converted, "is not a finite number", _example(name, kind, known))
    if type(converted) is int and abs(converted) >= LARGEST_NUMBER:
        raise UserError(name, "(a very large number)", "is too large a number", _example(name, kind, known))
    if converted == "???":
        raise UserError(name, None, "has no value", f"give one: {name}=...")
    return converted


def _converted(value: Any, kind: type) -> Any:
    """Returns the value converted to its type, or the value itself if it cannot be converted."""
    if kind is bool:
        if type(value) is int and value in (0, 1):
            return value == 1
        text = value.lower() if isinstance(value, str) else ""
        return True if text in _TRUE else False if text in _FALSE else value
    if kind is str and type(value) in (int, float, bool):
        return str(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind in (int, float) and isinstance(value, str):
        try:
            return kind(value)
        except ValueError:
            return value
    return value


def _in_range(value: Any, known: Setting, *, name: str) -> Any:
    if known.choices is not None and value not in known.choices:
        close = [f"did you mean {found}?" for found in get_close_matches(str(value), known.choices, n=1)]
        remedy = "; ".join([f"choose one of {', '.join(known.choices)}", *close])
        raise UserError(name, _shown(value), "no such option", remedy)
    if type(value) is str:
        _check_text(value, known, name=name)
    if known.range is not None and type(value) in (int, float):
        problem = known.range.problem(value)
        if problem is not None:
            raise UserError(name, _shown(value), problem, known.remedy or f"give a number {known.range}")
    return value


def _check_text(value: str, known: Setting, *, name: str) -> None:
    if len(value) > known.longest:
        problem = f"has {len(value):,} characters"
        raise UserError(name, printable(value, longest=20), problem, f"give at most {known.longest:,}")
    if not known.free and not value.strip():
        raise UserError(name, f'"{value}"', "is empty", known.remedy or "leave it out, or give a text")
    # Free text may have anything that can be written to a file; the others are names and paths.
    refused = ("Cs",) if known.free else ("Cc", "Cs", "Zl", "Zp")
    strange = next((c for c in value if unicodedata.category(c) in refused), None)
    if strange is not None:
        what = (
            "is not UTF-8" if unicodedata.category(strange) == "Cs" else f"has a control character ({ord(strange):#x})"
        )
        remedy = "type it in UTF-8, as a terminal does with LC_ALL=C.UTF-8" if known.free else "rename the file"
        raise UserError(name, printable(value), what, f"leave it out, or {remedy}")


def _plain(value: Any, name: str) -> Any:
    """Returns the value of a plug-in's keyword whose type is not known: plain data without `_target_`."""
    if isinstance(value, dict):
        if "_target_" in value:
            problem = "nested parts are not supported"
            raise UserError(f"{name}._target_", _shown(value["_target_"]), problem, "remove it")
        return {key: _plain(item, f"{name}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, name) for item in value]
    return value


def _shown(value: Any) -> Any:
    if value is None:
        return "null"
    if value == "":
        return '""'
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    if isinstance(value, list):
        return value if len(str(value)) <= 80 else printable(str(value))
    return printable(value)
