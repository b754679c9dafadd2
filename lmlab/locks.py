"""Locks that let only one process at a time work in a run's or sweep's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lmlab.errors import Refused
from lmlab.files import shown

NAME = ".lmlab.lock"


def lock(folder: Path, field: str, remedy: str) -> FileLock:
    """Locks a folder for this process; the operating system releases the lock whenever and however the process ends.

    Args:
        folder: an existing folder.
        field: subject of the error: ``run`` or ``sweep``.
        remedy: what to do instead, for the error.

    Raises:
        Refused: another process has locked it.
    """
    taken = FileLock(folder / NAME, blocking=False)
    try:
        taken.acquire()
    except Timeout:
        raise Refused(field, shown(folder), "another process is working on it at the moment", remedy) from None
    except OSError as error:
        problem = f"its {NAME} cannot be written: {error.strerror or error}"
        raise Refused(field, shown(folder), problem, "see that you may write to the folder, or use a copy") from None
    return taken


@contextmanager
def locked(folder: Path, field: str = "run", remedy: str = "wait for it, or begin another run") -> Iterator[None]:
    """Locks a folder during a `with` block.

    Raises:
        Refused: another process has locked it.
    """
    taken = lock(folder, field, remedy)
    try:
        yield
    finally:
        taken.release()
