"""What a command line asks for instead of the command's work: its help, or completion for the shell."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from lmlab.config import plugins
from lmlab.config.completion import answer
from lmlab.config.help import COMPLETION, HELP, help_text, options
from lmlab.config.presets import CONFIG_DIR
from lmlab.errors import UserError


def answered(command: str, arguments: Sequence[str]) -> bool:
    """Prints help or completion if a command line asks for it; returns whether it did.

    Raises:
        UserError: an option that the command does not have, or a setting beside --help that is wrong.
    """
    if any(word in COMPLETION for word in arguments):
        print(answer(command, arguments))
        return True
    words = without_folders(arguments)
    if any(word in (*HELP, "help") for word in words):
        print(help_text(command, plugins.take_from(arguments)))
        return True
    _check_options(command, words)
    return False


def without_folders(words: Sequence[str]) -> list[str]:
    """Returns the words of a command line except --config-dir and its folder."""
    after_option = [False, *(word in CONFIG_DIR for word in words)]
    beside = (word for word, follows in zip(words, after_option, strict=False) if not follows)
    return [word for word in beside if word.partition("=")[0] not in CONFIG_DIR]


def _check_options(command: str, words: Sequence[str]) -> None:
    known = [option for names in options(command) for option in names]
    for word in words:
        name = word.partition("=")[0]
        if not name.startswith("-") or name in known:
            continue
        if name.startswith("--") and sum(option.startswith(name) for option in known) == 1 and command == "train":
            continue  # Hydra takes the beginning of an option for the whole
        close = get_close_matches(name, known, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(known)}"
        raise UserError(name, None, "no such option", remedy)
