"""Text that a benchmark makes: the same for a seed, of the size asked for, with words as frequent as natural ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lmlab.benchmarks.made_text import NUM_WORDS, made_text, word, write_made_text

TEXT = b"".join(made_text(300_000))


def test_it_has_the_size_that_was_asked_for_and_follows_from_its_seed(tmp_path: Path) -> None:
    assert len(TEXT) == 300_000
    assert b"".join(made_text(300_000)) == TEXT
    assert b"".join(made_text(1000)) == TEXT[:1000]
    assert b"".join(made_text(1000, seed=1)) != TEXT[:1000]
    write_made_text(tmp_path / "text.txt", 1000)
    assert (tmp_path / "text.txt").read_bytes() == TEXT[:1000]


def test_every_word_is_another_one() -> None:
    words = [word(number) for number in range(NUM_WORDS)]
    assert len(set(words)) == NUM_WORDS
    assert all(one.isascii() and one.isalpha() for one in words)


def test_words_follow_zipfs_law_in_lines() -> None:
    words = TEXT.decode().split()
    counts = Counter(words)
    # Probability about 1 / rank: ranks 1 and 2 have the share of ranks 3 to 8.
    high, low = (sum(counts[word(rank - 1)] for rank in ranks) for ranks in (range(1, 3), range(3, 9)))
    assert high == pytest.approx(low, rel=0.1)
    assert len(words) / TEXT.count(b"\n") == pytest.approx(20, rel=0.1)
