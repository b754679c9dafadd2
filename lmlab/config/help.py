"""The commands, and the help of each: generated from the typed settings, the options and `conf/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lmlab.config import options
from lmlab.config.compose import compose_settings
from lmlab.config.documentation import entry, help_lines, wrapped
from lmlab.config.folders import group_options, groups
from lmlab.config.presets import asks_for_a_sweep, check_own_folders, own_folders, search_path
from lmlab.config.settings import COMMANDS as SETTINGS
from lmlab.config.settings import Settings
from lmlab.config.slots import OPEN
from lmlab.errors import UserError

# What stands for the path of a text that is the user's own, where none was given.
_PLACEHOLDER = "data.path=PATH"


@dataclass(frozen=True)
class Command:
    """A command.

    Args:
        summary: what it does, in a line.
        words: what can be typed besides settings and groups, and what it does.
        examples: whole command lines, without `python -m`.
    """

    summary: str
    words: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[str, ...] = ()


_PLUGINS = {"plugins=[my_models]": "trust packages of your own, whose classes a run names"}
COMMANDS = {
    "train": Command(
        "trains a run, or with -m a sweep",
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
    "generate": Command("writes text with a trained model", _PLUGINS),
    "evaluate": Command("measures a trained model on a text", _PLUGINS),
    "predict": Command("shows what a run's checkpoints expect after a prompt", _PLUGINS),
    "verify": Command("computes a run's figures again, by other means", _PLUGINS),
    "report": Command("compares runs on a page, in tables and in figures"),
    "list": Command(
        "lists groups and their options, one option with its settings, or runs",
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
    "benchmark": Command(
        "times layers, steps of training, generation, tokenizers, large texts and start-up",
        {"plugins=[my_models]": "trust packages of your own, whose classes your models name"},
        (
            "lmlab.benchmark what=all output=benchmark",
            "lmlab.benchmark what=layers models=[lstm] hidden_sizes=[100,512]",
            "lmlab.benchmark --config-dir my_conf plugins=[my_models] models=[my]",
        ),
    ),
}
# The commands that compose a single configuration, with their settings.
COMPOSED = {name: kind for name, kind in SETTINGS.items() if name != "train"}


def addition(group: str) -> tuple[str, str]:
    """Returns what adds a part to an open group, and which parts can be added."""
    others = "".join(f", {name}" for name in sorted(OPEN[group].others))
    return f"+{group}.<name>={{_target_: ...}}", f"one more: a class of your own package{others}"


def overview() -> str:
    """Returns the list of all commands."""
    lines = [
        "usage: python -m lmlab.COMMAND [key=value ...]",
        "",
        *(line for name, command in COMMANDS.items() for line in entry(name, command.summary, 13)),
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
    command, kind = COMMANDS[name], SETTINGS.get(name)
    check_own_folders(arguments)
    takes = "[words]" if kind is None else "[key=value ...]"
    yield f"usage: python -m lmlab.{name} {takes}"
    yield from ("", *wrapped(f"lmlab.{name} {command.summary}."))
    if command.words:
        yield from ("", "Words:")
        for word, text in command.words.items():
            yield from entry(word, text)
    yield from ("", "Options:")
    for option in options.of_command(name):
        yield from entry(option.typed, option.help)
    if command.examples:
        yield from ("", "For example:", *(f"  python -m {example}" for example in command.examples))
    if name == "train":
        yield from _parts(own_folders(arguments))
    if kind is not None:
        more = " of the chosen parts (--help model=gru optimizer=sgd shows those of others)" if name == "train" else ""
        yield from ("", *wrapped(f"Settings{more}, each with its value:"))
        yield from help_lines(chosen_settings(name, kind, arguments))


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
