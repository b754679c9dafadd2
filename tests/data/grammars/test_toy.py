"""`toy`, against its grammar as it is written down, with an inside algorithm that knows nothing of clauses."""

from __future__ import annotations

import math
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest
from grammar_samples import left_at

from lmlab.data.grammars.toy import Toy

GRAMMAR = {
    symbol: [alternative.split() for alternative in alternatives.split("|")]
    for symbol, alternatives in {
        "S": "S ADV | NP VP | NP VP PREP NP | NP VP ( PREP NP ) | NP VP CON S | NP VP ( CON S )",
        "ADV": "briefly | quickly | impatiently",
        "NP": "a N | the N | a ADJ N | the ADJ N",
        "PREP": "on | with | to",
        "CON": "while | but",
        "N": "mouse | bunny | cat | dog | man | woman | person",
        "VP": "walked | walks | ran | runs | goes | went",
        "ADJ": "short | quick | busy | nice | gorgeous",
    }.items()
}
PRETERMINALS = ("ADV", "PREP", "CON", "N", "VP", "ADJ")
# By kind; determiners, which the grammar does not name, are one.
WORDS = {kind: [rule[0] for rule in GRAMMAR[kind]] for kind in PRETERMINALS}
WORDS |= {"DET": ["a", "the"], "(": ["("], ")": [")"]}
KIND = {word: kind for kind, words in WORDS.items() for word in words}
VOCABULARY = sorted(KIND)
CLAUSE = "the quick dog ran"


def inside(words: list[str], weight: Callable[[str], float]) -> float:
    """The weight of all derivations of the words from S, by every split of every span.

    Args:
        words: at most some dozens.
        weight: of one application of a rule for this symbol: its probability, or 1 to count derivations.
    """

    @cache
    def symbol(name: str, start: int, end: int) -> float:
        if name not in GRAMMAR:
            return float(end - start == 1 and words[start] == name)
        return weight(name) * sum(sequence(tuple(rule), start, end) for rule in GRAMMAR[name])

    @cache
    def sequence(names: tuple[str, ...], start: int, end: int) -> float:
        if len(names) == 1:
            return symbol(names[0], start, end)
        if end - start < len(names):
            return 0.0
        total = 0.0
        for middle in range(start + 1, end - len(names) + 2):
            rest = sequence(names[1:], middle, end)
            total += rest and symbol(names[0], start, middle) * rest
        return total

    return symbol("S", 0, len(words))


def begins(string: str) -> bool:
    """Whether a derivation begins with the string, by every split of the words; the last word may be incomplete."""
    *words, last = string.split(" ")

    @cache
    def symbol(name: str, start: int, end: int) -> bool:
        if name not in GRAMMAR:
            return end - start == 1 and words[start] == name
        return any(sequence(tuple(rule), start, end) for rule in GRAMMAR[name])

    @cache
    def sequence(names: tuple[str, ...], start: int, end: int) -> bool:
        if len(names) == 1:
            return symbol(names[0], start, end)
        middles = range(start + 1, end - len(names) + 2)
        return any(sequence(names[1:], m, end) and symbol(names[0], start, m) for m in middles)

    @cache
    def unfinished(name: str, start: int) -> bool:
        """Whether the words from here on, with the last one, begin a derivation from the symbol."""
        if name not in GRAMMAR:
            return start == len(words) and name.startswith(last)
        # What S ADV begins with its S, S begins as well.
        return any(after(tuple(rule), start, left_of=name) for rule in GRAMMAR[name])

    def after(names: tuple[str, ...], start: int, left_of: str = "") -> bool:
        if names[0] != left_of and unfinished(names[0], start):
            return True
        middles = range(start + 1, len(words) + 1) if len(names) > 1 else ()
        return any(symbol(names[0], start, m) and after(names[1:], m) for m in middles)

    return unfinished("S", 0)


def probability(string: str) -> float:
    return inside(string.split(" "), lambda name: 1 / len(GRAMMAR[name]))


def derivations(most: int) -> dict[tuple[str, ...], float]:
    """Probability by string of kinds of words, over all derivations that rewrite S at most this often."""
    merged = {name: Counter(tuple(KIND.get(s, s) for s in rule) for rule in GRAMMAR[name]) for name in ("S", "NP")}
    found: defaultdict[tuple[str, ...], float] = defaultdict(float)
    open_ones = [(("S",), 1.0, 0)]
    while open_ones:
        symbols, p, rewritten = open_ones.pop()
        at = next((i for i, s in enumerate(symbols) if s in merged), None)
        if at is None:
            found[symbols] += p
        elif symbols[at] == "NP" or rewritten < most:
            rules, again = merged[symbols[at]], rewritten + (symbols[at] == "S")
            for rule, n in rules.items():
                share = p * n / rules.total()
                open_ones.append(((*symbols[:at], *rule, *symbols[at + 1 :]), share, again))
    return dict(found)


def filled_in(kinds: tuple[str, ...], generator: random.Random) -> str:
    return " ".join(generator.choice(WORDS[kind]) for kind in kinds)


def expected(value: Callable[[str], float], of_rule: float = 0.0) -> float:
    """The mean over derivations of a sum over terminals, and over applied rules of `of_rule` each, by fixed point."""
    means = dict.fromkeys(GRAMMAR, 0.0)
    for _ in range(200):
        for symbol, rules in GRAMMAR.items():
            sums = [sum(means[s] if s in means else value(s) for s in rule) for rule in rules]
            means[symbol] = sum(sums) / len(rules) + of_rule * math.log(len(rules))
    return means["S"]


def test_nats_of_samples_are_those_of_the_inside_algorithm(samples):
    toy = Toy()
    short = [s for s in samples[Toy][:1500] if s.count(" ") < 18][:400]
    ambiguous = [s for s in samples[Toy] if toy.parses(s) > 1 and s.count(" ") < 26][:25]
    assert len(short) == 400
    assert len(ambiguous) == 25
    for string in [*short, *ambiguous]:
        assert toy.nats(string) == pytest.approx(-math.log(probability(string)), rel=1e-12), string


@pytest.mark.parametrize(
    ("string", "parses"),
    [
        ("a cat ran", 1),
        ("a cat ran quickly briefly quickly", 1),
        ("a cat ran while a dog ran quickly", 2),
        ("a cat ran while a dog ran quickly briefly", 3),
        ("a cat ran while a dog ran but a man ran to the dog quickly briefly briefly", 10),
        ("a cat ran ( while a dog ran quickly )", 1),
        ("a cat ran but a cat ran ( while a dog ran but a dog ran quickly briefly ) briefly", 6),
        ("a cat ran but a cat ran ( on a cat ) briefly", 2),
        ("a cat quickly ran", 0),
        ("a cat ran quickly while a dog ran", 0),
        ("a cat ran ( quickly )", 0),
        ("a cat ran ( while a dog ran", 0),
        ("a cat ran while a dog ran )", 0),
        ("a cat ran ( on a dog quickly )", 0),
        ("a cat ran ( on a dog ) while a dog ran", 0),
        ("a cat ran on a dog while a dog ran", 0),
        ("a cat ran (on a dog)", 0),
        ("a cat  ran", 0),
        ("a quick busy cat ran", 0),
        ("a quick busy cat ran while a dog ran", 0),
        ("a cat ran while a quick busy dog ran", 0),
        ("a cat ran on a quick busy dog", 0),
        ("a cat ran ( on a quick busy dog )", 0),
        ("a the cat ran", 0),
    ],
)
def test_parses_are_counted(string, parses):
    toy = Toy()
    assert toy.parses(string) == parses
    assert inside(string.split(" "), lambda _: 1) == parses
    assert toy.accepts(string) == (parses > 0)
    if parses:
        assert toy.nats(string) == pytest.approx(-math.log(probability(string)), rel=1e-12)


def test_all_derivations_add_up_to_the_strings():
    """S is rewritten at most four times: each time, it goes on with probability 1/2."""
    toy, generator, total = Toy(), random.Random(0), 0.0
    found = derivations(4)
    for kinds, p in found.items():
        string, ways = filled_in(kinds, generator), math.prod(len(WORDS[kind]) for kind in kinds)
        assert ways * math.exp(-toy.nats(string)) == pytest.approx(p, rel=1e-12), string
        total += ways * math.exp(-toy.nats(string))
    assert total == pytest.approx(1 - 2**-4, rel=1e-10)


def test_of_all_short_strings_only_those_with_a_derivation_are_in():
    toy, generator = Toy(), random.Random(1)
    language = set(derivations(4))
    for length in range(6):
        for kinds in product(WORDS, repeat=length):
            assert toy.accepts(filled_in(kinds, generator)) == (kinds in language)


def test_short_strings_leave_where_no_derivation_begins_so():
    """All words that go wrong after at most five that do not, each cut at all its characters.

    Six words rewrite S at most four times: each but the first clause takes two words or more, and each adverb one.
    """
    toy, generator = Toy(), random.Random(3)
    language = set(derivations(4))
    beginnings = {kinds[:n] for kinds in language for n in range(7)}

    def begin(string: str) -> bool:
        *words, last = string.split(" ")
        kinds = tuple(KIND.get(word, "") for word in words)
        return any((*kinds, KIND[word]) in beginnings for word in VOCABULARY if word.startswith(last))

    def within(string: str) -> bool:
        return tuple(KIND.get(word, "") for word in string.split(" ")) in language

    for kinds in (kinds for kinds in beginnings if len(kinds) < 6):
        start = "".join(f"{generator.choice(WORDS[kind])} " for kind in kinds)
        for word in (*VOCABULARY, "quicklyy", "(a", "", "x", "man "):
            cut = generator.randrange(len(word) + 1)
            for string in (start + word, start + word[:cut], start + word[:cut] + generator.choice("xakt( ")):
                if string.count(" ") < 6:
                    assert toy.leaves(string) == left_at(string, begin, within), string
                    assert begins(string) == begin(string), string


def test_mutated_samples_leave_where_no_derivation_begins_so(samples):
    toy, generator = Toy(), random.Random(4)
    nested = [s for s in samples[Toy] if 9 < s.count(" ") < 24 and s.count("( while") + s.count("( but") > 1][:20]
    assert len(nested) == 20
    places = Counter()
    for string in [*nested, *(s for s in samples[Toy][:60] if s.count(" ") < 16)]:
        words = string.split(" ")
        at = generator.randrange(len(words))
        put = " ".join([*words[:at], generator.choice(VOCABULARY), *words[at + generator.randrange(2) :]])
        for changed in (put, string[: generator.randrange(len(string))], f"{string} {generator.choice(VOCABULARY)}"):
            expected = left_at(changed, begins, lambda s: inside(s.split(" "), lambda _: 1) > 0)
            assert toy.leaves(changed) == expected, changed
            places["in" if expected is None else "end" if expected == len(changed) else "before"] += 1
    assert min(places.values()) > 10, places


def test_mutated_samples_are_judged_as_by_the_inside_algorithm(samples):
    toy, generator, inside_it = Toy(), random.Random(2), 0
    strings = [s for s in samples[Toy][:4000] if s.count(" ") < 15]
    for string in generator.sample(strings, 800):
        words = string.split(" ")
        a, b = generator.choices(range(len(words)), k=2)
        change = generator.randrange(4)
        if change == 0:
            words[a], words[b] = words[b], words[a]
        elif change == 1:
            words.insert(a, generator.choice(VOCABULARY))
        elif change == 2:
            words[a] = generator.choice(VOCABULARY)
        else:
            words = words[: a + 1] + words[b:]
        p = inside(words, lambda name: 1 / len(GRAMMAR[name]))
        expected_nats = -math.log(p) if p else math.inf
        assert toy.nats(" ".join(words)) == pytest.approx(expected_nats, rel=1e-12)
        inside_it += p > 0
    assert 50 < inside_it < 600


def test_mean_lengths_are_those_of_the_grammar():
    toy = Toy()
    assert toy.mean_words == pytest.approx(expected(lambda _: 1), rel=1e-13)
    assert toy.mean_length == pytest.approx(expected(lambda word: len(word) + 1) - 1, rel=1e-13)


def test_entropy_is_that_of_derivations_less_the_mean_logarithm_of_parses():
    """The sum runs over clauses and adverbs of a level; the library's runs over their sum."""
    logarithms = sum(
        4 * math.comb(m + k - 1, m) / 6 ** (k + m) * math.log(math.comb(m + k - 1, m))
        for k in range(1, 60)
        for m in range(120)
    )
    levels = 1 / (1 - 1 / 4)
    assert Toy().nats_per_string == pytest.approx(expected(lambda _: 0.0, of_rule=1) - levels * logarithms, rel=1e-13)


def test_the_logarithm_of_parses_is_the_samples_mean(samples):
    """It varies less than the nats do, so this sees what the Monte Carlo of nats does not."""
    toy = Toy()
    logarithms = [math.log(toy.parses(s)) for s in samples[Toy]]
    error = np.std(logarithms) / math.sqrt(len(logarithms))
    exact = expected(lambda _: 0.0, of_rule=1) - toy.nats_per_string
    assert 0.05 < exact < 0.2
    assert abs(np.mean(logarithms) - exact) < 4 * error


def test_structures_of_samples(samples, deviation):
    frequent = {kinds: p for kinds, p in derivations(5).items() if p > 1e-3}
    assert len(frequent) > 60
    drawn = Counter(tuple(KIND[word] for word in s.split(" ")) for s in samples[Toy])
    assert abs(deviation(drawn, frequent)) < 4


def test_shortest_strings_of_samples(samples, deviation):
    frequent = {
        f"{determiner} {noun} {verb}": 1 / 6 / 4 / 7 / 6
        for determiner in ("a", "the")
        for noun in WORDS["N"]
        for verb in WORDS["VP"]
    }
    assert abs(deviation(Counter(samples[Toy]), frequent)) < 4


@pytest.mark.parametrize("kind", [*PRETERMINALS, "DET"])
def test_words_of_samples(kind, samples, deviation):
    drawn = Counter(word for s in samples[Toy] for word in s.split(" ") if KIND[word] == kind)
    assert abs(deviation(drawn, dict.fromkeys(WORDS[kind], 1 / len(WORDS[kind])))) < 4


def test_determiners_are_drawn_independently_of_what_follows(samples, deviation):
    pairs = Counter(pair for s in samples[Toy] for pair in pairwise(s.split(" ")) if KIND[pair[0]] == "DET")
    shares = {(d, word): 1 / 4 / len(WORDS[k]) for k in ("N", "ADJ") for d in WORDS["DET"] for word in WORDS[k]}
    assert abs(deviation(pairs, shares)) < 4


def test_long_sentences():
    """Thousands of words: the number of parses has thousands of digits."""
    toy, clauses, adverbs = Toy(), 4000, 3000
    start = time.process_time()
    string = " but ".join([CLAUSE] * clauses) + " quickly" * adverbs
    parses = math.comb(adverbs + clauses - 1, adverbs)
    words = clauses * math.log(4 * 5 * 7 * 6) + (clauses - 1) * math.log(2) + adverbs * math.log(3)
    expected_nats = (clauses + adverbs) * math.log(6) + words - math.log(parses)
    assert toy.nats(string) == pytest.approx(expected_nats, rel=1e-11)
    assert toy.parses(string) == parses
    assert not toy.accepts(string + " cat")
    assert time.process_time() - start < 2


def test_deep_parentheses():
    toy, depth = Toy(), 20_000
    start = time.process_time()
    opened, closed = f"{CLAUSE} ( while " * depth, " quickly ) briefly" * depth
    string = f"{opened}{CLAUSE} ( on a cat ){closed}"
    words = (depth + 1) * math.log(4 * 5 * 7 * 6) + depth * math.log(2 * 3 * 3) + math.log(3 * 4 * 7)
    # Each level but the outermost and the innermost holds two adverbs, and all hold one clause.
    assert toy.nats(string) == pytest.approx((depth + 1 + 2 * depth) * math.log(6) + words, rel=1e-12)
    assert not toy.accepts(string[: -len(" ) briefly")])
    assert not toy.accepts(string + " )")
    assert toy.leaves(string) is None
    assert toy.leaves(string + " )") == len(string) + 1
    assert time.process_time() - start < 3
