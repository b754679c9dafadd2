"""Writes files under a temporary name and renames them, so that no reader or crash ever leaves an incomplete file."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import BinaryIO

WINDOWS = os.name == "nt"
# Name of the temporary file that a killed process leaves in the folder of its target: .name.pid.part
_PART = re.compile(r"\..+\.(\d+)\.part")
# Seconds for which Windows is asked again to replace a file that another program has open, a virus scanner say.
_IN_USE_SECONDS = 2.0
# Characters and names that Windows does not allow for files and folders, whatever follows behind a dot.
_RESERVED = re.compile(r'.*[<>:"|?*\x00-\x1f].*|(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*[. ]', re.IGNORECASE | re.DOTALL)


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
        replace(beside, path)
        sync_folder(path.parent)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            # Errors of writing and syncing do not name a file, and the temporary name would not help the user.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def replace(source: Path, target: Path) -> None:
    """Renames a file to a name that may exist; Windows refuses that while another program has the file open.

    Raises:
        OSError: it cannot be renamed.
    """
    until = time.monotonic() + _IN_USE_SECONDS
    while True:
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if not WINDOWS or time.monotonic() > until:
                raise
            time.sleep(0.05)


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
    if WINDOWS:  # signal 0 is Ctrl-C there
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # belongs to another user, so it is running
        return True
    return True


def _is_alive_on_windows(pid: int) -> bool:
    import ctypes

    query_limited_information, still_active, access_denied = 0x1000, 259, 5
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(query_limited_information, False, pid)
    if not handle:
        return bool(ctypes.get_last_error() == access_denied)  # type: ignore[attr-defined,unused-ignore]
    status = ctypes.c_ulong()
    try:
        kernel.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(status))
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))
    return status.value == still_active


def unusable(path: PurePath) -> str | None:
    """Returns the first part of a path that Windows does not take, or changes silently; None on other systems."""
    if not WINDOWS:
        return None
    parts = path.parts[1:] if path.anchor else path.parts
    return next((part for part in parts if part not in (".", "..") and _RESERVED.fullmatch(part)), None)


def expanded(path: str | Path) -> Path:
    """Returns a path with ~ or ~user for a home folder; where there is none, as it is, as a shell takes it."""
    return Path(os.path.expanduser(path))  # Path.expanduser raises an error instead


def shown(path: Path) -> str:
    """Returns a path as it is shown to users: relative if that is shorter, and with / so that any shell takes it."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except (ValueError, FileNotFoundError):  # not below the current folder, or the current folder no longer exists
        return path.as_posix()


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, atomically."""
    write_atomically(path, lambda file: _write(file, text))


def _write(file: BinaryIO, text: str) -> None:
    file.write(text.encode("utf-8", errors="surrogatepass"))
