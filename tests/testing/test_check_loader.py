"""The check of a loader: what passes, and for each requirement a loader that violates it."""

from __future__ import annotations

import random
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from lmlab.data.loaders.base import IGNORE_INDEX, Batch, TrainLoader
from lmlab.data.loaders.sentences import SentencesLoader
from lmlab.data.loaders.streams import StreamsLoader
from lmlab.data.loaders.windows import ChunksLoader, WindowsLoader
from lmlab.data.token_store import TokenStore
from lmlab.testing import check_loader

# What passes


@pytest.mark.parametrize(
    "make_loader",
    [
        partial(StreamsLoader, batch_size=4, sequence_length=5),
        partial(StreamsLoader, batch_size=64, sequence_length=100),
        partial(StreamsLoader, batch_size=4, sequence_length=5, reset_probability=0.2, random_offset=True),
        partial(WindowsLoader, batch_size=4, sequence_length=5, stride=3),
        partial(ChunksLoader, batch_size=4, sequence_length=5),
        partial(SentencesLoader, batch_size=4, tokens_per_batch=None),
        partial(SentencesLoader, batch_size=64, tokens_per_batch=100),
    ],
    ids=lambda make: make.func.__name__,
)
def test_lmlabs_loaders_pass(make_loader) -> None:
    check_loader(make_loader)


def test_a_loader_may_be_made_by_position() -> None:
    check_loader(lambda text, number: ChunksLoader(store=text, seed=number, batch_size=8, sequence_length=9))
    make = partial(SentencesLoader, batch_size=8, tokens_per_batch=None)
    check_loader(lambda text, number: make(store=text, seed=number), sentences=True)


def test_what_is_asked_for_must_be_what_the_class_says() -> None:
    with pytest.raises(AssertionError, match="sentences: the attribute of the class must be True, but is False"):
        check_loader(partial(ChunksLoader, batch_size=8, sequence_length=9), sentences=True)


def test_random_numbers_go_on() -> None:
    torch.manual_seed(5)
    random.seed(5)
    drawn = [torch.rand(()), random.random()]
    torch.manual_seed(5)
    random.seed(5)
    check_loader(Pieces)
    assert [torch.rand(()), random.random()] == drawn


class Pieces(TrainLoader):
    """Rows of 6 targets each, in another order every epoch; others violate one requirement each."""

    rows = 4
    length = 6

    def __init__(self, *, store: TokenStore, seed: int) -> None:
        self.store = store
        self.seed = seed
        self.starts = np.arange(0, len(store) - 1 - self.length, self.length)
        super().__init__(num_batches=-(-len(self.starts) // self.rows))

    def order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.starts))

    def rows_from(self, starts: np.ndarray) -> Batch:
        taken = torch.from_numpy(self.store.ids[starts[:, None] + np.arange(self.length + 1)].astype(np.int64))
        return Batch(taken[:, :-1].clone(), taken[:, 1:].clone(), torch.ones(len(starts), dtype=torch.bool))

    def batch(self, epoch: int, index: int) -> Batch:
        chosen = self.order(epoch)[index * self.rows : (index + 1) * self.rows]
        return self.rows_from(self.starts[chosen])


def test_a_loader_of_ones_own_passes() -> None:
    check_loader(Pieces)


def test_a_loader_that_refuses_a_short_text_passes() -> None:
    class LongTexts(Pieces):
        def __init__(self, *, store, seed):
            if len(store) < 1_000:
                raise ValueError("too short")
            super().__init__(store=store, seed=seed)

    check_loader(LongTexts)


class Sentences(Pieces):
    """A sentence a batch."""

    sentences = True

    def __init__(self, *, store: TokenStore, seed: int) -> None:
        super().__init__(store=store, seed=seed)
        assert store.sentences is not None
        self.ends = [*store.sentences[1:], len(store)]
        TrainLoader.__init__(self, num_batches=len(self.ends))

    def batch(self, epoch: int, index: int) -> Batch:
        targets = self.targets(index)[None]
        inputs = torch.cat([torch.tensor([[2]]), targets[:, :-1]], 1)
        return Batch(inputs, targets, torch.tensor([True]))

    def targets(self, index: int) -> Tensor:
        return torch.from_numpy(self.store.ids[self.store.sentences[index] : self.ends[index]].astype(np.int64))


def test_a_loader_of_sentences_of_ones_own_passes() -> None:
    check_loader(Sentences)


# What is refused


class WithoutConstructor(Pieces):
    def __init__(self, *, store, seed):
        self.store = store


class NoBatches(Pieces):
    def __init__(self, *, store, seed):
        super().__init__(store=store, seed=seed)
        TrainLoader.__init__(self, num_batches=0)


class FailsToBeMade(Pieces):
    def __init__(self, *, store, seed):
        raise KeyError("batch_size")


class PlainTuples(Pieces):
    def batch(self, epoch, index):
        return tuple(super().batch(epoch, index))


class Int32(Pieces):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        return batch._replace(inputs=batch.inputs.int())


class ResetOfTokens(Pieces):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        return batch._replace(reset=torch.ones_like(batch.inputs, dtype=torch.bool))


class ShorterTargets(Pieces):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        return batch._replace(targets=batch.targets[:, :-1])


class SingleRows(Pieces):
    """Without a batch dimension."""

    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        return Batch(batch.inputs[0], batch.targets[0], torch.ones(self.length, dtype=torch.bool))


class OtherPadding(Pieces):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        batch.targets[:, -1] = -1
        return batch


class InputsAreTargets(Pieces):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        return batch._replace(targets=batch.inputs)


class CopiesItself(Pieces):
    """Writes to the store."""

    def batch(self, epoch, index):
        self.store.ids[0] = 0
        return super().batch(epoch, index)


class NeverResets(Pieces):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        return batch._replace(reset=torch.zeros_like(batch.reset))


class ResetsOnce(Pieces):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        return batch._replace(reset=torch.full_like(batch.reset, index == 0))


class CountsAllRows(Pieces):
    def num_targets(self, epoch):
        return np.full(len(self), self.rows * self.length)


class CountsFloats(Pieces):
    def num_targets(self, epoch):
        return super().num_targets(epoch) / 1


class CountsOneTooFew(Pieces):
    def num_targets(self, epoch):
        return super().num_targets(epoch)[:-1]


class CountsOther(Pieces):
    """An epoch counts less than the one before."""

    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        batch.targets[0, : min(epoch, 3)] = IGNORE_INDEX
        return batch


class GlobalOrder(Pieces):
    def order(self, epoch):
        return torch.randperm(len(self.starts)).numpy()


class OrderByCalls(Pieces):
    """Goes on drawing from one generator, so that the order depends on what was asked before."""

    def __init__(self, *, store, seed):
        super().__init__(store=store, seed=seed)
        self.generator = np.random.default_rng(seed)
        self.drawn = {}

    def order(self, epoch):
        if epoch not in self.drawn:
            self.drawn[epoch] = self.generator.permutation(len(self.starts))
        return self.drawn[epoch]


class IterationOfItsOwn(Pieces):
    def __iter__(self):
        for _ in self.place.steps():
            yield self.batch(0, 0)


class EndsEarly(Pieces):
    def __iter__(self):
        yield from list(super().__iter__())[:-1]


class ForgetsItsPlace(Pieces):
    """Begins the epoch anew after it was restored."""

    def load_state_dict(self, state):
        super().load_state_dict({"epoch": state["epoch"], "position": 0})


class ForgetsItsEpoch(Pieces):
    def state_dict(self):
        return {"epoch": 0, "position": super().state_dict()["position"]}


class StateOfTensors(Pieces):
    def state_dict(self):
        return {name: torch.tensor(value) for name, value in super().state_dict().items()}


class NoExample(Pieces):
    def example(self):
        return super().example()[:2]


class MadeUpExample(Pieces):
    def example(self):
        example = super().example()
        return example._replace(targets=example.inputs)


class NoPasses(Pieces):
    passes = 0


class DescribesNothing(Pieces):
    def describe(self):
        return None


class NoteOfNothing(Pieces):
    note = None


class Grows(Pieces):
    """Finds more batches when it is asked for the second epoch."""

    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        if epoch == 2:
            self.place.num_batches += 1
        return batch

    def num_targets(self, epoch):
        return np.array([int((super(Grows, self).batch(epoch, i).targets >= 0).sum()) for i in range(len(self))])


class FirstHalfOnly(Pieces):
    def __init__(self, *, store, seed):
        super().__init__(store=store, seed=seed)
        self.starts = self.starts[: len(self.starts) // 2]
        self.place.num_batches = -(-len(self.starts) // self.rows)


class FirstBatchOnly(Pieces):
    def order(self, epoch):
        return np.tile(np.arange(self.rows), len(self.starts))[: len(self.starts)]


class AcrossSentences(Sentences):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        if index > 0:
            batch.inputs[0, 0] = self.targets(index - 1)[-1]
        return batch


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (WithoutConstructor, "the constructor must call super"),
        (NoBatches, "len: an epoch must have a batch, but has none for 300,000 tokens"),
        (FailsToBeMade, "making the loader for running text with end tokens raised KeyError: 'batch_size'"),
        (PlainTuples, r"batch: batch\(0, 0\) of running text with end tokens must be an lmlab\.Batch, not tuple"),
        (Int32, r"the inputs of batch\(0, 0\) .* must be a tensor of torch\.int64, but is .* of torch\.int32"),
        (ResetOfTokens, r"reset \(B,\) of batch\(0, 0\) .* must be a tensor \(4,\) of torch\.bool, but is \(4, 6\)"),
        (ShorterTargets, r"the targets \(B, T\) of batch\(0, 0\) .* must be a tensor \(4, 6\) of .*, but is \(4, 5\)"),
        (SingleRows, r"batch: the inputs of batch\(0, 0\) .* must be \(B, T\), but are \(6,\)"),
        (OtherPadding, r"batch: targets must be ids \(targets also -100\), but batch\(0, 0\) .* has \[-1\]"),
        (InputsAreTargets, "a counted target must be the id that follows its input, but .*row 0, step 0"),
        (CopiesItself, r"batch\(0, 0\) of running text with end tokens raised ValueError: .*read-only"),
        (NeverResets, r"reset: the first batch of an epoch must reset all rows, unlike batch\(0, 0\)"),
        (ResetsOnce, r"reset: a row must continue where it ended, else be reset, but in batch\(0, 1\) .* row \d"),
        (CountsAllRows, r"num_targets: the number of counted targets for batch\(0, .* must be 18, but is 24"),
        (CountsFloats, "num_targets: must be a whole number for each of the .* batches, but is .* of float64"),
        (CountsOneTooFew, "num_targets: must be a whole number for each of the"),
        (CountsOther, "num_targets: the sum must be the same in every epoch, but"),
        (GlobalOrder, "batch: must be a function of epoch, index and seed alone"),
        (OrderByCalls, "batch: must be a function of epoch, index and seed alone, but another loader"),
        (IterationOfItsOwn, "iteration: must give .* in order, but batch 1 of epoch 0 is different"),
        (EndsEarly, "iteration: must give .* in order, but epoch 0 gave 20 batches, not 21"),
        (ForgetsItsPlace, "state_dict: restored after 1 of 21 .* identically, but epoch 1 gave 21 batches, not 20"),
        (ForgetsItsEpoch, "state_dict: restored after 1 of 21 .* identically, but batch 1 of epoch 1 is different"),
        (StateOfTensors, "state_dict: the loader's place must be made of lists, dictionaries, text and plain numbers"),
        (NoExample, r"batch: example\(\) must be an lmlab\.Batch, not tuple"),
        (MadeUpExample, r"a counted target must be the id that follows its input, but example\(\) has"),
        (NoPasses, "passes: must be a number above 0, but is 0"),
        (DescribesNothing, "describe: must return text, not NoneType"),
        (NoteOfNothing, "note: must be text, not NoneType"),
        (Grows, r"len: must stay the same: len\(loader\) must be 21, but is 22"),
        (FirstHalfOnly, "batch: the text must be covered, but in 5 passes 5.% of running text with end tokens was"),
        (FirstBatchOnly, "batch: the text must be covered, but in 5 passes 5% of"),
        (AcrossSentences, r"the id that follows its input, but batch\(0, 1\) of sentences has"),
    ],
)  # fmt: skip
def test_a_fault_of_a_loader_is_named(kind, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_loader(kind)


def test_another_object_is_no_loader() -> None:
    with pytest.raises(AssertionError, match=r"must be an instance of a subclass of lmlab\.TrainLoader, not list"):
        check_loader(lambda store, seed: [])
