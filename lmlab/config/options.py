"""The options of the commands, words that begin with `-`: Hydra's, without those that lmlab does not support."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

from lmlab.config.setting_names import known_settings, other_names
from lmlab.config.settings import COMMANDS
from lmlab.config.suggestions import RESUMING, meant
from lmlab.errors import UserError, printable


@dataclass(frozen=True)
class Option:
    """An option.

    Args:
        name: the long name.
        short: the short name; empty for none.
        help: a line of help.
        value: what its value is, for help; empty for an option without one.
        choices: the allowed values; empty if any is.
        may_stand_alone: whether the value can be left out.
        shows: whether it shows something and does not train.
        of: the commands that have it.
    """

    name: str
    short: str
    help: str
    value: str = ""
    choices: tuple[str, ...] = ()
    may_stand_alone: bool = False
    shows: bool = False
    of: str = "train"

    @property
    def typed(self) -> str:
        """The option as help has it."""
        value = f"={'|'.join(self.choices) or self.value}" if self.value else ""
        return f"{f'{self.short}, ' if self.short else ''}{self.name}{value}"


_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
HELP = ("--help", "-h")
COMPLETION = ("--shell-completion", "-sc")
CONFIG_DIR = ("--config-dir", "-cd")
_SHELLS = "install=bash, install=zsh or install=fish prints what makes the shell complete all commands"
OPTIONS = (
    Option(*HELP, "shows this help; with groups and settings, that of the parts so chosen", shows=True, of="all"),
    Option(*COMPLETION, _SHELLS, shows=True, of="all"),
    Option(
        *CONFIG_DIR,
        "a folder with options of your own, beside those of lmlab",
        value="FOLDER",
        of="train, list and benchmark",
    ),
    Option("--multirun", "-m", "a sweep: a run for each combination of the values given with commas"),
    Option("--cfg", "-c", "shows the configuration", value="PART", choices=("job", "hydra", "all"), shows=True),
    Option("--resolve", "", "with --cfg: with all references replaced by values"),
    Option("--package", "-p", "with --cfg: this part of it", value="NAME"),
    Option("--info", "-i", "shows how Hydra composes", "PART", _INFO, may_stand_alone=True, shows=True),
    Option("--run", "-r", "a single run, which is the default"),
    Option("--hydra-help", "", "shows Hydra's own options", shows=True),
    Option("--version", "", "shows Hydra's version", shows=True),
)
# What these show is the same whatever is set.
APART = ("--hydra-help", "--version")
# Hydra's others: what is wrong with each, and what to do.
_REFUSED = {
    "--config-path": ("lmlab has its own configuration", "add a folder of your own by --config-dir"),
    "--config-name": ("lmlab has its own configuration", "add a folder of your own by --config-dir"),
    "--experimental-rerun": ("would load a pickle, which can run any code", "repeat the command of the run instead"),
}
_SHORT = {option.short: option.name for option in OPTIONS if option.short}
_SHORT |= {"-cp": "--config-path", "-cn": "--config-name"}
_BY_NAME = {option.name: option for option in OPTIONS}


class Given(NamedTuple):
    """An option on a command line.

    Args:
        name: its long name, also of one that is not supported.
        value: that it has; None for none.
        parts: its words on the command line.
    """

    name: str
    value: str | None
    parts: tuple[str, ...]


def divided(words: Sequence[str]) -> Iterator[Given | str]:
    """Yields the options of a command line with their values, and the other words."""
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            yield word
            continue
        name, equals, value = word.partition("=")
        name = _SHORT.get(name, name)
        takes = name in _REFUSED or (name in _BY_NAME and bool(_BY_NAME[name].value))
        alone = (
            name in _BY_NAME and _BY_NAME[name].may_stand_alone and (not left or left[0] not in _BY_NAME[name].choices)
        )
        if takes and not equals and left and not alone:
            following = left.pop(0)
            yield Given(name, following, (word, following))
        else:
            yield Given(name, value if equals else None, (word,))


def of_command(command: str) -> list[Option]:
    """Returns the options that a command has."""
    return [option for option in OPTIONS if option.of == "all" or command in re.findall(r"\w+", option.of)]


def check(given: Given, command: str) -> None:
    """Refuses an option that a command does not have, or its value.

    Raises:
        UserError: naming it.
    """
    typed = printable(given.parts[0].partition("=")[0])
    option = _BY_NAME.get(given.name)
    known = of_command(command)
    if option is not None and option not in known and option.name.lstrip("-") in _settings_of(command):
        raise UserError(typed, None, "settings are written as key=value", f"write {option.name.lstrip('-')}=...")
    if option is not None and option not in known:
        raise UserError(typed, None, f"is for {option.of}", "leave it out")
    if given.name in _REFUSED and command == "train":
        raise UserError(typed, None, *_REFUSED[given.name])
    if option is None:
        raise UserError(typed, None, "no such option", _remedy_for_unknown(typed, command))
    if not option.value and given.value is not None:
        # The value of --shell-completion is a word of its own.
        remedy = f"write {typed} {printable(given.value)}" if "=" in given.value else f"write {typed} without ="
        raise UserError(typed, printable(given.value), "takes no value", remedy)
    if not given.value and option.value and (given.value is not None or not option.may_stand_alone):
        example = option.choices[0] if option.choices else option.value
        raise UserError(typed, None, "has no value", f"write {typed}={example}")
    if option.choices and given.value is not None and given.value not in option.choices:
        remedy = f"choose one of {', '.join(option.choices)}"
        raise UserError(typed, printable(given.value), "no such option", remedy)


def _settings_of(command: str) -> Sequence[str]:
    return known_settings(COMMANDS[command]) if command in COMMANDS else ()


def check_together(given: Sequence[Given]) -> None:
    """Refuses options that exclude or need each other.

    Raises:
        UserError: naming one of them.
    """
    typed = {option.name: printable(option.parts[0].partition("=")[0]) for option in given}
    ways = [typed[name] for name in ("--run", "--multirun", "--cfg", "--info") if name in typed]
    if len(ways) > 1:
        raise UserError(ways[1], None, f"cannot be used together with {ways[0]}", "leave one of them out")
    alone = [typed[name] for name in ("--resolve", "--package") if name in typed and "--cfg" not in typed]
    if alone:
        raise UserError(alone[0], None, "is for --cfg", "add --cfg=job, or leave it out")


def _remedy_for_unknown(typed: str, command: str) -> str:
    """Returns what was probably meant by an option that there is not: another, or a setting in the way of argparse."""
    known = of_command(command)
    others = other_names(COMMANDS[command]) if command in COMMANDS else {}
    names = [name for option in known for name in (option.name, option.short) if name]
    bare = typed.lstrip("-").replace("-", "_")
    setting = meant(bare, ("run", *_settings_of(command)), {**RESUMING, **others})
    if setting:
        return f"a setting is written without -, as {setting}=..."
    close = [name for name in names if name == typed.lower()] or get_close_matches(typed.lower(), names, 1, cutoff=0.75)
    if close:
        return f"did you mean {close[0]}?"
    listed = f"choose one of {', '.join(option.name for option in known)}"
    return f"{listed}; a setting is written without -, as {'seed=1' if command == 'train' else 'run=latest'}"


def without_options(command: str, words: Sequence[str]) -> list[str]:
    """Returns the words of a command line that are no options.

    Raises:
        UserError: an option that the command does not have.
    """
    found = list(divided(words))
    for option in found:
        if not isinstance(option, str):
            check(option, command)
    return [word for word in found if isinstance(word, str)]
