"""Checks the name of the setting or group in a word of a command line."""

from __future__ import annotations

import re
import typing
from collections.abc import Sequence
from typing import Any

from lmlab.config import setting_names, typed
from lmlab.config.folders import groups
from lmlab.config.presets import GROUP
from lmlab.config.settings import COMMANDS, Settings, TrainSettings
from lmlab.config.slots import OPEN, SLOTS
from lmlab.config.suggestions import RESUMING, did_you_mean
from lmlab.config.word_forms import Word, is_hydras
from lmlab.errors import UserError, printable

_NAME = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*")


def check_name(word: Word, kind: type[Settings]) -> None:
    """Checks the name of a setting or group.

    Raises:
        UserError: there is none of this name, or it cannot be added or removed.
    """
    key = word.key
    if is_hydras(key):
        if kind is not TrainSettings:
            raise UserError(printable(key), None, "is for train", "leave it out")
        return
    of_train = groups() if kind is TrainSettings else ()
    known = [*of_train, *setting_names.known_settings(kind), *(("run", "plugins") if kind is TrainSettings else ())]
    if not _NAME.fullmatch(key) or key.partition(".")[0] not in known:
        raise _unknown(word, known, kind)
    single, of = _single_above(key, kind)
    if single:
        is_list = typing.get_origin(of) is list
        whole = f"write {single}={'[...]' if is_list else '...'}"
        raise UserError(printable(key), word.shown, f"{single} is a {'list' if is_list else 'single value'}", whole)
    if word.sign == "~":
        removable = (key.partition(".")[0] in OPEN and "." in key) or key == GROUP
        remedy = f"write {key}=null" if removable else f"leave it out, or write {key}=..."
        raise UserError(word.text, None, "settings and groups cannot be removed", remedy)
    parent, _, last = key.rpartition(".")
    followed = f"{parent.rpartition('.')[0]}.{last}"
    if parent in SLOTS and followed in known and last not in typed.MAY_DIFFER:
        raise UserError(printable(key), word.shown, f"takes its value from {followed}", f"write {followed}=...")
    if key in of_train and word.sign:
        raise UserError(word.text, None, "is a group that every run has", f"write {key}={word.value}")


def _single_above(key: str, kind: type[Settings]) -> tuple[str, Any]:
    """Returns the setting that a name is below, and its type: it has no parts, but for a list's by number."""
    for name, _, of in setting_names.names(kind):
        below = key.removeprefix(f"{name}.")
        plain = typing.get_args(of)[0] if typing.get_origin(of) is typing.Annotated else of
        has_parts = plain is Any or typing.get_origin(plain) is dict
        if below != key and not has_parts and not (typing.get_origin(plain) is list and below.isdecimal()):
            return name, plain
    return "", None


def _unknown(word: Word, known: Sequence[str], kind: type[Settings]) -> UserError:
    """Returns the error for a name that is neither a setting's nor a group's."""
    key = word.key.partition("@")[0].replace("/", ".")
    shown = word.shown if word.value else None
    if key in known:
        return UserError(printable(word.key), shown, "no such setting", f"write {key}=...")
    elsewhere = _of_another_command(key, kind)
    others = {**RESUMING, **setting_names.other_names(kind)}
    remedies = [f"it is a setting of {elsewhere}" if elsewhere else "", did_you_mean(key, known, others)]
    tops = ", ".join(dict.fromkeys(name for name in known if "." not in name))
    remedy = "; ".join(filter(None, remedies)) or f"known here: {tops}"
    return UserError(printable(word.key), shown, "no such setting", remedy)


def _of_another_command(name: str, kind: type[Settings]) -> str:
    """Returns the commands other than this one that have a setting, for errors; empty if none has it."""
    commands = [
        command
        for command, other in COMMANDS.items()
        if other is not kind and name in setting_names.known_settings(other)
    ]
    return " and ".join(f"python -m lmlab.{command}" for command in commands[:2])
