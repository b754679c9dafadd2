"""Windows and regions against plain substring search, also where hashes collide and where chunks meet."""

from __future__ import annotations

import random

import numpy as np
import pytest

from lmlab.data import passages
from lmlab.data.passages import as_compared, find_windows, regions, unused_characters

ALPHABETS = ("a", "ab", "abc", "a\n\x00", "é日😀\ud800", "abcdefgh")


@pytest.fixture(params=["strong", "weak"])
def hashing(request, monkeypatch):
    """Small chunks and a small table; with base 1, all orders of the same characters have the same hash."""
    monkeypatch.setattr(passages, "CHUNK", 7)
    monkeypatch.setattr(passages, "_SLOT_BITS", (3, 6))
    if request.param == "weak":
        monkeypatch.setattr(passages, "BASE", 1)


def random_text(generator: random.Random, alphabet: str, most: int) -> str:
    return "".join(generator.choices(alphabet, k=generator.randrange(most)))


def windows(text: str, length: int) -> list[str]:
    return [text[i : i + length] for i in range(len(text) - length + 1)]


@pytest.mark.usefixtures("hashing")
def test_each_window_is_found_if_and_only_if_it_is_there():
    generator = random.Random(0)
    outcomes = set()
    for _ in range(400):
        alphabet, length = generator.choice(ALPHABETS), generator.randrange(1, 9)
        wanted, text = random_text(generator, alphabet, 40), random_text(generator, alphabet, 60)
        places = find_windows(wanted, text, length)
        expected = windows(wanted, length)
        assert places.shape == (len(expected),)
        for window, place in zip(expected, places.tolist(), strict=True):
            assert (place >= 0) == (window in text)
            assert place == -1 or text[place : place + length] == window
            outcomes.add(place >= 0)
    assert outcomes == {True, False}


@pytest.mark.usefixtures("hashing")
def test_the_regions_hold_every_shared_substring():
    generator = random.Random(1)
    for _ in range(300):
        alphabet, length = generator.choice(ALPHABETS), generator.randrange(1, 6)
        wanted, text = random_text(generator, alphabet, 25), random_text(generator, alphabet, 60)
        found = regions(wanted, text, length)
        assert len(set(found)) == len(found)
        assert all(region in text for region in found)
        for longer in range(length, len(wanted) + 1):
            for window in windows(wanted, longer):
                assert (window in text) == any(window in region for region in found)


def test_regions_leave_out_what_is_not_shared():
    text = "x" * 5000 + "the shared part" + "y" * 5000
    assert regions("here the shared part is", text, 8) == ["the shared part"]


def test_a_collision_neither_hides_a_window_nor_makes_one_up(monkeypatch):
    monkeypatch.setattr(passages, "BASE", 1)
    # ba has the hash of ab, which stands first.
    assert find_windows("ba", "ab", 2).tolist() == [-1]
    assert find_windows("ba", "ab..ba", 2).tolist() == [4]
    assert find_windows("abba", "ab..ba", 2).tolist() == [0, -1, 4]


def test_hashes_alone_find_the_right_places(monkeypatch):
    # Else comparing characters would still mend the result, by searching the text for every window.
    monkeypatch.setattr(passages, "CHUNK", 16)
    monkeypatch.setattr(passages, "_SLOT_BITS", (3, 6))
    generator = random.Random(4)
    text = "".join(generator.choices("abc", k=300))
    wanted = "".join(generator.choices("abc", k=300))
    keys, first = np.unique(passages._all_hashes(wanted, 5), return_index=True)
    expected = [text.find(wanted[i : i + 5]) for i in first]
    assert -1 in expected
    assert passages._places(keys, text, 5).tolist() == expected


def test_hashes_do_not_depend_on_place_or_chunk(monkeypatch):
    text = "".join(random.Random(2).choices("abc", k=200))
    whole = passages._all_hashes(text, 5)
    monkeypatch.setattr(passages, "CHUNK", 9)
    assert (passages._all_hashes(text, 5) == whole).all()
    assert (passages._all_hashes(text[37:], 5) == whole[37:]).all()
    assert len(set(whole.tolist())) == len(set(windows(text, 5)))


def test_hashes_are_the_polynomial_of_the_docstring():
    expected = sum(ord(c) * passages.BASE**i for i, c in enumerate("日a😀\x00", 1)) % 2**64
    assert passages._all_hashes("日a😀\x00", 4).tolist() == [expected]


def test_the_leading_bits_tell_windows_apart_by_any_one_character():
    # The table goes by them. 64 windows that differ in one character, 2^20 slots: no two in one, nearly always.
    for position in range(12):
        texts = ["x" * position + chr(64 + i) + "y" * (11 - position) for i in range(64)]
        slots = {int(passages._all_hashes(text, 12)[0]) >> 44 for text in texts}
        assert len(slots) == 64


def test_a_text_of_nothing_but_matches_is_all_found():
    text = "".join(random.Random(3).choices("ab", k=3000))
    places = find_windows(text, text * 2, 20)
    assert np.array_equal([text[i : i + 20] for i in places], windows(text, 20))


@pytest.mark.parametrize(("wanted", "text", "expected"), [("", "abc", []), ("abc", "", [-1, -1]), ("a", "abc", [])])
def test_texts_shorter_than_a_window(wanted, text, expected):
    assert find_windows(wanted, text, 2).tolist() == expected
    assert regions(wanted, text, 2) == []


def test_a_window_of_nothing_is_refused():
    with pytest.raises(ValueError, match="length must be 1 or more, not 0"):
        find_windows("a", "a", 0)


def test_unused_characters_are_distinct_and_occur_nowhere():
    texts = ["\x00\x02", "", "\x03" + "".join(map(chr, range(5, 300)))]
    assert unused_characters(texts, 3) == ["\x01", "\x04", chr(300)]


def test_texts_are_compared_as_their_unit_is_read(monkeypatch):
    monkeypatch.setattr("lmlab.data.pieces.PIECE", 10)
    text = " The  cat\n\nsat\ton ÉTÉ.\n" * 9
    assert as_compared(text, by_character=True) == text
    assert as_compared(text, by_character=False) == " ".join(["the cat sat on été."] * 9)
    assert as_compared(" \n", by_character=False) == ""
