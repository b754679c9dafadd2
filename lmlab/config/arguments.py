"""Quotes free text on the command line for Hydra's grammar, which would read commas, brackets and ``${`` in it."""

from __future__ import annotations

import functools
import json
import os
import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from lmlab.config import setting_names
from lmlab.config.setting import Setting
from lmlab.config.settings import COMMANDS

# What Hydra reads as text without quotes, except for a few words.
_UNQUOTED = re.compile(r"[A-Za-z_/][\w./:@-]*", re.ASCII)
_NO_TEXT = frozenset({"null", "true", "false", "nan", "inf"})
# Hydra's functions for several values.
_FUNCTION = re.compile(r"(?:choice|range|interval|glob|shuffle|sort|tag)\(.*\)", re.DOTALL)
# The text of these is taken as it is, quotes and commas included.
_VERBATIM = frozenset({"prompt"})


@functools.cache
def _text_settings() -> tuple[Mapping[str, Setting], frozenset[str]]:
    """Returns the settings of all commands that take a text without choices, and those that take a list of texts."""
    texts: dict[str, Setting] = {"run": Setting("", is_path=True)}
    lists: set[str] = set()
    for kind in COMMANDS.values():
        for name, known, hint in setting_names.names(kind):
            if hint == list[str]:
                lists.add(name)
            elif known.choices is None and str in (hint, *typing.get_args(hint)):
                texts[name] = known
    return texts, frozenset(lists)


def text_setting(key: str) -> Setting | None:
    """Returns what is known of a setting whose value is typed without quotes (a prompt, a path); None for others."""
    return _text_settings()[0].get(key)


def num_backslashes(text: str) -> int:
    """Returns the number of backslashes at the end of a text.

    No regular expression is used, because its time would grow with the square of the number.
    """
    return len(text) - len(text.rstrip("\\"))


def quote(text: str) -> str:
    """Returns a text as a quoted string of Hydra's override grammar, without interpolation.

    A quote is escaped by a backslash, and only backslashes before a quote need doubling (Hydra's rule);
    ``${`` would be read as an interpolation, so it is escaped for OmegaConf, and so are backslashes before it.
    """
    *before, last = text.split("${")
    escaped = "".join(part + "\\" * (len(part) - len(part.rstrip("\\"))) + "\\${" for part in before) + last
    pieces: list[str] = []
    backslashes = 0
    for character in escaped:
        if character == "\\":
            backslashes += 1
            continue
        pieces.append("\\" * (2 * backslashes if character == "'" else backslashes))
        pieces.append("\\'" if character == "'" else character)
        backslashes = 0
    pieces.append("\\" * (2 * backslashes))
    return "'" + "".join(pieces) + "'"


def spelled_text(text: str) -> str:
    """Returns a text as Hydra's grammar has it, quoted if that is necessary."""
    return text if _UNQUOTED.fullmatch(text) and text.lower() not in _NO_TEXT else quote(text)


def _is_quoted(value: str) -> bool:
    return len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""


def quote_free_text(arguments: Sequence[str], *, sweep: bool = False) -> list[str]:
    """Returns the arguments with the values of free-text settings quoted; ``~`` in a path is the home folder.

    Args:
        arguments: ``key=value`` words and options, as passed by the shell.
        sweep: whether a comma separates values (unless the whole is an existing path).
    """
    return [_quote_argument(argument, sweep=sweep) for argument in arguments]


def _quote_argument(argument: str, *, sweep: bool) -> str:
    key, equals, value = argument.partition("=")
    texts, lists = _text_settings()
    name = key.lstrip("+")
    if not equals or argument.startswith(("-", "~")):
        return argument
    if name in lists:
        return f"{key}={_without_references(value)}"
    if name not in texts or (sweep and _FUNCTION.fullmatch(value)):
        return argument
    if name in _VERBATIM:
        return argument if value == "???" else f"{key}={quote(value)}"  # quoted, ??? is no text either
    values = (
        value.split(",") if sweep and "," in value and not (os.path.exists(value) or _is_quoted(value)) else [value]
    )
    return f"{key}=" + ",".join(_spelled(item, texts[name]) for item in values)


def _spelled(value: str, known: Setting) -> str:
    if value in {"null", "???"}:
        return value
    if _is_quoted(value):
        return _without_references(value)
    return spelled_text(os.path.expanduser(value) if known.is_path else value)


def _without_references(value: str) -> str:
    """Returns a list of texts in which ``${`` within quotes is text; without quotes it is a reference to a setting."""
    return re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", lambda found: _escaped(found[0]), value, flags=re.DOTALL)


def _escaped(quoted: str) -> str:
    *before, last = quoted.split("${")
    return "".join(part + ("${" if num_backslashes(part) % 2 else "\\${") for part in before) + last


def spelled(value: Any) -> str:
    """Returns a value as Hydra's grammar has it."""
    if isinstance(value, str):
        return spelled_text(value)
    if isinstance(value, list):
        return f"[{','.join(map(spelled, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{spelled(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)
