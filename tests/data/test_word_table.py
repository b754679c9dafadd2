"""The table of words against a dictionary."""

from __future__ import annotations

import random

import pytest

from lmlab.data.tokenizers import word as module
from lmlab.data.tokenizers import word_table
from lmlab.data.tokenizers.word import WordTokenizer
from lmlab.data.tokenizers.word_table import WordTable

SPACES = [" ", " ", " ", "\n", "\t", "\x0b", "\x0c", "\r", "\x1c", "\x1f", "  "]
# Not white space: control characters; prefixes of each other; exactly 8, 16 and 17 bytes.
WORDS = [
    "a",
    "ab",
    "abc",
    "\x01",
    "\x08x",
    "\x1b",
    "\x7f",
    "exactly8",
    "exactly.",
    "exactly8exactly8",
    "exactly8exactly.",
    "x" * 17,
]
WORDS += ["exactly8exactly8more", "x" * 40, "é", "née", "a\u0301", "<unk>", "<eos>", "<bos>"]


def texts(words: list[str], spaces: list[str]) -> list[str]:
    generator = random.Random(0)
    made = []
    for _ in range(200):
        made.append("".join(generator.choice(words) + generator.choice(spaces) for _ in range(generator.randrange(40))))
        made.append(generator.choice(spaces) + made[-1].rstrip())
    return made


@pytest.mark.parametrize("known", [WORDS, WORDS[::2], [str(i) for i in range(3000)], []])
def test_ids_are_those_of_the_dictionary(known, monkeypatch):
    monkeypatch.setattr(word_table, "_MOST_OTHERS", 1)
    monkeypatch.setattr(word_table, "_MOST_BYTES", 4)
    ids = {word: number for number, word in enumerate(known)}
    table = WordTable(ids)
    for text in ["", " ", *texts([*WORDS, *known[:200]], SPACES)]:
        text = " ".join([text, *(f"exactly8{number}" for number in range(200))])
        found = table.encode(text)
        assert found is not None
        assert found.tolist() == [ids.get(word, 0) for word in text.split()]


@pytest.mark.parametrize("text", ["a\x00 b", "a\xa0b", "a\u3000b", "a\x85b", "中文 " * 20, "xyz " * 20])
def test_texts_that_are_not_for_it_are_left(text):
    assert WordTable({"a": 1}).encode(text + " a" * 50) is None


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("end_token", [None, "line"])
def test_a_tokenizer_gives_the_same_ids_with_it(end_token, lower, monkeypatch):
    tokenizer = WordTokenizer(end_token=end_token, lower=lower, split="whitespace", min_frequency=3, max_size=None)
    made = texts([*WORDS, "İ", "ΑΣ", "中文"], [*SPACES, "\u3000"])
    tokenizer.fit(made)
    expected = [tokenizer.encode(text).tolist() for text in made]
    monkeypatch.setattr(module, "_TABLE_FROM", 0)
    assert [tokenizer.encode(text).tolist() for text in made] == expected
    tokenizer.fit(["ab abc abc abc ab ab ab a a a a a"])
    assert tokenizer.decode(tokenizer.encode("a ab abc").tolist()).strip() == "a ab abc"
