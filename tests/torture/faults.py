"""What breaks in a child process, and at which call: counted calls, and what happens at one of them."""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from inspect import CO_GENERATOR
from pathlib import Path
from typing import Any

# Calls at which an OSError may be raised, as a full disk would.
FAILING = ("write", "open", "fsync", "replace", "link", "mkdir")
# Of a disk that stays full, these fail; renames and removals still work.
FULL = ("write", "open", "mkdir")
SIGNALS = {"INT": signal.SIGINT, "TERM": signal.SIGTERM, "HUP": signal.SIGHUP}
ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO}


@dataclass(frozen=True)
class Fault:
    """One break.

    Args:
        kind: of the counted call; see `Counting`.
        at: the number of the call, from 1.
        action: KILL, INT, TERM, HUP, ENOSPC or EIO.
        again: a signal is sent a second time after so many further calls of any kind, 0 for at once; None for never.
            An error is raised from then on (the disk stays full) where this is not None.
    """

    kind: str
    at: int
    action: str
    again: int | None = None

    def __str__(self) -> str:
        again = "" if self.again is None else f"+{self.again}"
        return f"{self.action}{again} at {self.kind}#{self.at}"


class Counting:
    """Counts calls and breaks at one of them.

    Kinds: `open` and `write` (for writing below the watched folders), `fsync`, `replace`, `link`, `mkdir`, `unlink` and
    the same with `_end` behind it for the moment after; `torch.save`; `atomic` (write_atomically); `event` (of the
    writer of TensorBoard's files); `step` (of the optimizer) and `step_end`; `callback`, `callback_end` (each hook of
    each callback); `hooks` (each hook, once for all callbacks); `validation` (each step of one); `lightning` (whatever
    else Lightning's profiler sees); `call` (each call of a function of lmlab).

    Args:
        fault: None only counts.
        watched: files below these folders count.
        tell: called with a line as the fault strikes, before anything else happens.
        calls: counts those of lmlab's functions too, which takes as long again as the run itself.
    """

    def __init__(self, fault: Fault | None, watched: list[Path], tell: Callable[[str], None], *, calls: bool) -> None:
        self.fault = fault
        self.counts: Counter[str] = Counter()
        self._watched = tuple(f"{folder}{os.sep}" for folder in watched)
        self._tell = tell
        self._calls = calls or (fault is not None and fault.kind == "call")
        self._struck = False
        self._left: int | None = None

    def is_watched(self, path: Any) -> bool:
        """Whether a path lies below a watched folder."""
        return isinstance(path, str | os.PathLike) and os.path.abspath(os.fspath(path)).startswith(self._watched)

    def is_due(self, kind: str) -> bool:
        """Whether the fault strikes at this call; counts it."""
        self.counts[kind] += 1
        if self._struck:
            self._go_on_breaking(kind)
            return False
        return self.fault is not None and self.fault.kind == kind and self.fault.at == self.counts[kind]

    def meet(self, kind: str, path: Any = None) -> None:
        """Counts a call and breaks where it is the one."""
        if self.is_due(kind):
            self.strike(path)

    def strike(self, path: Any = None) -> None:
        """What the fault does."""
        fault = self.fault
        assert fault is not None
        self._struck = True
        self._tell(json.dumps({"struck": str(fault), "path": str(path)}))
        if fault.action == "KILL":
            os.kill(os.getpid(), signal.SIGKILL)
        elif fault.action in SIGNALS:
            self._left = fault.again
            os.kill(os.getpid(), SIGNALS[fault.action])
            if self._left == 0:
                self._left = None
                os.kill(os.getpid(), SIGNALS[fault.action])
        else:
            raise OSError(ERRORS[fault.action], os.strerror(ERRORS[fault.action]), path)

    def _go_on_breaking(self, kind: str) -> None:
        fault = self.fault
        assert fault is not None
        if fault.action in ERRORS and fault.again is not None and kind in FULL:
            raise OSError(ERRORS[fault.action], os.strerror(ERRORS[fault.action]))
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self._left = None
                os.kill(os.getpid(), SIGNALS[fault.action])

    def install(self) -> None:
        """Puts itself between the program and the functions it counts."""
        for name in ("fsync", "replace", "link", "mkdir", "unlink"):
            self._wrap(os, name, name)
        self._open_files()
        import torch

        self._wrap(torch, "save", "torch.save")
        self._count_training()
        self._count_lmlab()

    def _wrap(self, owner: Any, name: str, kind: str) -> Any:
        original = getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.meet(kind, args[-1] if kind in ("replace", "link") else args[0] if args else None)
            result = original(*args, **kwargs)
            self.meet(f"{kind}_end")
            return result

        setattr(owner, name, counted)
        return counted

    def _open_files(self) -> None:
        original = io.open

        def counted(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any) -> Any:
            if not set(mode) & set("wax+") or not self.is_watched(file):
                return original(file, mode, buffering, *args, **kwargs)
            self.meet("open", file)
            return opened(_raw(self, file, mode), mode, buffering, *args, **kwargs)

        builtins.open = io.open = counted

    def _count_training(self) -> None:
        from pytorch_lightning.profilers.base import PassThroughProfiler
        from pytorch_lightning.trainer import call
        from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
        from torch.utils.tensorboard.writer import FileWriter

        def start(profiler: Any, action: str) -> None:
            self.meet("callback" if action.startswith("[Callback]") else "lightning")
            if action.endswith("validation_step"):
                self.meet("validation")

        def stop(profiler: Any, action: str) -> None:
            if action.startswith("[Callback]"):
                self.meet("callback_end")

        PassThroughProfiler.start, PassThroughProfiler.stop = start, stop  # type: ignore[method-assign]
        self._wrap(call, "_call_callback_hooks", "hooks")
        self._wrap(FileWriter, "add_event", "event")
        register_optimizer_step_pre_hook(lambda *_: self.meet("step"))
        register_optimizer_step_post_hook(lambda *_: self.meet("step_end"))

    def _count_lmlab(self) -> None:
        import lmlab.files

        original = lmlab.files.write_atomically
        counted = self._wrap(lmlab.files, "write_atomically", "atomic")
        for name, module in list(sys.modules.items()):
            if name.startswith("lmlab.") and getattr(module, "write_atomically", None) is original:
                module.write_atomically = counted  # type: ignore[attr-defined]
        if self._calls:
            package = os.path.dirname(lmlab.__file__) + os.sep

            def profile(frame: Any, event: str, argument: Any) -> None:
                # A generator is called to be closed, too, where Python ignores exceptions.
                code = frame.f_code
                if event == "call" and code.co_filename.startswith(package) and not code.co_flags & CO_GENERATOR:
                    self.meet("call", code.co_qualname)

            sys.setprofile(profile)


class _CountedFile(io.FileIO):
    """A file whose writes count; one that breaks has written half of its bytes."""

    def __init__(self, counting: Counting, path: Any, mode: str) -> None:
        super().__init__(path, mode)
        self._counting = counting

    def write(self, data: Any) -> int:
        if self._counting.is_due("write"):
            view = memoryview(data).cast("B")
            fault = self._counting.fault
            if fault is not None and fault.action in SIGNALS:
                self._counting.strike(self.name)
            else:
                super().write(view[: len(view) // 2])
                self._counting.strike(self.name)
        written = super().write(data)
        return written if written is not None else 0


def _raw(counting: Counting, file: Any, mode: str) -> _CountedFile:
    return _CountedFile(counting, os.fspath(file), mode.replace("t", ""))


def opened(
    raw: io.FileIO,
    mode: str,
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Any = None,
) -> Any:
    """What `open` makes of a raw file."""
    if buffering == 0:
        return raw
    buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
    if "b" in mode:
        return buffered
    return io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering=buffering == 1)
