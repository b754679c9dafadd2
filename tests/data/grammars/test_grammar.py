"""What holds for every formal language."""

from __future__ import annotations

import math
import random
import time
from bisect import bisect_left

import numpy as np
import pytest

from lmlab.data.grammars.brackets import Brackets
from lmlab.data.grammars.grammar import Grammar
from lmlab.data.grammars.ndfa import NDFA
from lmlab.data.grammars.toy import Toy

GRAMMARS = (NDFA(), Brackets(), Toy())
every_grammar = pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda g: type(g).__name__)


def mutated(string: str, pieces: list[str], generator: random.Random) -> str:
    """The string with one or two pieces put in, taken out, changed or exchanged, or cut short."""
    for _ in range(generator.randint(1, 2)):
        a, b = sorted(generator.choices(range(len(string) + 1), k=2))
        put = generator.choice(pieces)
        string = generator.choice(
            (string[:a] + put + string[a:], string[:a] + string[b:], string[:a] + put + string[b:], string[:b])
        )
    return string


@pytest.mark.parametrize(
    ("grammar", "unit", "floor", "per_string", "tokens"),
    [
        (NDFA(), "char", "0.204887", "3.07330", 15),
        (Brackets(), "char", "0.548251", "5.48251", 10),
        (Toy(), "char", "0.376393", "17.6947", 47.01),
        (Toy(), "word", "1.538666", "17.6947", 11.5),
    ],
)
def test_floors_are_the_published_ones(grammar, unit, floor, per_string, tokens):
    decimals = len(per_string.split(".")[1])
    assert f"{grammar.nats_per_token(unit):.6f}" == floor
    assert f"{grammar.nats_per_string:.{decimals}f}" == per_string
    mean = grammar.mean_words if unit == "word" else grammar.mean_length
    assert round(mean + 1, 2) == tokens
    assert grammar.nats_per_token(unit) == pytest.approx(grammar.nats_per_string / (mean + 1), rel=1e-14)


@every_grammar
def test_unknown_unit_is_refused_by_name(grammar):
    with pytest.raises(ValueError, match="by=byte"):
        grammar.nats_per_token("byte")
    assert grammar.nats_per_token() == grammar.nats_per_token("char")


@pytest.mark.parametrize("grammar", [NDFA(), Brackets()])
def test_languages_without_spaces_have_no_words(grammar):
    with pytest.raises(ValueError, match="no spaces"):
        grammar.nats_per_token("word")


@every_grammar
def test_mean_nats_and_length_of_samples_are_the_exact_ones(grammar: Grammar, samples):
    strings = samples[type(grammar)]
    for values, mean in (
        ([grammar.nats(s) for s in strings], grammar.nats_per_string),
        ([len(s) for s in strings], grammar.mean_length),
    ):
        error = np.std(values) / math.sqrt(len(values))
        assert abs(np.mean(values) - mean) < 4 * error


@every_grammar
def test_samples_are_in_the_language(grammar, samples):
    assert all(map(grammar.accepts, samples[type(grammar)]))


@every_grammar
def test_accepts_what_has_a_probability_and_nothing_else(grammar, samples):
    generator = random.Random(3)
    pieces = [*"s()abc! ", " cat", "a ", " ( ", " ) ", " quickly", "abc!", "klm!", "while", "\n"]
    inside = 0
    for string in samples[type(grammar)][:4000]:
        changed = mutated(string, pieces, generator)
        assert grammar.accepts(changed) == (grammar.nats(changed) < math.inf), changed
        assert grammar.nats(changed) > 0 or grammar.nats(changed) == math.inf
        inside += grammar.accepts(changed)
    assert 40 < inside < 2500


@every_grammar
def test_a_string_leaves_where_no_sample_begins_so(grammar, samples):
    generator, ordered = random.Random(4), sorted(samples[type(grammar)])
    pieces = [*"s()abc! ", " cat", "a ", " ( ", " ) ", " quickly", "abc!", "klm!", "while", "\n"]
    for string in samples[type(grammar)][:2000]:
        begun = string[: generator.randrange(len(string) + 1)]
        assert grammar.leaves(begun) == (None if grammar.accepts(begun) else len(begun)), begun
        changed = mutated(string, pieces, generator)
        at = grammar.leaves(changed)
        assert (at is None) == grammar.accepts(changed), changed
        if at is None or at == len(changed):
            continue
        wrong = changed[: at + 1]
        assert grammar.leaves(wrong) == at, changed
        assert grammar.leaves(wrong[:-1]) in (at, None), changed
        place = bisect_left(ordered, wrong)
        assert not any(sample.startswith(wrong) for sample in ordered[place : place + 1]), changed


@every_grammar
@pytest.mark.parametrize(
    "string", ["", " ", "s", "(", ")", "\0", "\ud800", "日本", "é", "ſ", "s" * 5, "()()", "() ", " ()", "a cat", "\n"]
)
def test_no_string_raises(grammar, string):
    assert not grammar.accepts(string)
    assert grammar.nats(string) == math.inf
    assert 0 <= grammar.leaves(string) <= len(string)


@every_grammar
def test_ends_of_lines_and_spaces_around_are_no_part_of_the_language(grammar, samples):
    for string in samples[type(grammar)][:50]:
        for changed in (f"{string}\n", f"\n{string}", f" {string}", f"{string} ", string.upper() + "X"):
            assert not grammar.accepts(changed)


@every_grammar
def test_the_state_of_the_generator_decides(grammar):
    generator = np.random.default_rng(5)
    first = grammar.sample(300, generator)
    assert grammar.sample(300, np.random.default_rng(5)) == first
    assert type(grammar)().sample(300, np.random.default_rng(5)) == first
    assert grammar.sample(300, generator) != first
    assert grammar.sample(300, np.random.default_rng(6)) != first


@every_grammar
@pytest.mark.parametrize("count", [0, 1, 2, 7, 1000])
def test_as_many_as_asked_for(grammar, count):
    strings = grammar.sample(count, np.random.default_rng(count))
    assert len(strings) == count
    assert all(map(grammar.accepts, strings))


@every_grammar
def test_strings_drawn_one_at_a_time_have_the_same_distribution(grammar, deviation):
    """Long strings would be lost where a draw stops before they end."""
    generator = np.random.default_rng(9)
    lengths = [len(grammar.sample(1, generator)[0]) for _ in range(4000)]
    error = np.std(lengths) / math.sqrt(len(lengths))
    assert abs(np.mean(lengths) - grammar.mean_length) < 4 * error


@every_grammar
def test_neighbours_are_independent(grammar, samples):
    lengths = np.log([len(s) for s in samples[type(grammar)]])
    assert abs(np.corrcoef(lengths[:-1], lengths[1:])[0, 1]) < 4 / math.sqrt(len(lengths))


@every_grammar
def test_a_course_of_strings_is_drawn_in_seconds(grammar):
    start = time.process_time()
    grammar.sample(150_000, np.random.default_rng(0))
    assert time.process_time() - start < 8
