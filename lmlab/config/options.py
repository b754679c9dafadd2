"""The options of `python -m lmlab.train` beside its settings: Hydra's, without those that lmlab does not support."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

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
    """

    name: str
    short: str
    help: str
    value: str = ""
    choices: tuple[str, ...] = ()
    may_stand_alone: bool = False
    shows: bool = False


_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
OPTIONS = (
    Option("--multirun", "-m", "a sweep: a run for each combination of the values given with commas"),
    Option("--config-dir", "-cd", "adds a folder of your own with options of groups", value="FOLDER"),
    Option("--cfg", "-c", "shows the configuration", value="PART", choices=("job", "hydra", "all"), shows=True),
    Option("--resolve", "", "with --cfg: with all references replaced by values"),
    Option("--package", "-p", "with --cfg: this part of it", value="NAME"),
    Option("--info", "-i", "shows how Hydra composes", "PART", _INFO, may_stand_alone=True, shows=True),
    Option("--run", "-r", "a single run, which is the default"),
    Option("--help", "-h", "shows all settings of the chosen parts", shows=True),
    Option("--hydra-help", "", "shows Hydra's own options", shows=True),
    Option("--version", "", "shows Hydra's version", shows=True),
    Option("--shell-completion", "-sc", "installs completion in a shell", shows=True),
)
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


def check(given: Given) -> None:
    """Refuses an option that `python -m lmlab.train` does not have, or its value.

    Raises:
        UserError: naming it.
    """
    typed = printable(given.parts[0].partition("=")[0])
    if given.name in _REFUSED:
        raise UserError(typed, None, *_REFUSED[given.name])
    option = _BY_NAME.get(given.name)
    if option is None:
        known = [*_BY_NAME, *_SHORT]
        close = get_close_matches(typed, known, n=1)
        setting = "; a setting is written without -" if "=" in given.parts[0] else ""
        remedy = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(_BY_NAME)}{setting}"
        raise UserError(typed, None, "no such option", remedy)
    if not option.value and given.value is not None:
        raise UserError(typed, printable(given.value), "takes no value", f"write {typed} alone")
    if given.value is None and option.value and not option.may_stand_alone:
        example = option.choices[0] if option.choices else option.value
        raise UserError(typed, None, "has no value", f"write {typed}={example}")
    if option.choices and given.value is not None and given.value not in option.choices:
        remedy = f"choose one of {', '.join(option.choices)}"
        raise UserError(typed, printable(given.value), "no such option", remedy)
