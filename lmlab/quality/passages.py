"""Passages of one text that occur in another, exactly: found by rolling hashes, decided by the characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from lmlab.data.pieces import pieces

Positions = NDArray[np.int64]
Hashes = NDArray[np.uint64]

# Odd, so that it has an inverse modulo 2^64.
BASE = 0x9E3779B97F4A7C15
# Windows hashed at once: their arrays stay in the processor's cache.
CHUNK = 1 << 15
# Slots of the table that tells most windows off before the exact look-up: 2^20 to 2^27 bytes.
_SLOT_BITS = (20, 27)


def as_compared(text: str, *, by_character: bool) -> str:
    """The text as a model of its unit reads it: a copy with other line ends is one for words, but not for characters.

    Args:
        text: any.
        by_character: leaves it as it is; else it is lower-cased and each stretch of white space becomes one blank.
    """
    if by_character:
        return text
    return " ".join(filter(None, (" ".join(piece.lower().split()) for piece in pieces(text))))


def unused_characters(texts: Sequence[str], count: int) -> list[str]:
    """Characters that occur in none of the texts, so that nothing which is found can reach across one of them."""
    possible = map(chr, chain(range(0xD800), range(0xE000, 0x110000)))
    return list(islice((c for c in possible if not any(c in text for text in texts)), count))


def find_windows(wanted: str, text: str, length: int) -> Positions:
    """Where each window of one text occurs in another.

    Time is that of hashing both texts once, some hundredths of a second a million characters; memory beside them is
    about 60 bytes a character of `wanted` and nothing of `text`.

    Args:
        wanted: (N,) characters.
        text: what is searched.
        length: characters of a window, at least 1.

    Returns:
        (N - length + 1,) the position in `text` of an occurrence of each window, -1 where there is none; of no length
        where `wanted` is shorter than a window.

    Source: Karp and Rabin 1987, Efficient randomized pattern-matching algorithms; here with a fixed base modulo 2^64,
    as the characters are compared in the end and the hash decides nothing.
    """
    if length < 1:
        raise ValueError(f"length must be 1 or more, not {length}")
    if min(len(wanted), len(text)) < length:
        return np.full(max(0, len(wanted) - length + 1), -1, dtype=np.int64)
    keys, key_of = np.unique(_all_hashes(wanted, length), return_inverse=True)
    places = _places(keys, text, length)[key_of]
    _verify(places, wanted, text, length)
    return places


def regions(wanted: str, text: str, length: int) -> list[str]:
    """Distinct parts of a text that together hold everything of at least `length` characters it shares with `wanted`.

    A part may hold other text as well. Where `wanted` is short they are few: a search in them is a search in `text`.

    Args:
        wanted: what may be shared.
        text: what is searched.
        length: characters, at least 1.
    """
    if min(len(wanted), len(text)) < length:
        return []
    table = _Table(np.unique(_all_hashes(wanted, length)))
    firsts, lasts = [], []  # of stretches of neighbouring windows that may be shared
    for start, hashes in _hashes(text, length):
        shared = table.among(hashes) + start
        if len(shared):
            gaps = np.flatnonzero(np.diff(shared) > 1)
            firsts.append(shared[np.append(0, gaps + 1)])
            lasts.append(shared[np.append(gaps, len(shared) - 1)])
    if not firsts:
        return []
    first, last = np.concatenate(firsts), np.concatenate(lasts)
    # A stretch that goes on in the next chunk is one.
    apart = first[1:] > last[:-1] + 1
    first, last = first[np.append(True, apart)], last[np.append(apart, True)]
    bounds = zip(first.tolist(), (last + length).tolist(), strict=True)
    return list(dict.fromkeys(text[start:end] for start, end in bounds))


def _places(keys: Hashes, text: str, length: int) -> Positions:
    """Where in the text the first window with each hash is (of sorted, distinct hashes); -1 for nowhere."""
    places = np.full(len(keys), -1, dtype=np.int64)
    # Hashes that were met are taken out now and then, so that a text of nothing but matches is not slow.
    left, numbers = keys, np.arange(len(keys))
    num_met = 0
    table = _Table(left)
    for start, hashes in _hashes(text, length):
        at = table.among(hashes)
        number = np.minimum(np.searchsorted(left, hashes[at]), len(left) - 1)
        met = left[number] == hashes[at]
        number, at = numbers[number[met]], at[met]
        new = places[number] < 0
        number, first = np.unique(number[new], return_index=True)
        places[number] = start + at[new][first]
        num_met += len(number)
        if 2 * num_met >= len(left):
            numbers = numbers[places[numbers] < 0]
            left, num_met = keys[numbers], 0
            if not len(left):
                break
            table = _Table(left)
    return places


def _verify(places: Positions, wanted: str, text: str, length: int) -> None:
    """Compares the characters, in place; where two windows only share a hash, the text is searched for the window."""
    found = np.flatnonzero(places >= 0)
    if not len(found):
        return
    # Neighbours that were found at neighbouring places are compared as one.
    apart = np.flatnonzero((np.diff(found) != 1) | (np.diff(places[found]) != 1))
    starts = found[np.append(0, apart + 1)]
    ends = found[np.append(apart, len(found) - 1)] + length
    for start, end, place in zip(starts.tolist(), ends.tolist(), places[starts].tolist(), strict=True):
        if wanted[start:end] != text[place : place + end - start]:
            for i in range(start, end - length + 1):
                places[i] = text.find(wanted[i : i + length])


class _Table:
    """Which values the leading bits of some hashes take: tells most of the others off at once.

    Args:
        keys: the hashes, at least one.
    """

    def __init__(self, keys: Hashes) -> None:
        least, most = _SLOT_BITS
        bits = min(max(least, (16 * len(keys)).bit_length()), most)
        self._shift = np.uint64(64 - bits)
        self._slots = np.zeros(1 << bits, dtype=np.bool_)
        self._slots[keys >> self._shift] = True

    def among(self, hashes: Hashes) -> Positions:
        """Positions of the hashes that may be keys: of all that are, and of a few others."""
        # As int64, for numpy takes no other index without a copy.
        return np.flatnonzero(self._slots.take((hashes >> self._shift).view(np.int64)))


def _all_hashes(text: str, length: int) -> Hashes:
    return np.concatenate([hashes for _, hashes in _hashes(text, length)])


def _hashes(text: str, length: int) -> Iterator[tuple[int, Hashes]]:
    """Hashes of all windows, chunk by chunk: sum of code(i) BASE^i modulo 2^64, i from 1 at the window's start.

    From 1, as from 0 windows that differ in their first character alone would differ in the lowest bits alone.

    Yields:
        The position of the first window and the hash of each.
    """
    powers = _powers(BASE, min(CHUNK + length - 1, len(text)), first=BASE)
    inverses = _powers(pow(BASE, -1, 1 << 64), min(CHUNK, len(text)), first=1)
    for start in range(0, len(text) - length + 1, CHUNK):
        piece = text[start : start + CHUNK + length - 1].encode("utf-32-le", errors="surrogatepass")
        sums = np.zeros(len(piece) // 4 + 1, dtype=np.uint64)
        sums[1:] = np.frombuffer(piece, dtype="<u4")
        sums[1:] *= powers[: len(sums) - 1]
        np.cumsum(sums, out=sums)
        hashes = sums[length:] - sums[:-length]
        # Taken back by the power of the window's own position, so that it does not depend on where the window stands.
        hashes *= inverses[: len(hashes)]
        yield start, hashes


def _powers(base: int, count: int, *, first: int) -> Hashes:
    factors = np.full(count, base, dtype=np.uint64)
    factors[0] = first
    return np.cumprod(factors, dtype=np.uint64)
