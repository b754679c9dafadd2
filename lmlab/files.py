"""Files written beside their target and renamed, so that a reader or a crash never meets half of one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Calls `write` with a file beside `path`, makes sure it is on disk and renames it.

    Args:
        path: the target.
        write: fills the open binary file.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def shown(path: Path) -> str:
    """A path as it is shown and typed: relative where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, atomically."""
    write_atomically(path, lambda file: _write(file, text))


def _write(file: BinaryIO, text: str) -> None:
    file.write(text.encode("utf-8", errors="surrogatepass"))
