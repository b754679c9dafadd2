"""The ids of a split in one array: in memory if small, memory-mapped and cached by content if large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmlab.data.cache import CACHED_FROM, cache_folder, keep, kept_size, key_of, text_sha256
from lmlab.data.tokenizers.base import Ids, Tokenizer
from lmlab.data.tokenizers.saved import is_own, to_json
from lmlab.errors import UserError

# Ids of the special tokens, the same in every vocabulary; only vocabularies for sentences have the start token.
UNKNOWN_ID = 0
START_ID = 2


@dataclass(frozen=True)
class TokenStore:
    """A split as ids.

    Args:
        ids: (N,) int32, end tokens included.
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

    @property
    def num_targets(self) -> int:
        """The number of predicted tokens: all; without an end token to predict the first from, all but the first."""
        return len(self.ids) if self.end_id is not None else max(0, len(self.ids) - 1)

    @property
    def unk_rate(self) -> float:
        """Share of unknown tokens."""
        return self.num_unknown / max(1, len(self.ids))


def build(texts: Sequence[str], tokenizer: Tokenizer, *, cached_from: int = CACHED_FROM) -> TokenStore:
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
        ids = _encode(texts, tokenizer)
    else:
        key = key_of(texts, to_json(tokenizer))
        ids = _cached(cache_folder() / "tokens" / f"{key}.npy", texts, tokenizer)
    if not is_own(tokenizer):
        _check_range(ids, tokenizer)
    num_unknown = len(ids) - int(np.count_nonzero(ids))
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


def _sentences(ids: Ids, texts: Sequence[str], tokenizer: Tokenizer) -> NDArray[np.int64]:
    """Returns the positions at which sentences begin: 0 and after each end token but the last.

    If the text of a sentence contains the end token as a word, the positions are computed from the encoded lengths.
    """
    behind = np.flatnonzero(ids == tokenizer.end_id) + 1
    if len(behind) != len(texts):
        behind = np.cumsum([len(tokenizer.encode(text)) + 1 for text in texts])
    return np.concatenate([np.zeros(1, dtype=np.int64), behind[:-1].astype(np.int64)])


def _encode(texts: Sequence[str], tokenizer: Tokenizer) -> Ids:
    parts: list[NDArray[np.int32]] = []
    for text in texts:
        parts.append(tokenizer.encode(text))
        if tokenizer.end_token in ("document", "sentence") and tokenizer.end_id is not None:
            parts.append(np.array([tokenizer.end_id], dtype=np.int32))
    if len(parts) == 1:
        return parts[0]  # one large document is not copied
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)


def _cached(path: Path, texts: Sequence[str], tokenizer: Tokenizer) -> Ids:
    if kept_size(path) is None:  # missing, damaged, or written by an older lmlab, which stored no digest
        keep(path, lambda file: np.save(file, _encode(texts, tokenizer)))
    ids: Ids = np.load(path, mmap_mode="r", allow_pickle=False)
    return ids
