"""What all commands have in common: composing, and converting each failure to one line and an exit status."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from lmlab import signals, terminal
from lmlab.config import plugins
from lmlab.config.answers import answered
from lmlab.config.compose import compose_settings
from lmlab.config.effects import beside_a_run
from lmlab.config.error_messages import fold, named_as_typed
from lmlab.config.options import Given, divided, without_options
from lmlab.config.presets import check_own_folders
from lmlab.config.settings import Settings
from lmlab.errors import InterruptedRun, UserError, printable
from lmlab.memory_limits import TooLarge

Work = Callable[[], Any]
Kind = TypeVar("Kind", bound=Settings)
# Characters: what is typed and shorter is no reason for too long a name.
_LONG = 100

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What torch.save says when the disk is full or the file may not grow.
_TORCH_NO_ROOM = ("PytorchStreamWriter failed writing file", "unexpected pos")
# True of every command.
KEPT = "everything saved so far is kept; repeat the command to resume or restart"
BROKEN_PIPE = 128 + 13  # as if SIGPIPE had ended the command


def run_command(work: Work, arguments: list[str], *, if_interrupted: str = KEPT, output_is_all: bool = True) -> int:
    """Runs `work` and returns the exit status; a failure or an interruption is printed as one line on stderr.

    A command that owns its signals ends here when it was interrupted, because what it leaves half done (above all
    imports) may fail or print when the interpreter exits.

    Args:
        work: the command.
        arguments: its command line, to name the override at fault.
        if_interrupted: what is lost by an interruption and how to get it, unless `InterruptedRun.message` says it.
        output_is_all: the command has no result but its output, so that it ends when that cannot be written. Other
            commands complete their work and report it then.

    Returns:
        0, 1 for an error, 128 plus the signal's number after an interruption, 141 if the reader closed the output.
    """
    _prepare_output(output_is_all)
    try:
        outcome = _outcome(work, if_interrupted, orderly=not output_is_all)
    except BaseException as error:  # another signal while the work was ending
        outcome = error
    number = _interrupted_by(outcome)
    if number is not None:
        _print_error(f"interrupted: {_message(outcome) or if_interrupted}")
        return _leave(128 + number)
    status = _status(outcome, arguments, output_is_all)
    late = signals.leaving(status)
    if late is not None:  # while the status was being printed
        _print_error(f"interrupted: {if_interrupted}")
        return _leave(128 + late)
    return status


def _prepare_output(output_is_all: bool) -> None:
    # A closed output, or a terminal without the text's characters, must not stop a run or fill the screen.
    logging.raiseExceptions = False
    if signals.is_owned():
        terminal.take_over(must_arrive=output_is_all)
        return
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _outcome(work: Work, if_interrupted: str, *, orderly: bool) -> BaseException | None:
    """Returns what ended the work; None if it was completed."""
    try:
        with signals.raising(if_interrupted, orderly=orderly):
            work()
            if sys.stdout is not None:
                sys.stdout.flush()
            signals.check()
    except BaseException as error:
        return error
    return None


def _interrupted_by(outcome: BaseException | None) -> int | None:
    """Returns the signal; whatever ended the work after it (such as a half-imported library) is its consequence."""
    number = signals.received()
    if number is not None:
        return number
    if isinstance(outcome, InterruptedRun):
        return outcome.signal_number
    return 2 if isinstance(outcome, KeyboardInterrupt) else None


def _message(outcome: BaseException | None) -> str:
    messages = (error.message for error in _chain(outcome) if isinstance(error, InterruptedRun))
    return next(filter(None, messages), "")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yields the error and its causes."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def _status(outcome: BaseException | None, arguments: list[str], output_is_all: bool) -> int:
    """Prints what went wrong with the work, or else with its output; returns the exit status."""
    if isinstance(outcome, BrokenPipeError) and outcome.filename in (None, terminal.OUTPUT):
        terminal.silence()
        return BROKEN_PIPE
    if isinstance(outcome, SystemExit):
        where = plugins.location_of(outcome)
        if where:  # a user's part, which would end the command as if nothing were wrong
            _print_error(f"error: {where}: sys.exit was called, which ends the run; raise an error instead")
            return 1
        if outcome.code:
            return _exit_status(outcome.code)
    elif outcome is not None:
        if os.environ.get("LMLAB_DEBUG") == "1":
            traceback.print_exception(outcome)
        _print_error(f"error: {describe(outcome, arguments)}")
        return 1
    failure = terminal.failure() or (terminal.closed() if output_is_all else None)
    if isinstance(failure, BrokenPipeError):
        return BROKEN_PIPE
    if failure is not None:
        _print_error(f"error: {describe(failure, arguments)}")
        return 1
    return 0


def _exit_status(code: Any) -> int:
    """Returns the exit status for `sys.exit(code)`; prints a text."""
    if isinstance(code, int):
        return code
    _print_error(str(code))
    return 1


def _leave(status: int) -> int:
    """Ends the process of a command without the interpreter's cleanup; what was printed is not lost."""
    if not signals.is_owned():
        return status
    for end in (logging.shutdown, sys.stdout.flush, sys.stderr.flush):
        try:
            end()
        except Exception:  # the output is closed, or a handler is incomplete
            continue
    os._exit(status)


def _print_error(line: str) -> None:
    """Prints a line on stderr if possible."""
    try:
        # It follows a progress bar, or the ^C that terminals show.
        at_start = "\n" if sys.stderr.isatty() and line.startswith("interrupted") else ""
        terminal.aside(at_start + line)
    except (OSError, ValueError, AttributeError):  # closed
        return


def as_typed(error: BaseException, arguments: Sequence[str]) -> UserError | None:
    """Returns an error that the user can correct, naming the word as it was typed; None for another error."""
    told = error if isinstance(error, UserError) else fold(error, arguments)
    return None if told is None else named_as_typed(told, arguments)


def describe(error: BaseException, arguments: list[str]) -> str:
    """Returns the error as one line."""
    if isinstance(error, TooLarge):
        error = error.naming([word.lstrip("+").partition("=")[0] for word in arguments])
    told = as_typed(error, arguments)
    if told is not None:
        return str(told)
    room = _no_room(error)
    if room is not None:
        return str(room)
    if isinstance(error, FileNotFoundError) and not error.filename:
        return str(UserError("folder", None, "the current folder no longer exists", "change to one that exists (cd)"))
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return str(_too_long(error, arguments))
    if isinstance(error, OSError) and error.filename:
        remedy = "check the path and its permissions"
        if error.filename == terminal.OUTPUT:
            remedy = "redirect it, for example > output.txt or > /dev/null"
        return str(UserError(_name(error.filename), None, error.strerror or "cannot be used", remedy))
    if isinstance(error, MemoryError) or "out of memory" in str(error):
        return str(
            UserError("memory", None, "out of memory", "reduce data.batch_size, data.sequence_length or the model size")
        )
    first = str(error).strip().splitlines()[:1]
    where = plugins.location_of(error) or "unexpected"
    return f"{type(error).__name__}: {' '.join(first)} ({where}; LMLAB_DEBUG=1 shows the traceback)"


def _too_long(error: OSError, arguments: Sequence[str]) -> UserError:
    """Returns the error for a name that no file can have: it names the word in which that was typed."""
    path = _name(error.filename)
    for word in divided(arguments):
        key, _, value = (word.name, "", word.value or "") if isinstance(word, Given) else word.partition("=")
        given = value.strip("[]'\" ").removeprefix("file://")
        if len(given) > _LONG and given in path:
            return UserError(key.lstrip("+"), printable(value), "is too long for a name of a file", "shorten it")
    return UserError(printable(path), None, "is too long for a name of a file", "shorten it")


def _no_room(error: BaseException) -> UserError | None:
    """Returns the error for a full disk, quota or file size limit, also if torch reports it in its own words."""
    full = [e for e in _chain(error) if isinstance(e, OSError) and e.errno in NO_ROOM]
    in_torchs_words = isinstance(error, RuntimeError) and any(words in str(error) for words in _TORCH_NO_ROOM)
    if not (isinstance(error, OSError) and full) and not in_torchs_words:
        return None
    named = next((e for e in full if e.filename), full[0] if full else None)
    path = _name(named.filename) if named is not None and named.filename else "disk"
    problem = (named.strerror if named is not None else None) or "no space left, or the file size limit was reached"
    remedy = "free disk space, or redirect the output" if path == terminal.OUTPUT else "free disk space, then try again"
    return UserError(path, None, problem, remedy)


def _name(filename: Any) -> str:
    return os.fsdecode(filename) if isinstance(filename, str | bytes | os.PathLike) else str(filename)


def composed_command(
    name: str,
    kind: type[Kind],
    check: Callable[[Kind], None],
    work: Callable[[Kind], Any],
    *,
    if_interrupted: str,
    output_is_all: bool = True,
) -> None:
    """Runs a command with a single configuration: help, composition, checks, then the work; ends the process.

    Args:
        name: of the command and of its file in `conf/`.
        kind: its settings.
        check: refuses settings that cannot work, before torch is imported.
        work: the command.
        if_interrupted: see `run_command`.
        output_is_all: see `run_command`.
    """
    arguments = sys.argv[1:]

    def run() -> None:
        if answered(name, arguments):
            return
        words = plugins.take_from(arguments)
        check_own_folders(words)
        settings = compose_settings(name, kind, without_options(name, words))
        check(settings)
        if output_is_all and (nowhere := terminal.closed()):  # before hours of work
            raise nowhere
        work(settings)
        for sentence in beside_a_run(arguments):
            terminal.aside(f"note: {sentence}")

    sys.exit(run_command(run, arguments, if_interrupted=if_interrupted, output_is_all=output_is_all))
