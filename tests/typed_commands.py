"""Commands as they are typed: words in, what is printed and the exit status out."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

from command_server import Server

CAN_FORK = hasattr(os, "fork")


@functools.cache
def shared_server() -> Server:
    """Returns the parent of the commands of all tests; started with the first."""
    return Server()


def close() -> None:
    """Ends the parent, if there is one."""
    if shared_server.cache_info().currsize:
        shared_server().close()
        shared_server.cache_clear()


def typed(
    command: str, *words: str, cwd: Path, status: int | None = 0, alone: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs a command.

    Args:
        command: `train`, ...
        words: of its command line.
        cwd: the working directory.
        status: the exit status that it must have; None for any.
        alone: as a shell starts it, which takes seconds; else in a forked process.
        environment: variables beside those of this process.
    """
    variables = os.environ | environment
    line = [sys.executable, "-m", f"lmlab.{command}", *words]
    if alone or not CAN_FORK:
        done = subprocess.run(line, cwd=cwd, capture_output=True, text=True, env=variables, check=False)
    else:
        ended = shared_server().run(*words, command=command, cwd=cwd, environment=variables)
        assert ended.status is not None, f"it did not end: {ended.err}"
        done = subprocess.CompletedProcess(line, ended.status, ended.out, ended.err)
    if status is not None:
        assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done
