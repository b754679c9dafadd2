"""Determines the arguments with which a sweep is resumed; its folder, which may come from others, is not trusted.

Stored arguments are taken over only if they set lmlab's own settings to plain values or choose among its own parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lmlab.changes import TEXT
from lmlab.command_lines import command_line
from lmlab.errors import UserError, printable
from lmlab.files import expanded, shown
from lmlab.launch.safe_arguments import is_safe

MAX_WORDS = 1_000
MAX_CHARACTERS = 10_000
MAX_TOTAL = 50_000
_MAX_SHOWN = 20

# Settings that concern one call of the command, not the sweep.
_NOT_REPLAYED = ("fresh", "stop_after_tokens", "run")
_MODE = ("-m", "--multirun")
# Long names of Hydra's options by their short ones. The value of an option may be the next word.
_SHORT = {
    "-cd": "--config-dir", "-cp": "--config-path", "-cn": "--config-name", "-p": "--package", "-c": "--cfg",
    "-i": "--info", "-r": "--run", "-h": "--help", "-sc": "--shell-completion",
}  # fmt: skip
_FOLDERS = ("--config-dir", "--config-path")
_LONG = (
    *_SHORT.values(), "--hydra-help", "--version", "--resolve", "--multirun", "--experimental-rerun"
)  # fmt: skip
_WITH_VALUE = (*_FOLDERS, "--config-name", "--package", "--cfg", "--experimental-rerun")


class _Word(NamedTuple):
    """A setting, or an option with its value.

    Args:
        key: name of the setting without ``+``, ``++`` and ``~``, or the option's long name.
        parts: the words on the command line.
    """

    key: str
    parts: tuple[str, ...]

    @property
    def is_option(self) -> bool:
        return self.key.startswith("-")

    @property
    def is_safe(self) -> bool:
        return len(self.parts) == 1 and is_safe(self.parts[0])


def replayed(stored: Any, typed: Sequence[str], *, folder: Path) -> list[str]:
    """Returns the command line with which a sweep is resumed, options first.

    Of the arguments in the record, only lmlab's own settings and choices among its own parts are taken over. All others
    may name code or files, so the user has to type them again; they are then used as typed.

    Args:
        stored: the record's ``arguments``, which are not trusted.
        typed: the user's other arguments besides ``run=``.
        folder: the sweep's folder, for errors.

    Raises:
        UserError: a damaged record, arguments that must be typed again, or typed settings that the sweep was not
            started with.
    """
    words = _record(stored, folder)
    again = [word for word in _words(typed) if word.key not in ("run", "output_dir")]
    by_key = {word.key: word for word in again}
    needed = [word for word in words if not word.is_safe]
    _check_typed(again, {word.key for word in needed})
    missing = [word for word in needed if word.key not in by_key]
    if missing:
        raise _must_be_typed(missing, again, folder)
    _check_same(needed, by_key, folder)
    # The order is kept, because the numbers and names of jobs depend on it.
    made = [by_key[word.key] if word in needed else word for word in words]
    made += [word for word in again if word not in made]
    options = [part for word in made if word.is_option for part in _absolute(word).parts]
    return options + [part for word in made if not word.is_option for part in word.parts]


def to_repeat(arguments: Sequence[str]) -> list[str]:
    """Returns the words of a sweep's command line that must be typed again to resume it."""
    words = (word for word in _words(arguments) if word.key not in (*_NOT_REPLAYED, *_MODE))
    return [part for word in words if not word.is_safe for part in word.parts]


def _record(stored: Any, folder: Path) -> list[_Word]:
    """Returns the words of a sweep's record, without those that concern a single call.

    Raises:
        UserError: the record is damaged or too long.
    """
    problem = ""
    if not isinstance(stored, list) or not all(type(word) is str for word in stored):
        problem = "its sweep.json is damaged"
    elif len(stored) > MAX_WORDS or any(len(word) > MAX_CHARACTERS for word in stored) or _total(stored) > MAX_TOTAL:
        problem = "its sweep.json is too large"
    elif any(re.search(r"[\0\ud800-\udfff]", word) for word in stored):
        problem = "its sweep.json is damaged"
    if problem:
        raise UserError("run", folder, problem, "restore it, or start the sweep again")
    return [word for word in _words(stored) if word.key not in (*_NOT_REPLAYED, *_MODE)]


def _total(words: Sequence[str]) -> int:
    return sum(map(len, words))


def _words(arguments: Sequence[str]) -> Iterator[_Word]:
    left = iter(arguments)
    for argument in left:
        if not argument.startswith("-"):
            yield _Word(argument.lstrip("+~").partition("=")[0].partition("@")[0], (argument,))
            continue
        name, equals, _ = argument.partition("=")
        name = _full_name(name)
        value = next(left, None) if name in _WITH_VALUE and not equals else None
        yield _Word(name, (argument,) if value is None else (argument, value))


def _full_name(option: str) -> str:
    """Returns the long name of one of Hydra's options, which may be abbreviated."""
    found = [name for name in _LONG if option.startswith("--") and name.startswith(option)]
    return _SHORT.get(option, found[0] if len(found) == 1 else option)


def _check_typed(again: Iterable[_Word], needed: set[str]) -> None:
    """Checks that no typed argument changes the sweep.

    Raises:
        UserError: an argument that does, or a relative folder in ``hydra.searchpath``.
    """
    for word in again:
        is_pause = word.parts[0].startswith("stop_after_tokens=")
        is_of_hydra = (word.is_option and word.key not in _MODE) or word.key.startswith(("hydra.", "hydra/"))
        if word.key not in needed and not is_pause and not is_of_hydra:
            key, _, value = word.parts[0].partition("=")
            remedy = "start another sweep"
            raise UserError(key, value or None, "cannot be changed when a sweep is resumed", remedy)
        if word.key == "hydra.searchpath" and not all(map(_is_absolute, _entries(word.parts[0]))):
            # A relative folder would be resolved from the folder in the untrusted record.
            raise UserError(word.key, None, "has a relative folder", "write it as an absolute path: file:///...")


def _entries(argument: str) -> list[str]:
    return [entry.strip(" '\"") for entry in argument.partition("=")[2].strip(" []").split(",")]


def _is_absolute(entry: str) -> bool:
    return entry.startswith(("/", "file:///", "pkg://")) or entry == ""


def _absolute(word: _Word) -> _Word:
    """Makes a typed folder absolute, relative to the current folder and not to the one stored in the record."""
    if word.key not in _FOLDERS:
        return word
    value = word.parts[1] if len(word.parts) == 2 else word.parts[0].partition("=")[2]
    return _Word(word.key, (f"{word.key}={expanded(value).absolute()}",))


def _check_same(needed: Iterable[_Word], by_key: dict[str, _Word], folder: Path) -> None:
    """Checks that settings typed again have the values that the sweep was started with; paths and packages may differ.

    Raises:
        UserError: a setting has another value, so the sweep's finished jobs would be of other settings.
    """
    for word in needed:
        typed = by_key[word.key]
        is_place = word.is_option or word.key in ("plugins", TEXT) or word.key.startswith(("hydra.", "hydra/"))
        if not is_place and typed.parts != word.parts:
            key, _, value = typed.parts[0].partition("=")
            started = printable(word.parts[0].partition("=")[2], longest=300)
            remedy = f"type {key}={started}, or start another sweep"
            raise UserError(key, value, f"differs from {started}, with which {shown(folder)} was started", remedy)


def _must_be_typed(missing: Sequence[_Word], again: Sequence[_Word], folder: Path) -> UserError:
    parts = [printable(part, longest=300) for word in missing[:_MAX_SHOWN] for part in word.parts]
    more = f" and {len(missing) - _MAX_SHOWN} more" if len(missing) > _MAX_SHOWN else ""
    before = [part for word in again for part in word.parts]
    command = command_line("train", [*before, *parts], run=shown(folder))
    problem = f"was started with {' '.join(parts)}{more}, which an untrusted folder cannot supply"
    remedy = f"if you trust it, repeat it: {command}"
    return UserError("run", shown(folder), problem, remedy)
