"""What samples are judged by, against counting and searching by hand."""

from __future__ import annotations

import json
import math
import random
import time
from collections import Counter
from itertools import chain

import pytest

from lmlab.data import passages
from lmlab.evaluation import sample_quality as module
from lmlab.evaluation.sample_quality import (
    distinct,
    longest_copies,
    repetition,
    sample_quality,
    uniformity,
    unknown_words,
)

KEYS = [
    "ended",
    "mean_tokens",
    "distinct_1",
    "distinct_2",
    "distinct_3",
    "repetition",
    "longest_copy_characters",
    "mean_longest_copy_characters",
    "unknown_words",
]


def by_characters(*texts: str, stop_reason: str = "end"):
    return [(text, list(text), stop_reason) for text in texts]


def longest_by_hand(sample: str, texts: list[str]) -> int:
    lengths = range(len(sample), 0, -1)
    return next(
        (n for n in lengths if any(sample[i : i + n] in t for i in range(len(sample) - n + 1) for t in texts)), 0
    )


def repetition_by_hand(samples: list[str], n: int) -> float:
    """Marks each token of each later occurrence."""
    repeated = 0
    for sample in samples:
        marked = set()
        for i in range(len(sample) - n + 1):
            if any(sample[j : j + n] == sample[i : i + n] for j in range(i)):
                marked |= set(range(i, i + n))
        repeated += len(marked)
    return repeated / sum(map(len, samples))


def random_texts(generator: random.Random, alphabet: str, count: int, most: int) -> list[str]:
    return ["".join(generator.choices(alphabet, k=generator.randrange(most))) for _ in range(count)]


@pytest.mark.parametrize("seed_length", [1, 3, 12])
def test_longest_copies_are_those_of_substring_search(monkeypatch, seed_length):
    monkeypatch.setattr(module, "_SEED", seed_length)
    monkeypatch.setattr(passages, "CHUNK", 11)
    generator = random.Random(seed_length)
    found = set()
    for _ in range(60):
        alphabet = generator.choice(("a", "ab", "abcd", "日é\x00\x01", "abcdefghijklm"))
        train = random_texts(generator, alphabet, generator.randrange(4), 50)
        samples = random_texts(generator, alphabet + "z", generator.randrange(5), 40)
        # Some samples copy: inside a document, and across the end of one.
        if len(train) > 1 and samples:
            samples.append("z" + train[0][-9:] + train[1][:9])
        expected = [longest_by_hand(sample, train) for sample in samples]
        assert longest_copies(samples, train) == expected
        found.update(expected)
    assert {0, 1, 5} < found


def test_a_copy_does_not_reach_across_documents():
    assert longest_copies(["the cat sat on the mat"], ["the cat sat ", "on the mat"]) == [12]
    assert longest_copies(["the cat sat on the mat"], ["the cat sat on the mat"]) == [22]
    assert longest_copies(["abc", "abcdef"], ["xabcdx"]) == [3, 4]


def test_distinct_is_that_of_a_dictionary():
    generator = random.Random(0)
    for n in (1, 2, 3):
        samples = random_texts(generator, "abc", 6, 12)
        counts = Counter(chain.from_iterable((s[i : i + n] for i in range(len(s) - n + 1)) for s in samples))
        assert distinct(samples, n) == len(counts) / counts.total()


def test_no_ngram_reaches_across_samples():
    assert distinct(["ab", "ba"], 2) == 1.0
    assert distinct(["ab", "ab"], 2) == 0.5
    assert distinct([[1, 2], [1, 2], [1, 3]], 1) == 3 / 6
    assert repetition(["abcd", "abcd"], 2) == 0.0


def test_repetition_is_that_of_marking_by_hand():
    generator = random.Random(1)
    for _ in range(200):
        samples = [*random_texts(generator, "ab", 3, 30), "a"]
        n = generator.randrange(1, 6)
        assert repetition(samples, n) == repetition_by_hand(samples, n)


@pytest.mark.parametrize(
    ("sample", "n", "expected"), [("aaaa", 3, 3 / 4), ("abcabc", 3, 1 / 2), ("abcd", 4, 0.0), ("abab", 4, 0.0)]
)
def test_repetition_by_example(sample, n, expected):
    assert repetition([sample], n) == expected


def test_repetition_counts_passages_of_four_words_or_ten_characters():
    four = ["a", "b", "c", "d", "x", "a", "b", "c", "d"]
    assert sample_quality([("", four, "end")], [""], by_character=False)["repetition"] == 4 / 9
    assert sample_quality([("", four[:-1], "end")], [""], by_character=False)["repetition"] == 0.0
    ten = "0123456789x0123456789"
    assert sample_quality(by_characters(ten), [""], by_character=True)["repetition"] == 10 / 21
    assert sample_quality(by_characters(ten[:-1]), [""], by_character=True)["repetition"] == 0.0


def test_all_figures_of_two_samples():
    samples = [("the cat ran", ["the", "cat", "ran"], "end"), ("a Dog,", ["a", "dog", ","], "length")]
    quality = sample_quality(samples, ["The  cat\nsat.", "A dog ran"], by_character=False)
    assert list(quality) == KEYS
    assert quality == {
        "ended": 0.5,
        "mean_tokens": 3.0,
        "distinct_1": 1.0,
        "distinct_2": 1.0,
        "distinct_3": 1.0,
        "repetition": 0.0,
        "longest_copy_characters": 8.0,  # "the cat "
        "mean_longest_copy_characters": 6.5,  # "a dog"
        "unknown_words": 0.0,
    }


def test_characters_are_compared_as_they_are():
    quality = sample_quality(by_characters("the cat"), ["The\ncat"], by_character=True)
    assert quality["longest_copy_characters"] == 3.0


def test_equal_samples():
    quality = sample_quality(by_characters(*["abcd"] * 5), ["xxabxx"], by_character=True)
    assert (quality["distinct_1"], quality["distinct_2"]) == (4 / 20, 3 / 15)
    assert quality["longest_copy_characters"] == quality["mean_longest_copy_characters"] == 2.0
    assert quality["repetition"] == 0.0


def test_unknown_words_are_those_of_the_word_tokenizer():
    train = ["He couldn't go, said ANNA.\n", "Straße 3.5"]
    assert unknown_words(["Couldn't anna... straße 3"], train) == 0.0
    assert unknown_words(["could anna gone couldn't"], train) == 2 / 4
    # Marks are no words, known or not.
    assert math.isnan(unknown_words(["?! ;"], train))
    # "go," and "go" hold the same word, and a word does not go on in the next document.
    assert unknown_words(["go"], train) == 0.0
    assert unknown_words(["annastraße", "go"], ["anna", "straße go,"]) == 1 / 2


def test_half_a_word_at_the_cut_is_no_unknown_word():
    def unknown(text: str, stop_reason: str, *, by_character: bool = True) -> float:
        sample = (text, list(text) if by_character else text.split(), stop_reason)
        return sample_quality([sample], ["a wonderful day"], by_character=by_character)["unknown_words"]

    assert unknown("a wonderf", "length") == 0.0
    assert unknown("a wonderf", "end") == 0.5
    assert unknown("a wonderf ", "length") == 0.5
    assert unknown("wonderf", "length") == 1.0
    assert unknown("a wonderf", "length", by_character=False) == 0.5


def entropy_by_hand(tokens: list[int]) -> float:
    return sum(-n / len(tokens) * math.log(n / len(tokens)) for n in Counter(tokens).values())


@pytest.mark.parametrize(("size", "most"), [(50, 2_000), (9_000, 2_000)])
def test_throws_of_a_die_are_uniform_whatever_their_number(size, most):
    generator = random.Random(0)
    samples = [[generator.randrange(size) for _ in range(most)] for _ in range(3)]
    assert uniformity(samples, vocabulary_size=size) == pytest.approx(1, abs=0.005)
    # Every token of the first half only: the entropy is lower by ln 2.
    half = [[token // 2 for token in sample] for sample in samples]
    tokens = [token for sample in half for token in sample]
    drawn = entropy_by_hand(tokens) / uniformity(half, vocabulary_size=size)
    assert drawn == pytest.approx(entropy_by_hand([token for sample in samples for token in sample]), abs=0.02)


def test_samples_of_one_token_have_no_entropy_and_no_samples_none():
    assert uniformity(["a" * 150, "a" * 50], vocabulary_size=30) == 0
    for few in ([], [""], ["abc" * 66]):
        assert math.isnan(uniformity(few, vocabulary_size=30))
    assert math.isnan(uniformity(["a" * 200], vocabulary_size=1))


def test_nothing_to_count_is_nan():
    quality = sample_quality([], ["abc"], by_character=True)
    assert list(quality) == KEYS
    assert all(map(math.isnan, quality.values()))
    quality = sample_quality(by_characters(""), [], by_character=True)
    assert quality["ended"] == 1.0
    assert quality["mean_tokens"] == quality["longest_copy_characters"] == 0.0
    assert math.isnan(quality["distinct_1"])
    assert math.isnan(quality["repetition"])
    quality = sample_quality(by_characters("a"), ["a"], by_character=True)
    assert quality["distinct_1"] == quality["mean_longest_copy_characters"] == 1.0
    assert math.isnan(quality["distinct_2"])


def test_the_figures_are_plain_floats():
    quality = sample_quality(by_characters("abc abd", "x"), ["abc"], by_character=True)
    assert all(type(value) is float for value in quality.values())
    json.dumps(quality, allow_nan=False)


def test_a_stop_reason_that_means_nothing_is_refused():
    with pytest.raises(ValueError, match=r"stop reasons are 'end' and 'length', not \['eos'\]"):
        sample_quality([("a", "a", "eos")], ["a"], by_character=True)


@pytest.mark.parametrize("by_character", [True, False])
def test_a_megabyte_is_searched_in_seconds(by_character):
    generator = random.Random(0)
    words = ["".join(generator.choices("etaoinshr", k=generator.randrange(1, 9))) for _ in range(5000)]
    train = " ".join(generator.choices(words, k=200_000))
    assert len(train) > 900_000
    texts = [" ".join(generator.choices(words, k=100))[:500] for _ in range(20)]
    samples = [(text, list(text) if by_character else text.split(), "length") for text in texts]
    start = time.process_time()
    sample_quality(samples, [train], by_character=by_character)
    assert time.process_time() - start < 2
