"""The files of a folder that a source reads, in order, and those that it does not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from lmlab.data.opening import entries, require_path
from lmlab.errors import UserError, printable

# Names in a note, and entries of a folder within a folder that are searched for texts.
_NAMED = 5
_SEARCHED = 1000


def files_of(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Returns the folder's visible files with one of the suffixes in natural order: `2.txt` before `10.txt`.

    Args:
        folder: an existing folder.
        suffixes: in lower case; those of the files may be in upper case.

    Raises:
        UserError: the folder cannot be read, or one of these files is a broken link or no regular file.
    """
    named = [f for f in entries(folder) if f.suffix.lower() in suffixes and not f.name.startswith(".")]
    files = [file for file in named if not file.is_dir()]
    for file in files:
        require_path(file)
    return sorted(files, key=_natural)


def natural_order(folder: Path) -> list[Path]:
    """Returns the folder's .txt files in natural order.

    Raises:
        UserError: there are no .txt files, or `files_of` refuses them.
    """
    files = files_of(folder, (".txt",))
    if not files:
        others = _left_out(folder, (), (".txt",))
        problem = f"the folder holds no .txt file (but {others})" if others else "the folder is empty"
        inside = next((entry for entry in entries(folder) if _has_texts(entry)), None)
        remedy = f"give one that has, for example data.path={printable(inside)}, or " if inside else ""
        raise UserError("data.path", folder, problem, f"{remedy}put the texts there as .txt files")
    return files


def unread(folder: Path, used: Iterable[Path], *, also: Sequence[str] = (".txt",)) -> list[str]:
    """Returns a note that names what a folder holds besides the files that are read; empty if there is nothing.

    Args:
        folder: an existing folder.
        used: the files that are read.
        also: suffixes of texts; hidden files count if they have one.
    """
    others = _left_out(folder, used, also)
    return [f"not read in {folder.name}: {others}"] if others else []


def _left_out(folder: Path, used: Iterable[Path], also: Sequence[str]) -> str:
    left = set(entries(folder)) - set(used)
    named = [_described(f) for f in sorted(left) if not f.name.startswith(".") or f.suffix.lower() in also]
    more = f" and {len(named) - _NAMED:,} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more


def _described(entry: Path) -> str:
    name = printable(entry.name)
    if not entry.is_dir():
        return name
    return f"{name}/ (has .txt files)" if _has_texts(entry) else f"{name}/"


def _has_texts(entry: Path) -> bool:
    """Returns whether an entry is a folder with .txt files, of which the first are looked at."""
    try:
        return any(name.lower().endswith(".txt") for name in islice(os.listdir(entry), _SEARCHED))
    except OSError:  # a file, too
        return False


def _natural(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], path.name
