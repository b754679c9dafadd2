"""The one owner of SIGINT, SIGTERM and SIGHUP, from a command's first line to its last.

What a signal does depends on how far the command is:

    own()         starting   one line, and the process is gone: an exception would break imports half-way
    raising()     working    `InterruptedRun` is raised in the main thread
    deferred()    training   the first is only remembered, for the step to end; the second raises
    leaving()     leaving    the result is out: the process ends at once, with the status that it would have had

An exception in the middle of an import would leave half a library behind, and C++ code that imports aborts at it. So
there it is raised when the import is done, which takes seconds; who does not want to wait sends the signal again, and a
command that has nothing to put in order does not wait at all.

Standard library only, and little of it: this is imported before everything else.
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

TYPE_CHECKING = False  # as type checkers know it; typing itself takes longer than all that is imported here
if TYPE_CHECKING:
    from typing import Any

NUMBERS = tuple(
    int(number) for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)
# None on Windows.
_HANG_UP: int | None = getattr(signal, "SIGHUP", None)
STOPPED_AT_ONCE = "stopped before anything was begun; type the command again"
STOPPING = "stopping after this step; again to stop at once"
# A terminal that closes sends SIGHUP twice, and some programs that stop others send two kinds at once: what comes
# within so many seconds of an exception that is already on its way is the same request.
_SAME_REQUEST_SECONDS = 0.5

_STARTING, _WORKING, _ENDING, _LEAVING = "starting", "working", "ending", "leaving"


class _State:
    """What the handler looks at.

    Attributes:
        owner: the process that the handlers are for; a forked child inherits them, but not their meaning.
        owned: `own` was called, so the handlers stay for good.
        previous: the handlers to give back, where they are only borrowed.
        stage: one of those above; None where nothing is owned.
        deferrals: how many `deferred` blocks are open.
        received: the first signal.
        raised_at: when the last exception was raised, by the monotonic clock.
        received_at: when the first signal came.
        waiting: an exception is to be raised when an import is done.
        lost: what to say where the process ends without an exception.
        orderly: there is something to put in order, so that an import is waited for.
        status: of the exit, where the stage is `leaving`.
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
    """Takes the signals over for good; the first statement of a command.

    Args:
        module: `__name__` of the command's module. Nothing happens where that is imported by another program than
            `python -m lmlab.<command>` and the installed `lmlab-<command>`.
    """
    if _state.owned or not _is_program(module):
        return
    _state.owner = os.getpid()
    if _install():
        _state.owned, _state.stage = True, _STARTING
        # Run after all others, for the first registered is the last called. What is left then is the interpreter's
        # own end, which would give the signals back to the operating system.
        atexit.register(_ignore)
        sys.unraisablehook = _raise_again


def _is_program(module: str) -> bool:
    if module == "__main__":
        return True
    script = f"lmlab-{module.rpartition('.')[2]}"
    parts = os.path.normpath(getattr(sys.modules["__main__"], "__file__", None) or "").split(os.sep)
    # Windows runs a __main__.py inside lmlab-train.exe.
    return any(os.path.splitext(part)[0].removesuffix("-script") == script for part in parts[-2:])


def is_owned() -> bool:
    """Whether this process is a command that called `own`."""
    return _state.owned and _state.owner == os.getpid()


def received() -> int | None:
    """The first signal that came, None where none did."""
    return _state.received


def check() -> None:
    """Raises again what somebody has swallowed, or what was deferred.

    Raises:
        InterruptedRun: a signal came.
    """
    if _state.received is not None:
        _raise()


@contextmanager
def raising(lost: str = "", *, orderly: bool = True) -> Iterator[None]:
    """A signal raises `InterruptedRun` in the main thread; afterwards it is only remembered.

    Args:
        lost: what to say after "interrupted: " where the process has to end without an exception.
        orderly: False lets a command end at once where an exception would have to wait for an import.
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
    """The first signal is remembered and announced, the second raises `InterruptedRun`.

    At the end nothing is raised: call `check`. Outside a command the handlers are borrowed for the block.

    Raises:
        InterruptedRun: before the block begins, where a command has received a signal that somebody has swallowed.
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
    """Installs the handlers again where somebody else has put theirs in front of them, as Lightning's Trainer does."""
    if _state.owned or _state.previous:
        _install()


def leaving(status: int) -> int | None:
    """All is done and told: from now on a signal ends the process with `status`, at once.

    Returns:
        The signal that came before.
    """
    _state.status = status
    if _state.owned:
        _state.stage = _LEAVING
    return _state.received


def reset() -> None:
    """Forgets what was received, and that anything was owned; for tests."""
    global _state
    for number, handler in _state.previous.items():
        signal.signal(number, handler)
    _state = _State()


@contextmanager
def _handlers() -> Iterator[None]:
    """Ours; borrowed where they are not owned, and then given back. Nothing in a thread, which gets no signals."""
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
                if handler is not None:  # not by Python: cannot be put back, and was left alone
                    signal.signal(number, handler)
            _state.previous = {}


def _install() -> bool:
    """Returns False in a thread, where Python does not allow it."""
    for number in NUMBERS:
        found = signal.getsignal(number)
        if found is None or (number == _HANG_UP and found == signal.SIG_IGN):  # nohup
            continue
        try:
            signal.signal(number, _on_signal)
        except ValueError:
            return False
    return True


def _on_signal(number: int, frame: FrameType | None) -> None:
    if _state.owner != os.getpid():
        # A worker that was forked from us: what would have happened without us.
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
            os._exit(128 + _state.received)  # the output's reader does not read, or the like
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
    """The frame whose import is under way, the outermost; None where nothing is being imported."""
    found = None
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            found = frame.f_back
        frame = frame.f_back
    return found


def _raise_in(place: FrameType) -> None:
    """Raises as soon as the frame goes on with its next line, as a debugger would stop there."""

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
    """An interruption that came into a `__del__` or another callback, where Python drops exceptions, comes again."""
    if isinstance(unraisable.exc_value, InterruptedRun) and _state.received is not None:
        _state.raised_at = None
        here = sys._getframe(1)
        _raise_in(_importer(here) or here)
    elif _state.received is None:  # after a signal there is one line to say, and this is not it
        sys.__unraisablehook__(unraisable)


def _leave_at_once() -> None:
    assert _state.received is not None
    with suppress(Exception):  # its reader may have left, or it is being written to
        sys.stdout.flush()
    _write(f"interrupted: {_state.lost}")
    os._exit(128 + _state.received)


def _announce() -> None:
    """Says that the signal was seen; nothing that can go wrong with that may reach the code it came into."""
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
