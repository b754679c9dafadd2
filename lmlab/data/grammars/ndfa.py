"""The formal language `ndfa`: one of three words, repeated."""

from __future__ import annotations

import math

import numpy as np

from lmlab.data.grammars.grammar import Unit, length_in_common

WORDS = ("abc!", "uvw!", "klm!")
MARK = "s"
STOP = 1 / 4  # probability of stopping before each repetition


class NDFA:
    """Strings ``s``, a word k times, ``s``: the word is chosen once and uniformly, k is geometric and may be 0.

    A model must remember which of the three words the string began with until its end.
    """

    @property
    def nats_per_string(self) -> float:
        """The entropy of a string in nats, 3.07330: that of k, plus that of the word if k is not 0.

        Source: entropy of a geometric variable, H(stop) / stop (Cover and Thomas 2006, Elements of Information Theory,
        problem 2.1); chain rule.
        """
        repetitions = -(STOP * math.log(STOP) + (1 - STOP) * math.log(1 - STOP)) / STOP
        return repetitions + (1 - STOP) * math.log(len(WORDS))

    @property
    def mean_length(self) -> float:
        """14 characters: two marks and 3 repetitions on average."""
        return 2 * len(MARK) + len(WORDS[0]) * (1 - STOP) / STOP

    def nats_per_token(self, by: Unit = "char") -> float:
        """Returns 0.204887 nats per character, the end token counted as one.

        Raises:
            ValueError: ``by`` is not ``char``; the strings have no spaces.
        """
        if by != "char":
            raise ValueError(f"by={by}: the strings of ndfa have no spaces; use by='char'")
        return self.nats_per_string / (self.mean_length + 1)

    def sample(self, count: int, generator: np.random.Generator) -> list[str]:
        """Draws independent strings, which depend on the generator's state alone."""
        words = generator.integers(len(WORDS), size=count).tolist()
        repetitions = (generator.geometric(STOP, size=count) - 1).tolist()
        return [MARK + WORDS[word] * k + MARK for word, k in zip(words, repetitions, strict=True)]

    def accepts(self, string: str) -> bool:
        """Returns whether the string is in the language, in time linear in its length."""
        return _repetitions(string) is not None

    def leaves(self, string: str) -> int | None:
        """Returns where the string leaves the language; see `Grammar.leaves`."""
        # The character after the first mark decides on the word.
        word = next((word for word in WORDS if word[0] == string[len(MARK) : len(MARK) + 1]), WORDS[0])
        at = length_in_common(string, MARK + word * (len(string) // len(word) + 1))
        if at % len(word) != len(MARK) or not string.startswith(MARK, at):
            return at
        end = at + len(MARK)
        return None if len(string) == end else end

    def nats(self, string: str) -> float:
        """Returns -ln P(string and its end) in nats; infinite outside the language."""
        repetitions = _repetitions(string)
        if repetitions is None:
            return math.inf
        # All three words, repeated 0 times, give the same string.
        word = math.log(len(WORDS)) if repetitions else 0.0
        return word - repetitions * math.log(1 - STOP) - math.log(STOP)


def _repetitions(string: str) -> int | None:
    """Returns how often the word is repeated; None if the string is not in the language."""
    if len(string) < 2 * len(MARK) or not (string.startswith(MARK) and string.endswith(MARK)):
        return None
    inside = string[len(MARK) : -len(MARK)]
    word = inside[: len(WORDS[0])]
    repetitions = len(inside) // len(WORDS[0])
    known = word in WORDS or not inside
    return repetitions if known and inside == word * repetitions else None
