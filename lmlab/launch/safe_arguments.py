"""Determines whether an argument from an untrusted folder may be used: whether it only sets a value of lmlab's.

Such an argument sets one of lmlab's own settings to plain values, or chooses among the options of its own groups.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    Glob,
    IntervalSweep,
    Override,
    QuotedString,
    RangeSweep,
)

from lmlab.config.arguments import num_backslashes, quote_free_text, text_setting
from lmlab.config.folders import groups
from lmlab.config.outward import OPTIONS
from lmlab.config.retyped import LOGGER
from lmlab.config.stored import settings
from lmlab.launch.grid import MAX_JOBS, range_length

# Hydra's time to parse backslashes grows with the square of their number.
_MANY_BACKSLASHES = "\\" * 100
_OPTION = re.compile(r"[A-Za-z0-9_-]+")
_PATTERN = re.compile(r"[A-Za-z0-9_*?-]+")


def is_safe(argument: str) -> bool:
    """Returns whether it sets one of lmlab's settings to plain values, or chooses among its groups' options."""
    key, equals, value = argument.partition("=")
    # A key with + ~ or @, which does more than set a value, is neither a group nor a setting below.
    if not equals or _MANY_BACKSLASHES in value:
        return False
    if key in groups():
        parsed_all = _parsed([argument])
        return all(map(_is_choice, parsed_all)) and not (key == LOGGER and any(map(_reaches_out, parsed_all)))
    if key not in settings() or any(key.startswith(f"{LOGGER}.{name}.") for name in OPTIONS):
        return False
    if text_setting(key) is None:
        return "${" not in value and all(_is_plain(parsed) for parsed in _parsed([argument]))
    return all(_is_plain(parsed) for parsed in _parsed(_readings(key, value)))


def _readings(key: str, value: str) -> list[str]:
    """Returns the readings of free text with commas: as a whole, in pieces between commas, as a function.

    Which of them is meant depends on the files that exist.
    """
    argument = f"{key}={value}"
    whole = quote_free_text([argument])
    if whole == [argument]:  # quoted by hand, or null
        return whole
    pieces = [word.partition("=")[2] for word in quote_free_text([f"{key}={piece}" for piece in value.split(",")])]
    return [*whole, f"{key}={','.join(pieces)}", *quote_free_text([argument], sweep=True)]


def _parsed(arguments: Sequence[str]) -> list[Override | None]:
    """Returns each argument as parsed by Hydra; None if it cannot be parsed."""
    parser = OverridesParser.create()
    found: list[Override | None] = []
    for argument in arguments:
        try:
            found.append(parser.parse_override(argument))
        except Exception:  # untrusted words may raise any exception in Hydra's parser; then the word is not lmlab's own
            found.append(None)
    return found


def _is_choice(parsed: Override | None) -> bool:
    """Returns whether a group's options are given as plain names; Hydra would load a path as a YAML file."""
    if parsed is None:
        return False
    value: Any = parsed._value
    if isinstance(value, Glob):
        return all(isinstance(name, str) and _PATTERN.fullmatch(name) for name in (*value.include, *value.exclude))
    names = value.list if isinstance(value, ChoiceSweep) else [value]
    return all(_is_option(name) for name in names)


def _reaches_out(parsed: Override | None) -> bool:
    """Returns whether a choice of loggers has one that reaches out of the run; a pattern may match one."""
    value: Any = None if parsed is None else parsed._value
    names = value.list if isinstance(value, ChoiceSweep) else [value]
    return isinstance(value, Glob) or any(_includes(name, OPTIONS) for name in names)


def _includes(name: Any, options: frozenset[str]) -> bool:
    if isinstance(name, list):
        return any(_includes(item, options) for item in name)
    return str(name.text if isinstance(name, QuotedString) else name) in options


def _is_option(name: Any) -> bool:
    if isinstance(name, list):  # of several presets
        return all(_is_option(item) for item in name)
    text = name.text if isinstance(name, QuotedString) else name
    return text is None or (isinstance(text, str | int) and _OPTION.fullmatch(str(text)) is not None)


def _is_plain(parsed: Override | None) -> bool:
    """Returns whether values are numbers, texts without references, lists of these, or a finite sweep over these."""
    if parsed is None:
        return False
    value = parsed._value
    if isinstance(value, ChoiceSweep):
        return all(_is_value(item) for item in value.list)
    if isinstance(value, RangeSweep):
        length = range_length(value)
        return length is not None and length <= MAX_JOBS
    return isinstance(value, IntervalSweep) or _is_value(value)


def _is_value(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_value(item) for item in value)
    if isinstance(value, QuotedString | str):
        return _is_inert(value.text if isinstance(value, QuotedString) else value)
    return value is None or type(value) in (int, float, bool)


def _is_inert(text: str) -> bool:
    """Returns whether a text has no reference for OmegaConf: each ``${`` follows a backslash that is not escaped."""
    return all(num_backslashes(before) % 2 == 1 for before in text.split("${")[:-1])
