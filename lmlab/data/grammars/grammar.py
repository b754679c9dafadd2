"""The base class of formal languages."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np

Unit = Literal["char", "word"]


def length_in_common(a: str, b: str) -> int:
    """Returns the number of characters, from the first on, in which two strings agree."""
    return next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


class Grammar(Protocol):
    """A probability distribution over strings: draws strings, tests membership and returns exact probabilities.

    Probabilities include the end of the string, and so do counts of tokens: a string of n tokens gives n + 1
    predictions, the last one of the end token.
    """

    @property
    def nats_per_string(self) -> float:
        """The entropy of the source in nats per string: the mean of `nats` over its strings."""
        ...

    @property
    def mean_length(self) -> float:
        """The mean number of characters of a string, without the end token."""
        ...

    def sample(self, count: int, generator: np.random.Generator) -> list[str]:
        """Draws independent strings of the language, which depend on the generator's state alone.

        Args:
            count: number of strings.
            generator: source of random numbers; its state is advanced.
        """
        ...

    def accepts(self, string: str) -> bool:
        """Returns whether the string is in the language, in time linear in its length; never raises."""
        ...

    def leaves(self, string: str) -> int | None:
        """Returns where the string leaves the language, in time linear in its length; never raises.

        Returns:
            The position (from 0) of the first wrong character: no string of the language begins with the characters up
            to and including it. The string's length if it is right so far, but incomplete; None if it is in the
            language.
        """
        ...

    def nats(self, string: str) -> float:
        """Returns -ln of the probability of exactly this string and its end, in nats; infinite outside the language."""
        ...

    def nats_per_token(self, by: Unit = "char") -> float:
        """Returns the lowest possible mean loss of any model, in nats per token, the end token counted as one.

        It is the entropy of a string divided by its mean number of tokens. A model's loss to compare it with is
        therefore summed over all tokens and divided once.

        Raises:
            ValueError: the strings cannot be split into the unit `by`.
        """
        ...
