"""The folder for what is fetched or made once, and the names under which it is kept there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import platformdirs

from lmlab.data.pieces import slices
from lmlab.files import remove_parts, write_atomically

# Below this, making again is quicker than it is worth to keep a file (characters; about a second by word).
CACHED_FROM = 8_000_000


def cache_folder() -> Path:
    """`LMLAB_CACHE`, else the user's cache folder."""
    return Path(os.environ.get("LMLAB_CACHE") or platformdirs.user_cache_dir("lmlab")).expanduser()


# Behind the contents of a kept file stands their digest: figures are made from what is in it.
_SEAL = b"lmlab-sha256:"
_SEAL_LENGTH = len(_SEAL) + 64
_CHUNK = 1 << 20


class _Hashing:
    """A file that also makes the digest of what is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        """Writes."""
        self.digest.update(data)
        return self._file.write(data)


def keep(path: Path, write: Callable[[Any], Any]) -> None:
    """Writes a file of the cache, with the digest of its contents behind them.

    Args:
        path: the target; its folder is made, and what killed processes left half written there is removed.
        write: fills the open binary file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_parts(path.parent)

    def sealed(file: BinaryIO) -> None:
        hashing = _Hashing(file)
        write(hashing)
        file.write(_SEAL + hashing.digest.hexdigest().encode("ascii"))

    write_atomically(path, sealed)


def kept_size(path: Path) -> int | None:
    """Bytes of the contents of a kept file; None where it is not there or has others than were written."""
    try:
        with path.open("rb") as file:
            left = size = os.fstat(file.fileno()).st_size - _SEAL_LENGTH
            digest = hashlib.sha256()
            while left > 0 and (data := file.read(min(_CHUNK, left))):
                digest.update(data)
                left -= len(data)
            seal = file.read()
    except OSError:
        return None
    return size if seal == _SEAL + digest.hexdigest().encode("ascii") else None


def kept_text(path: Path) -> str | None:
    """The contents of a kept text; None where it is not there or another than was written."""
    size = kept_size(path)
    return None if size is None else path.read_bytes()[:size].decode("utf-8", errors="surrogatepass")


def keep_text(path: Path, text: str) -> None:
    """Writes a text of the cache, sealed like every other file."""
    keep(path, lambda file: file.write(text.encode("utf-8", errors="surrogatepass")))


def text_sha256(texts: Sequence[str]) -> str:
    """SHA-256 of the texts' UTF-8 bytes, one after the other."""
    digest = hashlib.sha256()
    for text in texts:
        for piece in slices(text):
            digest.update(piece.encode("utf-8", errors="surrogatepass"))
    return digest.hexdigest()


def key_of(texts: Sequence[str], rest: str) -> str:
    """A file name for what is made from texts and from what `rest` says."""
    return hashlib.sha256(f"{text_sha256(texts)} {[len(t) for t in texts]} {rest}".encode()).hexdigest()
