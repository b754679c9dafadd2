"""Runs Python in a process of its own, with this lmlab and with folders and a cache of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent.parent


def run_python(arguments: Sequence[str], folder: Path, *, status: int = 0) -> str:
    """Runs Python with some arguments and returns what it wrote to standard output.

    Args:
        arguments: of the interpreter.
        folder: in which it works, and in which its cache is.
        status: its exit status.

    Raises:
        RuntimeError: it ended with another status; says the last line of its errors.
    """
    path = os.pathsep.join(filter(None, [str(_PACKAGE), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path, "LMLAB_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True
    )
    if done.returncode != status:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or [""])[-1]
        raise RuntimeError(f"python {' '.join(arguments[:2])} ended with status {done.returncode}: {last}")
    return done.stdout.decode()
