"""Opens the files that users name: regular files only, and no more of them than the memory can hold."""

from __future__ import annotations

import glob
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import IO

from lmlab.errors import UserError, printable
from lmlab.memory_limits import as_bytes, available_memory

# Bytes of memory for a byte of text: the bytes themselves, and the characters as Python stores plain ASCII.
_MEMORY_PER_BYTE = 2
# A text shrinks to a third or a tenth; deflate's limit, for a single repeated byte, is 1,032.
_MOST_COMPRESSED = 200
_SMALL = 10_000_000  # bytes that are unpacked however much they were compressed
_CHUNK = 1 << 20
ZIP_MARK = b"PK\x03\x04"
_ENCRYPTED = 0x1  # flag of a zip file's member
# Two letters or more: C:/ is a drive of Windows. A path has lost one of the two strokes.
_ADDRESS = re.compile(r"(\w[\w+.-]+:)/+")
_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def require_path(path: Path, *, field: str = "data.path", remedy: str = "check the path") -> os.stat_result:
    """Raises an error unless the path is a regular file or a folder, before anything is loaded.

    Args:
        path: the file or folder.
        field: the setting that names it.
        remedy: what to do if it does not exist.

    Returns:
        What the system says about it.

    Raises:
        UserError: no such file or folder (a relative path is shown with the folder in which it was looked for), a
            broken link, or something that is not a file, reading which might never end.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        if os.path.islink(path):
            raise UserError(field, path, "a link to a file that does not exist", "restore or remove it") from None
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise unreadable(path, error, field=field) from None
        if _ADDRESS.match(str(path)):
            address = _ADDRESS.sub(r"\1//", str(path))
            raise UserError(field, address, "is an address, not a file", "fetch the file and give its path") from None
        where = "" if path.is_absolute() else f" in {Path.cwd()}"
        raise UserError(field, path, f"no such file or folder{where}", _meant_by(path, field) or remedy) from None
    for is_kind, kind in _KINDS:
        if is_kind(found.st_mode):
            raise UserError(field, path, f"{kind}, not a file", "give a file or folder on the disk")
    return found


def _meant_by(path: Path, field: str) -> str:
    """Returns what to do about a path that does not exist, if it can be told; else nothing."""
    given = str(path)
    if glob.has_magic(given) and (found := glob.glob(given)):
        return f"it looks like a pattern: give the folder, {field}={os.path.dirname(given) or '.'}" + (
            "" if len(found) > 1 else f", or {found[0]}"
        )
    if "," in given or given.startswith("["):
        return "give one file, or put several into a folder and give that"
    forward = Path(given.replace("\\", "/"))
    if forward.exists():
        return f"did you mean {forward.as_posix()}?"
    try:
        names = os.listdir(path.parent)
    except (OSError, ValueError):
        return ""
    by_lower = {name.lower(): name for name in names if not name.startswith(".")}
    close = get_close_matches(path.name.lower(), by_lower, n=1, cutoff=0.75)
    return f"did you mean {printable((path.parent / by_lower[close[0]]).as_posix(), longest=200)}?" if close else ""


def unreadable(path: Path, error: OSError | ValueError, *, field: str = "data.path") -> UserError:
    """Returns the error for a file or folder that the system does not give."""
    problem = getattr(error, "strerror", None) or "cannot be read"
    return UserError(field, path, problem, "check the path and its permissions")


def entries(folder: Path) -> list[Path]:
    """Returns the entries of a folder in the order of their names.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise unreadable(folder, error) from None


@contextmanager
def open_file(path: Path, *, field: str = "data.path") -> Iterator[IO[bytes]]:
    """Opens a regular file; errors of the system while it is open name the file.

    Raises:
        UserError: it is not a regular file, or cannot be read.
    """
    if stat.S_ISDIR(require_path(path, field=field).st_mode):
        raise UserError(field, path, "is a directory", "give a file")
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise unreadable(path, error, field=field) from None


def read_file(path: Path) -> bytes:
    """Returns the bytes of a regular file, if the memory can hold them as text.

    Raises:
        UserError: it is not a regular file, cannot be read, is empty or too large.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        require_memory(size, path)
        # Files of the kernel have no size, and may give bytes without end.
        data = file.read(size)
    if not data:
        raise UserError("data.path", path, "the file is empty", "give a file with text")
    return data


def size_of(files: Iterable[Path]) -> int:
    """Returns the bytes of several files together.

    Raises:
        UserError: one is not a regular file.
    """
    return sum(require_path(file).st_size for file in files)


def require_memory(num_bytes: int, path: Path, *, what: str = "") -> None:
    """Checks that the memory can hold so many bytes of text.

    Args:
        num_bytes: of text.
        path: the file or folder.
        what: the part of it, for the error.

    Raises:
        UserError: it cannot.
    """
    available = available_memory()
    if available is None or num_bytes * _MEMORY_PER_BYTE <= available:
        return
    needed = as_bytes(num_bytes * _MEMORY_PER_BYTE)
    there = f"{as_bytes(available)} are there"
    problem = f"{what or 'it'} has {as_bytes(num_bytes)}, which need at least {needed} of memory ({there})"
    raise UserError("data.path", path, problem, "give a part of it, or use a machine with more memory")


# Zip files


def is_zip(path: Path, *, field: str = "data.path") -> bool:
    """Returns whether a file is a zip file by its contents.

    Raises:
        UserError: it is not a regular file, cannot be read, or is a zip file that has lost its list of members.
    """
    with open_file(path, field=field) as file:
        found = zipfile.is_zipfile(file)
        file.seek(0)
        if not found and file.read(len(ZIP_MARK)) == ZIP_MARK:
            raise damaged_zip(path, field=field)
        return found


@contextmanager
def open_zip(path: Path, *, field: str = "data.path") -> Iterator[zipfile.ZipFile]:
    """Opens a zip file; damage that is found while it is open is told in one line.

    Raises:
        UserError: not a regular file, or damaged.
    """
    try:
        with open_file(path, field=field) as file, zipfile.ZipFile(file) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError):
        raise damaged_zip(path, field=field) from None


def damaged_zip(path: Path, *, field: str = "data.path") -> UserError:
    """Returns the error for a zip file that cannot be unpacked."""
    return UserError(field, path, "a damaged zip file", "fetch it again")


def files_in(archive: zipfile.ZipFile, suffixes: Sequence[str] = ()) -> list[zipfile.ZipInfo]:
    """Returns the files of a zip file, without folders and what macOS adds.

    Args:
        archive: open.
        suffixes: endings of the names; empty for any.
    """
    files = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX")]
    return [m for m in files if not suffixes or m.filename.lower().endswith(tuple(suffixes))]


def open_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, *, field: str = "data.path"
) -> IO[bytes]:
    """Opens a file of a zip file for reading without unpacking it to the disk.

    Raises:
        UserError: it is encrypted, or so much compressed that it cannot be a text.
    """
    if member.flag_bits & _ENCRYPTED:
        raise UserError(field, path, f"{printable(member.filename)} in it is encrypted", "unpack it and give the file")
    require_ratio(member.file_size, member.compress_size, path, field=field)
    return archive.open(member)


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> bytes:
    """Returns the bytes of a file of a zip file; never unpacks more than its entry says.

    Raises:
        UserError: it is encrypted, or larger than the memory.
    """
    with open_member(archive, member, path) as opened:
        require_memory(member.file_size, path, what=printable(member.filename))
        # In chunks, because at once the library would unpack up to 2 GB whatever the entry says.
        return b"".join(iter(lambda: opened.read(_CHUNK), b""))


def require_ratio(num_bytes: int, compressed: int, path: Path, *, field: str = "data.path") -> None:
    """Checks that an archive does not unpack to far more than a text would.

    Args:
        num_bytes: unpacked.
        compressed: bytes in the archive.
        path: the archive.
        field: the setting that names it.

    Raises:
        UserError: it does.
    """
    if num_bytes > max(_SMALL, _MOST_COMPRESSED * compressed):
        problem = f"unpacks to {num_bytes / 1e6:,.0f} MB, more than {_MOST_COMPRESSED} times its size: not a text"
        raise UserError(field, path, problem, "if it is meant, unpack it and give the file")
