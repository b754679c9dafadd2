"""Interpolated Kneser-Ney n-grams over token ids."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmlab.evaluation.baselines.discounts import discounts

Integers = NDArray[np.integer[Any]]
Ranks = NDArray[np.int64]
Floats = NDArray[np.float64]

# Tokens that are looked up at once, so that no second array as long as the text is needed.
CHUNK = 1 << 22


class _Level(NamedTuple):
    """One order k, with U distinct k-grams and C contexts of k - 1 tokens.

    A k-gram's key is rank of its context * vocabulary size + its last token; its rank is its place among the sorted
    keys. Contexts are the (k-1)-grams by their rank, and after them the one that is only begin symbols.

    Args:
        keys: (U,) sorted.
        shares: (U + 1,) discounted count / total of the context; the last one, found by rank -1, is an unseen k-gram's.
        leftovers: (C + 1,) what the discounts leave to the lower order; the last one is an unseen context's.
    """

    keys: Ranks
    shares: Floats
    leftovers: Floats


class KneserNey:
    """Interpolated Kneser-Ney smoothing, modified (three discounts an order) or plain (one).

    For a context h of k - 1 tokens and h' without its first,

        p_k(w | h) = (a(h w) - D(a(h w))) / sum_v a(h v) + sum_v D(a(h v)) / sum_v a(h v) * p_k-1(w | h'),

    p_k = p_k-1 for a context that was not seen, and p_0 = 1 / vocabulary size, so that every distribution sums to one
    over the vocabulary and no token has probability zero. At the highest order a is how often the n-gram occurs, at
    lower ones its continuation count, the number of distinct symbols found before it. D(0) is 0.

    Each sequence is preceded by n - 1 begin symbols, which are never predicted and not in the vocabulary. The begin
    symbol is one symbol in the continuation counts: an n-gram at the beginning of a thousand sequences gets a count of
    one from it, even if it starts with begin symbols itself. Contexts never cross the start of a sequence.

    Fitting ranks all n-grams of the text once for each order, on one core. A million characters take a second at order
    5; 90 million took a minute at order 6, and 10 million words of 268,000 types two minutes at order 5. Memory while
    fitting is about 35 bytes a token for characters and up to 125 for words, most of which start an n-gram of their
    own; afterwards 24 bytes a distinct n-gram of any order.

    Args:
        order: n, the length of the longest n-gram.
        vocabulary_size: ids are below it.
        modified: three discounts for each order instead of one.

    Raises:
        ValueError: order or vocabulary_size is below 1.

    Source: Chen and Goodman (1998), An Empirical Study of Smoothing Techniques for Language Modeling, TR-10-98:
    section 2.7 for the continuation counts and the interpolation with a uniform distribution, equation 26 for the
    discounts (`discounts`, with a fallback that is not of the paper). SRILM and KenLM differ at the beginning of a
    sequence: they put one begin symbol there and keep the plain counts of n-grams that start with it.
    """

    def __init__(self, order: int, vocabulary_size: int, *, modified: bool = True) -> None:
        for name, value in (("order", order), ("vocabulary_size", vocabulary_size)):
            if value < 1:
                raise ValueError(f"{name}={value}: needs at least 1")
        self.order = order
        self.vocabulary_size = vocabulary_size
        self.modified = modified
        self._levels: list[_Level] = []

    def fit(self, ids: Integers, starts: Integers) -> KneserNey:
        """Counts the n-grams of a text; replaces earlier counts.

        Args:
            ids: (N,) tokens, end tokens included.
            starts: (S,) sorted positions at which a sequence begins, the first is 0; one stream is [0].

        Returns:
            Itself.

        Raises:
            ValueError: an id is outside the vocabulary, starts are not as described, or the text is too long for this
                vocabulary: (N + 1) * vocabulary size reaches 2**63.
        """
        ids, is_start = self._checked(ids, starts)
        levels: list[_Level] = []
        keys, ranks = _ranked(ids.copy())
        num_contexts = 1
        for _ in range(self.order - 1):
            contexts = _moved_on(ranks, is_start, begin=len(keys))
            longer_keys, longer_ranks = _ranked(self._with_last(contexts, ids))
            # Each n-gram of the next order adds one symbol before the n-gram that it ends with.
            endings = np.empty(len(longer_keys), dtype=np.int64)
            endings[longer_ranks] = ranks
            levels.append(self._level(keys, np.bincount(endings), num_contexts))
            num_contexts = len(keys) + 1
            keys, ranks = longer_keys, longer_ranks
        levels.append(self._level(keys, np.bincount(ranks), num_contexts))
        self._levels = levels
        return self

    def nats(self, ids: Integers, starts: Integers) -> Floats:
        """Returns minus the logarithm of every token's probability, given the tokens before it in its sequence.

        Args:
            ids: (N,) tokens.
            starts: (S,) sorted positions at which a sequence begins, the first is 0.

        Returns:
            (N,) nats, all finite.

        Raises:
            ValueError: as in `fit`.
            RuntimeError: nothing was fitted.
        """
        if not self._levels:
            raise RuntimeError("KneserNey.nats needs KneserNey.fit before it")
        ids, is_start = self._checked(ids, starts)
        probabilities = np.full(len(ids), 1 / self.vocabulary_size)
        contexts = np.zeros(len(ids), dtype=np.int64)
        for keys, shares, leftovers in self._levels:
            # An unseen context has rank -1, so that its keys are negative and not found.
            probabilities *= leftovers[contexts]
            ranks = _found(keys, self._with_last(contexts, ids))
            probabilities += shares[ranks]
            contexts = _moved_on(ranks, is_start, begin=len(keys))
        nats: Floats = -np.log(probabilities)
        return nats

    def _with_last(self, contexts: Ranks, ids: Ranks) -> Ranks:
        """Returns the keys of contexts followed by ids, (N,); reuses the memory of `contexts`."""
        contexts *= self.vocabulary_size
        contexts += ids
        return contexts

    def _level(self, keys: Ranks, counts: Ranks, num_contexts: int) -> _Level:
        contexts = keys // self.vocabulary_size
        # Counts are at least 1, because every n-gram has a symbol before it, if only a begin symbol.
        taken = discounts(counts, modified=self.modified)[np.minimum(counts, 3) - 1]
        # A context that only occurs at the end of a sequence has no total, and leaves everything to the lower order.
        totals = np.bincount(contexts, weights=counts, minlength=num_contexts)
        leftovers = np.ones(num_contexts + 1)
        np.divide(
            np.bincount(contexts, weights=taken, minlength=num_contexts), totals, out=leftovers[:-1], where=totals > 0
        )
        shares = np.zeros(len(keys) + 1)
        shares[:-1] = (counts - taken) / totals[contexts]
        return _Level(keys, shares, leftovers)

    def _checked(self, ids: Integers, starts: Integers) -> tuple[Ranks, NDArray[np.bool_]]:
        """Checks the arguments; returns the ids as int64 and which of them begin a sequence, both (N,)."""
        if len(ids) and not (ids.min() >= 0 and ids.max() < self.vocabulary_size):
            raise ValueError(
                f"ids are {ids.min()} to {ids.max()}: needs 0 to {self.vocabulary_size - 1} (vocabulary_size - 1)"
            )
        # The largest key is below (N + 1) * vocabulary size.
        if (len(ids) + 1) * self.vocabulary_size >= 2**63:
            raise ValueError(f"{len(ids)} ids of a vocabulary of {self.vocabulary_size}: keys do not fit 64 bits")
        starts = np.asarray(starts, dtype=np.int64)
        if len(ids) and not (
            len(starts) and starts[0] == 0 and (np.diff(starts) >= 0).all() and starts[-1] <= len(ids)
        ):
            raise ValueError(f"starts: needs sorted positions up to {len(ids)}, 0 the first")
        is_start = np.zeros(len(ids), dtype=np.bool_)
        is_start[starts[starts < len(ids)]] = True
        return ids.astype(np.int64, copy=False), is_start


def _ranked(keys: Ranks) -> tuple[Ranks, Ranks]:
    """Returns the distinct keys in order, (U,), and the rank of each key, (N,), in the memory of `keys`."""
    largest = int(keys.max(initial=0))
    if largest < len(keys):
        # A table of all possible keys is three times as fast as sorting, for a long text of characters.
        is_there = np.zeros(largest + 1, dtype=np.bool_)
        is_there[keys] = True
        places = np.cumsum(is_there) - 1
        for i in range(0, len(keys), CHUNK):
            keys[i : i + CHUNK] = places[keys[i : i + CHUNK]]
        return np.flatnonzero(is_there), keys
    distinct = np.sort(keys)
    is_first = np.ones(len(keys), dtype=np.bool_)
    np.not_equal(distinct[1:], distinct[:-1], out=is_first[1:])
    distinct = distinct[is_first]
    # Twice as fast as sorting positions along with the keys, because text has fewer n-grams than tokens.
    for i in range(0, len(keys), CHUNK):
        keys[i : i + CHUNK] = np.searchsorted(distinct, keys[i : i + CHUNK])
    return distinct, keys


def _found(keys: Ranks, wanted: Ranks) -> Ranks:
    """Returns the position of each wanted key among sorted ones, -1 if missing; (N,), in the memory of `wanted`."""
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    for i in range(0, len(wanted), CHUNK):
        part = wanted[i : i + CHUNK]
        places = np.minimum(np.searchsorted(keys, part), len(keys) - 1)
        wanted[i : i + CHUNK] = np.where(keys[places] == part, places, -1)
    return wanted


def _moved_on(ranks: Ranks, is_start: NDArray[np.bool_], begin: int) -> Ranks:
    """Returns the context of each token, (N,).

    That is the rank of the k-gram that ends before the token, or `begin` at the start of a sequence.
    """
    contexts = np.empty_like(ranks)
    contexts[1:] = ranks[:-1]
    contexts[is_start] = begin
    return contexts
