"""`python -m lmlab.train`: trains a run, or with -m a sweep."""

from __future__ import annotations

# ruff: noqa: E402  (the signals are owned before anything that takes time is imported)
from lmlab import signals

signals.own(__name__)

import sys


def main() -> None:
    """The command."""
    from lmlab.config.command import run_command
    from lmlab.launch.start import run

    unsaved = "nothing was begun; the same command begins"
    sys.exit(run_command(run, sys.argv[1:], if_interrupted=unsaved, output_is_all=False))


if __name__ == "__main__":
    main()
