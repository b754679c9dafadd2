"""What a command line asks for instead of the command's work: its help, or completion for the shell."""

from __future__ import annotations

from collections.abc import Sequence

from lmlab.config import options, plugins
from lmlab.config.completion import answer
from lmlab.config.help import help_text
from lmlab.config.options import COMPLETION, HELP
from lmlab.config.settings import COMMANDS
from lmlab.config.words import check_forms


def answered(command: str, arguments: Sequence[str]) -> bool:
    """Prints help or completion if a command line asks for it; returns whether it did.

    Raises:
        UserError: a word beside --help that is wrong.
    """
    if any(word in COMPLETION for word in arguments):
        print(answer(command, arguments))
        return True
    words = list(options.divided(arguments))
    if any(word == "help" or (not isinstance(word, str) and word.name in HELP) for word in words):
        if command in COMMANDS:
            check_forms([word for word in words if word != "help"], command)
        print(help_text(command, plugins.take_from(arguments)))
        return True
    return False
