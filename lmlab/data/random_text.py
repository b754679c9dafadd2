"""Writes a text of any size from a seed, to measure how long large texts take."""

from __future__ import annotations

from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lmlab.files import write_atomically

_WORDS, _PHRASES, _AT_ONCE = 20_000, 1 << 16, 1 << 16


def write_random_text(path: Path, *, num_bytes: int, seed: int) -> None:
    """Writes a text of made-up lower-case words in lines, the same for the same seed; 2 or 3 seconds for a gigabyte.

    Words are as frequent as Zipf's law has them, the most frequent ones short. They are drawn in phrases of some 25
    characters, so that passages of 100 characters do not occur twice.

    Args:
        path: the file, which is replaced.
        num_bytes: size of the file; each byte is a character.
        seed: 0 or more.
    """
    phrases = _phrases(np.random.default_rng(seed))

    def write(file: BinaryIO) -> None:
        left, part = num_bytes, 0
        while left:
            chosen = np.random.default_rng([seed, part]).integers(_PHRASES, size=_AT_ONCE)
            data = b"".join(itemgetter(*chosen.tolist())(phrases))[:left]
            file.write(data)
            left, part = left - len(data), part + 1

    write_atomically(path, write)


def _phrases(generator: np.random.Generator) -> list[bytes]:
    """Returns phrases of two to six words, one in four at the end of a line."""
    letters = np.array(list("etaoinshrdlucmwfgypbvk"))
    lengths = 2 + np.minimum(9, np.log2(1 + np.arange(_WORDS)) / 2 + generator.random(_WORDS) * 4).astype(int)
    spelled = "".join(letters[generator.integers(len(letters), size=lengths.sum())])
    words = [spelled[end - length : end] for end, length in zip(np.cumsum(lengths), lengths, strict=True)]
    frequencies = 1 / (np.arange(_WORDS) + 2.7)
    sizes = generator.integers(2, 7, size=_PHRASES)
    drawn = generator.choice(_WORDS, size=sizes.sum(), p=frequencies / frequencies.sum())
    ends = np.cumsum(sizes)
    endings = np.where(generator.random(_PHRASES) < 0.25, ".\n", " ")
    return [
        (" ".join(words[i] for i in drawn[end - size : end]) + ending).encode("ascii")
        for end, size, ending in zip(ends.tolist(), sizes.tolist(), endings.tolist(), strict=True)
    ]
