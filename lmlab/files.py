"""Files written beside their target and renamed, so that a reader or a crash never meets half of one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

# What a killed process leaves beside its target: .name.pid.part
_PART = re.compile(r"\..+\.(\d+)\.part")


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Calls `write` with a file beside `path`, makes sure it is on disk and renames it.

    The folder is synced too: else a power failure could bring the file before back.

    Args:
        path: the target.
        write: fills the open binary file.

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
            # Writes and syncs do not say which file they were for, and a name with .part in it would puzzle.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder durable, where the operating system lets a folder be synced."""
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
    """Removes what killed processes left half written in a folder; a living process' file stays."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        found = _PART.fullmatch(path.name)
        if found and (int(found[1]) == os.getpid() or not _is_alive(int(found[1]))):
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's, so alive
        return True
    return True


def shown(path: Path) -> str:
    """A path as it is shown and typed: relative where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, FileNotFoundError):  # elsewhere, or the current folder is gone
        return str(path)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, atomically."""
    write_atomically(path, lambda file: _write(file, text))


def _write(file: BinaryIO, text: str) -> None:
    file.write(text.encode("utf-8", errors="surrogatepass"))
