"""Handles SIGINT, SIGTERM and SIGHUP from a command's first line to its last.

Windows has no SIGHUP: a console that is closed, and Ctrl-Break, send SIGBREAK there. Its SIGTERM ends a process without
asking it, like SIGKILL elsewhere; only what the process sends itself arrives.

The effect of a signal depends on the stage of the command:

    own()         starting   the process prints one line and ends: an exception would interrupt imports
    raising()     working    `InterruptedRun` is raised in the main thread
    deferred()    training   the first signal is only remembered, so that the step can end; the second raises
    leaving()     leaving    the result is written: the process ends at once, with the status that it would have had

An exception in the middle of an import would leave a half-imported library behind, and C++ code that imports aborts. So
during an import the exception is raised when the import is done, which takes seconds. A second signal ends the process
without waiting, and a command that has nothing to save does not wait at all.

Uses little of the standard library and nothing else, because it is imported before everything else.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from lmlab.errors import InterruptedRun

TYPE_CHECKING = False  # type checkers know this name; importing typing would take longer than all imports here
if TYPE_CHECKING:
    from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
NUMBERS = tuple(int(number) for name in _NAMES if (number := getattr(signal, name, None)) is not None)
# None on Windows.
_HANG_UP: int | None = getattr(signal, "SIGHUP", None)
STOPPED_AT_ONCE = "stopped before anything was started; type the command again"
STOPPING = "stopping after this step; again to stop at once"
# A terminal that closes sends SIGHUP twice, and some programs send two kinds of signals at once to stop others. A
# signal within this many seconds of an exception that is already being handled counts as the same request.
_SAME_REQUEST_SECONDS = 0.5

_STARTING, _WORKING, _ENDING, _LEAVING = "starting", "working", "ending", "leaving"


class _State:
    """The state of signal handling.

    Attributes:
        owner: the id of the process that the handlers are for; a forked child inherits them but must not use them.
        owned: whether `own` was called, so that the handlers stay installed.
        previous: the handlers to be restored, if lmlab's are installed only temporarily.
        stage: one of those above; None unless owned.
        deferrals: number of open `deferred` blocks.
        received: the first signal.
        raised_at: time at which the last exception was raised, by the monotonic clock.
        received_at: time of the first signal.
        waiting: whether an exception is to be raised when an import is done.
        lost: text to print if the process ends without an exception.
        orderly: whether there is something to save, so that an import is waited for.
        status: exit status in the stage `leaving`.
    """

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.owned = False
        self.previous: dict[int, Any] = {}
        self.stage: str | None = None
        self.deferrals = 0
        self.received: int | None = None
        self.raised_at: float | None = None
        self.received_at = 0.0
        self.waiting = False
        self.lost = ""
        self.orderly = True
        self.status = 0


_state = _State()


def own(module: str = "__main__") -> None:
    """Installs the signal handlers until the process ends; the first statement of a command.

    Args:
        module: `__name__` of the command's module. Nothing happens if it is imported by a program other than
            `python -m lmlab.<command>` and the installed `lmlab-<command>`.
    """
    if _state.owned or not _is_program(module):
        return
    _state.owner = os.getpid()
    if _install():
        _state.owned, _state.stage = True, _STARTING
        # The function registered first is called last. After it only the interpreter's own shutdown is left, which
        # would restore the operating system's signal handling.
        atexit.register(_ignore)
        sys.unraisablehook = _raise_again


def _is_program(module: str) -> bool:
    if module == "__main__":
        return True
    script = f"lmlab-{module.rpartition('.')[2]}"
    parts = os.path.normpath(getattr(sys.modules["__main__"], "__file__", None) or "").split(os.sep)
    # On Windows, lmlab-train.exe runs a __main__.py inside it.
    return any(os.path.splitext(part)[0].removesuffix("-script") == script for part in parts[-2:])


def is_owned() -> bool:
    """Returns whether this process is a command that called `own`."""
    return _state.owned and _state.owner == os.getpid()


def received() -> int | None:
    """Returns the first signal received; None if there was none."""
    return _state.received


def check() -> None:
    """Raises `InterruptedRun` if a signal was deferred, or if other code has suppressed the exception.

    Raises:
        InterruptedRun: a signal was received.
    """
    if _state.received is not None:
        _raise()


@contextmanager
def raising(lost: str = "", *, orderly: bool = True) -> Iterator[None]:
    """During a `with` block, a signal raises `InterruptedRun` in the main thread; after it, it is only remembered.

    Args:
        lost: text after "interrupted: " if the process has to end without an exception.
        orderly: False to end a command at once if the exception would have to wait for an import.
    """
    with _handlers():
        before = _state.stage
        _state.stage, _state.lost, _state.orderly = _WORKING, lost, orderly or not _state.owned
        try:
            yield
        finally:
            _state.stage = _ENDING if _state.owned else before


@contextmanager
def deferred() -> Iterator[None]:
    """During a `with` block, the first signal is remembered and announced, the second raises `InterruptedRun`.

    Nothing is raised at the end of the block: call `check`. Outside a command the handlers are installed only for the
    block.

    Raises:
        InterruptedRun: before the block, if a command has received a signal whose exception other code has suppressed.
    """
    with _handlers():
        if _state.owned:
            check()
        _state.deferrals += 1
        try:
            yield
        finally:
            _state.deferrals -= 1
            take_back()


def take_back() -> None:
    """Installs the handlers again if other code has replaced them, as Lightning's Trainer does."""
    if _state.owned or _state.previous:
        _install()


def leaving(status: int) -> int | None:
    """Declares that everything is done and printed: from now on a signal ends the process at once with `status`.

    Returns:
        The signal received before; None if there was none.
    """
    _state.status = status
    if _state.owned:
        _state.stage = _LEAVING
    return _state.received


def reset() -> None:
    """Resets the state of signal handling and restores previous handlers; for tests."""
    global _state
    for number, handler in _state.previous.items():
        signal.signal(number, handler)
    _state = _State()


@contextmanager
def _handlers() -> Iterator[None]:
    """Installs the handlers during a `with` block, unless they are installed already, then restores the previous ones.

    Does nothing outside the main thread, which alone receives signals.
    """
    if is_owned() or _state.previous:
        yield
        return
    _state.owner = os.getpid()
    previous = {number: signal.getsignal(number) for number in NUMBERS}
    _state.received = _state.raised_at = None
    _state.waiting = False
    _state.previous = previous
    try:
        if not _install():
            _state.previous = {}
        yield
    finally:
        if _state.previous:
            for number, handler in previous.items():
                if handler is not None:  # not installed by Python, so it cannot be restored and was not replaced
                    signal.signal(number, handler)
            _state.previous = {}


def _install() -> bool:
    """Installs the handlers; returns False outside the main thread, where Python does not allow it."""
    for number in NUMBERS:
        found = signal.getsignal(number)
        if found is None or (number == _HANG_UP and found == signal.SIG_IGN):  # ignored because of nohup
            continue
        try:
            signal.signal(number, _on_signal)
        except ValueError:
            return False
    return True


def _on_signal(number: int, frame: FrameType | None) -> None:
    if _state.owner != os.getpid():
        # In a worker forked from this process, the signal has its default effect.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return
    now = time.monotonic()
    again = _state.received is not None
    if not again:
        _state.received, _state.received_at = number, now
    if _state.stage == _STARTING:
        _write(STOPPED_AT_ONCE)
        os._exit(128 + number)
    if _state.stage == _LEAVING:
        os._exit(_state.status)
    under_way = _state.raised_at is not None and now - _state.raised_at < _SAME_REQUEST_SECONDS
    hung_up = again and number == _HANG_UP and now - _state.received_at < _SAME_REQUEST_SECONDS
    if under_way or hung_up:
        return
    if _state.stage == _ENDING:
        if again and _state.received is not None and now - _state.received_at >= _SAME_REQUEST_SECONDS:
            os._exit(128 + _state.received)  # for example, the reader of the output does not read
        return
    if _state.deferrals and not again:
        _announce()
        return
    if _state.waiting:
        if now - _state.received_at >= _SAME_REQUEST_SECONDS:
            _leave_at_once()
        return
    importer = _importer(frame)
    if importer is None or sys.gettrace() is not None:
        _raise()
    elif not _state.orderly:
        _leave_at_once()
    else:
        _raise_in(importer)


def _raise() -> None:
    assert _state.received is not None
    _state.raised_at = time.monotonic()
    raise InterruptedRun(_state.received)


def _importer(frame: FrameType | None) -> FrameType | None:
    """Returns the outermost frame that is importing a module; None if nothing is being imported."""
    found = None
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            found = frame.f_back
        frame = frame.f_back
    return found


def _raise_in(place: FrameType) -> None:
    """Raises `InterruptedRun` at the next line of the frame, using a trace function like a debugger."""

    def trace(frame: FrameType, event: str, argument: Any) -> None:
        if frame is place:
            sys.settrace(None)
            place.f_trace = None
            _state.waiting = False
            _raise()

    _state.waiting = True
    place.f_trace = trace
    sys.settrace(trace)


def _raise_again(unraisable: sys.UnraisableHookArgs) -> None:
    """Raises an interruption again that Python dropped because it occurred in `__del__` or another callback."""
    if isinstance(unraisable.exc_value, InterruptedRun) and _state.received is not None:
        _state.raised_at = None
        here = sys._getframe(1)
        _raise_in(_importer(here) or here)
    elif _state.received is None:  # after a signal only the command's own last line is printed
        sys.__unraisablehook__(unraisable)


def _leave_at_once() -> None:
    assert _state.received is not None
    with suppress(Exception):  # the reader may have closed it, or it is being written to
        sys.stdout.flush()
    _write(f"interrupted: {_state.lost}")
    os._exit(128 + _state.received)


def _announce() -> None:
    """Prints that the signal was received; errors of printing must not reach the interrupted code."""
    try:
        print(f"\n{STOPPING}", flush=True)
    except Exception:  # closed, broken, or in the middle of a print
        _write(f"\n{STOPPING}")


def _write(line: str) -> None:
    """Writes to standard error without a buffer."""
    try:
        os.write(2, f"{line}\n".encode())
    except OSError:
        return


def _ignore() -> None:
    if not is_owned():
        return
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)
