"""Builds the command lines that are printed, so that each can be copied into a shell as it is."""

from __future__ import annotations

import shlex
from collections.abc import Iterable


def command_line(name: str, words: Iterable[str] = (), **settings: object) -> str:
    """Returns a command of lmlab's, quoted for the shell.

    Args:
        name: of the command, such as ``generate``.
        words: further words, after the settings.
        settings: by name; None for one that is left out.
    """
    given = [f"{key}={value}" for key, value in settings.items() if value is not None]
    return for_shell(["python", "-m", f"lmlab.{name}", *given, *words])


def tensorboard(folder: str) -> str:
    """Returns the command that shows the curves of the runs in a folder."""
    return for_shell(["tensorboard", "--logdir", folder])


def for_shell(words: Iterable[str]) -> str:
    """Returns words as a line for the shell."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    # Line ends and what a terminal would not show, as bytes: bash and zsh read them so.
    signs = (sign if sign.isprintable() and sign not in "\\'" else _escaped(sign) for sign in word)
    return f"$'{''.join(signs)}'"


def _escaped(sign: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in sign.encode("utf-8", errors="surrogateescape"))
