"""The dimension of a file of word vectors from its first lines, without torch, for checks before anything is read."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import IO

_LINES = 10
_LONGEST_LINE = 1 << 20


def vector_dimension(path: Path, dim: int | None) -> int | None:
    """Returns the dimension of a GloVe text or zip file.

    Args:
        path: of the file.
        dim: the wanted dimension, which chooses among several files of a zip file; None for no choice.

    Returns:
        The dimension; None where the first lines do not agree or cannot be read: the reader says what is wrong then.
    """
    if not path.is_file():
        return None
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                return _dimension(_first_lines(file))
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.endswith(".txt") and not n.startswith("__MACOSX")]
            fitting = names if len(names) == 1 else [n for n in names if f".{dim}d." in n]
            if len(fitting) != 1:
                return None
            with archive.open(fitting[0]) as member:
                return _dimension(_first_lines(member))
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        return None


def _first_lines(file: IO[bytes]) -> list[bytes]:
    return [line.rstrip() for line in islice(iter(lambda: file.readline(_LONGEST_LINE), b""), _LINES) if line.strip()]


def _dimension(lines: list[bytes]) -> int | None:
    if len(lines) > 1 and lines[0].replace(b" ", b"").isdigit() and lines[0].count(b" ") == 1:
        lines = lines[1:]  # word2vec's header: number of words and dimension
    counts = {line.count(b" ") for line in lines}
    if len(counts) != 1 or not all(_are_numbers(line.split(b" ")[1:]) for line in lines):
        return None
    return counts.pop() or None


def _are_numbers(fields: Iterable[bytes]) -> bool:
    try:
        return all(float(field) or True for field in fields)
    except ValueError:
        return False
