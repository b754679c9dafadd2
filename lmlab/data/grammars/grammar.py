"""What lmlab asks of a formal language."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np

Unit = Literal["char", "word"]


class Grammar(Protocol):
    """A probability distribution over strings that can be drawn from, decided and measured.

    Probabilities count the end of the string, and so do tokens: a string of n tokens gives n + 1 predictions, the last
    one of the end token.
    """

    @property
    def nats_per_string(self) -> float:
        """The entropy of the source in nats a string: the mean of `nats` over its strings."""
        ...

    @property
    def mean_length(self) -> float:
        """The mean number of characters of a string, without the end token."""
        ...

    def sample(self, count: int, generator: np.random.Generator) -> list[str]:
        """Independent strings of the language; the generator's state alone decides which.

        Args:
            count: how many strings.
            generator: drawn from and so advanced.
        """
        ...

    def accepts(self, string: str) -> bool:
        """Whether the string is in the language, in time linear in its length; raises for no string."""
        ...

    def nats(self, string: str) -> float:
        """-ln of the probability of exactly this string and its end, in nats; infinite outside the language."""
        ...

    def nats_per_token(self, by: Unit = "char") -> float:
        """The least mean loss of any model, in nats a token, the end token counted as one.

        It is the entropy of a string over its mean number of tokens, so losses are to be summed over all tokens and
        divided once.

        Raises:
            ValueError: the strings have no such unit.
        """
        ...
