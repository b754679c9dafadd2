"""Standard output and error: they may be closed, broken or full, and a text gives no commands to a terminal.

What a run reads, generates or stores may hold any character. To a file or a pipe everything is written as it is; to a
terminal only what is visible, whoever writes it.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import time
from collections.abc import Sequence
from typing import BinaryIO, TextIO, cast

from lmlab.layout import visible, wrapped

OUTPUT = "standard output"
_ERRORS = "standard error"
# Widths that are narrower are not used: a terminal of unknown size may say 0.
_NARROWEST = 40
# Unknown parts of a prompt that are listed.
_MOST_LISTED = 10
# Seconds after which progress is shown, and between two states of it.
_SHOWN_AFTER, _SHOWN_EVERY = 2.0, 0.25
# Colours of other packages' messages.
_COLOUR = re.compile(r"\x1b\[[\d;]*m")


class _Stream(io.TextIOWrapper):
    """A standard stream that fails at most once: after a failure, nothing is written and closing it raises no error.

    Args:
        stream: the stream that it replaces.
        name: name of the stream for the error message.
        must_arrive: whether the first failure is raised; otherwise it is only remembered.
    """

    def __init__(self, stream: io.TextIOWrapper, *, name: str, must_arrive: bool) -> None:
        stream.flush()
        # Other code may still use the old stream. `open` knows the console of Windows, which takes no bytes of UTF-8.
        file = open(stream.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115
        super().__init__(
            cast("BinaryIO", file) if stream.write_through else io.BufferedWriter(file),
            encoding=stream.encoding,
            errors="replace",  # the terminal may lack characters of the text
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        self.title = name
        self.is_terminal = stream.isatty()
        self.must_arrive = must_arrive
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Writes text, to a terminal only what is visible of it; after a failure, discards it."""
        if self.failure is None:
            try:
                super().write(self._shown(text) if self.is_terminal else text)
            except OSError as error:
                self._fail(error)
        return len(text)

    def _shown(self, text: str) -> str:
        if self.title != _ERRORS:
            return visible(text)
        # Progress bars begin with a carriage return. No text of a run's begins what is written to standard error.
        bar = "\r" if text.startswith("\r") else ""
        return bar + visible(_COLOUR.sub("", text.removeprefix(bar)))

    def flush(self) -> None:
        """Flushes the buffer; a failure is handled as in `write`."""
        try:
            super().flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        error.filename = self.title
        self.failure = error
        _silence(self.fileno())
        super().flush()  # a buffer that is not empty would cause a message when the interpreter ends
        if self.must_arrive:
            raise error


# The failure of standard output if it is not a `_Stream`.
_failure: list[OSError] = []
# The error for standard output that was closed before the command began.
_closed: list[OSError] = []


def take_over(*, must_arrive: bool) -> None:
    """Replaces standard output and error by lmlab's streams, if they are not yet replaced.

    Args:
        must_arrive: whether a failure of standard output ends the command. Standard error never does.
    """
    _occupy_descriptors()
    if sys.stdout is None:
        _closed.append(OSError(9, "is closed", OUTPUT))
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = _wrapped(sys.stdout, name=OUTPUT, must_arrive=must_arrive)
    sys.stderr = _wrapped(sys.stderr, name=_ERRORS, must_arrive=False)


def _wrapped(stream: object, *, name: str, must_arrive: bool) -> _Stream:
    assert isinstance(stream, io.TextIOWrapper)
    return stream if isinstance(stream, _Stream) else _Stream(stream, name=name, must_arrive=must_arrive)


def silence() -> None:
    """Discards further output, because a buffer that cannot be flushed causes a message when the interpreter ends."""
    try:
        _silence(sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):  # not a file
        return


def _silence(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _occupy_descriptors() -> None:
    """Opens the null device for descriptors 0 to 2 that are closed.

    Otherwise the next file to be opened could get descriptor 1, and everything printed would be written to it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def width(stream: TextIO | None = None) -> int | None:
    """Returns the number of columns of the terminal that a stream goes to; None if it goes to a file or pipe.

    Args:
        stream: None for standard output.
    """
    stream = sys.stdout if stream is None else stream
    try:
        if stream is None or not stream.isatty():
            return None
        own = os.get_terminal_size(stream.fileno()).columns
    except ValueError:  # closed by Python
        return None
    except OSError:  # a terminal that does not know its size
        own = 80
    return max(_NARROWEST, shutil.get_terminal_size((own, 24)).columns)


def fitted(text: str, stream: TextIO | None = None) -> str:
    """Returns a text as a stream shows it: on a terminal visible and wrapped, for a file or a pipe as it is.

    Args:
        text: of one or more lines.
        stream: None for standard output.
    """
    known = width(stream)
    return text if known is None else wrapped(visible(text), known)


def aside(text: str) -> None:
    """Prints a text on standard error, if there is one, wrapped to a terminal's width."""
    if sys.stderr is not None:
        print(fitted(text, sys.stderr), file=sys.stderr, flush=True)


class Progress:
    """A line on standard error, if it is a terminal, that says how far something long is; removed in the end.

    Args:
        label: what is done.
        total: the amount of work; 0 shows nothing.
    """

    def __init__(self, label: str, total: int) -> None:
        self._label = label
        self._total = total
        self._done = 0
        self._shown = ""
        self._next = time.monotonic() + _SHOWN_AFTER

    def move(self, amount: int) -> None:
        """Adds an amount of work that is done."""
        self._done += amount
        now = time.monotonic()
        if now < self._next or not self._total:
            return
        self._next = now + _SHOWN_EVERY
        self._print(f"{self._label}: {self._done / self._total:.0%}")

    def _print(self, text: str) -> None:
        columns = None if sys.stderr is None else width(sys.stderr)
        if columns is not None:
            print("\r" + text[: columns - 1].ljust(len(self._shown)), end="", file=sys.stderr, flush=True)
            self._shown = text[: columns - 1]

    def close(self) -> None:
        """Removes the line."""
        if self._shown:
            self._print("")
            print("\r", end="", file=sys.stderr, flush=True)


def tell_unknown(unknown: Sequence[str]) -> None:
    """Says on standard error which parts of a prompt a model reads as its unknown token; nothing if there are none."""
    if unknown:
        kind = "characters" if all(len(part) == 1 for part in unknown) else "words"
        listed = ", ".join(map(repr, unknown[:_MOST_LISTED]))
        more = f" and {len(unknown) - _MOST_LISTED:,} more" if len(unknown) > _MOST_LISTED else ""
        note = f"note: {kind} of the prompt that this run does not know, read as <unk>: {listed}{more}"
        aside(note)


def say(*lines: str) -> None:
    """Prints lines, wrapped to a terminal's width, and flushes.

    A failure is stored, and nothing is printed after it.
    """
    if failure() is not None:
        return
    try:
        print(fitted("\n".join(lines)), flush=True)
    except OSError as error:
        _failure.append(error)
    except ValueError:  # closed by Python
        _failure.append(OSError(9, "is closed", OUTPUT))


def failure() -> OSError | None:
    """Returns the error of a failure to write to standard output; None if there was none."""
    ours = sys.stdout.failure if isinstance(sys.stdout, _Stream) else None
    return ours if ours is not None else next(iter(_failure), None)


def closed() -> OSError | None:
    """Returns an error if standard output was closed from the beginning; None if it was not."""
    return next(iter(_closed), None)


def reset() -> None:
    """Forgets failures; for tests."""
    _failure.clear()
    _closed.clear()
