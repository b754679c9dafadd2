"""A tokenizer with one id per character."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lmlab.data.pieces import slices
from lmlab.data.tokenizers.base import END, START, Ids, Streamer, Tokenizer, special_tokens


class CharTokenizer(Tokenizer):
    """A tokenizer with one id per character. Exact: ``decode(encode(text)) == text`` for a text of known characters.

    Args:
        end_token: ``document`` puts an end token after each document; ``sentence`` puts one after each sentence and a
            start token before it; None uses neither.
    """

    type_name = "char"
    unit = "character"

    def __init__(self, *, end_token: str | None) -> None:
        self.end_token = end_token
        self._set([])

    def _set(self, characters: Sequence[str]) -> None:
        special = special_tokens(self.end_token)
        self.vocabulary: list[str] = [*special, *characters]
        codes = np.array([ord(c) for c in characters], dtype=np.int64)
        # A table over code points: a megabyte of text is encoded in about a millisecond.
        self._table = np.zeros(int(codes.max(initial=0)) + 2, dtype=np.int32)
        self._table[codes] = np.arange(len(special), len(special) + len(characters), dtype=np.int32)

    def fit(self, texts: Sequence[str]) -> None:
        """Builds the vocabulary from every distinct character, in the order of code points."""
        self._set(sorted(set().union(*map(set, texts))))

    def encode(self, text: str) -> Ids:
        """Returns the ids of a text; 0 for an unknown character."""
        ids = np.empty(len(text), dtype=np.int32)
        start = 0
        for piece in slices(text):
            codes = np.frombuffer(piece.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
            ids[start : start + len(piece)] = self._table[np.minimum(codes, len(self._table) - 1)]
            start += len(piece)
        return ids

    def streamer(self) -> Streamer:
        """Returns a new streaming decoder."""
        return _CharStreamer(self.vocabulary)

    def unknown(self, text: str) -> list[str]:
        """Returns the distinct unknown characters, in order of appearance."""
        known = set(self.vocabulary)
        return [c for c in dict.fromkeys(text) if c not in known]

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Restores the vocabulary from what `learned` returned."""
        self._set(learned["vocabulary"][len(special_tokens(self.end_token)) :])


class _CharStreamer:
    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._vocabulary = vocabulary

    def push(self, token_id: int) -> str:
        entry = self._vocabulary[token_id]
        return "" if entry in (END, START) else entry
