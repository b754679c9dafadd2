"""The folder for what is fetched or made once, and the names under which it is kept there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from lmlab.data.pieces import slices

# Below this, making again is quicker than it is worth to keep a file (characters; about a second by word).
CACHED_FROM = 8_000_000


def cache_folder() -> Path:
    """`LMLAB_CACHE`, else the user's cache folder."""
    return Path(os.environ.get("LMLAB_CACHE") or platformdirs.user_cache_dir("lmlab")).expanduser()


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
