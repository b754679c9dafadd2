"""The formal language `toy`: small English sentences, some with many parses."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import chain, pairwise

import numpy as np

from lmlab.data.grammars.grammar import Unit, length_in_common

# What S is rewritten to, each with the same probability. Words and parentheses are separated by one space.
RULES = ("S ADV", "NP VP", "NP VP PREP NP", "NP VP ( PREP NP )", "NP VP CON S", "NP VP ( CON S )")
# NP is a determiner, with probability 1/2 an adjective, and a noun.
WORDS = {
    "DET": ("a", "the"),
    "ADJ": ("short", "quick", "busy", "nice", "gorgeous"),
    "N": ("mouse", "bunny", "cat", "dog", "man", "woman", "person"),
    "VP": ("walked", "walks", "ran", "runs", "goes", "went"),
    "PREP": ("on", "with", "to"),
    "CON": ("while", "but"),
    "ADV": ("briefly", "quickly", "impatiently"),
    "(": ("(",),
    ")": (")",),
}
_KIND_OF = {word: kind for kind, words in WORDS.items() for word in words}
_NOUN_PHRASES = tuple(
    f"{determiner} {middle}{noun}"
    for determiner in WORDS["DET"]
    for noun in WORDS["N"]
    for adjective in WORDS["ADJ"]
    # A noun phrase without an adjective is listed once for each adjective, so that all 140 entries are equally likely.
    for middle in ("", f"{adjective} ")
)
_CHOICES = {**WORDS, "NP": _NOUN_PHRASES}

# Represents a string of words by a string of letters, one per word, so that regular expressions can parse it.
_LETTERS = {"DET": "D", "ADJ": "A", "N": "N", "VP": "V", "PREP": "P", "CON": "C", "ADV": "R", "(": "(", ")": ")"}
_LETTER_OF = {word: _LETTERS[kind] for word, kind in _KIND_OF.items()}
_JOINED_CLAUSE = re.compile(r"DA?NV(\(?)C")
_LAST_CLAUSE = re.compile(r"DA?NV(?:PDA?N|\(PDA?N\))?")

# The same language word by word: what may be expected, and each kind of word with which it may begin, with what is then
# expected instead. Never do two kinds fit one word, and whatever was read so far is the beginning of a sentence.
_EXPECTED: dict[str, dict[str, tuple[str, ...]]] = {
    "S": {"DET": ("noun", "VP", "after VP")},
    "NP": {"DET": ("noun",)},
    "noun": {"ADJ": ("N",), "N": ()},
    # Adverbs that end both a sentence and the one after its CON are one row.
    "after VP": {"PREP": ("NP", "adverbs"), "(": ("aside", ")", "adverbs"), "CON": ("S",), "ADV": ("adverbs",)},
    "aside": {"PREP": ("NP",), "CON": ("S",)},
    "adverbs": {"ADV": ("adverbs",)},
    **{kind: {kind: ()} for kind in ("N", "VP", ")")},
}
_OPTIONAL = frozenset({"after VP", "adverbs"})  # may stay without a word

_RULE_NATS = math.log(len(RULES))
# Of each word; a determiner has one bit more, for whether an adjective follows.
_WORD_NATS = {kind: math.log(len(words)) + (math.log(2) if kind == "DET" else 0.0) for kind, words in WORDS.items()}


def _around_s(rule: str) -> tuple[list[str], list[str]]:
    """Returns what a rule has before S and after it; for a rule without S, the whole rule and nothing."""
    symbols = rule.split()
    at = symbols.index("S") if "S" in symbols else len(symbols)
    return symbols[:at], symbols[at + 1 :]


# Each rule has at most one S, so a derivation is linear: the parts before each S, then the parts after, in reverse.
_AROUND_S = [_around_s(rule) for rule in RULES]
_RECURSIVE = np.array(["S" in rule.split() for rule in RULES])


class Toy:
    """Sentences of the grammar in `RULES`, every alternative equally likely.

    **Parses.** All rules but the first begin with a clause, ``NP VP``. Without parentheses, a sentence of k clauses
    joined by CON ends in m adverbs, and each adverb may belong to any of the k sentences that end there: the string has
    C(m + k - 1, m) parses. ``( CON S )`` contains another such sentence, whose adverbs come before the ``)``. So a
    string is a sequence of levels, each with its own k and m, and the number of its parses is the product over levels.
    All of them apply the same number of rules and so have the same probability.
    """

    @property
    def nats_per_string(self) -> float:
        """The entropy of a string in nats, 17.6947, exact to double precision.

        It is the entropy of a derivation less the mean of ln(parses), because all parses of a given string are equally
        likely (chain rule). The first has a closed form: S is rewritten until a rule without S comes, twice on average
        (Wald's identity), at ln 6 nats, and each word adds the logarithm of its alternatives.

        The second is a sum of independent levels, 4/3 on average, of which one has k clauses and m adverbs with
        probability 4 C(m + k - 1, m) / 6^(k + m). With n = m + k - 1 this is (2/3) (1/3)^n, times C(n, m) / 2^n: n is
        geometric and m binomial, so the mean of ln C(n, m) is a sum over n whose terms shrink about threefold. As
        ln C(n, m) <= n ln 2, what comes from n >= L is at most 3^-L (L + 1/2) ln 2: below 1e-17 for L = 40, where the
        sum is cut off.
        """
        derivation = _mean_rewritings() * _RULE_NATS + sum(n * _WORD_NATS[kind] for kind, n in _mean_counts().items())
        return derivation - _mean_levels() * _mean_log_parses_of_level()

    @property
    def mean_length(self) -> float:
        """46.01 characters, spaces between words counted."""
        letters = sum(n * sum(map(len, WORDS[kind])) / len(WORDS[kind]) for kind, n in _mean_counts().items())
        return letters + self.mean_words - 1

    @property
    def mean_words(self) -> float:
        """10.5 words; a parenthesis counts as a word."""
        return math.fsum(_mean_counts().values())

    def nats_per_token(self, by: Unit = "char") -> float:
        """Returns 0.376393 nats per character (spaces included) or 1.538666 per word, the end token counted as one.

        Raises:
            ValueError: ``by`` is neither ``char`` nor ``word``.
        """
        if by not in ("char", "word"):
            raise ValueError(f"by={by}: use by='char' or by='word'")
        return self.nats_per_string / ((self.mean_length if by == "char" else self.mean_words) + 1)

    def sample(self, count: int, generator: np.random.Generator) -> list[str]:
        """Draws independent strings, which depend on the generator's state alone."""
        sentences = _derive(count, generator)
        needed = Counter(chain.from_iterable(sentences))
        drawn = {
            kind: map(words.__getitem__, generator.integers(len(words), size=needed[kind]).tolist())
            for kind, words in _CHOICES.items()
        }
        return [" ".join([next(drawn[kind]) for kind in sentence]) for sentence in sentences]

    def accepts(self, string: str) -> bool:
        """Returns whether the string is in the language, in time linear in its length."""
        return _levels(_letters(string)) is not None

    def leaves(self, string: str) -> int | None:
        """Returns where the string leaves the language, also within a word; see `Grammar.leaves`.

        Source: predictive parsing, Aho, Lam, Sethi and Ullman 2007, Compilers, section 4.4.
        """
        expected, at = ["S"], 0
        for word in string.split(" "):
            following = _following(expected)
            kind = _KIND_OF.get(word)
            if kind not in following:
                possible = [whole for other in following for whole in WORDS[other]]
                return at + max(length_in_common(word, whole) for whole in possible)
            kept, put = following[kind]
            expected[kept:] = reversed(put)
            at += len(word) + 1
        return None if _OPTIONAL.issuperset(expected) else len(string)

    def parses(self, string: str) -> int:
        """Returns the exact number of derivations of the string; 0 outside the language."""
        levels = _levels(_letters(string))
        return 0 if levels is None else math.prod(math.comb(m + k - 1, m) for k, m in levels)

    def nats(self, string: str) -> float:
        """Returns -ln P(string and its end) in nats, summed over all parses; infinite outside the language."""
        letters = _letters(string)
        levels = _levels(letters)
        if levels is None:
            return math.inf
        rules = sum(k + m for k, m in levels) * _RULE_NATS
        words = sum(letters.count(_LETTERS[kind]) * nats for kind, nats in _WORD_NATS.items())
        return rules + words - sum(_log_binomial(m + k - 1, m) for k, m in levels)


def _derive(count: int, generator: np.random.Generator) -> list[list[str]]:
    """Draws sentences of NP and kinds of words; the rules of all sentences are drawn as one sequence and then split."""
    rules = np.empty(0, dtype=np.int64)
    ends = np.empty(0, dtype=np.intp)
    while len(ends) < count:
        rules = np.concatenate((rules, generator.integers(len(RULES), size=2 * (count - len(ends)))))
        ends = np.flatnonzero(~_RECURSIVE[rules]) + 1
    bounds = [0, *ends[:count].tolist()]
    line = rules.tolist()
    return [_sentence(line[start:end]) for start, end in pairwise(bounds)]


def _sentence(rules: list[int]) -> list[str]:
    """Returns NP and kinds of words in order; rules are given from the outermost S inwards."""
    sentence: list[str] = []
    for rule in rules:
        sentence += _AROUND_S[rule][0]
    for rule in reversed(rules):
        sentence += _AROUND_S[rule][1]
    return sentence


def _following(expected: list[str]) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Returns each kind of word that may come next, with how many expectations it keeps and which it puts on them.

    Args:
        expected: what must still come, the next last.
    """
    found: dict[str, tuple[int, tuple[str, ...]]] = {}
    for kept in reversed(range(len(expected))):
        found |= {kind: (kept, put) for kind, put in _EXPECTED[expected[kept]].items()}
        if expected[kept] not in _OPTIONAL:
            break
    return found


def _letters(string: str) -> str:
    """Returns one letter per word; ``?`` for anything that is not a word of the grammar."""
    return "".join([_LETTER_OF.get(word, "?") for word in string.split(" ")])


def _levels(letters: str) -> list[tuple[int, int]] | None:
    """Returns clauses and adverbs (k, m) of each level, the outermost first; None outside the language."""
    clauses = [1]
    at = 0
    while joined := _JOINED_CLAUSE.match(letters, at):
        if joined[1]:
            clauses.append(1)
        else:
            clauses[-1] += 1
        at = joined.end()
    last = _LAST_CLAUSE.match(letters, at)
    if last is None:
        return None
    adverbs = letters[last.end() :].split(")")
    if len(adverbs) != len(clauses) or any(group.strip("R") for group in adverbs):
        return None
    return [(k, len(group)) for k, group in zip(clauses, reversed(adverbs), strict=True)]


def _mean_rewritings() -> float:
    """Returns the mean number of times that S is rewritten, which ends when a rule without S is drawn."""
    return 1 / (1 - float(_RECURSIVE.mean()))


def _mean_levels() -> float:
    """Returns the mean number of levels: one, and one more for each ``( CON S )``."""
    return 1 + _mean_rewritings() * sum("( CON S )" in rule for rule in RULES) / len(RULES)


def _mean_counts() -> dict[str, float]:
    """Returns the mean number of words of a string, by kind."""
    counts = {symbol: n * _mean_rewritings() / len(RULES) for symbol, n in Counter(" ".join(RULES).split()).items()}
    phrases = counts["NP"]
    return {kind: counts.get(kind, 0.0) for kind in WORDS} | {"DET": phrases, "ADJ": phrases / 2, "N": phrases}


def _mean_log_parses_of_level() -> float:
    """Returns the mean of ln C(m + k - 1, m) over levels; see `Toy.nats_per_string`."""
    return math.fsum(
        (2 / 3) * math.comb(n, m) / 6**n * math.log(math.comb(n, m)) for n in range(40) for m in range(n + 1)
    )


def _log_binomial(n: int, m: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(m + 1) - math.lgamma(n - m + 1)
