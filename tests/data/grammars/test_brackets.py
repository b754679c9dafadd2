"""`brackets`, against all strings of brackets and against the distribution of the depth."""

from __future__ import annotations

import math
import time
from collections import Counter
from itertools import product

import pytest
from grammar_samples import left_at

from lmlab.data.grammars.brackets import Brackets

OPEN, CLOSE = 7 / 16, 9 / 16


def probability(string: str) -> float:
    """Of a string, step by step; 0 where the walk cannot go so, ends before the string or after it."""
    if not string or string[0] != "(":
        return 0.0
    depth, p = 1, 1.0
    for c in string[1:]:
        if depth == 0 or c not in "()":
            return 0.0
        depth += 1 if c == "(" else -1
        p *= OPEN if c == "(" else CLOSE
    return p if depth == 0 else 0.0


def length_distribution(longest: int) -> tuple[dict[int, float], float]:
    """P(length), and the probability of more, by following the distribution of the depth."""
    depths, lengths = {1: 1.0}, {}
    for length in range(2, longest + 1):
        after: Counter[int] = Counter()
        for depth, p in depths.items():
            after[depth + 1] += p * OPEN
            after[depth - 1] += p * CLOSE
        lengths[length] = after.pop(0, 0.0)
        depths = dict(after)
    return {n: p for n, p in lengths.items() if p}, sum(depths.values())


def test_nats_of_all_short_strings():
    brackets, total = Brackets(), 0.0
    for length in range(13):
        for letters in product("()", repeat=length):
            string = "".join(letters)
            expected = probability(string)
            assert brackets.accepts(string) == (expected > 0)
            assert math.exp(-brackets.nats(string)) == pytest.approx(expected, rel=1e-12)
            total += math.exp(-brackets.nats(string))
    assert total + length_distribution(12)[1] == pytest.approx(1, rel=1e-12)


def test_only_brackets_are_accepted():
    brackets = Brackets()
    for length in range(7):
        for letters in product("()[ ", repeat=length):
            string = "".join(letters)
            assert brackets.accepts(string) == (probability(string) > 0)


def test_a_string_leaves_where_no_string_of_the_language_begins_so():
    """Up to n brackets are closed by n more, so the strings of 14 have all beginnings of 7."""
    pairs = ("".join(letters) for length in range(15) for letters in product("()", repeat=length))
    language = {string for string in pairs if probability(string)}
    beginnings = {string[:n] for string in language for n in range(len(string) + 1)}
    brackets = Brackets()
    for length in range(8):
        for letters in product("()x ", repeat=length):
            string = "".join(letters)
            expected = left_at(string, beginnings.__contains__, language.__contains__)
            assert brackets.leaves(string) == expected, string


def test_entropy_and_mean_length_follow_from_the_distribution_of_lengths():
    """All strings of one length are as likely, so its share and one string's nats are enough."""
    lengths, more = length_distribution(1600)
    assert more < 1e-6
    brackets = Brackets()
    nats = sum(p * brackets.nats("(" * (n // 2) + ")" * (n // 2)) for n, p in lengths.items())
    assert nats == pytest.approx(brackets.nats_per_string, rel=1e-3)
    assert sum(n * p for n, p in lengths.items()) == pytest.approx(brackets.mean_length, rel=1e-3)


def test_lengths_of_samples(samples, deviation):
    lengths = {n: p for n, p in length_distribution(300)[0].items() if p > 5e-4}
    assert len(lengths) > 20
    assert abs(deviation(Counter(map(len, samples[Brackets])), lengths)) < 4


def test_strings_of_samples(samples, deviation):
    frequent = {s: probability(s) for n in (2, 4, 6, 8, 10) for s in map("".join, product("()", repeat=n))}
    frequent = {s: p for s, p in frequent.items() if p > 0}
    assert len(frequent) == 1 + 1 + 2 + 5 + 14
    assert abs(deviation(Counter(samples[Brackets]), frequent)) < 4


@pytest.mark.parametrize(
    ("string", "depth", "closings"),
    [
        ("()", 1, [(1, 1)]),
        ("(()())", 2, [(2, 2), (4, 2), (5, 1)]),
        ("((()))", 3, [(3, 3), (4, 2), (5, 1)]),
        ("(()((())()))", 4, [(2, 2), (6, 4), (7, 3), (9, 3), (10, 2), (11, 1)]),
    ],
)
def test_depths(string, depth, closings):
    assert Brackets().max_depth(string) == depth
    assert Brackets().closings(string) == closings


def test_closings_match_a_stack_of_the_open_brackets(samples):
    brackets = Brackets()
    for string in samples[Brackets][:3000]:
        stack, expected = 0, []
        for position, c in enumerate(string):
            if c == ")":
                expected.append((position, stack))
            stack += 1 if c == "(" else -1
        assert brackets.closings(string) == expected
        assert max(depth for _, depth in expected) == brackets.max_depth(string)


def test_a_string_outside_has_a_depth_but_no_closings():
    brackets = Brackets()
    for string, depth in (("", 0), (")))", 0), ("((", 2), ("())(", 1), ("x(y(z)", 2)):
        assert brackets.max_depth(string) == depth
        with pytest.raises(ValueError, match="not in the language"):
            brackets.closings(string)


def test_deep_nesting():
    brackets, pairs = Brackets(), 50_000
    string = "(" * pairs + ")" * pairs
    start = time.process_time()
    expected = (pairs - 1) * math.log(16 / 7) + pairs * math.log(16 / 9)
    assert brackets.nats(string) == pytest.approx(expected, rel=1e-12)
    assert brackets.max_depth(string) == pairs
    assert brackets.closings(string)[0] == (pairs, pairs)
    assert not brackets.accepts(string[:-1])
    assert not brackets.accepts(string + ")")
    assert not brackets.accepts(string * 2)
    assert time.process_time() - start < 2
