"""`python -m lmlab.list`: what can be chosen, with a line each."""

from __future__ import annotations

# ruff: noqa: E402  (the signals are owned before anything that takes time is imported)
from lmlab import signals

signals.own(__name__)

import shutil
import sys
import textwrap
from pathlib import Path

from lmlab.config.command import run_command
from lmlab.config.compose import train_settings
from lmlab.config.documentation import help_lines, markdown
from lmlab.config.folders import configuration_folder, group_options
from lmlab.data.cache import cache_folder
from lmlab.data.catalogue import GLOVE, TEXTS
from lmlab.data.download import RemoteFile, texts_folder
from lmlab.errors import UserError

# In the order of train.yaml; `callbacks` has but one option.
GROUPS = (
    "data", "tokenizer", "batching", "model", "embedding", "optimizer", "scheduler", "averaging", "trainer", "logger",
    "experiment",
)  # fmt: skip
USAGE = """usage: python -m lmlab.list                 everything that can be chosen
       python -m lmlab.list data model      these only
       python -m lmlab.list data=ptb        one option: its files and settings
       python -m lmlab.list settings        every setting of every command, as a Markdown page"""


def describe_option(group: str, option: str) -> str:
    """The first line of the option's file that is a comment about it."""
    lines = (configuration_folder() / group / f"{option}.yaml").read_text(encoding="utf-8").splitlines()
    comments = (line[1:].strip() for line in lines if line.startswith("#"))
    return next((comment for comment in comments if not comment.startswith("@package")), "")


def describe_group(group: str) -> list[str]:
    """The group's options, a line each (wrapped to the terminal)."""
    options = group_options(group)
    if not options:
        return [f"{group}=", "  none yet: conf/experiment/NAME.yaml (or --config-dir) adds one"]
    width = max(map(len, options))
    columns = max(60, shutil.get_terminal_size().columns)
    lines = [f"{group}="]
    for option in options:
        start = f"  {option:<{width}}  "
        lines += textwrap.wrap(start + describe_option(group, option), columns, subsequent_indent=" " * len(start))
    return lines


def files_of(group: str, option: str) -> tuple[tuple[RemoteFile, ...], Path]:
    """The files an option downloads, none for most, and their folder in the cache."""
    if group == "data" and option in TEXTS:
        return TEXTS[option], texts_folder(option)
    if (group, option) == ("embedding", "glove"):
        return (GLOVE,), cache_folder() / "vectors"
    return (), cache_folder()


def describe_one(group: str, option: str) -> list[str]:
    """An option's comment, files and settings.

    Raises:
        UserError: no such option.
    """
    options = group_options(group)
    if option not in options:
        raise UserError(group, option, "no such option", f"choose one of {', '.join(options) or 'none'}")
    lines = [f"{group}={option}: {describe_option(group, option)}"]
    files, folder = files_of(group, option)
    for file in files:
        there = "there" if (folder / file.name).is_file() else "not there yet"
        lines += [
            "",
            f"{folder / file.name} ({there})",
            f"  {file.url}",
            f"  {file.num_bytes:,} bytes, SHA-256 {file.sha256}",
        ]
    return [*lines, "", "settings:", *(f"  {line}" for line in _settings(group, option))]


def _settings(group: str, option: str) -> list[str]:
    """The settings it brings, composed with the defaults; an experiment's own, for it is a difference from them."""
    if group == "experiment":
        return (configuration_folder() / group / f"{option}.yaml").read_text(encoding="utf-8").splitlines()
    settings = train_settings([f"{group}={option}"])
    part = settings.data.batching if group == "batching" else getattr(settings, group)
    prefix = "data.batching." if group == "batching" else f"{group}."
    return list(help_lines(part, prefix))


def _run(arguments: list[str]) -> None:
    if any(argument in ("-h", "--help") for argument in arguments):
        print(USAGE)
        return
    if arguments == ["settings"]:
        print("\n".join(markdown()))
        return
    blocks: list[list[str]] = []
    for argument in arguments or list(GROUPS):
        group, equals, option = argument.partition("=")
        if group not in GROUPS:
            raise UserError(
                argument, None, "nothing of that name", f"one of {', '.join(GROUPS)}, or data=ptb and the like"
            )
        blocks.append(describe_one(group, option) if equals else describe_group(group))
    print("\n\n".join("\n".join(block) for block in blocks))


def main() -> None:
    """The command."""
    arguments = sys.argv[1:]
    lost = "the list may be incomplete; the same command prints it again"
    sys.exit(run_command(lambda: _run(arguments), arguments, if_interrupted=lost))


if __name__ == "__main__":
    main()
