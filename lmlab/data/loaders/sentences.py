"""Batches of sentences: each sentence starts from a fresh state and is padded, and the padding is masked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from lmlab.data.loaders.base import IGNORE_INDEX, Batch, EpochOrder, TrainLoader
from lmlab.data.loaders.streams import EvaluationLoader
from lmlab.data.token_store import START_ID, TokenStore

# Padded tokens per batch in an evaluation; affects memory, not results.
EVALUATION_BUDGET = 16_384
# Batches of a round of training. A round covers all lengths: a batch of short sentences teaches only early endings, and
# the optimizer's momentum should cover all of them. Measured on SST by character, LSTM 1 x 256, 6 epochs: 1.5560
# validation nats, 1.5711 with the batches in plain random order.
ROUND = 12
# A batch is mentioned if this share of it is padding because one sentence is so many times as long as the median.
_PADDING, _OUTLYING = 0.75, 10


def lengths_of(store: TokenStore) -> NDArray[np.int64]:
    """Returns the number of tokens of each sentence (S,), end token included."""
    assert store.sentences is not None
    return np.diff(np.append(store.sentences, len(store)))


def sentence_batch(store: TokenStore, chosen: NDArray[np.int64], lengths: NDArray[np.int64]) -> Batch:
    """Makes a batch of sentences; inputs begin with the start token, targets end with the end token.

    Args:
        store: a split of sentences.
        chosen: (B,) indices of the sentences.
        lengths: (S,) lengths of all sentences of the store.

    Returns:
        A batch of shape (B, T), with T the length of the longest sentence; every row starts from a fresh state.
    """
    assert store.sentences is not None
    steps = np.arange(int(lengths[chosen].max()))[None, :]
    counted = steps < lengths[chosen][:, None]
    positions = np.where(counted, store.sentences[chosen][:, None] + steps, 0)
    tokens = store.ids[positions].astype(np.int64)
    targets = np.where(counted, tokens, IGNORE_INDEX)
    # The inputs after the end have no effect, because no target there is counted.
    inputs = np.concatenate([np.full((len(chosen), 1), START_ID, dtype=np.int64), tokens[:, :-1]], axis=1)
    return Batch(torch.from_numpy(inputs), torch.from_numpy(targets), torch.ones(len(chosen), dtype=torch.bool))


def cut(lengths: NDArray[np.int64], *, batch_size: int | None, tokens_per_batch: int | None) -> list[tuple[int, int]]:
    """Divides sentences into ranges of consecutive sentences, one range per batch.

    A batch takes sentences until it has `batch_size` of them, or until one more would make its number of rows times
    its longest row exceed `tokens_per_batch`. A longer sentence is a batch of its own: nothing is dropped or cut.

    Args:
        lengths: (S,) in the order in which the sentences are taken.
        batch_size: maximum number of sentences per batch; None for no limit.
        tokens_per_batch: maximum number of tokens per batch, padding counted; None for no limit.
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

    Sentences are sorted by length, those of equal length in random order, and divided into batches. The batches are
    used in rounds: sorted by length they are divided into `ROUND` parts, and a round takes one random batch of each
    part, in random order. The state is the epoch and the position within it, so that an interrupted epoch can be
    continued.

    Args:
        store: the training split, of sentences.
        batch_size: sentences per batch; ignored if `tokens_per_batch` is given.
        tokens_per_batch: tokens per batch, padding counted; None to use `batch_size`.
        seed: seed of the order.
    """

    sentences = True

    def __init__(self, *, store: TokenStore, batch_size: int, tokens_per_batch: int | None, seed: int) -> None:
        self.store = store
        self.seed = seed
        self.lengths = lengths_of(store)
        self.tokens_per_batch = tokens_per_batch
        self.batch_size = batch_size
        rows = None if tokens_per_batch is not None else batch_size
        # The sorted lengths and so the ranges are the same in every epoch; only the sentences in them change.
        self._ranges = cut(np.sort(self.lengths), batch_size=rows, tokens_per_batch=tokens_per_batch)
        super().__init__(num_batches=len(self._ranges))
        self.note = self._note()
        self._order = EpochOrder(self._drawn)

    def _note(self) -> str:
        limit = self.tokens_per_batch
        longer = 0 if limit is None else int((self.lengths > limit).sum())
        if longer:
            return f"long sentences: {longer:,} are longer than data.tokens_per_batch={limit} and make a batch each"
        start, stop = self._ranges[-1]
        longest = int(self.lengths.max())
        padding = 1 - int(np.sort(self.lengths)[start:stop].sum()) / ((stop - start) * longest)
        if padding < _PADDING or longest < _OUTLYING * np.median(self.lengths):
            return ""
        which = f"sentence {int(self.lengths.argmax()) + 1:,} of the training split has {longest:,} tokens"
        return (
            f"long sentences: {which}, so {padding:.1%} of its batch of {stop - start} sentences is padding "
            f"({(stop - start) * longest:,} tokens in all); shorten it, or set data.tokens_per_batch"
        )

    def num_targets(self, epoch: int) -> NDArray[np.int64]:
        """Returns the number of counted targets of each batch of an epoch."""
        ordered = np.sort(self.lengths)
        by_range = np.add.reduceat(ordered, [start for start, _ in self._ranges])
        return by_range[self._order(epoch)[1]]

    @property
    def padded_tokens(self) -> float:
        """The mean number of tokens of a batch, padding counted."""
        ordered = np.sort(self.lengths)
        return float(sum((stop - start) * ordered[stop - 1] for start, stop in self._ranges)) / len(self)

    def describe(self) -> str:
        """Describes a batch in words."""
        padding = 1 - len(self.store) / (self.padded_tokens * len(self))
        rows = len(self.lengths) / len(self)
        return f"{rows:,.1f} sentences each (mean), {self.padded_tokens:,.0f} tokens of which {padding:.1%} padding"

    def example(self) -> Batch:
        """Returns a batch of medium length, for timing."""
        start, stop = self._ranges[len(self._ranges) // 2]
        return sentence_batch(self.store, np.argsort(self.lengths, kind="stable")[start:stop], self.lengths)

    def _drawn(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draws the order of the sentences, by length and at random among equal lengths, and that of the ranges."""
        generator = np.random.default_rng([self.seed, epoch])
        sentences = np.lexsort([generator.random(len(self.lengths)), self.lengths])
        num_rounds = -(-len(self) // ROUND)
        # Ranges of similar length, of which each round takes a different one.
        parts = range(0, len(self), num_rounds)
        rounds = np.concatenate([generator.permutation(num_rounds) for _ in parts])[: len(self)]
        return sentences, np.lexsort([generator.random(len(self)), rounds])

    def batch(self, epoch: int, index: int) -> Batch:
        """Returns the sentences of one of the ranges of lengths."""
        sentences, ranges = self._order(epoch)
        start, stop = self._ranges[ranges[index]]
        return sentence_batch(self.store, sentences[start:stop], self.lengths)


class SentenceEvaluationLoader:
    """Batches of every sentence of a split once, each from a fresh state; end tokens are counted, start tokens are not.

    Args:
        store: the split, of sentences.

    Attributes:
        lengths: (S,) number of tokens of each sentence, end token included.
        order: (S,) indices of the sentences in the order of the batches' rows.
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
    """Returns the evaluation protocol's loader for a split of sentences, or of running text in streams.

    Args:
        store: the split.
        num_streams: number of streams of running text; None for the number that the evaluation protocol sets.
    """
    if store.sentences is not None:
        return SentenceEvaluationLoader(store)
    return EvaluationLoader(store, num_streams=num_streams)


def in_order(store: TokenStore) -> Iterator[Batch]:
    """Returns batches whose targets, one after the other, are the tokens of the store in order."""
    if store.sentences is None:
        yield from EvaluationLoader(store, num_streams=1)
        return
    lengths = lengths_of(store)
    for number in range(len(lengths)):
        yield sentence_batch(store, np.array([number]), lengths)
