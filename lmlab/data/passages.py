"""Finds passages of one text in another exactly: candidates by rolling hashes, confirmed by comparing characters."""

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
# Windows hashed at once, so few that their arrays fit into the processor's cache.
CHUNK = 1 << 15
# Bits of the table that rules out most windows before the exact look-up, which has 2^20 to 2^27 bytes.
_SLOT_BITS = (20, 27)


def as_compared(text: str, *, by_character: bool) -> str:
    """Returns the text in the form in which it is compared, which depends on the tokens of the model.

    Args:
        text: any.
        by_character: if True, the text is unchanged. Otherwise it is lower-cased and each run of white space becomes
            one space.
    """
    if by_character:
        return text
    return " ".join(filter(None, (" ".join(piece.lower().split()) for piece in pieces(text))))


def unused_characters(texts: Sequence[str], count: int) -> list[str]:
    """Returns characters that occur in none of the texts, to be used as separators."""
    possible = map(chr, chain(range(0xD800), range(0xE000, 0x110000)))
    return list(islice((c for c in possible if not any(c in text for text in texts)), count))


def find_windows(wanted: str, text: str, length: int) -> Positions:
    """Finds where each window of one text occurs in another.

    Both texts are hashed once, which takes some hundredths of a second for a million characters. Needs about 60 bytes
    of memory for a character of `wanted` and none for `text`.

    Args:
        wanted: (N,) characters.
        text: to search in.
        length: characters of a window, at least 1.

    Returns:
        (N - length + 1,) the position in `text` of an occurrence of each window, -1 if there is none; empty if `wanted`
        is shorter than a window.

    Source: Karp and Rabin 1987, Efficient randomized pattern-matching algorithms; here with a fixed base modulo 2^64,
    which is enough because the characters themselves are compared in the end.
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
    """Returns different parts of a text that contain every passage of `length` or more characters shared with `wanted`.

    The parts may contain other text too. If `wanted` is short they are small, and searching them replaces a search in
    the whole text.

    Args:
        wanted: the text to compare with.
        text: to search in.
        length: characters, at least 1.
    """
    if min(len(wanted), len(text)) < length:
        return []
    table = _Table(np.unique(_all_hashes(wanted, length)))
    firsts, lasts = [], []  # first and last windows of each run of neighbouring windows that may be shared
    for start, hashes in _hashes(text, length):
        shared = table.among(hashes) + start
        if len(shared):
            gaps = np.flatnonzero(np.diff(shared) > 1)
            firsts.append(shared[np.append(0, gaps + 1)])
            lasts.append(shared[np.append(gaps, len(shared) - 1)])
    if not firsts:
        return []
    first, last = np.concatenate(firsts), np.concatenate(lasts)
    # A run that continues in the next chunk is one.
    apart = first[1:] > last[:-1] + 1
    first, last = first[np.append(True, apart)], last[np.append(apart, True)]
    bounds = zip(first.tolist(), (last + length).tolist(), strict=True)
    return list(dict.fromkeys(text[start:end] for start, end in bounds))


def _places(keys: Hashes, text: str, length: int) -> Positions:
    """Returns the position in the text of the first window with each of the sorted, distinct hashes; -1 if none."""
    places = np.full(len(keys), -1, dtype=np.int64)
    # Hashes that were found are removed from time to time, so that a text with many matches is not slow.
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
    """Compares the characters and corrects `places`; searches the text for windows of which only the hashes agree."""
    found = np.flatnonzero(places >= 0)
    if not len(found):
        return
    # Neighbouring windows that were found at neighbouring places are compared together.
    apart = np.flatnonzero((np.diff(found) != 1) | (np.diff(places[found]) != 1))
    starts = found[np.append(0, apart + 1)]
    ends = found[np.append(apart, len(found) - 1)] + length
    for start, end, place in zip(starts.tolist(), ends.tolist(), places[starts].tolist(), strict=True):
        if wanted[start:end] != text[place : place + end - start]:
            for i in range(start, end - length + 1):
                places[i] = text.find(wanted[i : i + length])


class _Table:
    """A table of the leading bits of some hashes, which rules out most other hashes quickly.

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
        """Returns the positions of hashes that may be keys: all that are, and a few others."""
        # Viewed as int64, because numpy copies indices of any other type.
        return np.flatnonzero(self._slots.take((hashes >> self._shift).view(np.int64)))


def _all_hashes(text: str, length: int) -> Hashes:
    return np.concatenate([hashes for _, hashes in _hashes(text, length)])


def _hashes(text: str, length: int) -> Iterator[tuple[int, Hashes]]:
    """Yields hashes of all windows in chunks: sum of code(i) BASE^i modulo 2^64, with i from 1 at the window's start.

    With i from 0, windows that differ only in their first character would differ only in the lowest bits.

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
        # Divided by the power of the window's position, so that the hash does not depend on it.
        hashes *= inverses[: len(hashes)]
        yield start, hashes


def _powers(base: int, count: int, *, first: int) -> Hashes:
    factors = np.full(count, base, dtype=np.uint64)
    factors[0] = first
    return np.cumprod(factors, dtype=np.uint64)
