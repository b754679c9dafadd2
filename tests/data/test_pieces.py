"""Long texts piece by piece: the pieces are the text, and no tokenizer can tell."""

from __future__ import annotations

import random
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from lmlab.data import pieces as module
from lmlab.data.pieces import pieces, slices
from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.data.tokenizers.word import WordTokenizer

WHITE = [" ", " ", " ", "\n", "\n", "\n\n", "\t", "\r", "\r\n", "\x1c", "\x85", "\u2028", "\u3000", "\f", "  ", " \n "]
VISIBLE = [
    "a",
    "Bc",
    "ΑΣ",
    "Σ",
    "İ",
    "ß",
    "'",
    "’",
    "_",
    "-",
    "<unk>",
    "<eos>",
    "\u0301",
    "日本",
    "3.5",
    "\ud800",
    "😀",
]


def spaced_text(generator: random.Random, length: int) -> str:
    """Words, marks and every kind of white space; about half of the texts end a line."""
    text = "".join(generator.choice(generator.choice((WHITE, VISIBLE))) for _ in range(length))
    return text + generator.choice(("", "\n", " "))


@pytest.mark.parametrize("length", [1, 5, 40])
def test_the_pieces_put_together_are_the_text(length):
    generator = random.Random(0)
    for _ in range(300):
        text = spaced_text(generator, generator.randrange(80))
        found = list(pieces(text, length=length))
        assert "".join(found) == text
        assert "" not in found
        assert all(len(piece) >= length for piece in found[:-1])


def test_pieces_begin_with_the_white_space_behind_a_word():
    generator = random.Random(1)
    cuts = 0
    for _ in range(300):
        found = list(pieces(spaced_text(generator, 60), length=3))
        for before, after in pairwise(found):
            assert after[0] in " \t\n"
            assert not before[-1].isspace()
            cuts += 1
    assert cuts > 1000


def test_pieces_are_not_much_longer_than_asked():
    text = "word " * 1000
    assert max(map(len, pieces(text, length=50))) <= 50 + len("word ")


def test_a_stretch_without_white_space_stays_whole():
    assert list(pieces("ab" * 500 + " c", length=10)) == ["ab" * 500, " c"]
    assert list(pieces("", length=10)) == []


def test_slices_put_together_are_the_text(monkeypatch):
    monkeypatch.setattr(module, "PIECE", 7)
    for size in (0, 1, 6, 7, 8, 14, 50):
        text = "".join(map(chr, range(200, 200 + size)))
        assert "".join(slices(text)) == text
        assert [len(piece) for piece in slices(text)][:-1] == [7] * max(0, -(-size // 7) - 1)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("end_token", [None, "line", "document"])
@pytest.mark.parametrize("split", ["punctuation", "whitespace"])
def test_words_of_pieces_are_those_of_the_whole(split, end_token, lower, monkeypatch):
    generator = random.Random(2)
    options = {"end_token": end_token, "lower": lower, "split": split, "min_frequency": 2, "max_size": 30}
    for _ in range(150):
        texts = [spaced_text(generator, generator.randrange(60)) for _ in range(2)]
        results = []
        for size in (10**9, generator.choice((1, 2, 7, 30))):
            monkeypatch.setattr(module, "PIECE", size)
            tokenizer = WordTokenizer(**options)
            tokenizer.fit(texts)
            ids = [tokenizer.encode(text).tolist() for text in texts]
            unfamiliar = tokenizer.unknown(texts[0] + "ζ a Ψ")
            results.append((tokenizer.vocabulary, ids, [tokenizer.words(text) for text in texts], unfamiliar))
        assert results[0] == results[1], texts


@pytest.mark.parametrize("end_token", [None, "line"])
def test_words_of_pieces_are_counted_as_a_plain_split_counts_them(end_token, monkeypatch):
    monkeypatch.setattr(module, "PIECE", 5)
    options = {"lower": False, "split": "whitespace", "min_frequency": 1, "max_size": None}
    tokenizer = WordTokenizer(end_token=end_token, **options)
    text = " a b \n\n\nlonger words , here \n = c = \r\n last"
    tokenizer.fit([text])
    lines = text.split("\n")
    ends = ["<eos>"] if end_token == "line" else []
    expected = [word for line in lines for word in [*line.split(), *ends]]
    assert [tokenizer.vocabulary[i] for i in tokenizer.encode(text)] == expected


def test_characters_of_pieces_are_those_of_the_whole(monkeypatch):
    generator = random.Random(3)
    for _ in range(100):
        text = spaced_text(generator, generator.randrange(60))
        tokenizer = CharTokenizer(end_token=None)
        tokenizer.fit([text[::2]])
        monkeypatch.setattr(module, "PIECE", 10**9)
        whole = tokenizer.encode(text)
        monkeypatch.setattr(module, "PIECE", generator.choice((1, 3, 16)))
        assert np.array_equal(tokenizer.encode(text), whole)
        assert whole.tolist() == [tokenizer.vocabulary.index(c) if c in tokenizer.vocabulary else 0 for c in text]


def peak_bytes(work) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_a_multiple_of_the_text(monkeypatch):
    """Ids take 4 bytes each, twice while they are put together; words as Python strings would take 60 or more."""
    monkeypatch.setattr(module, "PIECE", 10_000)
    text = "one two three four " * 40_000
    words = WordTokenizer(end_token=None, lower=True, split="punctuation", min_frequency=1, max_size=None)
    assert peak_bytes(lambda: words.fit([text])) < 3_000_000
    assert peak_bytes(lambda: words.encode(text)) < 3 * 4 * 160_000 + 1_500_000
    characters = CharTokenizer(end_token=None)
    characters.fit([text])
    assert peak_bytes(lambda: characters.encode(text)) < 4 * len(text) + 500_000
