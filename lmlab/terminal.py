"""Standard output and standard error that may be closed, broken or full without ending what is worth more than them."""

from __future__ import annotations

import io
import os
import sys
from typing import BinaryIO, cast

OUTPUT = "standard output"
_ERRORS = "standard error"


class _Stream(io.TextIOWrapper):
    """A standard stream that fails once: after that nothing is written any more, and closing it is silent.

    Args:
        stream: the one it takes the place of.
        name: for the error message.
        must_arrive: whether the first failure is raised; otherwise it is only remembered.
    """

    def __init__(self, stream: io.TextIOWrapper, *, name: str, must_arrive: bool) -> None:
        stream.flush()
        file = io.FileIO(stream.fileno(), "w", closefd=False)  # the one before stays in use by who has kept it
        super().__init__(
            cast("BinaryIO", file) if stream.write_through else io.BufferedWriter(file),
            encoding=stream.encoding,
            errors="replace",  # a terminal without the text's characters
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        self.title = name
        self.must_arrive = must_arrive
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Writes, or drops what nobody can read."""
        if self.failure is None:
            try:
                return super().write(text)
            except OSError as error:
                self._fail(error)
        return len(text)

    def flush(self) -> None:
        """Flushes what is not lost."""
        try:
            super().flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        error.filename = self.title
        self.failure = error
        _silence(self.fileno())
        super().flush()  # what is left in the buffer would be told at the interpreter's end
        if self.must_arrive:
            raise error


# The failure of a stream that is not ours.
_failure: list[OSError] = []
# Standard output was closed before the command began.
_closed: list[OSError] = []


def take_over(*, must_arrive: bool) -> None:
    """Puts streams of ours in the place of standard output and error, where they are files; once in a process.

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
    """Sends what is still printed nowhere: what is left in a buffer would be told at the interpreter's end."""
    try:
        _silence(sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):  # no file
        return


def _silence(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _occupy_descriptors() -> None:
    """A file opened while 1 is free would become standard output, and be written to by all that prints."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def say(*lines: str) -> None:
    """Prints lines at once. A failure is remembered, and nothing is printed after it."""
    if failure() is not None:
        return
    try:
        print(*lines, sep="\n", flush=True)
    except OSError as error:
        _failure.append(error)
    except ValueError:  # closed by Python
        _failure.append(OSError(9, "is closed", OUTPUT))


def failure() -> OSError | None:
    """What went wrong with standard output since it was there, None where nothing did."""
    ours = sys.stdout.failure if isinstance(sys.stdout, _Stream) else None
    return ours if ours is not None else next(iter(_failure), None)


def closed() -> OSError | None:
    """Says that standard output was closed from the beginning, None where it was not."""
    return next(iter(_closed), None)


def reset() -> None:
    """Forgets failures; for tests."""
    _failure.clear()
    _closed.clear()
