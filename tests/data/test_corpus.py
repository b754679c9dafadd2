"""Splits of documents, against the text they were made from."""

from __future__ import annotations

import random
import re

import pytest

from lmlab.data.corpus import SPLITS, Corpus, Document, joined, split_documents
from lmlab.errors import UserError

SHARES = (0.8, 0.1, 0.1)


def documents_of(sizes: list[int]) -> list[Document]:
    return [Document(f"{i}.txt", "x" * size) for i, size in enumerate(sizes)]


def random_words(generator: random.Random, length: int) -> str:
    words = ("a", "couldn't", "word", "extraordinarily", "-", "\n", "日本語", "42")
    return " ".join(generator.choice(words) for _ in range(length))


def cut_points(splits: dict[str, tuple[Document, ...]]) -> list[int]:
    """Where each split but the last ends, in characters."""
    ends, at = [], 0
    for documents in splits.values():
        at += sum(len(d.text) for d in documents)
        ends.append(at)
    return ends[:-1]


def test_documents_are_kept_whole_in_order_and_none_is_lost():
    generator = random.Random(0)
    for _ in range(200):
        documents = documents_of([generator.randint(1, 1000) for _ in range(generator.randint(3, 30))])
        splits = split_documents(documents, SHARES)
        assert tuple(splits) == SPLITS
        assert [d for split in splits.values() for d in split] == documents
        assert all(splits.values())


def test_document_borders_are_the_closest_to_the_shares():
    """No border can come closer to its share by going one document on or back."""
    generator = random.Random(1)
    for _ in range(200):
        documents = documents_of([generator.randint(1, 1000) for _ in range(generator.randint(10, 40))])
        total = sum(len(d.text) for d in documents)
        splits = split_documents(documents, SHARES)
        counts = [len(s) for s in splits.values()]
        for border, target in ((counts[0], 0.8 * total), (counts[0] + counts[1], 0.9 * total)):
            away = [abs(sum(len(d.text) for d in documents[: border + step]) - target) for step in (-1, 0, 1)]
            # One going forward or back must leave each split a document.
            if counts[1] > 1 and counts[2] > 1:
                assert away[1] == min(away)


def test_equal_documents_are_shared_out_exactly():
    splits = split_documents(documents_of([7] * 20), SHARES)
    assert [len(s) for s in splits.values()] == [16, 2, 2]


def test_as_many_documents_as_splits_give_one_each():
    assert [len(s) for s in split_documents(documents_of([1, 500, 500]), SHARES).values()] == [1, 1, 1]


@pytest.mark.parametrize("shares", [(0.9, 0.1), (0.9, 0.1, 0.0), (9, 1), (45, 5, 0)])
def test_the_test_share_may_be_left_out_and_shares_are_normalised(shares):
    splits = split_documents([Document("a", "." * 1000)], shares)
    assert {name: len(s[0].text) for name, s in splits.items()} == {"train": 900, "validation": 100}


def test_a_single_text_is_cut_at_the_exact_share():
    for length in (10, 100, 1000, 12_340):
        splits = split_documents([Document("a", "." * length)], SHARES)
        assert cut_points(splits) == [length * 8 // 10, length * 9 // 10]


def test_whole_percentages_are_cut_exactly():
    """Whatever floating point makes of them (0.55 + 0.34 is less than 0.89)."""
    document = Document("a", "." * 100)
    for train in range(50, 98):
        for validation in range(1, 100 - train):
            splits = split_documents([document], [train / 100, validation / 100, (100 - train - validation) / 100])
            assert cut_points(splits) == [train, train + validation]


def test_a_cut_text_loses_nothing():
    generator = random.Random(2)
    for _ in range(200):
        number = generator.randint(1, 2)
        documents = [Document(str(i), random_words(generator, generator.randint(50, 300))) for i in range(number)]
        splits = split_documents(documents, SHARES)
        assert tuple(splits) == SPLITS
        text = "".join(joined([d.text for d in documents]))
        assert "".join(d.text for s in splits.values() for d in s) == text


def test_no_cut_falls_inside_a_word():
    """It moves on from the exact share to the end of the word, and no further."""
    generator = random.Random(3)
    moved = 0
    for _ in range(300):
        text = random_words(generator, generator.randint(50, 300))
        splits = split_documents([Document("a", text)], SHARES)
        for cut, share in zip(cut_points(splits), (8, 9), strict=True):
            exact = len(text) * share // 10
            assert not (text[cut - 1].isalnum() and text[cut].isalnum())
            assert exact <= cut
            assert re.fullmatch(r"['’]?[^\W_]+(?:['’][^\W_]+)*['’]?", text[exact - 1 : cut]) or cut == exact
            moved += cut > exact
    assert moved > 100


@pytest.mark.parametrize("text", ["x" * 5000, "x" * 4150 + " " + "x" * 849])
def test_a_word_of_more_than_100_characters_is_cut_at_the_exact_share(text):
    assert cut_points(split_documents([Document("a", text)], SHARES)) == [4000, 4500]


@pytest.mark.parametrize("text", ["", "a", "..", "word", "one I"])
def test_a_text_too_short_for_its_splits_is_refused(text):
    with pytest.raises(UserError, match="too few"):
        split_documents([Document("tiny.txt", text)], SHARES)


def test_cut_documents_say_where_they_come_from():
    splits = split_documents([Document("a.txt", "." * 60), Document("b.txt", "." * 39)], SHARES)
    assert splits["train"][0].name == "a.txt + b.txt [0:80]"
    assert splits["test"][0].name == "a.txt + b.txt [90:100]"


def test_texts_are_ended_where_another_follows():
    corpus = Corpus({"train": (Document("a", "one"), Document("b", "two\n"), Document("c", "three"))})
    assert corpus.texts("train") == ["one\n", "two\n", "three"]


def test_a_split_that_is_not_there_is_refused_by_name():
    corpus = Corpus({"train": (), "validation": ()})
    with pytest.raises(UserError, match="its splits are train, validation") as caught:
        corpus.texts("test")
    assert (caught.value.field, caught.value.value) == ("split", "test")


@pytest.mark.parametrize("apostrophe", ["'", "’"])
def test_a_word_with_an_apostrophe_is_one_word(apostrophe):
    for length in range(60, 80):
        text = f"couldn{apostrophe}t " * length
        for cut in cut_points(split_documents([Document("a", text)], SHARES)):
            assert text[cut - 1 : cut + 1] in ("t ", " c")
