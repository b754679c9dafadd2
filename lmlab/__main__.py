"""`python -m lmlab`: lists the commands."""

from __future__ import annotations

# ruff: noqa: E402  (the signals are owned before anything that takes time is imported)
from lmlab import signals

signals.own(__name__)

import sys
from difflib import get_close_matches


def main() -> None:
    """Runs the command."""
    from lmlab.config.command import run_command
    from lmlab.config.help import COMMANDS, overview
    from lmlab.config.options import HELP
    from lmlab.errors import UserError

    def show() -> None:
        for word in sys.argv[1:]:
            if word not in (*HELP, "help"):
                close = get_close_matches(word.removeprefix("lmlab."), COMMANDS, n=1, cutoff=0.7)
                remedy = f"did you mean python -m lmlab.{close[0]}?" if close else "python -m lmlab lists the commands"
                raise UserError(word or '""', None, "the commands are modules of lmlab", remedy)
        print(overview())

    sys.exit(run_command(show, sys.argv[1:], if_interrupted="the same command prints it again"))


if __name__ == "__main__":
    main()
