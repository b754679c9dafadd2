"""Sentences to batches: each from a fresh state, padded, the padding masked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from lmlab.data.loaders.base import IGNORE_INDEX, Batch, EpochOrder, TrainLoader
from lmlab.data.loaders.streams import EvaluationLoader
from lmlab.data.token_store import START_ID, TokenStore

# Padded tokens a batch of an evaluation; changes memory, not numbers.
EVALUATION_BUDGET = 16_384
# Batches of a round of training, which covers all lengths: a batch of short sentences knows only endings that come
# soon, and the optimizer's momentum should see the whole. Measured on SST by character, LSTM 1 x 256, 6 epochs: 1.5560
# validation nats, 1.5711 with the batches in plain random order.
ROUND = 12


def lengths_of(store: TokenStore) -> NDArray[np.int64]:
    """Tokens of each sentence (S,), its end token counted."""
    assert store.sentences is not None
    return np.diff(np.append(store.sentences, len(store)))


def sentence_batch(store: TokenStore, chosen: NDArray[np.int64], lengths: NDArray[np.int64]) -> Batch:
    """A batch of sentences; inputs begin with the start token, targets end with the end token.

    Args:
        store: of sentences.
        chosen: (B,) their numbers.
        lengths: of all sentences of the store.

    Returns:
        (B, T) with T of the longest; every row starts from a fresh state.
    """
    assert store.sentences is not None
    steps = np.arange(int(lengths[chosen].max()))[None, :]
    counted = steps < lengths[chosen][:, None]
    positions = np.where(counted, store.sentences[chosen][:, None] + steps, 0)
    tokens = store.ids[positions].astype(np.int64)
    targets = np.where(counted, tokens, IGNORE_INDEX)
    # Behind the end the inputs do not matter: no target there is counted.
    inputs = np.concatenate([np.full((len(chosen), 1), START_ID, dtype=np.int64), tokens[:, :-1]], axis=1)
    return Batch(torch.from_numpy(inputs), torch.from_numpy(targets), torch.ones(len(chosen), dtype=torch.bool))


def cut(lengths: NDArray[np.int64], *, batch_size: int | None, tokens_per_batch: int | None) -> list[tuple[int, int]]:
    """Ranges of sentences in order that make a batch each.

    A batch takes sentences until it has `batch_size` of them, or until one more would make its rows times its longest
    row more than `tokens_per_batch`. A sentence that alone is longer is a batch of its own: nothing is dropped or cut.

    Args:
        lengths: (S,) in the order in which they are to be taken.
        batch_size: None for no limit.
        tokens_per_batch: padding counted; None for no limit.
    """
    ranges, start, longest = [], 0, 0
    for i, length in enumerate(lengths.tolist()):
        longest = max(longest, length)
        rows = i + 1 - start
        full = batch_size is not None and rows > batch_size
        over = tokens_per_batch is not None and rows > 1 and rows * longest > tokens_per_batch
        if full or over:
            ranges.append((start, i))
            start, longest = i, length
    return [*ranges, (start, len(lengths))]


class SentencesLoader(TrainLoader):
    """Batches of sentences of nearly equal length, in an order that is a function of (seed, epoch).

    Sentences are sorted by length, equal ones at random, and cut into batches. The batches come in rounds: each takes
    one at random of every `ROUND`-th part of the lengths, in random order. Its state is the epoch and the position
    within it, so that an interrupted epoch goes on where it stopped.

    Args:
        store: the training split, of sentences.
        batch_size: sentences a batch; ignored where `tokens_per_batch` is given.
        tokens_per_batch: tokens a batch, padding counted; None for `batch_size`.
        seed: of the order.
    """

    sentences = True

    def __init__(self, *, store: TokenStore, batch_size: int, tokens_per_batch: int | None, seed: int) -> None:
        self.store = store
        self.seed = seed
        self.lengths = lengths_of(store)
        self.tokens_per_batch = tokens_per_batch
        self.batch_size = batch_size
        rows = None if tokens_per_batch is not None else batch_size
        # Sorted lengths are the same in every epoch, and so are the ranges: only who stands in them changes.
        self._ranges = cut(np.sort(self.lengths), batch_size=rows, tokens_per_batch=tokens_per_batch)
        self.note = self._note()
        super().__init__(num_batches=len(self._ranges))
        self._order = EpochOrder(self._drawn)

    def _note(self) -> str:
        limit = self.tokens_per_batch
        longer = 0 if limit is None else int((self.lengths > limit).sum())
        if not longer:
            return ""
        return f"long sentences: {longer:,} are longer than data.tokens_per_batch={limit} and make a batch each"

    def num_targets(self, epoch: int) -> NDArray[np.int64]:
        """Counted targets of each batch of an epoch."""
        ordered = np.sort(self.lengths)
        by_range = np.add.reduceat(ordered, [start for start, _ in self._ranges])
        return by_range[self._order(epoch)[1]]

    @property
    def padded_tokens(self) -> float:
        """Mean tokens of a batch, padding counted."""
        ordered = np.sort(self.lengths)
        return float(sum((stop - start) * ordered[stop - 1] for start, stop in self._ranges)) / len(self)

    def describe(self) -> str:
        """What a batch is, in words."""
        padding = 1 - len(self.store) / (self.padded_tokens * len(self))
        rows = len(self.lengths) / len(self)
        return f"{rows:,.1f} sentences each (mean), {self.padded_tokens:,.0f} tokens of which {padding:.1%} padding"

    def example(self) -> Batch:
        """A batch of middling length, for timing."""
        start, stop = self._ranges[len(self._ranges) // 2]
        return sentence_batch(self.store, np.argsort(self.lengths, kind="stable")[start:stop], self.lengths)

    def _drawn(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sentences by length, equal ones at random; and the order of the ranges."""
        generator = np.random.default_rng([self.seed, epoch])
        sentences = np.lexsort([generator.random(len(self.lengths)), self.lengths])
        num_rounds = -(-len(self) // ROUND)
        # Neighbours in length, of which each round takes another one.
        parts = range(0, len(self), num_rounds)
        rounds = np.concatenate([generator.permutation(num_rounds) for _ in parts])[: len(self)]
        return sentences, np.lexsort([generator.random(len(self)), rounds])

    def batch(self, epoch: int, index: int) -> Batch:
        """Returns the sentences of one of the ranges of lengths."""
        sentences, ranges = self._order(epoch)
        start, stop = self._ranges[ranges[index]]
        return sentence_batch(self.store, sentences[start:stop], self.lengths)


class SentenceEvaluationLoader:
    """Every sentence of a split once, each from a fresh state; end tokens counted, start tokens not.

    Args:
        store: the split, of sentences.

    Attributes:
        lengths: (S,) tokens of each sentence, its end token counted.
        order: (S,) their numbers in the order of the batches' rows.
    """

    def __init__(self, store: TokenStore) -> None:
        self.store = store
        self.lengths = lengths_of(store)
        self.order = np.argsort(self.lengths, kind="stable")
        self._ranges = cut(self.lengths[self.order], batch_size=None, tokens_per_batch=EVALUATION_BUDGET)
        self.num_streams = len(self.lengths)

    def __len__(self) -> int:
        return len(self._ranges)

    def __iter__(self) -> Iterator[Batch]:
        for start, stop in self._ranges:
            yield sentence_batch(self.store, self.order[start:stop], self.lengths)


def evaluation_loader(store: TokenStore, *, num_streams: int | None) -> EvaluationLoader | SentenceEvaluationLoader:
    """The evaluation protocol's batches of a split: of sentences, or of running text in streams.

    Args:
        store: the split.
        num_streams: of running text; None for the protocol's own number.
    """
    if store.sentences is not None:
        return SentenceEvaluationLoader(store)
    return EvaluationLoader(store, num_streams=num_streams)


def in_order(store: TokenStore) -> Iterator[Batch]:
    """Batches of which all targets, one after the other, are the tokens of the store in order."""
    if store.sentences is None:
        yield from EvaluationLoader(store, num_streams=1)
        return
    lengths = lengths_of(store)
    for number in range(len(lengths)):
        yield sentence_batch(store, np.array([number]), lengths)
