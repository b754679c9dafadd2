"""Runs a command line in a forked process: quick as a call, with nothing left in this one, and its memory bounded."""

from __future__ import annotations

import gc
import hashlib
import importlib
import io
import os
import pickle
import resource
import select
import shutil
import signal
import stat
import sys
import time
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from inputs.cases import Case
from inputs.files import damage

# What a case may need beyond what is already loaded here.
MEMORY = 500 * 2**20
# A case takes a fifth of a second; this is about one that never ends.
HANGS_AFTER = 20.0
_UNREACHABLE = "http://127.0.0.1:9"


@dataclass
class Outcome:
    """What a command did.

    Args:
        status: its exit status; None if it had to be ended.
        out: standard output.
        err: standard error.
        settings: plain data of each run that would have begun, or of the command; without those, nothing was accepted.
        seconds: that it took.
        made: files and folders that were not there before.
        changed: files that were there and are different or gone.
        escaped: the traceback of what left `main()`; empty for nothing.
    """

    status: int | None = None
    out: str = ""
    err: str = ""
    settings: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    escaped: str = ""


def load() -> None:
    """Imports here what commands import, so that a forked process need not."""
    for name in (
        "train", "generate", "evaluate", "predict", "report", "verify", "list", "benchmark", "config.command",
        "config.stored", "launch.start", "launch.execution", "training.run", "training.assembly", "training.resuming",
        "trained", "device", "reporting.listings", "reporting.report", "verification.run", "training.callbacks.hparams",
        "training.speed",
    ):  # fmt: skip
        importlib.import_module(f"lmlab.{name}")


class Bench:
    """Runs cases, each in a work folder of its own.

    Args:
        folder: an empty one.
        template: what each work folder holds at first.
    """

    def __init__(self, folder: Path, template: Path) -> None:
        self._folder = folder
        self._template = template
        self._bases: dict[tuple[Any, ...], Outcome] = {}
        load()

    def base_of(self, case: Case) -> Outcome:
        """Returns what the command does without the generated words."""
        key = (case.command, case.context)
        if key not in self._bases:
            self._bases[key] = self.run(Case(case.command, "", case.expect, (), case.context))
        return self._bases[key]

    def run(self, case: Case) -> Outcome:
        """Runs a case."""
        work = self._folder / "work"
        shutil.copytree(self._template, work, symlinks=True)
        (self._folder / "home").mkdir()
        try:
            if case.damage is not None:
                damage(work, case.damage)
            before = _state(self._folder)
            outcome = self._forked(case, work)
            after = _state(self._folder)
        finally:
            shutil.rmtree(self._folder / "home")
            shutil.rmtree(work)
        outcome.made = sorted(after.keys() - before.keys())
        outcome.changed = sorted(name for name, was in before.items() if after.get(name) != was)
        return outcome

    def _forked(self, case: Case, work: Path) -> Outcome:
        reader, writer = os.pipe()
        began = time.monotonic()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # this process has threads, none of which is needed
            child = os.fork()
        if child == 0:
            os.close(reader)
            _child(case, work, writer)
        os.close(writer)
        sent = _received(reader, until=began + HANGS_AFTER)
        if sent is None:
            os.kill(child, signal.SIGKILL)
        _, ended = os.waitpid(child, 0)
        if sent is None:
            return Outcome(seconds=time.monotonic() - began)
        if not sent:
            return Outcome(os.waitstatus_to_exitcode(ended), escaped="the process died")
        outcome: Outcome = pickle.loads(sent)
        outcome.seconds = time.monotonic() - began
        return outcome


def _received(reader: int, until: float) -> bytes | None:
    """Returns all that is written to a pipe; None if that does not end in time."""
    parts = []
    with open(reader, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
            part = pipe.read(2**16)
            if not part:
                return b"".join(parts)
            parts.append(part)
    return None


def _child(case: Case, work: Path, writer: int) -> NoReturn:
    """Runs the command's `main()` and sends what became of it."""
    outcome = Outcome(status=0)
    gc.freeze()  # what is loaded is garbage never, and looking at it would copy it
    try:
        out, err = _redirected()
        _set_up(case, work, outcome.settings)
        try:
            importlib.import_module(f"lmlab.{case.command}").main()
        except SystemExit as end:
            outcome.status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        except BaseException:
            outcome.status, outcome.escaped = 1, traceback.format_exc()
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        for stream, name in ((out, "out"), (err, "err")):
            stream.flush()
            os.lseek(stream.fileno(), 0, os.SEEK_SET)
            setattr(outcome, name, Path(f"/proc/self/fd/{stream.fileno()}").read_text("utf-8", errors="replace"))
        with open(writer, "wb") as pipe:
            pipe.write(pickle.dumps(outcome))
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(0)


def _redirected() -> tuple[io.TextIOWrapper, io.TextIOWrapper]:
    """Standard output and error are files of this process from here on, as a shell would have redirected them."""
    for number in (1, 2):
        os.dup2(os.memfd_create(f"stream-{number}"), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    out = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8")
    err = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding="utf-8", errors="backslashreplace")
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__ = out, err  # type: ignore[misc]
    return out, err


def _set_up(case: Case, work: Path, accepted: list[dict[str, Any]]) -> None:
    """The process as a shell would have started it, and training as soon over as begun."""
    os.chdir(work)
    os.environ |= {
        "HOME": str(work.parent / "home"), "LMLAB_CACHE": str(work.parent / "home" / "cache"), "COLUMNS": "120",
        "http_proxy": _UNREACHABLE, "https_proxy": _UNREACHABLE, "MPLCONFIGDIR": "/tmp",
    }  # fmt: skip
    for name in [name for name in os.environ if name.startswith(("LMLAB_", "PYTEST_")) and name != "LMLAB_CACHE"]:
        del os.environ[name]
    sys.argv = [f"lmlab-{case.command}", *(os.fsdecode(os.fsencode(word)) for word in case.arguments)]
    _cut_off(case, accepted)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _cut_off(case: Case, accepted: list[dict[str, Any]]) -> None:
    from lmlab.config.typed import plain

    if case.command == "train":
        from lmlab.launch import execution
        from lmlab.training.assembly import build_data, build_vectors

        def read_only(settings: Any, folder: Path, **more: Any) -> None:
            kept: Mapping[str, Any] = {name: more[name] for name in ("stop_after_tokens",) if name in more}
            composed = plain(settings) | kept
            composed["trainer"]["profiler"] = more.get("profiler")
            accepted.append(composed)
            if case.whole:
                build_vectors(settings, build_data(settings).tokenizer)

        execution._train = read_only
    elif not case.whole and case.command != "list":
        module = importlib.import_module(f"lmlab.{case.command}")
        setattr(module, case.command, lambda settings: accepted.append(plain(settings)))


def _state(folder: Path) -> dict[str, str]:
    """Returns what identifies each file and folder below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        kind = stat.filemode(mode)
        content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(mode) and mode & 0o400 else ""
        found[str(path.relative_to(folder))] = f"{kind} {os.readlink(path) if stat.S_ISLNK(mode) else content}"
    return found
