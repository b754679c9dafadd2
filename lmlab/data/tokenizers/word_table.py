"""Looks up the ids of many words at once, several times as fast as a dictionary gives those of one after the other."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lmlab.data.tokenizers.base import Ids

Keys = NDArray[np.uint64]

# Bytes of UTF-8 of the longest word in the table: two numbers of 64 bits.
_LONGEST = 16
# Slots of the table for each word. With four, one in ten words has to be looked up in the dictionary, a rare one.
_SLOTS = 4
_MULTIPLIERS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
# The first bytes of a number, none to all.
_MASKS = np.array([(1 << 8 * count) - 1 for count in range(9)], dtype=np.uint64)
# Bytes for a character, and share of words that are not in the table, with which the dictionary alone is faster.
_MOST_BYTES, _MOST_OTHERS = 1.2, 0.1
# Where `str.split` splits besides ASCII's white space, and what would end a word in the table.
_OTHER = re.compile("[\x00\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")


class WordTable:
    """The ids of words, for texts that are split at white space.

    A word of up to 16 bytes is two numbers, which are compared with those of the word in one slot of a hash table. All
    others, and the words that have lost their slot to a more frequent one, are looked up in the dictionary.

    Args:
        ids: by word, the most frequent first; no other word is known.
    """

    def __init__(self, ids: Mapping[str, int]) -> None:
        self._ids = ids
        encoded = [(word.encode("utf-8", errors="surrogatepass"), i) for word, i in ids.items()]
        short = [(word, i) for word, i in encoded if len(word) <= _LONGEST]
        keys = np.frombuffer(b"".join(word.ljust(_LONGEST, b"\0") for word, _ in short), dtype="<u8").reshape(-1, 2)
        # Row 0 is that of an empty slot: no word.
        self._keys = np.concatenate([np.zeros((1, 2), dtype=np.uint64), keys.astype(np.uint64)]).T.copy()
        self._values = np.array([0, *(i for _, i in short)], dtype=np.int32)
        bits = (_SLOTS * len(short) + 1).bit_length()
        self._shift = np.uint64(64 - bits)
        self._slots = np.zeros(1 << bits, dtype=np.int32)
        # Of two words for a slot, the last one written has it.
        rows = np.arange(len(short), 0, -1, dtype=np.int32)
        self._slots[self._hash(self._keys[0, rows], self._keys[1, rows])] = rows

    def _hash(self, first: Keys, second: Keys) -> NDArray[np.int64]:
        mixed = first * _MULTIPLIERS[0] ^ second * _MULTIPLIERS[1]
        mixed ^= mixed >> np.uint64(32)
        mixed *= _MULTIPLIERS[0]
        return (mixed >> self._shift).view(np.int64)

    def encode(self, text: str) -> Ids | None:
        """Returns the ids of the words of `text.split()`, 0 for an unknown word; None for a text that is not for it.

        That is one with white space beyond ASCII, or in which many words are not in the table: in most scripts, a word
        of 16 bytes is short.

        Args:
            text: of some hundred thousand characters, for which some megabytes are needed.
        """
        # With room to read two numbers at the last word, which ends before the first of these spaces.
        data = text.encode("utf-8", errors="surrogatepass") + b" " * (2 * _LONGEST)
        if len(data) - 2 * _LONGEST > _MOST_BYTES * len(text) or _OTHER.search(text):
            return None
        characters = np.frombuffer(data, dtype=np.uint8)
        is_space = (characters == 32) | (characters - np.uint8(9) < 5) | (characters - np.uint8(28) < 4)
        borders = np.flatnonzero(is_space[1:] != is_space[:-1]) + 1
        if not is_space[0]:
            borders = np.append(0, borders)
        starts, ends = borders[0::2], borders[1::2]
        lengths = ends - starts
        # The number at each byte: (N - 7,), of which those at the words are taken.
        numbers = np.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,)).astype(np.uint64)
        first = numbers.take(starts) & _MASKS.take(lengths, mode="clip")
        second = numbers.take(starts + 8) & _MASKS.take(lengths - 8, mode="clip")
        rows = self._slots.take(self._hash(first, second))
        ids = self._values.take(rows)
        others = (self._keys[0].take(rows) != first) | (self._keys[1].take(rows) != second) | (lengths > _LONGEST)
        if np.count_nonzero(others) > _MOST_OTHERS * len(ids):
            return None
        for place in np.flatnonzero(others).tolist():
            word = data[starts[place] : ends[place]].decode("utf-8", errors="surrogatepass")
            ids[place] = self._ids.get(word, 0)
        return ids
