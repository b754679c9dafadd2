"""Kneser-Ney against a slow one with dictionaries, written from the formulas, and against what must hold."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from lmlab.evaluation.baselines import kneser_ney
from lmlab.evaluation.baselines.kneser_ney import KneserNey

BEGIN = "begin"
Sequences = list[list[int]]


class SlowKneserNey:
    """Probabilities by recursion over counts of tuples, which are begin symbols and ids."""

    def __init__(self, order: int, vocabulary_size: int, modified: bool, sequences: Sequences) -> None:
        self.order, self.vocabulary_size = order, vocabulary_size
        text = [[BEGIN] * (order - 1) + sequence for sequence in sequences]
        occurring = Counter(
            tuple(padded[i - order + 1 : i + 1]) for padded in text for i in range(order - 1, len(padded))
        )
        self.counts = {order: dict(occurring)}
        for k in range(order - 1, 0, -1):
            # N1+(. h w): distinct symbols before, over all (k + 1)-grams of the text that end with an id.
            longer = {tuple(padded[i - k : i + 1]) for padded in text for i in range(order - 1, len(padded))}
            self.counts[k] = dict(Counter(gram[1:] for gram in longer))
        self.used_fallback = {}
        self.discounts = {k: self.estimate(k, modified) for k in self.counts}
        self.followers: dict[tuple, list[int]] = {}
        for counts in self.counts.values():
            for gram, count in counts.items():
                self.followers.setdefault(gram[:-1], []).append(count)

    def estimate(self, k: int, modified: bool) -> dict[int, float]:
        n = Counter(self.counts[k].values())
        needed = (1, 2, 3, 4) if modified else (1, 2)
        self.used_fallback[k] = not all(n[count] for count in needed)
        if not self.used_fallback[k]:
            y = n[1] / (n[1] + 2 * n[2])
            if not modified:
                return {1: y, 2: y, 3: y}
            found = {c: c - (c + 1) * y * n[c + 1] / n[c] for c in (1, 2, 3)}
            self.used_fallback[k] = min(found.values()) <= 0
        if self.used_fallback[k]:
            return {1: 0.5, 2: 1.0, 3: 1.5} if modified else {1: 0.5, 2: 0.5, 3: 0.5}
        return found

    def probability(self, word: int, context: tuple) -> float:
        k = len(context) + 1
        lower = self.probability(word, context[1:]) if context else 1 / self.vocabulary_size
        followers = self.followers.get(context, [])
        if not followers:
            return lower
        discount = self.discounts[k]
        count = self.counts[k].get((*context, word), 0)
        kept = max(count - discount[min(count, 3)], 0) if count else 0
        left = sum(discount[min(other, 3)] for other in followers)
        return kept / sum(followers) + left / sum(followers) * lower

    def nats(self, sequences: Sequences) -> list[float]:
        found = []
        for sequence in sequences:
            padded = [BEGIN] * (self.order - 1) + sequence
            for i in range(self.order - 1, len(padded)):
                found.append(-math.log(self.probability(padded[i], tuple(padded[i - self.order + 1 : i]))))
        return found


def joined(sequences: Sequences, dtype: type = np.int64) -> tuple[np.ndarray, np.ndarray]:
    """Ids and starts."""
    starts = np.cumsum([0, *map(len, sequences)])[:-1] if sequences else np.zeros(1, dtype=np.int64)
    return np.array(list(itertools.chain(*sequences)), dtype=dtype), starts


def fitted(order: int, vocabulary_size: int, sequences: Sequences, *, modified: bool = True) -> KneserNey:
    return KneserNey(order, vocabulary_size, modified=modified).fit(*joined(sequences))


def random_sequences(generator: np.random.Generator, num_types: int, lengths: list[int]) -> Sequences:
    """Frequent and rare ids, and some repetition of what was just said, as in text."""
    weights = 1 / np.arange(1, num_types + 1)
    sequences = []
    for length in lengths:
        sequence = generator.choice(num_types, length, p=weights / weights.sum()).tolist()
        for i in range(6, length):
            if generator.random() < 0.5:
                sequence[i] = sequence[i - 6]
        sequences.append(sequence)
    return sequences


TRAIN_LENGTHS = [[400], [0], [1], [], [60, 0, 1, 90, 2, 0], [3] * 60, [1] * 40, [700, 500]]
TEST_LENGTHS = [30, 0, 1, 2, 5, 0]


@pytest.mark.parametrize("modified", [True, False])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_equals_the_slow_one(order, modified):
    generator = np.random.default_rng(order)
    fallbacks = set()
    for num_types, lengths in itertools.product([1, 2, 7, 40, 300], TRAIN_LENGTHS):
        train = random_sequences(generator, num_types, lengths)
        # Every third id or so is not in the training text, also in the middle of contexts.
        test = random_sequences(generator, num_types + 3, TEST_LENGTHS) + train[-2:]
        slow = SlowKneserNey(order, num_types + 3, modified, train)
        found = fitted(order, num_types + 3, train, modified=modified).nats(*joined(test))
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, slow.nats(test), rtol=0, atol=1e-10)
        fallbacks |= {(k, used) for k, used in slow.used_fallback.items()}
    assert {(order, True), (order, False)} <= fallbacks


def test_ids_of_a_large_vocabulary_do_not_overflow():
    generator = np.random.default_rng(0)
    size = 2**50
    spread = np.sort(generator.integers(0, size, 20))
    spread[-1] = size - 1
    train, test = ([spread[s].tolist() for s in random_sequences(generator, 20, [200, 100])] for _ in range(2))
    slow = SlowKneserNey(5, size, True, train)
    np.testing.assert_allclose(fitted(5, size, train).nats(*joined(test)), slow.nats(test), rtol=0, atol=1e-10)
    with pytest.raises(ValueError, match="64 bits"):
        KneserNey(2, 2**62).fit(np.array([5]), np.array([0]))


def test_by_hand():
    # Of bigrams, begin-0 and 1-0 occur once and 0-1 twice: D = 2 / (2 + 2) = 1/2. Before 0 stand begin and 1, before
    # 1 stands 0: D = 1 / (1 + 2) = 1/3, so p(0) = 5/9 + 2/9 * 1/2 = 2/3 and p(1) = 1/3.
    nats = fitted(2, 2, [[0, 1, 0, 1]], modified=False).nats(*joined([[0, 1, 0], [1]]))
    expected = [1 / 2 + 1 / 2 * 2 / 3, 3 / 4 + 1 / 4 * 1 / 3, 1 / 2 + 1 / 2 * 2 / 3, 1 / 2 * 1 / 3]
    np.testing.assert_allclose(nats, -np.log(expected), rtol=0, atol=1e-14)


@pytest.mark.parametrize("modified", [True, False])
def test_order_1_is_its_closed_form(modified):
    counts = np.array([1] * 8 + [2] * 4 + [3] * 3 + [4] * 2 + [9, 30, 0, 0])
    y = 8 / (8 + 2 * 4)
    d = [1 - 2 * y * 4 / 8, 2 - 3 * y * 3 / 4, 3 - 4 * y * 2 / 3] if modified else [y, y, y]
    taken = np.array([0, *d])[np.minimum(counts, 3)]
    expected = (counts - taken) / counts.sum() + taken.sum() / counts.sum() / len(counts)
    train = np.repeat(np.arange(len(counts)), counts)
    # Neither order nor starts matter.
    train = np.random.default_rng(0).permutation(train)
    nats = (
        KneserNey(1, len(counts), modified=modified)
        .fit(train, np.array([0, 5, 6]))
        .nats(np.arange(len(counts)), np.array([0, 3]))
    )
    np.testing.assert_allclose(np.exp(-nats), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("modified", [True, False])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_every_distribution_sums_to_one(order, modified):
    generator = np.random.default_rng(order)
    for num_types, lengths in itertools.product([1, 5, 30], TRAIN_LENGTHS):
        size = num_types + 2
        train = random_sequences(generator, num_types, lengths)
        model = fitted(order, size, train, modified=modified)
        # Seen contexts, also the end of a sequence, which nothing follows; the begin; contexts with unseen ids.
        contexts: Sequences = [[], [size - 1], [0, size - 1], [size - 1, 0]]
        contexts += [sequence[:i] for sequence in train[-2:] for i in (1, 2, 3, 30, len(sequence))]
        for context in contexts:
            sequences = [[*context, word] for word in range(size)]
            nats = model.nats(*joined(sequences)).reshape(size, len(context) + 1)[:, -1]
            assert np.isfinite(nats).all()
            assert np.exp(-nats).sum() == pytest.approx(1, abs=1e-12)


def test_contexts_do_not_cross_starts():
    generator = np.random.default_rng(0)
    train = random_sequences(generator, 9, [50, 1, 0, 70, 4])
    test = random_sequences(generator, 9, [20, 3, 1, 0, 9])
    model = fitted(4, 10, train)
    alone = np.concatenate([model.nats(*joined([sequence])) for sequence in test])
    np.testing.assert_array_equal(model.nats(*joined(test)), alone)
    # Nor while fitting: the order of sequences is nothing that is counted.
    np.testing.assert_allclose(fitted(4, 10, train[::-1]).nats(*joined(test)), alone, rtol=0, atol=1e-12)
    # One stream is something else.
    ids, starts = joined(train)
    assert not np.allclose(KneserNey(4, 10).fit(ids, starts[:1]).nats(*joined(test)), alone)


def test_does_not_depend_on_how_many_are_looked_up_at_once(monkeypatch):
    generator = np.random.default_rng(0)
    for num_types in (3, 200):
        train, test = (random_sequences(generator, num_types, [100, 31]) for _ in range(2))
        expected = fitted(3, num_types, train).nats(*joined(test))
        with monkeypatch.context() as patch:
            patch.setattr(kneser_ney, "CHUNK", 7)
            np.testing.assert_array_equal(fitted(3, num_types, train).nats(*joined(test)), expected)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint16, np.uint64])
def test_ids_are_of_any_integer_type_and_stay_as_they_are(dtype):
    generator = np.random.default_rng(0)
    train, test = (random_sequences(generator, 30, [90, 40]) for _ in range(2))
    (train_ids, train_starts), (ids, starts) = joined(train, dtype), joined(test, dtype)
    for array in (train_ids, train_starts, ids, starts):
        array.flags.writeable = False  # as a memory-mapped file
    found = KneserNey(3, 30).fit(train_ids, train_starts).nats(ids, starts)
    np.testing.assert_array_equal(found, fitted(3, 30, train).nats(*joined(test)))


def test_starts_may_repeat_and_stand_at_the_end():
    generator = np.random.default_rng(0)
    ids = generator.integers(0, 5, 40)
    model = KneserNey(3, 5).fit(ids, np.array([0, 0, 7, 7, 40, 40]))
    plain = KneserNey(3, 5).fit(ids, np.array([0, 7]))
    np.testing.assert_array_equal(model.nats(ids, np.array([0, 9, 9, 40])), plain.nats(ids, np.array([0, 9])))


def test_nothing_to_fit_is_uniform():
    nothing = np.zeros(0, dtype=np.int32)
    for starts in (np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64)):
        model = KneserNey(3, 8).fit(nothing, starts)
        np.testing.assert_allclose(model.nats(np.arange(8), np.array([0, 4])), math.log(8), rtol=1e-15)
        assert model.nats(nothing, starts).shape == (0,)
        assert fitted(3, 8, [[1, 2, 3]]).nats(nothing, starts).shape == (0,)


def test_fitting_again_replaces():
    model = fitted(2, 5, [[0, 1, 2, 3]])
    ids, starts = joined([[4, 4, 4, 0]])
    np.testing.assert_array_equal(
        model.fit(ids, starts).nats(ids, starts), fitted(2, 5, [[4, 4, 4, 0]]).nats(ids, starts)
    )


@pytest.mark.parametrize("order", [1, 3])
def test_modified_unless_told_otherwise(order):
    generator = np.random.default_rng(0)
    train = random_sequences(generator, 40, [600])
    ids, starts = joined(train)
    default = KneserNey(order, 40).fit(ids, starts).nats(ids, starts)
    np.testing.assert_array_equal(default, fitted(order, 40, train, modified=True).nats(ids, starts))
    assert not np.allclose(default, fitted(order, 40, train, modified=False).nats(ids, starts))


@pytest.mark.parametrize(
    ("ids", "starts", "match"),
    [
        ([0, 5], [0], "0 to 5.*0 to 4"),
        ([-1, 2], [0], "-1 to 2"),
        ([0, 1], [], "starts"),
        ([0, 1], [1], "starts"),
        ([0, 1, 2], [0, 2, 1], "starts"),
        ([0, 1], [0, 3], "starts"),
    ],
)
def test_wrong_ids_and_starts_are_refused(ids, starts, match):
    model = fitted(2, 5, [[0, 1, 2, 3, 4]])
    for call in (model.fit, model.nats):
        with pytest.raises(ValueError, match=match):
            call(np.array(ids), np.array(starts, dtype=np.int64))


def test_wrong_sizes_and_a_missing_fit_are_refused():
    with pytest.raises(ValueError, match="order=0"):
        KneserNey(0, 5)
    with pytest.raises(ValueError, match="vocabulary_size=0"):
        KneserNey(2, 0)
    with pytest.raises(RuntimeError, match="fit"):
        KneserNey(2, 5).nats(np.array([0]), np.array([0]))
