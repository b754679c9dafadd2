"""What every command does around its work: composing, and turning each failure into one line and an exit status."""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig

from lmlab.configuration import schema
from lmlab.configuration.arguments import quote_free_text
from lmlab.configuration.folders import configuration_folder
from lmlab.configuration.folding import fold
from lmlab.errors import InterruptedRun, UserError

Work = Callable[[], Any]


def run_command(work: Work, arguments: list[str]) -> int:
    """Runs `work` and returns the exit status; a failure is told in one line on stderr.

    Args:
        work: the command.
        arguments: its command line, to name the override at fault.

    Returns:
        0, 1 for an error, 128 plus the signal's number after an interruption.
    """
    # A reader that has left, or a terminal without the text's characters, must not stop a run or fill the screen.
    logging.raiseExceptions = False
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        work()
        sys.stdout.flush()
    except InterruptedRun as stop:
        return 128 + stop.signal_number
    except KeyboardInterrupt:
        print("\ninterrupted; nothing of value was under way", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has left: `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        _tell(error, arguments)
        return 1
    return 0


def describe(error: BaseException, arguments: list[str]) -> str:
    """The error as one line."""
    if isinstance(error, UserError):
        return str(error)
    folded = fold(error, arguments)
    if folded is not None:
        return str(folded)
    if isinstance(error, OSError) and error.filename:
        return str(
            UserError(
                str(error.filename), None, error.strerror or "cannot be used", "check the path and its permissions"
            )
        )
    if isinstance(error, MemoryError) or "out of memory" in str(error):
        return str(
            UserError(
                "memory", None, "not enough of it", "make data.batch_size, data.sequence_length or the model smaller"
            )
        )
    first = str(error).strip().splitlines()[:1]
    return f"{type(error).__name__}: {' '.join(first)} (unexpected; LMLAB_DEBUG=1 shows where)"


def _tell(error: Exception, arguments: list[str]) -> None:
    if os.environ.get("LMLAB_DEBUG") == "1":
        traceback.print_exception(error)
    print(f"error: {describe(error, arguments)}", file=sys.stderr)


def compose(name: str, arguments: list[str]) -> DictConfig:
    """Composes `conf/<name>.yaml` with overrides from a command line, leaving no folder behind.

    Raises:
        UserError: an argument is no override.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    for argument in arguments:
        if "=" not in argument:
            raise UserError(
                argument,
                None,
                "not a setting",
                f"write key=value, for example {'prompt=Once' if name == 'generate' else 'run=latest'}",
            )
    with initialize_config_dir(config_dir=str(configuration_folder()), version_base="1.3"):
        return hydra_compose(name, overrides=quote_free_text(arguments))


def settings_help(name: str) -> str:
    """`conf/<name>.yaml` as the help text: every setting with its default and a comment."""
    text = (configuration_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.startswith(("defaults:", "  - "))]
    return f"usage: python -m lmlab.{name} [key=value ...]\n\n" + "\n".join(kept)


def composed_command(name: str, check: Callable[[DictConfig], None], work: Callable[[DictConfig], Any]) -> None:
    """A command that is one configuration: help, composition, checks, then the work; ends the process.

    Args:
        name: of the command and of its file in `conf/`.
        check: refuses what cannot work, before torch is imported.
        work: the command.
    """
    arguments = sys.argv[1:]
    if any(argument in ("-h", "--help") for argument in arguments):
        print(settings_help(name))
        return

    def run() -> None:
        schema.register()
        config = compose(name, arguments)
        check(config)
        work(config)

    sys.exit(run_command(run, arguments))
