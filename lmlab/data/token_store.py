"""The ids of a split in one array: in memory if small, memory-mapped and cached by content if large."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lmlab.data.cache import CACHED_FROM, cache_folder, keep, kept_size, key_of, text_sha256
from lmlab.data.pieces import Text
from lmlab.data.tokenizers.base import Tokenizer, id_type
from lmlab.data.tokenizers.saved import is_own, to_json
from lmlab.digests import SEAL_LENGTH
from lmlab.errors import UserError

Ids = NDArray[np.integer[Any]]

# Ids that are read at once, and bytes of the number of unknown ones behind the ids of a file.
_BLOCK, _COUNT = 1 << 20, 8

# Ids of the special tokens, the same in every vocabulary; only vocabularies for sentences have the start token.
UNKNOWN_ID = 0
START_ID = 2


@dataclass(frozen=True)
class TokenStore:
    """A split as ids.

    Args:
        ids: (N,), end tokens included, in the smallest integer type for the vocabulary, which may be unsigned: convert
            what is taken to int64.
        num_characters: characters of the original text.
        num_unknown: how many of the ids are `<unk>`.
        text_sha256: SHA-256 of the text's UTF-8 bytes.
        end_id: the tokenizer's end token, from which the first token is predicted; None if it has none.
        sentences: (S,) position of each sentence's first token, which is predicted from `START_ID`; None for running
            text.
    """

    ids: Ids
    num_characters: int
    num_unknown: int
    text_sha256: str
    end_id: int | None
    sentences: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def blocks(self) -> Iterator[Ids]:
        """Yields the ids in order, of a part of them at a time; for those on the disk faster and smaller than mapping.

        Mapped memory counts as the process's own until the system needs it.
        """
        base: object = self.ids.base
        if not (isinstance(self.ids, np.memmap) and isinstance(base, mmap)):  # also for a part of mapped ids
            yield from (self.ids[start : start + _BLOCK] for start in range(0, len(self.ids), _BLOCK))
            return
        dtype: np.dtype[np.integer[Any]] = self.ids.dtype
        with open(str(self.ids.filename), "rb") as file:
            for start in range(0, len(self.ids), _BLOCK):
                count = min(_BLOCK, len(self.ids) - start)
                block: Ids = np.frombuffer(file.read(count * dtype.itemsize), dtype=dtype)
                yield block

    def counts(self, vocabulary_size: int) -> NDArray[np.int64]:
        """Returns how often each entry of the vocabulary occurs, (V,)."""
        counts = np.zeros(vocabulary_size, dtype=np.int64)
        for ids in self.blocks():
            counts += np.bincount(ids, minlength=vocabulary_size)
        return counts

    @property
    def num_targets(self) -> int:
        """The number of predicted tokens: all; without an end token to predict the first from, all but the first."""
        return len(self.ids) if self.end_id is not None else max(0, len(self.ids) - 1)

    @property
    def unk_rate(self) -> float:
        """Share of unknown tokens."""
        return self.num_unknown / max(1, len(self.ids))


def build(texts: Sequence[Text], tokenizer: Tokenizer, *, cached_from: int = CACHED_FROM) -> TokenStore:
    """Encodes documents one after the other, with an end token after each if the tokenizer asks for it.

    Args:
        texts: the documents.
        tokenizer: fitted.
        cached_from: least number of characters for which the ids are kept in the cache and memory-mapped.

    Raises:
        UserError: a user's tokenizer gives an id that is not in its vocabulary.
    """
    num_characters = sum(map(len, texts))
    if num_characters < cached_from or not is_own(tokenizer):
        empty = np.zeros(0, dtype=id_type(len(tokenizer.vocabulary)))
        ids: Ids = np.concatenate([empty, *_encoded(texts, tokenizer)])
        num_unknown = len(ids) - int(np.count_nonzero(ids))
    else:
        key = key_of(texts, to_json(tokenizer))
        ids, num_unknown = _cached(cache_folder() / "tokens" / f"{key}.ids", texts, tokenizer)
    sentences = _sentences(ids, texts, tokenizer) if tokenizer.end_token == "sentence" else None
    return TokenStore(ids, num_characters, num_unknown, text_sha256(texts), tokenizer.end_id, sentences)


def _check_range(ids: Ids, tokenizer: Tokenizer) -> None:
    """Checks that each id has an entry in the vocabulary.

    Raises:
        UserError: an id has none.
    """
    size = len(tokenizer.vocabulary)
    wrong = ids[(ids < 0) | (ids >= size)]
    if len(wrong):
        problem = f"{type(tokenizer).__name__} gives the id {int(wrong[0])}, but its vocabulary has {size} entries"
        raise UserError("tokenizer", None, problem, "lmlab.testing.check_tokenizer checks a tokenizer")


def _sentences(ids: Ids, texts: Sequence[Text], tokenizer: Tokenizer) -> NDArray[np.int64]:
    """Returns the positions at which sentences begin: 0 and after each end token but the last.

    If the text of a sentence contains the end token as a word, the positions are computed from the encoded lengths.
    """
    behind = np.flatnonzero(ids == tokenizer.end_id) + 1
    if len(behind) != len(texts):
        behind = np.cumsum([len(tokenizer.encode(str(text))) + 1 for text in texts])
    return np.concatenate([np.zeros(1, dtype=np.int64), behind[:-1].astype(np.int64)])


def _encoded(texts: Sequence[Text], tokenizer: Tokenizer) -> Iterator[Ids]:
    """Yields the ids of one piece of the texts at a time, in the smallest integer type for the vocabulary.

    Raises:
        UserError: a user's tokenizer gives an id that is not in its vocabulary.
    """
    dtype = id_type(len(tokenizer.vocabulary))
    has_end = tokenizer.end_token in ("document", "sentence") and tokenizer.end_id is not None
    for text in texts:
        for ids in tokenizer.encode_pieces(text) if is_own(tokenizer) else [tokenizer.encode(str(text))]:
            if not is_own(tokenizer):
                _check_range(ids, tokenizer)
            yield ids.astype(dtype, copy=False)
        if has_end:
            yield np.array([tokenizer.end_id], dtype=dtype)


def _cached(path: Path, texts: Sequence[Text], tokenizer: Tokenizer) -> tuple[Ids, int]:
    """Returns the ids in a file of the cache, which is written if need be, and how many of them are unknown."""

    def write(file: BinaryIO) -> None:
        num_unknown = 0
        for ids in _encoded(texts, tokenizer):
            num_unknown += len(ids) - int(np.count_nonzero(ids))
            file.write(ids.data)
        file.write(num_unknown.to_bytes(_COUNT, "little"))

    if kept_size(path) is None:  # missing or damaged
        keep(path, write)
    dtype = id_type(len(tokenizer.vocabulary))
    size = path.stat().st_size - SEAL_LENGTH - _COUNT
    with path.open("rb") as file:
        file.seek(size)
        num_unknown = int.from_bytes(file.read(_COUNT), "little")
    ids: Ids = np.memmap(path, dtype, "r", shape=(size // dtype.itemsize,)) if size else np.zeros(0, dtype)
    return ids, num_unknown
