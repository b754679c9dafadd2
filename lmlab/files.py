"""Writes files under a temporary name and renames them, so that no reader or crash ever leaves an incomplete file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

# Name of the temporary file that a killed process leaves in the folder of its target: .name.pid.part
_PART = re.compile(r"\..+\.(\d+)\.part")


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Calls `write` with a temporary file in the folder of `path`, syncs it to disk and renames it.

    The folder is synced too; otherwise a power failure could restore the previous file.

    Args:
        path: the target.
        write: writes the contents to the open binary file that it is called with.

    Raises:
        OSError: the disk is full or the folder cannot be written to; the error names the target.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        sync_folder(path.parent)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            # Errors of writing and syncing do not name a file, and the temporary name would not help the user.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder durable, if the operating system can sync folders."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows, and some network file systems
        return
    try:
        os.fsync(descriptor)
    except OSError:
        return
    finally:
        os.close(descriptor)


def remove_parts(folder: Path) -> None:
    """Removes incomplete files of killed processes from a folder; files of running processes stay."""
    for path in stale_parts(folder):
        path.unlink(missing_ok=True)


def stale_parts(folder: Path) -> list[Path]:
    """Returns the incomplete files of killed processes in a folder, which need not exist."""
    parts = [(path, _PART.fullmatch(path.name)) for path in folder.iterdir()] if folder.is_dir() else []
    return [path for path, found in parts if found and (int(found[1]) == os.getpid() or not _is_alive(int(found[1])))]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # belongs to another user, so it is running
        return True
    return True


def shown(path: Path) -> str:
    """Returns a path as it is shown to users: relative if that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, FileNotFoundError):  # not below the current folder, or the current folder no longer exists
        return str(path)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, atomically."""
    write_atomically(path, lambda file: _write(file, text))


def _write(file: BinaryIO, text: str) -> None:
    file.write(text.encode("utf-8", errors="surrogatepass"))
