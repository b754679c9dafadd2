"""The formal language `brackets`: nested brackets within one outer pair."""

from __future__ import annotations

import math
from itertools import accumulate, pairwise

import numpy as np

from lmlab.data.grammars.grammar import Unit

OPENING, SIDES = 7, 16  # after the first "(", each bracket opens with probability 7/16
_OPENING_NATS = math.log(SIDES / OPENING)
_CLOSING_NATS = math.log(SIDES / (SIDES - OPENING))


class Brackets:
    """Strings of nested brackets: ``(``, then ``(`` with probability 7/16 or else ``)``, until all are closed.

    The depth is a random walk that steps down by 1/8 of a bracket on average and ends at 0. More than half of the
    strings are ``()``, and the tail is long: of 150,000 strings, the longest has 500 to 1,000 brackets.
    """

    @property
    def nats_per_string(self) -> float:
        """The entropy of a string in nats, 5.48251: the steps until the walk ends are independent and 8 on average.

        Source: Wald's identity, E[sum of X over N steps] = E[N] E[X] for a stopping time N.
        """
        opening = OPENING / SIDES
        return _mean_steps() * (opening * _OPENING_NATS + (1 - opening) * _CLOSING_NATS)

    @property
    def mean_length(self) -> float:
        """9 brackets: the first, which is certain, and 8 steps."""
        return 1 + _mean_steps()

    def nats_per_token(self, by: Unit = "char") -> float:
        """Returns 0.548251 nats per bracket, the end token counted as one.

        Raises:
            ValueError: ``by`` is not ``char``; the strings have no spaces.
        """
        if by != "char":
            raise ValueError(f"by={by}: the strings of brackets have no spaces; use by='char'")
        return self.nats_per_string / (self.mean_length + 1)

    def sample(self, count: int, generator: np.random.Generator) -> list[str]:
        """Draws independent strings, which depend on the generator's state alone.

        All random walks are drawn as one long walk: a string ends whenever the sum of all steps reaches a new minimum.
        """
        opens = np.empty(0, dtype=np.bool_)
        ends = np.empty(0, dtype=np.intp)
        while len(ends) < count:
            more = generator.integers(SIDES, size=8 * (count - len(ends)) + 64) < OPENING
            opens = np.concatenate((opens, more))
            heights = np.cumsum(np.where(opens, 1, -1))
            lowest = np.minimum.accumulate(np.concatenate(([0], heights)))
            ends = np.flatnonzero(np.diff(lowest)) + 1
        # The unfinished walk at the end is dropped only once `count` walks are complete; dropping it in each round
        # would remove mostly long strings.
        steps = np.where(opens, b"(", b")").tobytes().decode("ascii")
        bounds = [0, *ends[:count].tolist()]
        return ["(" + steps[start:end] for start, end in pairwise(bounds)]

    def accepts(self, string: str) -> bool:
        """Returns whether the string is in the language, in time linear in its length."""
        return self.leaves(string) is None

    def leaves(self, string: str) -> int | None:
        """Returns where the string leaves the language; see `Grammar.leaves`."""
        depth = 0
        for at, c in enumerate(string):
            # Depth 0 is before the string or after its end.
            if c not in "()" or (depth == 0 and (at > 0 or c == ")")):
                return at
            depth += 1 if c == "(" else -1
        return None if string and depth == 0 else len(string)

    def nats(self, string: str) -> float:
        """Returns -ln P(string and its end) in nats; infinite outside the language. Depends on the length alone."""
        if not self.accepts(string):
            return math.inf
        pairs = len(string) // 2
        return (pairs - 1) * _OPENING_NATS + pairs * _CLOSING_NATS

    def max_depth(self, string: str) -> int:
        """Returns the largest number of brackets open at once, 0 if there are none.

        Accepts any string, so also one that a model wrote and that is not in the language.
        """
        return max(0, max(_depths(string), default=0))

    def closings(self, string: str) -> list[tuple[int, int]]:
        """Returns the position (from 0) of each ``)`` and the depth that it closes.

        The depth is 1 for the last one and `max_depth` for the innermost.

        Raises:
            ValueError: the string is not in the language.
        """
        if not self.accepts(string):
            raise ValueError(f"{string[:40]!r} is not in the language; ask `accepts` first")
        return [(at, depth + 1) for at, (c, depth) in enumerate(zip(string, _depths(string), strict=True)) if c == ")"]


def _mean_steps() -> float:
    """Returns the mean number of steps from depth 1 to 0, at a mean of (closing - opening) / sides per step."""
    return SIDES / (SIDES - 2 * OPENING)


def _depths(string: str) -> list[int]:
    """Returns the number of open brackets after each character; characters that are not brackets change nothing."""
    step = {"(": 1, ")": -1}
    return list(accumulate(step.get(c, 0) for c in string))
