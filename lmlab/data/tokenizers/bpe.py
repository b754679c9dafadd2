"""Byte-level byte-pair encoding: any text in a vocabulary of a chosen size, nothing unknown."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tokenizers

from lmlab.data.pieces import Text, pieces
from lmlab.data.tokenizers.base import UNKNOWN, Ids, Streamer, Tokenizer, special_tokens, whole

# Characters of a piece for the library's trainer, which takes 256 pieces at once; and the maximum number of stretches
# whose ids are remembered while one text is encoded.
_TRAINING_PIECE = 50_000
_REMEMBERED = 200_000

# Unicode's white space. GPT-2's expression never joins a visible character with the white space after it. So each
# stretch (white space and the word after it) can be encoded separately, and each distinct one only once.
_WHITE = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_STRETCH = re.compile(f"[{_WHITE}]*[^{_WHITE}]+|[{_WHITE}]+")
# Characters of one kind (letters, numbers, white space, others) in a row, after which a word is cut; no word of a text
# is as long, and the time for a longer one would grow with its square.
_LONGEST = 1_000
_SURROGATE = re.compile("[\ud800-\udfff]")

# The library's threads do not survive a fork. With this setting, versions before 0.23 do not warn in the child.
if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=lambda: os.environ.setdefault("TOKENIZERS_PARALLELISM", "false"))


def _byte_symbols() -> dict[str, int]:
    """Returns the visible characters that represent bytes in the library, in the order of their code points.

    Source: Radford et al. 2019 (GPT-2), `bytes_to_unicode` of its code.
    """
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + i): byte for i, byte in enumerate(hidden)}


_BYTES = _byte_symbols()


class BPETokenizer(Tokenizer):
    """Byte-level byte-pair encoding. Exact: ``decode(encode(text)) == text`` for every text.

    A lone surrogate, which no encoding of Unicode can hold, is read as U+FFFD. GPT-2's regular expression splits words
    from each other before any merging, and a word ends after 1,000 characters; nothing is normalised. The entries of
    the vocabulary are text; bytes that are not a whole character are shown as ``\\xe2``.

    Args:
        end_token: ``document`` puts an end token after each document; ``sentence`` puts one after each sentence and a
            start token before it; None uses neither.
        vocabulary_size: maximum number of entries, the 256 bytes and the special tokens included.
        min_frequency: pairs that occur less often are not merged.

    Source: Sennrich et al. 2016 (arXiv:1508.07909), algorithm 1; over bytes as in Radford et al. 2019 (GPT-2).
    """

    type_name = "bpe"
    unit = "piece"

    def __init__(self, *, end_token: str | None, vocabulary_size: int, min_frequency: int) -> None:
        self.end_token = end_token
        self.vocabulary_size = vocabulary_size
        self.min_frequency = min_frequency
        self._special = special_tokens(end_token)
        self._set([])

    def _set(self, merges: Sequence[tuple[int, int]]) -> None:
        """Sets the merges and the vocabulary that they produce.

        Args:
            merges: pairs of ids, in order. Each merge gets the next id, unless its text is in the vocabulary already.

        Raises:
            ValueError: a pair with an id that does not exist yet.
        """
        first = len(self._special)
        symbols = dict(zip(_BYTES, range(first, first + len(_BYTES)), strict=True))
        by_id = [*self._special, *symbols]
        for left, right in merges:
            if not (first <= left < len(by_id) and first <= right < len(by_id)):
                raise ValueError(f"no entries {left} and {right} to merge")
            merged = by_id[left] + by_id[right]
            if merged not in symbols:
                symbols[merged] = len(by_id)
                by_id.append(merged)
        self._merges = [(left, right) for left, right in merges]
        self._entries = [b"".join(_BYTES[c].to_bytes() for c in symbol) for symbol in symbols]
        self.vocabulary: list[str] = [*self._special, *(e.decode(errors="backslashreplace") for e in self._entries)]
        self._library = _library(symbols, [(by_id[left], by_id[right]) for left, right in merges])

    def fit(self, texts: Sequence[Text]) -> None:
        """Merges the most frequent pair repeatedly; of equally frequent pairs, the one with the lowest ids."""
        trained = _library({}, [])
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=self.vocabulary_size - len(self._special),
            min_frequency=self.min_frequency,
            initial_alphabet=list(_BYTES),
            special_tokens=[],  # markup in a text is treated as text
            show_progress=False,
        )
        trained.train_from_iterator(_training_pieces(texts), trainer)
        model = json.loads(trained.to_str())["model"]
        ids, first = model["vocab"], len(self._special)
        self._set([(first + ids[left], first + ids[right]) for left, right in model["merges"]])

    def encode(self, text: str) -> Ids:
        """Returns the ids of a text."""
        return whole(self.encode_pieces(text))

    def encode_pieces(self, text: Text) -> Iterator[Ids]:
        """Yields the ids of a text that may be long, of one piece at a time."""
        known: dict[str, bytes] = {}
        for piece in pieces(text):
            stretches = _stretches(_without_surrogates(piece))
            new = [stretch for stretch in dict.fromkeys(stretches) if stretch not in known]
            encodings = self._library.encode_batch_fast(new, add_special_tokens=False)
            known.update((s, np.array(e.ids, dtype=np.int32).tobytes()) for s, e in zip(new, encodings, strict=True))
            yield np.frombuffer(b"".join(map(known.__getitem__, stretches)), dtype=np.int32)
            if len(known) > _REMEMBERED:
                known.clear()

    def decode(self, ids: Iterable[int]) -> str:
        """Returns the text of ids; an end token adds nothing, bytes that are not a character become U+FFFD."""
        streamer = _ByteStreamer(self._entries, len(self._special))
        return "".join(streamer.push(i) for i in ids) + streamer.flush()

    def streamer(self) -> Streamer:
        """Returns a new streaming decoder, which holds back the bytes of a character until it is complete."""
        return _ByteStreamer(self._entries, len(self._special))

    def unknown(self, text: str) -> list[str]:
        """Returns an empty result: every text is made of bytes, and all bytes are in the vocabulary."""
        return []

    def learned(self) -> dict[str, Any]:
        """Returns the vocabulary, and the merges as pairs of ids."""
        return {**super().learned(), "merges": [list(pair) for pair in self._merges]}

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Restores the merges and the vocabulary from what `learned` returned.

        Raises:
            ValueError: the merges do not produce this vocabulary.
        """
        self._set(learned["merges"])
        if self.vocabulary != learned["vocabulary"]:
            raise ValueError("vocabulary and merges do not belong together")


class _ByteStreamer:
    def __init__(self, entries: Sequence[bytes], num_special: int) -> None:
        self._entries = entries
        self._num_special = num_special
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id: int) -> str:
        if token_id >= self._num_special:
            return self._decoder.decode(self._entries[token_id - self._num_special])
        return self.flush() + (UNKNOWN if token_id == 0 else "")

    def flush(self) -> str:
        """Returns the text for the remaining bytes of a character that was never completed."""
        return self._decoder.decode(b"", final=True)


def _library(symbols: dict[str, int], merges: list[tuple[str, str]]) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=symbols, merges=merges))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    return made


def _training_pieces(texts: Iterable[Text]) -> Iterator[str]:
    for text in texts:
        for piece in map(_without_surrogates, pieces(text, length=_TRAINING_PIECE)):
            if max(map(len, _STRETCH.findall(piece))) <= _LONGEST:
                yield piece
            else:
                yield from _stretches(piece)


def _stretches(text: str) -> list[str]:
    """Returns the parts of a text that are encoded separately."""
    stretches: list[str] = _STRETCH.findall(text)
    if max(map(len, stretches), default=0) <= _LONGEST:
        return stretches
    return [part for stretch in stretches for part in ([stretch] if len(stretch) <= _LONGEST else _cut(stretch))]


def _cut(stretch: str) -> Iterator[str]:
    """Yields the parts of a stretch, cut after each `_LONGEST` characters of one kind in a row.

    The kinds are those of GPT-2's expression, so a stretch whose words are shorter is not cut.
    """
    start, length, before = 0, 0, ""
    for i, character in enumerate(stretch):
        kind = _kind(character)
        length = length + 1 if kind == before else 1
        before = kind
        if length > _LONGEST:
            yield stretch[start:i]
            start, length = i, 1
    yield stretch[start:]


def _kind(character: str) -> str:
    if character.isalpha():
        return "letter"
    if character.isnumeric():
        return "number"
    return "white space" if character.isspace() else "other"


def _without_surrogates(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)
