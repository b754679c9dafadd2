"""`ndfa`, against its automaton followed step by step."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import product

import pytest
from grammar_samples import left_at

from lmlab.data.grammars.ndfa import NDFA

LONGEST = 40


def automaton() -> dict[str, float]:
    """Probability by string, up to 40 repetitions, summed over the three ways through the automaton."""
    probabilities: defaultdict[str, float] = defaultdict(float)
    for word in ("abc!", "uvw!", "klm!"):
        string, going_on = "s", 1 / 3
        for _ in range(LONGEST + 1):
            probabilities[string + "s"] += going_on * 0.25
            string, going_on = string + word, going_on * 0.75
    return dict(probabilities)


def test_nats_are_those_of_the_automaton():
    ndfa = NDFA()
    for string, probability in automaton().items():
        assert ndfa.nats(string) == pytest.approx(-math.log(probability), rel=1e-13)
    assert math.exp(-ndfa.nats("ss")) == pytest.approx(1 / 4)


def test_probabilities_add_up_to_one():
    ndfa = NDFA()
    total = math.fsum(math.exp(-ndfa.nats(string)) for string in automaton())
    assert total + 0.75 ** (LONGEST + 1) == pytest.approx(1, rel=1e-13)


def test_entropy_is_the_sum_over_all_strings():
    """What 40 repetitions leave out weighs less than 1e-3."""
    summed = math.fsum(-p * math.log(p) for p in automaton().values())
    assert summed < NDFA().nats_per_string < summed + 1e-3


def test_of_all_short_strings_only_those_of_the_automaton_are_in():
    language, ndfa = automaton(), NDFA()
    for length in range(6):
        for letters in product("sabcuvwklm!", repeat=length):
            string = "".join(letters)
            assert ndfa.accepts(string) == (string in language)


def test_a_string_leaves_where_no_string_of_the_automaton_begins_so():
    """All strings of up to five characters, and all with one character changed, put in or taken out."""
    alphabet, ndfa, language = "sabcuvwklm!", NDFA(), automaton()
    beginnings = {string[:n] for string in language for n in range(len(string) + 1)}
    tried = {"".join(letters) for length in range(6) for letters in product(alphabet, repeat=length)}
    for string in (string for string in language if len(string) < 20):
        for at in range(len(string) + 1):
            before, after = string[:at], string[at + 1 :]
            tried |= {before, before + after} | {
                before + letter + rest for letter in (*alphabet, " ", "é") for rest in (after, string[at:])
            }
    for string in tried:
        expected = left_at(string, beginnings.__contains__, language.__contains__)
        assert ndfa.leaves(string) == expected, string


@pytest.mark.parametrize(
    "string",
    ["s", "sss", "sabc!", "abc!s", "sabc!uvw!s", "sabc!abcs", "sabc!abc!!s", "sABC!s", "ssabc!s", "sabc!ss", "s s"],
)
def test_near_misses(string):
    assert not NDFA().accepts(string)


def test_samples_are_distributed_as_the_automaton(samples, deviation):
    probabilities = {string: p for string, p in automaton().items() if p > 1e-3}
    assert abs(deviation(Counter(samples[NDFA]), probabilities)) < 4


def test_long_strings():
    string = "s" + "uvw!" * 500_000 + "s"
    assert NDFA().nats(string) == pytest.approx(math.log(3) + 500_000 * math.log(4 / 3) + math.log(4))
    assert not NDFA().accepts(string[:-2] + "?s")
    assert NDFA().leaves(string) is None
    assert NDFA().leaves(string[:-2] + "?s") == len(string) - 2
