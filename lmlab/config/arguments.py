"""Quotes free text on the command line for Hydra's grammar."""

from __future__ import annotations

import os
from collections.abc import Sequence

# Settings whose values are typed without quotes: prompts, paths, names.
FREE_TEXT = frozenset(
    {"prompt", "run", "runs", "data.path", "embedding.path", "output", "output_dir", "name", "data.name"}
)


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
    if not equals or key.lstrip("+") not in FREE_TEXT or value in {"null", "???"}:
        return argument
    is_text = key == "prompt"
    if _is_quoted(value) and not is_text:
        return argument
    values = [value]
    if sweep and not is_text and "," in value and not os.path.exists(value):
        values = value.split(",")
    if not is_text:
        values = [os.path.expanduser(v) for v in values]
    return f"{key}=" + ",".join(v if _is_quoted(v) and not is_text else quote(v) for v in values)
