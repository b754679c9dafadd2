"""A tokenizer with one id per character."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmlab.data.pieces import Text, slices
from lmlab.data.tokenizers.base import END, START, Ids, Streamer, Tokenizer, id_type, special_tokens


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
        # A table over code points; its last entry is that of every character beyond it.
        self._table = np.zeros(int(codes.max(initial=0)) + 2, dtype=id_type(len(self.vocabulary)))
        self._table[codes] = np.arange(len(special), len(special) + len(characters))
        # A string of ASCII is a string of bytes, which Python translates ten times as fast as numpy takes.
        ascii_ids = self._table.take(np.arange(256), mode="clip") * (np.arange(256) < 128)
        self._ascii = ascii_ids.astype(np.uint8).tobytes() if ascii_ids.max() < 256 else None

    def fit(self, texts: Sequence[Text]) -> None:
        """Builds the vocabulary from every distinct character, in the order of code points."""
        found: set[str] = set()
        known = b""  # of ASCII
        for piece in (piece for text in texts for piece in slices(text)):
            new = set(piece.encode("ascii").translate(None, known).decode("ascii") if piece.isascii() else piece)
            found |= new
            known += "".join(filter(str.isascii, new)).encode("ascii")
        self._set(sorted(found))

    def encode(self, text: str) -> Ids:
        """Returns the ids of a text; 0 for an unknown character."""
        ids, start = np.empty(len(text), dtype=np.int32), 0
        for piece in self.encode_pieces(text):
            ids[start : start + len(piece)] = piece
            start += len(piece)
        return ids

    def encode_pieces(self, text: Text) -> Iterator[NDArray[np.integer[Any]]]:
        """Yields the ids of a text that may be long, of one piece at a time."""
        for piece in slices(text):
            if self._ascii is not None and piece.isascii():
                yield np.frombuffer(piece.encode("ascii").translate(self._ascii), dtype=np.uint8)
            else:
                codes = np.frombuffer(piece.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
                yield self._table.take(codes, mode="clip")

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
