"""Ids of a split in one array: in memory when small, memory-mapped and cached by content when large."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from lmlab.data.pieces import slices
from lmlab.data.saved_tokenizers import to_json
from lmlab.data.tokenizers import Ids, Tokenizer

# Below this, encoding again is quicker than it is worth to keep a file (characters; about a second by word).
CACHED_FROM = 8_000_000


@dataclass(frozen=True)
class TokenStore:
    """A split as ids.

    Args:
        ids: (N,) int32, end tokens included.
        num_characters: characters of the original text.
        num_unknown: how many of the ids are `<unk>`.
        text_sha256: of the text's UTF-8 bytes.
        end_id: the tokenizer's end token, from which the first token is predicted; None where there is none.
    """

    ids: Ids
    num_characters: int
    num_unknown: int
    text_sha256: str
    end_id: int | None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def num_targets(self) -> int:
        """Tokens that are predicted: all, but the first where there is no end token to predict it from."""
        return len(self.ids) if self.end_id is not None else max(0, len(self.ids) - 1)

    @property
    def unk_rate(self) -> float:
        """Share of unknown tokens."""
        return self.num_unknown / max(1, len(self.ids))


def cache_folder() -> Path:
    """`LMLAB_CACHE`, else the user's cache folder."""
    return Path(os.environ.get("LMLAB_CACHE") or platformdirs.user_cache_dir("lmlab")).expanduser()


def build(texts: Sequence[str], tokenizer: Tokenizer, *, cached_from: int = CACHED_FROM) -> TokenStore:
    """Encodes documents one after the other, with an end token behind each where the tokenizer says so.

    Args:
        texts: the documents.
        tokenizer: fitted.
        cached_from: number of characters from which the ids are kept in the cache and memory-mapped.
    """
    digest = hashlib.sha256()
    for text in texts:
        for piece in slices(text):
            digest.update(piece.encode("utf-8", errors="surrogatepass"))
    num_characters = sum(map(len, texts))
    if num_characters < cached_from:
        ids = _encode(texts, tokenizer)
    else:
        key = hashlib.sha256(
            f"{digest.hexdigest()} {[len(t) for t in texts]} {to_json(tokenizer)}".encode()
        ).hexdigest()
        ids = _cached(cache_folder() / "tokens" / f"{key}.npy", texts, tokenizer)
    num_unknown = len(ids) - int(np.count_nonzero(ids))
    return TokenStore(ids, num_characters, num_unknown, digest.hexdigest(), tokenizer.end_id)


def _encode(texts: Sequence[str], tokenizer: Tokenizer) -> Ids:
    parts: list[NDArray[np.int32]] = []
    for text in texts:
        parts.append(tokenizer.encode(text))
        if tokenizer.end_token == "document" and tokenizer.end_id is not None:
            parts.append(np.array([tokenizer.end_id], dtype=np.int32))
    if len(parts) == 1:
        return parts[0]  # one large document is not copied
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)


def _cached(path: Path, texts: Sequence[str], tokenizer: Tokenizer) -> Ids:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}.part")
        with beside.open("wb") as file:
            np.save(file, _encode(texts, tokenizer))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    ids: Ids = np.load(path, mmap_mode="r", allow_pickle=False)
    return ids
