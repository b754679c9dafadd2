"""Text of any size, made from a seed: words by Zipf's law, in lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

NUM_WORDS = 50_000
# One word in so many ends its line.
_WORDS_PER_LINE = 20
_WORDS_AT_ONCE = 1_000_000
_SYLLABLES = [consonant + vowel for consonant in "bdfghklmnprstvwz" for vowel in "aeiou"]


def word(number: int) -> str:
    """Returns a word, shorter for smaller numbers as frequent words are, and another one for each number."""
    syllables = [_SYLLABLES[number % len(_SYLLABLES)]]
    while number := number // len(_SYLLABLES):
        number -= 1
        syllables.append(_SYLLABLES[number % len(_SYLLABLES)])
    return "".join(syllables)


def made_text(num_bytes: int, *, seed: int = 0) -> Iterator[bytes]:
    """Yields parts of an ASCII text of so many bytes, the same for a seed; a larger one begins with a smaller one.

    The word of rank r has a probability of about 1 / r, as in natural text.
    """
    generator = np.random.default_rng(seed)
    words = [word(number).encode() for number in range(NUM_WORDS)]
    entries = [end for one in words for end in (one + b" ", one + b"\n")]
    left = num_bytes
    while left > 0:
        # floor(N^u) - 1 for uniform u has the distribution log((r + 1) / r) / log N of rank r, counted from 1.
        ranks = (NUM_WORDS ** generator.random(_WORDS_AT_ONCE)).astype(np.int64) - 1
        ends = generator.random(_WORDS_AT_ONCE) < 1 / _WORDS_PER_LINE
        part = b"".join(map(entries.__getitem__, (2 * ranks + ends).tolist()))[:left]
        left -= len(part)
        yield part


def write_made_text(path: Path, num_bytes: int, *, seed: int = 0) -> None:
    """Writes a made text to a file."""
    with path.open("wb") as file:
        for part in made_text(num_bytes, seed=seed):
            file.write(part)
