"""Commands in children that are forked from a process which has imported everything already: none costs imports.

The parent computes nothing with torch and starts no thread, so that forking it is safe; it checks that before each
fork. `python -m command_server` reads requests as lines of JSON and answers each with a line.

What a child lacks of a command that is typed: its signals are not owned, and it imports nothing itself.
"""

from __future__ import annotations

import atexit
import faulthandler
import importlib
import json
import logging
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from torture.faults import SIGNALS, Counting, Fault

TESTS = Path(__file__).resolve().parent
# A whole run takes a second or two; a shared machine may be slow.
LIMIT_SECONDS = 90.0


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Args:
        status: its exit status; minus the signal that killed it; None where it did not end in time.
        out: what it said.
        err: what it said on stderr.
        struck: the fault, where it was reached.
        path: of the file at which it struck.
        counts: of calls by kind; empty where the child was killed.
        seconds: all in.
    """

    status: int | None
    out: str
    err: str
    struck: str | None = None
    path: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


class Server:
    """The parent of all children; close it, or use it in a `with`."""

    def __init__(self) -> None:
        self._told = tempfile.TemporaryDirectory()
        paths = [str(TESTS), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        environment.pop("LMLAB_DEBUG", None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "command_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=TESTS,  # what is in the working directory is found first; PYTHONPATH may name another lmlab
        )

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the parent."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._told.cleanup()

    def run(
        self,
        *arguments: str,
        cwd: Path,
        environment: Mapping[str, str],
        command: str = "train",
        fault: Fault | None = None,
        watched: Sequence[Path] = (),
        count: bool = False,
        calls: bool = False,
        stdout: str = "file",
        cached_from: int | None = None,
        limit: float = LIMIT_SECONDS,
    ) -> Ended:
        """One command in a child of its own.

        Args:
            arguments: of the command.
            cwd: the working directory.
            environment: all of it.
            command: the module's name.
            fault: None breaks nothing.
            watched: folders; faults strike, and calls are counted, at files below them.
            count: counts calls; where False and without fault nothing is put between.
            calls: counts those of lmlab's functions too.
            stdout: `file`; `full` for a device without room, `closed`, or `pipe` for a reader that has left.
            cached_from: characters from which token arrays are cached; None for the program's own.
            limit: seconds.
        """
        request: dict[str, Any] = {
            "arguments": arguments,
            "cwd": str(cwd),
            "environment": dict(environment),
            "told": self._told.name,
            "command": command,
            "fault": None if fault is None else asdict(fault),
            "watched": [str(folder) for folder in watched],
            "count": count,
            "calls": calls,
            "stdout": stdout,
            "cached_from": cached_from,
            "limit": limit,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the parent of all children has ended with {self._process.wait()}")
        out, err = (
            (Path(self._told.name) / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err")
        )
        return Ended(**json.loads(line), out=out, err=err)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    tasks = os.listdir("/proc/self/task") if os.path.isdir("/proc/self/task") else ["one"]
    if len(tasks) != 1 or threading.active_count() != 1:
        raise RuntimeError(f"{len(tasks)} threads: forking is not safe")
    told = Path(request["told"])
    for name in ("out", "err", "record"):
        (told / name).write_bytes(b"")
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_the_child(request, told)
    status = _wait(child, begun + request["limit"])
    record: dict[str, Any] = {}
    for line in (told / "record").read_text(encoding="utf-8").splitlines():
        record |= json.loads(line)
    return {
        "status": status,
        "struck": record.get("struck"),
        "path": record.get("path"),
        "counts": record.get("counts", {}),
        "seconds": time.monotonic() - begun,
    }


def _wait(child: int, until: float) -> int | None:
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.005)


def _be_the_child(request: dict[str, Any], told: Path) -> NoReturn:
    status = 70
    try:
        record = os.open(told / "record", os.O_WRONLY | os.O_APPEND)
        _enter(request, told)
        status = _command(request, record)
    except BaseException:
        traceback.print_exc()
    finally:
        # As the interpreter ends: threads, exit functions, files.
        sys.setprofile(None)
        for end in (threading._shutdown, atexit._run_exitfuncs, logging.shutdown):  # type: ignore[attr-defined]
            try:
                end()
            except BaseException:
                traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                status = status or 120  # Python's own status where stdout cannot be flushed
        os._exit(status)


def _enter(request: dict[str, Any], told: Path) -> None:
    """Working directory, environment, streams and signals of a command that was typed."""
    os.setpgid(0, 0)
    os.chdir(request["cwd"])
    sys.path[0] = request["cwd"]  # as of `python -m`
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # it was looked for in another environment
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(_stdout(request["stdout"], told), 1)
    os.dup2(os.open(told / "err", os.O_WRONLY | os.O_APPEND), 2)
    if request["stdout"] == "closed":
        os.close(1)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False) if request["stdout"] != "closed" else None  # type: ignore[assignment]  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    for number in SIGNALS.values():
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    faulthandler.dump_traceback_later(request["limit"] - 2, file=sys.stderr)


def _stdout(kind: str, told: Path) -> int:
    if kind == "full":
        return os.open("/dev/full", os.O_WRONLY)
    if kind == "pipe":
        reader, writer = os.pipe()
        os.close(reader)
        return writer
    return os.open(told / "out", os.O_WRONLY | os.O_APPEND)


def _command(request: dict[str, Any], record: int) -> int:
    if request["cached_from"] is not None:
        from lmlab.data import token_store

        token_store.build.__kwdefaults__["cached_from"] = request["cached_from"]
    command = importlib.import_module(f"lmlab.{request['command']}")
    sys.argv = [f"{command.__file__}", *request["arguments"]]
    fault = None if request["fault"] is None else Fault(**request["fault"])
    counting = None
    if fault is not None or request["count"]:
        watched = [Path(folder) for folder in request["watched"]]
        counting = Counting(fault, watched, lambda line: _tell(record, line), calls=request["calls"])
        counting.install()
    try:
        command.main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except KeyboardInterrupt:
        traceback.print_exc()
        status = 130
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.setprofile(None)
    if counting is not None:
        _tell(record, json.dumps({"counts": counting.counts}))
    return status


def _tell(record: int, line: str) -> None:
    os.write(record, f"{line}\n".encode())


def _import_everything() -> None:
    import lmlab

    for module in pkgutil.walk_packages(lmlab.__path__, "lmlab."):
        importlib.import_module(module.name)
    for name in ("torch.utils.tensorboard", "pytorch_lightning.loggers", "torch._dynamo", "hydra.main"):
        importlib.import_module(name)
    import torch

    torch.set_num_threads(1)


def serve(requests: Sequence[str] | Any) -> None:
    """Answers every request on the real stdout, which children do not have."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _import_everything()
    for line in requests:
        answers.write(json.dumps(_answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(iter(sys.stdin.readline, ""))
