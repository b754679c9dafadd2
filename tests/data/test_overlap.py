"""Shares of copied text against marking every character by hand, and the alarm on made-up leaks."""

from __future__ import annotations

import math
import random
import time

import pytest

from lmlab.data import passages
from lmlab.data.overlap import PASSAGE, Overlap, Place, leak, overlap
from lmlab.diagnostics.rules import noted


def share_by_hand(train: list[str], validation: list[str], passage: int) -> float:
    covered = 0
    for text in validation:
        marked = set()
        for i in range(len(text) - passage + 1):
            if any(text[i : i + passage] in t for t in train):
                marked |= set(range(i, i + passage))
        covered += len(marked)
    return covered / sum(map(len, validation))


def prose(length: int, seed: int) -> str:
    """Words of no more than two letters in common with another seed's, but by chance."""
    generator = random.Random(seed)
    return "".join(generator.choices("abcdefghij klmnop\n", k=length))


@pytest.mark.parametrize("base", [passages.BASE, 1])
def test_the_share_is_that_of_marking_by_hand(monkeypatch, base):
    monkeypatch.setattr(passages, "CHUNK", 13)
    monkeypatch.setattr(passages, "BASE", base)
    generator = random.Random(0)
    shares = set()
    for _ in range(200):
        alphabet = generator.choice(("ab", "abc", "a\x00\x01", "é日😀"))

        def texts(most: int, alphabet: str = alphabet) -> list[str]:
            return [
                "".join(generator.choices(alphabet, k=generator.randrange(50)))
                for _ in range(generator.randrange(1, most))
            ]

        train, validation = texts(4), [*texts(4), "a"]
        passage = generator.randrange(2, 9)
        found = overlap(train, validation, by_character=True, passage=passage)
        assert found.share == share_by_hand(train, validation, passage)
        shares.add(found.share)
        if found.where is None:
            assert found.share == 0.0
            assert found.example == ""
        else:
            where = found.where
            assert len(found.example) >= passage
            assert validation[where.document].startswith(found.example, where.position)
            assert train[where.train_document].startswith(found.example, where.train_position)
            # The first: nothing earlier is covered.
            earlier = [*validation[: where.document], validation[where.document][: where.position + passage - 1]]
            assert share_by_hand(train, [*earlier, "z"], passage) == 0.0
    assert len(shares) > 50


def test_a_leaked_part_is_measured_and_shown():
    train, own = prose(20_000, 1), prose(5_000, 2)
    leaked = train[7_000:8_000]
    found = overlap([prose(100, 3), train], [prose(50, 4), own[:2_000] + leaked + own[2_000:]], by_character=True)
    assert found.share == pytest.approx(1_000 / 6_050, abs=0.001)
    assert found.where is not None
    assert found.where.document == 1
    assert found.where.train_document == 1
    assert found.where.position == pytest.approx(2_000, abs=2)
    assert found.where.train_position - 7_000 == found.where.position - 2_000
    assert found.example == train[found.where.train_position :][:300]


def test_passages_that_are_a_little_shorter_do_not_count():
    shared = prose(PASSAGE, 1)
    validation = [f"#{shared}#" + "." * 98]
    assert overlap(["!" + shared[1:] + "!"], validation, by_character=True) == Overlap(0.0, "", None, "text")
    found = overlap(["!" + shared + "!"], validation, by_character=True)
    assert found == Overlap(0.5, shared, Place(0, 1, 0, 1), "text")


def test_no_passage_reaches_across_documents():
    text = prose(300, 1)
    halves = [text[:60], text[60:120]]
    assert overlap(halves, [text], by_character=True).share == 0.0
    assert overlap([text], halves, by_character=True).share == 0.0
    assert overlap(["".join(halves)], [text], by_character=True).share == 120 / 300


def test_for_words_line_ends_and_case_make_no_difference():
    text = " ".join(prose(400, 1).split())
    wrapped = text.upper().replace(" ", "\r\n  ")
    assert overlap([wrapped], [text], by_character=True).share == 0.0
    found = overlap([wrapped], [text], by_character=False)
    assert found.share == 1.0
    assert found.example == text[:300]


def test_sentences_count_whole_and_from_twenty_characters_on():
    train = ["I liked it .", "this is a long sentence", "twenty characters ..", "nineteen characters"]
    validation = [
        "I liked it .",
        "a long sentence",
        "this is a long sentence too",
        "twenty characters ..",
        "nineteen characters",
    ]
    found = overlap(train, validation, by_character=True, sentences=True)
    assert found == Overlap(1 / 5, "twenty characters ..", Place(3, 0, 2, 0), "sentences")
    assert overlap(train, validation[:3], by_character=True, sentences=True) == Overlap(0.0, "", None, "sentences")
    both = [validation[0], train[1], train[2]]
    assert overlap(train, both, by_character=True, sentences=True) == Overlap(
        2 / 3, train[1], Place(1, 0, 1, 0), "sentences"
    )
    shouted = ["THIS IS A LONG SENTENCE"] * 2
    assert overlap(train, shouted, by_character=True, sentences=True).share == 0.0
    assert overlap(train, shouted, by_character=False, sentences=True).share == 1.0


@pytest.mark.parametrize("sentences", [True, False])
def test_nothing_to_compare(sentences):
    empty = overlap(["abc" * 100], [], by_character=True, sentences=sentences)
    assert math.isnan(empty.share)
    assert leak(empty) is None
    for train in ([], [""], ["short"]):
        found = overlap(train, ["x" * 200], by_character=True, sentences=sentences)
        assert (found.share, found.where) == (0.0, None)
    assert overlap(["a"], ["a"], by_character=True, sentences=sentences).share == 0.0


def test_empty_documents_hold_nothing():
    assert math.isnan(overlap(["abc"], ["", ""], by_character=True).share)
    text = prose(200, 1)
    found = overlap(["", text, ""], ["", "", text], by_character=True)
    assert (found.share, found.where) == (1.0, Place(2, 0, 1, 0))


def test_what_is_copied_is_quoted_in_a_line():
    example = "'Follow the\n yellow road', said the girl to all the others who " + "x" * 200
    found = leak(Overlap(0.12345, example, None, "text"))
    quoted = "'Follow the yellow road', said the girl to all the others wh..."
    assert found == noted("leak", share=0.12345, of="text stands", example=quoted)
    assert f"12.3% of the validation text stands in the training text word for word, for example “{quoted}”" in str(
        found
    )
    found = leak(Overlap(0.5, "a short sentence of it", None, "sentences"))
    assert found == noted("leak", share=0.5, of="sentences stand", example="a short sentence of it")


def test_the_alarm_begins_at_one_percent():
    assert leak(Overlap(0.0099, "x", None, "text")) is None
    assert leak(Overlap(0.01, "x", None, "text")) is not None
    assert leak(Overlap(0.0, "", None, "text")) is None


def test_five_megabytes_are_compared_in_seconds():
    generator = random.Random(0)
    words = [prose(generator.randrange(2, 9), i).replace("\n", "q") for i in range(5000)]
    text = " ".join(generator.choices(words, k=900_000))[:5_000_000]
    assert len(text) == 5_000_000
    start = time.process_time()
    assert overlap([text[500_000:]], [text[:500_000]], by_character=True).share == 0.0
    assert time.process_time() - start < 2
