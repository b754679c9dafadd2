"""`python -m lmlab.list`: lists the options of each group, or shows one option with its settings."""

from __future__ import annotations

# ruff: noqa: E402  (the signals are owned before anything that takes time is imported)
from lmlab import signals

signals.own(__name__)

import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from lmlab.config import plugins
from lmlab.config.command import run_command
from lmlab.config.compose import train_settings
from lmlab.config.documentation import help_lines, markdown
from lmlab.config.folders import configuration_folder, group_options
from lmlab.config.presets import CONFIG_DIR, check_own_folders, own_folders, search_path
from lmlab.data.cache import cache_folder
from lmlab.data.catalogue import GLOVE, TEXTS
from lmlab.data.download import RemoteFile, texts_folder
from lmlab.errors import UserError

# In the order of train.yaml.
GROUPS = (
    "data", "tokenizer", "batching", "model", "embedding", "optimizer", "scheduler", "averaging", "trainer",
    "callbacks", "logger", "experiment",
)  # fmt: skip
USAGE = """usage: python -m lmlab.list                 all options of all groups
       python -m lmlab.list data model      only those of these groups
       python -m lmlab.list data=ptb        one option: its files and settings
       python -m lmlab.list settings        every setting of every command, as a Markdown page
       python -m lmlab.list --config-dir my_conf [plugins=[my_models]] ...   with your own options"""


def _run(arguments: list[str]) -> None:
    if any(argument in ("-h", "--help") for argument in arguments):
        print(USAGE)
        return
    if arguments == ["settings"]:
        print("\n".join(markdown()))
        return
    words = plugins.take_from(arguments)
    check_own_folders(words)
    own = own_folders(words)
    blocks = [_described(word, own) for word in _without_folders(words) or GROUPS]
    print("\n\n".join("\n".join(block) for block in blocks))


def _without_folders(words: Sequence[str]) -> list[str]:
    """Returns the words of a command line except --config-dir and its folder."""
    after_option = [False, *(word in CONFIG_DIR for word in words)]
    return [w for w, follows in zip(words, after_option, strict=False) if not follows and _key(w) not in CONFIG_DIR]


def _key(word: str) -> str:
    return word.partition("=")[0]


def _described(word: str, own: Sequence[Path]) -> list[str]:
    """Returns the lines on a group (`model`) or an option (`model=lstm`).

    Args:
        word: as typed.
        own: the user's own folders of configuration.

    Raises:
        UserError: there is no such group or option.
    """
    group, equals, option = word.partition("=")
    if group not in GROUPS:
        remedy = f"choose one of {', '.join(GROUPS)}, or an option such as data=ptb"
        raise UserError(word, None, "no such group", remedy)
    options = group_options(group, own)
    if equals and option not in options:
        raise UserError(group, option, "no such option", f"choose one of {', '.join(options) or 'none'}")
    return _describe_option(group, option, own) if equals else _describe_group(group, options, own)


def _describe_group(group: str, options: list[str], own: Sequence[Path]) -> list[str]:
    """Returns a line for each option, wrapped to the width of the terminal."""
    width = max(map(len, options))
    columns = max(60, shutil.get_terminal_size().columns)
    lines = [f"{group}="]
    for option in options:
        start = f"  {option:<{width}}  "
        text = start + _first_comment(_file_of(group, option, own))
        lines += textwrap.wrap(text, columns, subsequent_indent=" " * len(start))
    return lines


def _describe_option(group: str, option: str, own: Sequence[Path]) -> list[str]:
    """Returns an option's comment, files and settings."""
    path = _file_of(group, option, own)
    lines = [f"{group}={option}: {_first_comment(path)}"]
    files, folder = _downloads(group, option)
    for file in files:
        there = "downloaded" if (folder / file.name).is_file() else "not downloaded yet"
        lines += [
            "",
            f"{folder / file.name} ({there})",
            f"  {file.url}",
            f"  {file.num_bytes:,} bytes, SHA-256 {file.sha256}",
        ]
    # A preset is shown as it is: the settings that it changes.
    is_preset = group == "experiment"
    settings = path.read_text(encoding="utf-8").splitlines() if is_preset else _settings(group, option, own)
    return [*lines, "", "settings:", *(f"  {line}" for line in settings)]


def _file_of(group: str, option: str, own: Sequence[Path]) -> Path:
    """Returns the YAML file of an option that exists."""
    return next(f for folder in (configuration_folder(), *own) if (f := folder / group / f"{option}.yaml").is_file())


def _first_comment(path: Path) -> str:
    """Returns the first comment in an option's file, which describes the option; empty if there is none."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = (line[1:].strip() for line in lines if line.startswith("#"))
    return next((comment for comment in comments if not comment.startswith("@package")), "")


def _downloads(group: str, option: str) -> tuple[tuple[RemoteFile, ...], Path]:
    """Returns the files that an option downloads, and their folder in the cache."""
    if group == "data" and option in TEXTS:
        return TEXTS[option], texts_folder(option)
    if (group, option) == ("embedding", "glove"):
        return (GLOVE,), cache_folder() / "vectors"
    return (), cache_folder()


def _settings(group: str, option: str, own: Sequence[Path]) -> list[str]:
    """Returns a line for each setting of an option, composed with the defaults of all other groups."""
    settings = train_settings([f"{group}={option}", *search_path(own)])
    part = settings.data.batching if group == "batching" else getattr(settings, group)
    return list(help_lines(part, "data.batching." if group == "batching" else f"{group}."))


def main() -> None:
    """Runs the command."""
    arguments = sys.argv[1:]
    lost = "the list may be incomplete; the same command prints it again"
    sys.exit(run_command(lambda: _run(arguments), arguments, if_interrupted=lost))


if __name__ == "__main__":
    main()
