"""The commands, and the help of each: generated from the typed settings, the slots, `conf/` and Hydra's own options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hydra._internal.utils import get_args_parser

from lmlab.config.compose import compose_settings
from lmlab.config.documentation import entry, help_lines, wrapped
from lmlab.config.folders import group_options
from lmlab.config.presets import CONFIG_DIR, GROUP, asks_for_a_sweep, own_folders, search_path
from lmlab.config.settings import (
    BenchmarkSettings,
    EvaluateSettings,
    GenerateSettings,
    PredictSettings,
    ReportSettings,
    Settings,
    TrainSettings,
    VerifySettings,
)
from lmlab.config.slots import OPEN, SLOTS
from lmlab.errors import UserError

HELP = ("-h", "--help")
COMPLETION = ("-sc", "--shell-completion")
# What stands for the path of a text that is the user's own, where none was given.
_PLACEHOLDER = "data.path=PATH"


@dataclass(frozen=True)
class Command:
    """A command.

    Args:
        summary: what it does, in a line.
        settings: what it takes; None for the list.
        words: what can be typed besides settings and groups, and what it does.
        examples: whole command lines, without `python -m`.
    """

    summary: str
    settings: type[Settings] | None
    words: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[str, ...] = ()


_PLUGINS = {"plugins=[my_models]": "trust packages of your own, whose classes a run names"}
COMMANDS = {
    "train": Command(
        "trains a run, or with -m a sweep",
        TrainSettings,
        {
            "run=FOLDER": "resume an interrupted run or sweep; latest: the newest run",
            "plugins=[my_models]": "trust packages of your own, whose classes your configuration names",
        },
        (
            "lmlab.train data=text data.path=my_book.txt model=gru",
            "lmlab.train -m model=gru,lstm optimizer.lr=1e-3,3e-3",
            "lmlab.train run=latest",
            "lmlab.train --config-dir my_conf model=mine plugins=[my_models]",
        ),
    ),
    "generate": Command("writes text with a trained model", GenerateSettings, _PLUGINS),
    "evaluate": Command("measures a trained model on a text", EvaluateSettings, _PLUGINS),
    "predict": Command("shows what a run's checkpoints expect after a prompt", PredictSettings, _PLUGINS),
    "verify": Command("computes a run's figures again, by other means", VerifySettings, _PLUGINS),
    "report": Command("compares runs on a page, in tables and in figures", ReportSettings),
    "list": Command(
        "lists groups and their options, one option with its settings, or runs",
        None,
        {
            "data model": "only the options of these groups; without a word: of all",
            "data=ptb": "one option: its files and settings",
            "settings": "every setting of every command, as a Markdown page",
            "figures": "every figure with unit and definition, as a Markdown page",
            "runs": "runs and sweeps below output_dir, the newest last",
            "runs=FOLDER": "those of a folder, a glob, several with commas, or latest",
            "output_dir=outputs": "with runs: the folder that is searched",
            "prune=true": "with runs: ask, then delete the checkpoints of finished runs that are neither best.ckpt nor "
            "last.ckpt; yes does not ask",
            "plugins=[my_models]": "trust packages of your own, whose classes your options name",
        },
        ("lmlab.list model=gru", "lmlab.list runs=outputs prune=true"),
    ),
    "benchmark": Command("times training steps against a hand-written loop", BenchmarkSettings),
}
# The commands that compose a single configuration, with their settings.
COMPOSED = {name: kind for name, command in COMMANDS.items() if (kind := command.settings) and name != "train"}


def groups() -> tuple[str, ...]:
    """Returns the groups of which a training run chooses an option, each a folder of `conf/`."""
    slots = (*SLOTS.values(), *OPEN.values())
    return (*dict.fromkeys(slot.group for slot in slots), GROUP)


def addition(group: str) -> tuple[str, str]:
    """Returns what adds a part to an open group, and which parts can be added."""
    others = "".join(f", {name}" for name in sorted(OPEN[group].others))
    return f"+{group}.<name>={{_target_: ...}}", f"one more: a class of your own package{others}"


def options(command: str) -> dict[tuple[str, ...], str]:
    """Returns the options of a command, those that begin with `-`, with a line of help each."""
    found: dict[tuple[str, ...], str] = {
        HELP: "show this help; with groups and settings, that of the parts so chosen",
        COMPLETION: "install=bash, install=zsh or install=fish prints what makes the shell complete all commands",
        CONFIG_DIR[::-1]: "a folder with options of your own, beside those of lmlab",
    }
    if command not in ("train", "list"):
        del found[CONFIG_DIR[::-1]]
    if command == "train":
        for action in get_args_parser()._actions:
            words = tuple(sorted(action.option_strings, key=len))
            if words and action.help is not argparse.SUPPRESS:
                found.setdefault(words, " ".join(str(action.help).split()))
    return found


def overview() -> str:
    """Returns the list of all commands."""
    lines = [
        "usage: python -m lmlab.COMMAND [key=value ...]",
        "",
        *(line for name, command in COMMANDS.items() for line in entry(name, command.summary, column=13)),
        "",
        *wrapped("python -m lmlab.COMMAND --help describes one. Installed, they are lmlab-train and so on."),
    ]
    return "\n".join(lines)


def help_text(name: str, arguments: Sequence[str]) -> str:
    """Returns the help of a command: all that can be typed, and the settings of the chosen parts.

    Args:
        name: of the command.
        arguments: its command line.

    Raises:
        UserError: a setting or choice on it that is wrong.
    """
    return "\n".join(_help(name, arguments))


def _help(name: str, arguments: Sequence[str]) -> Iterator[str]:
    command = COMMANDS[name]
    takes = "[words]" if command.settings is None else "[key=value ...]"
    yield f"usage: python -m lmlab.{name} {takes}"
    yield from ("", *wrapped(f"lmlab.{name} {command.summary}."))
    if command.words:
        yield from ("", "Words:")
        for word, text in command.words.items():
            yield from entry(word, text)
    yield from ("", "Options:")
    for words, text in options(name).items():
        yield from entry(", ".join(words), text)
    if command.examples:
        yield from ("", "For example:", *(f"  python -m {example}" for example in command.examples))
    if name == "train":
        yield from _parts(own_folders(arguments))
    if command.settings is not None:
        more = " of the chosen parts (--help model=gru optimizer=sgd shows those of others)" if name == "train" else ""
        yield from ("", *wrapped(f"Settings{more}, each with its value:"))
        yield from help_lines(chosen_settings(name, command.settings, arguments))


def _parts(own: Sequence[Path]) -> Iterator[str]:
    yield from ("", "Parts to choose (python -m lmlab.list describes each):")
    for group in groups():
        yield from entry(f"{group}=", ", ".join(group_options(group, own)))
    for group in OPEN:
        yield from entry(*addition(group))
    yield from entry("<group>.<name>=null", f"without this part of {', '.join(OPEN)}")


def chosen_settings(name: str, kind: type[Settings], arguments: Sequence[str]) -> Settings:
    """Returns the settings that a command line chooses; of a sweep, those of its first job.

    Raises:
        UserError: the first that is wrong.
    """
    words = [word for word in arguments if "=" in word and not word.startswith(("-", "plugins="))]
    if name == "train":
        words = [word for word in words if not word.startswith("run=")]
        words = list(map(_first, words)) if asks_for_a_sweep(arguments) else words
        words += search_path(own_folders(arguments))
    try:
        return compose_settings(name, kind, words)
    except UserError as error:
        if error.field != "data.path":
            raise
        return compose_settings(name, kind, [*words, _PLACEHOLDER])


def _first(word: str) -> str:
    """Returns the first value of a sweep: of `a=1,2` that is `a=1`."""
    key, _, value = word.partition("=")
    return word if value[:1] in ("[", "{", "'", '"') else f"{key}={value.partition(',')[0]}"
