"""The check of a training loader."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lmlab.data.loaders.base import IGNORE_INDEX, Batch, TrainLoader
from lmlab.data.token_store import TokenStore
from lmlab.testing import stores
from lmlab.testing.assertions import expect, json_round_trip, shape
from lmlab.testing.components import call_by_keyword, failures_as_assertions, same_random_numbers, seed_everything
from lmlab.testing.stores import KnownStore

MakeLoader = Callable[[TokenStore, int], TrainLoader]
# An epoch should have so many batches, so that it can be stopped in the middle; the text is made longer until it has.
_FEWEST_BATCHES = 5
_LENGTHS = (500, 2_000, 10_000, 50_000)
_LONGEST = 300_000
_EPOCHS = 3
_SEED = 7


@dataclass(frozen=True)
class _Probe:
    """A way to make a loader, with a store."""

    make_loader: MakeLoader
    known: KnownStore

    def make(self) -> TrainLoader:
        # Each with other random numbers around it: the order may depend on the seed that is given alone.
        seed_everything(int(torch.randint(2**31, ())))
        with failures_as_assertions(f"making the loader for {self.known.what}"):
            loader: TrainLoader = call_by_keyword(self.make_loader, store=self.known.store, seed=_SEED)
        found = type(loader).__name__
        is_loader = isinstance(loader, TrainLoader)
        expect(is_loader, f"loader: must be made from a subclass of lmlab.TrainLoader, but is {found}")
        expect(hasattr(loader, "place"), "loader: the constructor must call super().__init__(num_batches=...)")
        return loader

    def batch(self, loader: TrainLoader, epoch: int, index: int) -> Batch:
        with failures_as_assertions(f"batch({epoch}, {index}) of {self.known.what}"):
            return loader.batch(epoch, index)


def check_loader(make_loader: Callable[..., TrainLoader], *, sentences: bool | None = None) -> None:
    """Checks what lmlab relies on in a training loader: batches that are the same every time, and counted right.

    It makes loaders for texts of its own, whose length follows the size of the batches; small batches are quicker.

    Args:
        make_loader: called with a store and a seed (`make_loader(store, seed)`, or by these names); for example
            `functools.partial(MyLoader, batch_size=4)`.
        sentences: whether it reads sentences; None asks the loader itself.

    Raises:
        AssertionError: says which promise is broken.
    """
    with same_random_numbers():
        if sentences is None:
            sentences = _reads_sentences(make_loader)
        running = [partial(stores.running_text, end_tokens=end_tokens) for end_tokens in (True, False)]
        for make_store in [stores.sentences] if sentences else running:
            probe = _Probe(make_loader, _long_enough(make_loader, make_store))
            found = probe.make().sentences
            expect(found == sentences, f"sentences: the class says {found}, but it was to be checked as {sentences}")
            _check_batches(probe)
            _check_num_targets(probe)
            _check_same_every_time(probe)
            _check_iteration(probe)
            _check_restored(probe)
            _check_figures(probe)


def _reads_sentences(make_loader: MakeLoader) -> bool:
    """What the loader says; one that reads sentences perhaps cannot be made for running text at all."""
    running = _Probe(make_loader, stores.running_text(_LONGEST, end_tokens=True))
    try:
        return running.make().sentences
    except AssertionError:
        with suppress(AssertionError):
            return _Probe(make_loader, stores.sentences(_LONGEST)).make().sentences
        raise


def _long_enough(make_loader: MakeLoader, make_store: Callable[[int], KnownStore]) -> KnownStore:
    """The shortest text that the loader takes and has enough batches for; else the longest."""
    for length in _LENGTHS:
        known = make_store(length)
        with suppress(AssertionError):  # it may refuse a text that is too short for its batches
            if len(_Probe(make_loader, known).make()) >= _FEWEST_BATCHES:
                return known
    known = make_store(_LONGEST)
    has_batch = len(_Probe(make_loader, known).make()) >= 1
    expect(has_batch, f"len: an epoch must have a batch, but has none for {_LONGEST:,} tokens")
    return known


def _check_batches(probe: _Probe) -> None:
    """What each batch of two epochs holds."""
    loader = probe.make()
    for epoch in range(2):
        before: Batch | None = None
        for index in range(len(loader)):
            batch = probe.batch(loader, epoch, index)
            where = f"batch({epoch}, {index}) of {probe.known.what}"
            _check_kinds(batch, where)
            _check_ids(batch, probe.known, where)
            fresh = bool(batch.reset.all())
            expect(index > 0 or fresh, f"reset: the first batch of an epoch must reset all rows, but {where} does not")
            if before is not None:
                _check_carried(before, batch, probe.known, where)
            before = batch


def _check_kinds(batch: Batch, where: str) -> None:
    expect(isinstance(batch, Batch), f"batch: must be an lmlab.Batch, but {where} is {type(batch).__name__}")
    for name, dtype in (("inputs", torch.int64), ("targets", torch.int64), ("reset", torch.bool)):
        value = getattr(batch, name)
        found = str(value.dtype) if isinstance(value, Tensor) else type(value).__name__
        right = isinstance(value, Tensor) and value.dtype == dtype
        expect(right, f"batch: {name} must be a tensor of {dtype}, but in {where} it is {found}")
    inputs, targets, reset = batch
    right = inputs.ndim == 2 and inputs.shape == targets.shape and inputs.numel() > 0
    found = f"in {where} they are {shape(inputs)} and {shape(targets)}"
    expect(right, f"batch: inputs and targets must both be (B, T), but {found}")
    right = reset.shape == inputs.shape[:1]
    expect(right, f"batch: reset must be (B,) = ({len(inputs)},), but in {where} it is {shape(reset)}")


def _check_ids(batch: Batch, known: KnownStore, where: str) -> None:
    inputs, targets = batch.inputs.numpy(), batch.targets.numpy()
    counted = targets != IGNORE_INDEX
    for name, ids in (("inputs", inputs), ("targets", targets[counted])):
        bad = ids[(ids < 0) | (ids >= known.size)]
        found = f"{where} has {bad[:1].tolist()}, of ids below {known.size}"
        expect(not len(bad), f"batch: {name} must be ids (targets also {IGNORE_INDEX}), but {found}")
    follows = known.may_follow(inputs, targets)
    wrong = np.argwhere(counted & ~follows)
    if len(wrong):
        row, step = wrong[0]
        pair = f"the target {targets[row, step]} after the input {inputs[row, step]} (row {row}, step {step})"
        message = f"{where} has {pair}, which are not neighbours"
        raise AssertionError(
            f"batch: where a target is counted it must be the id that follows its input, but {message}"
        )


def _check_carried(before: Batch, batch: Batch, known: KnownStore, where: str) -> None:
    """That a row which keeps its state goes on where it ended; padding says nothing."""
    if len(before.inputs) != len(batch.inputs):
        return  # lmlab starts all rows afresh then
    ended, begun = before.targets[:, -1], batch.inputs[:, 0]
    told = ~batch.reset & (ended != IGNORE_INDEX) & (batch.targets[:, 0] != IGNORE_INDEX)
    jumps = torch.nonzero(told & (ended != begun)).flatten().tolist()
    if jumps:
        row = jumps[0]
        found = (
            f"row {row} of {where} begins with the input {int(begun[row])}, but it ended with {int(ended[row])} before"
        )
        raise AssertionError(f"reset: a row that keeps its state must go on where it ended, else be reset; {found}")


def _check_num_targets(probe: _Probe) -> None:
    loader = probe.make()
    totals = []
    for epoch in range(_EPOCHS):
        with failures_as_assertions(f"num_targets({epoch})"):
            found = np.asarray(loader.num_targets(epoch))
        right = found.shape == (len(loader),) and np.issubdtype(found.dtype, np.integer)
        what = f"{found.shape} of {found.dtype}"
        expect(right, f"num_targets: must be a whole number for each of the {len(loader)} batches, but is {what}")
        for index in range(len(loader)):
            batch = probe.batch(loader, epoch, index)
            counted = int((batch.targets != IGNORE_INDEX).sum())
            message = f"batch({epoch}, {index}) of {probe.known.what} has {counted}, num_targets says {found[index]}"
            expect(counted == found[index], f"num_targets: must count the targets of each batch, but {message}")
        totals.append(int(found.sum()))
    same = len(set(totals)) == 1
    expect(same, f"num_targets: the sum must be the same in every epoch, but epochs 0, 1, ... have {totals}")


def _is_same(left: Batch, right: Batch) -> bool:
    return all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


def _check_same_every_time(probe: _Probe) -> None:
    """In whatever order batches are asked for, and whatever random numbers others draw."""
    loader, other = probe.make(), probe.make()
    places = [(epoch, index) for epoch in range(_EPOCHS) for index in range(len(loader))]
    forwards = {place: probe.batch(loader, *place) for place in places}
    for epoch, index in reversed(places):
        for again, what in ((other, "another loader with the same seed"), (loader, "asked for again, it")):
            same = _is_same(probe.batch(again, epoch, index), forwards[epoch, index])
            message = f"batch({epoch}, {index}) of {probe.known.what}: {what} gives another one"
            expect(same, f"batch: must be a function of epoch, number and seed alone, but {message}")
            expect(len(again) == len(loader), "len: must stay the same")


def _check_iteration(probe: _Probe) -> None:
    """That going through the loader gives the batches of one epoch after the other."""
    loader, plain = probe.make(), probe.make()
    for epoch in range(2):
        with failures_as_assertions("going through the loader"):
            batches = list(itertools.islice(loader, len(plain) + 1))
        found = f"epoch {epoch} gave {'more' if len(batches) > len(plain) else len(batches)}"
        expect(len(batches) == len(plain), f"len: an epoch must have len(loader) = {len(plain)} batches, but {found}")
        for index, batch in enumerate(batches):
            same = _is_same(batch, probe.batch(plain, epoch, index))
            message = f"batch {index} of epoch {epoch} is not batch({epoch}, {index})"
            expect(same, f"iteration: must give the batches in the order of their numbers, but {message}")


def _check_restored(probe: _Probe) -> None:
    """That a loader which gets the state of another goes on exactly, in the middle of an epoch and at its end."""
    length = len(probe.make())
    plain = probe.make()
    for taken in sorted({1, length // 2, length - 1, length} - {0}):
        stopped = probe.make()
        list(stopped)
        for _ in itertools.islice(stopped, taken):
            pass
        state = json_round_trip(stopped.state_dict(), "state_dict: the loader's place")
        restored = probe.make()
        with failures_as_assertions("load_state_dict of what state_dict gave"):
            restored.load_state_dict(state)
        for epoch in (1, 2) if taken < length else (2,):
            first = taken if epoch == 1 else 0
            where = f"restored after {taken} of {length} batches of epoch 1"
            with failures_as_assertions(f"going through a loader {where}"):
                batches = list(restored)
            found = f"{where}, {len(batches)} of epoch {epoch} came"
            expect(len(batches) == length - first, f"state_dict: {length - first} batches must be left, but {found}")
            for index, batch in enumerate(batches, first):
                same = _is_same(batch, probe.batch(plain, epoch, index))
                message = f"{where}, batch {index} of epoch {epoch} is another one"
                expect(same, f"state_dict: a restored loader must go on exactly, but {message}")


def _check_figures(probe: _Probe) -> None:
    """What the plan of a run shows."""
    loader = probe.make()
    with failures_as_assertions("example()"):
        example = loader.example()
    _check_kinds(example, "example()")
    _check_ids(example, probe.known, "example()")
    for name in ("padded_tokens", "passes"):
        with failures_as_assertions(name):
            value = getattr(loader, name)
        right = isinstance(value, int | float) and 0 < value < float("inf")
        expect(right, f"{name}: must be a number above 0, but is {value!r}")
    with failures_as_assertions("describe()"):
        described = loader.describe()
    expect(isinstance(described, str), f"describe: must return text, but returned {type(described).__name__}")
    expect(isinstance(loader.note, str), f"note: must be text, but is {type(loader.note).__name__}")
