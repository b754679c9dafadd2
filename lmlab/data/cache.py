"""The cache: a folder for files that are downloaded or computed once, and the names of these files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import platformdirs

from lmlab.data.pieces import Text, slices
from lmlab.digests import SEAL, SEAL_LENGTH
from lmlab.files import expanded, remove_parts, write_atomically

# For texts of fewer characters, results are not kept: computing them again takes about a second (by word).
CACHED_FROM = 8_000_000


def cache_folder() -> Path:
    """Returns the folder in `LMLAB_CACHE` or, if it is not set, the user's cache folder."""
    return expanded(os.environ.get("LMLAB_CACHE") or platformdirs.user_cache_dir("lmlab"))


# A kept file ends with the digest of its contents, because figures are computed from them.
_CHUNK = 1 << 20


class _Hashing:
    """A file that also computes the digest of everything written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        """Writes data and adds it to the digest."""
        self.digest.update(data)
        return self._file.write(data)


def keep(path: Path, write: Callable[[Any], Any]) -> None:
    """Writes a file of the cache, followed by the digest of its contents.

    Args:
        path: the target; its folder is created, and incomplete files of killed processes there are removed.
        write: writes the contents to the open binary file that it is called with.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_parts(path.parent)

    def sealed(file: BinaryIO) -> None:
        hashing = _Hashing(file)
        write(hashing)
        file.write(SEAL + hashing.digest.hexdigest().encode("ascii"))

    try:
        write_atomically(path, sealed)
    except PermissionError:
        # Windows does not replace a file that another process uses: one that has computed the same in the meantime.
        if kept_size(path) is None:
            raise


def kept_size(path: Path) -> int | None:
    """Returns the number of bytes of a kept file's contents; None if it is missing or its contents have changed."""
    try:
        with path.open("rb") as file:
            left = size = os.fstat(file.fileno()).st_size - SEAL_LENGTH
            digest = hashlib.sha256()
            while left > 0 and (data := file.read(min(_CHUNK, left))):
                digest.update(data)
                left -= len(data)
            seal = file.read()
    except OSError:
        return None
    return size if seal == SEAL + digest.hexdigest().encode("ascii") else None


def kept_text(path: Path) -> str | None:
    """Returns the contents of a kept text; None if it is missing or has changed since it was written."""
    size = kept_size(path)
    return None if size is None else path.read_bytes()[:size].decode("utf-8", errors="surrogatepass")


def keep_text(path: Path, text: str) -> None:
    """Writes a text to the cache, followed by its digest like every other file."""
    keep(path, lambda file: file.write(text.encode("utf-8", errors="surrogatepass")))


def text_sha256(texts: Sequence[Text]) -> str:
    """Returns the SHA-256 of the texts' UTF-8 bytes, one after the other."""
    stays = not any(isinstance(text, str) for text in texts)
    return _sha256_of_stored(tuple(texts)) if stays else _sha256(texts)


def _sha256(texts: Sequence[Text]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        for piece in slices(text):
            digest.update(piece.encode("utf-8", errors="surrogatepass"))
    return digest.hexdigest()


# A run needs that of each split several times, and it takes a second or two for a gigabyte.
_sha256_of_stored = lru_cache(maxsize=8)(_sha256)


def key_of(texts: Sequence[Text], rest: str) -> str:
    """Returns the file name for a result that depends on texts and on the options in `rest`."""
    return hashlib.sha256(f"{text_sha256(texts)} {[len(t) for t in texts]} {rest}".encode()).hexdigest()
