"""The check of a training loader."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from lmlab.data.loaders.base import IGNORE_INDEX, Batch, TrainLoader
from lmlab.data.token_store import TokenStore
from lmlab.testing import stores
from lmlab.testing.assertions import expect, expect_equal, expect_instance, expect_tensor, json_round_trip
from lmlab.testing.components import (
    attempt,
    call_by_keyword,
    same_random_numbers,
    seed_everything,
)
from lmlab.testing.stores import KnownStore

MakeLoader = Callable[[TokenStore, int], TrainLoader]
# Batches that an epoch should have at least, so that it can be interrupted; longer texts are tried until it has.
_FEWEST_BATCHES = 5
_LENGTHS = (500, 2_000, 10_000, 50_000)
_LONGEST = 300_000
_EPOCHS = 3
# Passes over the text, at most so many epochs, in which a loader that draws at random has met nearly every token.
_PASSES, _MOST_EPOCHS = 5, 100
# An incomplete last batch may be left out.
_LEAST_SHARE = 0.75
_SEED = 7


@dataclass(frozen=True)
class _Probe:
    """A way to make a loader, with a store."""

    make_loader: MakeLoader
    known: KnownStore

    def make(self) -> TrainLoader:
        # Other global random numbers for each: the order may depend on the given seed alone.
        seed_everything(int(torch.randint(2**31, ())))
        action = f"making the loader for {self.known.what}"
        loader: TrainLoader = attempt(action, call_by_keyword, self.make_loader, store=self.known.store, seed=_SEED)
        expect_instance(loader, TrainLoader, "loader: must be an instance of a subclass of lmlab.TrainLoader")
        expect(hasattr(loader, "place"), "loader: the constructor must call super().__init__(num_batches=...)")
        return loader

    def batch(self, loader: TrainLoader, epoch: int, index: int) -> Batch:
        return attempt(f"batch({epoch}, {index}) of {self.known.what}", loader.batch, epoch, index)

    def expect_rest(self, found: list[Batch], epoch: int, first: int, requirement: str) -> None:
        """Raises AssertionError unless batches are those of a new loader, from an index of an epoch to its end."""
        plain = self.make()
        expected = len(plain) - first
        expect(len(found) == expected, f"{requirement}, but epoch {epoch} gave {len(found)} batches, not {expected}")
        for index, batch in enumerate(found, first):
            same = _is_same(batch, self.batch(plain, epoch, index))
            expect(same, f"{requirement}, but batch {index} of epoch {epoch} is different")


def check_loader(make_loader: Callable[..., TrainLoader], *, sentences: bool | None = None) -> None:
    """Checks what lmlab relies on in a training loader: batches that are the same every time, and counted right.

    It makes loaders for texts of its own, whose length follows the size of the batches; small batches are quicker.

    Args:
        make_loader: called with a store and a seed (`make_loader(store, seed)`, or by these names); for example
            `functools.partial(MyLoader, batch_size=4)`.
        sentences: whether it reads sentences; None asks the loader itself.

    Raises:
        AssertionError: names the violated requirement.
    """
    with same_random_numbers():
        if sentences is None:
            sentences = _reads_sentences(make_loader)
        running = [partial(stores.running_text, end_tokens=end_tokens) for end_tokens in (True, False)]
        for make_store in [stores.sentences] if sentences else running:
            probe = _Probe(make_loader, _long_enough(make_loader, make_store))
            expect_equal(probe.make().sentences, sentences, "sentences: the attribute of the class")
            _check_batches(probe)
            _check_num_targets(probe)
            _check_same_every_time(probe)
            _check_iteration(probe)
            _check_restored(probe)
            _check_figures(probe)
            _check_coverage(probe)


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
    """The shortest text that the loader accepts and has enough batches for; else the longest."""
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
    """Checks what each batch of two epochs holds."""
    loader = probe.make()
    for epoch in range(2):
        before: Batch | None = None
        for index in range(len(loader)):
            batch = probe.batch(loader, epoch, index)
            where = f"batch({epoch}, {index}) of {probe.known.what}"
            _check_tensors(batch, where)
            _check_ids(batch, probe.known, where)
            if before is None:
                expect(batch.reset.all(), f"reset: the first batch of an epoch must reset all rows, unlike {where}")
            else:
                _check_continued(before, batch, where)
            before = batch


def _check_tensors(batch: Batch, where: str) -> None:
    expect_instance(batch, Batch, f"batch: {where} must be an lmlab.Batch")
    expect_tensor(batch.inputs, f"batch: the inputs of {where}", dtype=torch.int64)
    is_batch = batch.inputs.ndim == 2 and batch.inputs.numel() > 0
    expect(is_batch, f"batch: the inputs of {where} must be (B, T), but are {tuple(batch.inputs.shape)}")
    expect_tensor(batch.targets, f"batch: the targets (B, T) of {where}", size=batch.inputs.shape, dtype=torch.int64)
    expect_tensor(batch.reset, f"batch: reset (B,) of {where}", size=batch.inputs.shape[:1], dtype=torch.bool)


def _check_ids(batch: Batch, known: KnownStore, where: str) -> None:
    inputs, targets = batch.inputs.numpy(), batch.targets.numpy()
    counted = targets != IGNORE_INDEX
    for name, ids in (("inputs", inputs), ("targets", targets[counted])):
        bad = ids[(ids < 0) | (ids >= known.size)]
        found = f"{where} has {bad[:1].tolist()}, of ids below {known.size}"
        expect(not len(bad), f"batch: {name} must be ids (targets also {IGNORE_INDEX}), but {found}")
    wrong = np.argwhere(counted & ~known.may_follow(inputs, targets))
    if len(wrong):
        row, step = wrong[0]
        found = f"{where} has {targets[row, step]} after {inputs[row, step]} (row {row}, step {step})"
        raise AssertionError(f"batch: a counted target must be the id that follows its input, but {found}")


def _check_continued(before: Batch, batch: Batch, where: str) -> None:
    """Checks that a row which keeps its state continues where it ended; padding shows nothing."""
    if len(before.inputs) != len(batch.inputs):
        return  # lmlab then starts all rows from a fresh state
    end, start = before.targets[:, -1], batch.inputs[:, 0]
    compared = ~batch.reset & (end != IGNORE_INDEX) & (batch.targets[:, 0] != IGNORE_INDEX)
    wrong = torch.nonzero(compared & (end != start)).flatten().tolist()
    found = ", ".join(f"row {row} begins with {int(start[row])} after {int(end[row])}" for row in wrong[:1])
    expect(not wrong, f"reset: a row must continue where it ended, else be reset, but in {where} {found}")


def _check_num_targets(probe: _Probe) -> None:
    loader = probe.make()
    totals = []
    for epoch in range(_EPOCHS):
        found = np.asarray(attempt(f"num_targets({epoch})", loader.num_targets, epoch))
        right = found.shape == (len(loader),) and np.issubdtype(found.dtype, np.integer)
        what = f"{found.shape} of {found.dtype}"
        expect(right, f"num_targets: must be a whole number for each of the {len(loader)} batches, but is {what}")
        for index in range(len(loader)):
            counted = int((probe.batch(loader, epoch, index).targets != IGNORE_INDEX).sum())
            where = f"for batch({epoch}, {index}) of {probe.known.what}"
            expect_equal(int(found[index]), counted, f"num_targets: the number of counted targets {where}")
        totals.append(int(found.sum()))
    same = len(set(totals)) == 1
    expect(same, f"num_targets: the sum must be the same in every epoch, but epochs 0, 1, ... have {totals}")


def _is_same(left: Batch, right: Batch) -> bool:
    return all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


def _check_same_every_time(probe: _Probe) -> None:
    """Checks batches in another order, and with other global random numbers."""
    loader, other = probe.make(), probe.make()
    length = len(loader)
    places = [(epoch, index) for epoch in range(_EPOCHS) for index in range(length)]
    forwards = {place: probe.batch(loader, *place) for place in places}
    for place in reversed(places):
        for again, what in ((other, "another loader with the same seed"), (loader, "the loader, asked again,")):
            found = f"{what} returns a different batch{place} of {probe.known.what}"
            same = _is_same(probe.batch(again, *place), forwards[place])
            expect(same, f"batch: must be a function of epoch, index and seed alone, but {found}")
            expect_equal(len(again), length, "len: must stay the same: len(loader)")


def _check_iteration(probe: _Probe) -> None:
    """Checks that iterating gives the batches of one epoch after the other."""
    loader = probe.make()
    for epoch in range(2):
        batches = attempt("iterating over the loader", list, itertools.islice(loader, len(loader) + 1))
        probe.expect_rest(batches, epoch, 0, "iteration: must give the len(loader) batches of an epoch in order")


def _check_restored(probe: _Probe) -> None:
    """Checks that a loader with the state of another continues it, from within an epoch and from its end."""
    length = len(probe.make())
    for taken in sorted({1, length // 2, length - 1, length} - {0}):
        stopped = probe.make()
        list(stopped)
        for _ in itertools.islice(stopped, taken):
            pass
        state = json_round_trip(stopped.state_dict(), "state_dict: the loader's place")
        restored = probe.make()
        attempt("load_state_dict of what state_dict gave", restored.load_state_dict, state)
        requirement = f"state_dict: restored after {taken} of {length} batches of epoch 1, it must continue identically"
        for epoch in (1, 2) if taken < length else (2,):
            batches = attempt("iterating over a restored loader", list, iter(restored))
            probe.expect_rest(batches, epoch, taken if epoch == 1 else 0, requirement)


def _check_figures(probe: _Probe) -> None:
    """Checks what the plan of a run shows."""
    loader = probe.make()
    example = attempt("example()", loader.example)
    _check_tensors(example, "example()")
    _check_ids(example, probe.known, "example()")
    for name in ("padded_tokens", "passes"):
        value = attempt(name, getattr, loader, name)
        right = isinstance(value, int | float) and 0 < value < math.inf
        expect(right, f"{name}: must be a number above 0, but is {value!r}")
    expect_instance(attempt("describe()", loader.describe), str, "describe: must return text")
    expect_instance(loader.note, str, "note: must be text")


def _check_coverage(probe: _Probe) -> None:
    """Checks that nearly all of the text is trained on sooner or later."""
    loader = probe.make()
    seen: set[int] = set()
    for epoch in range(min(_MOST_EPOCHS, math.ceil(_PASSES / loader.passes))):
        for index in range(len(loader)):
            batch = probe.batch(loader, epoch, index)
            seen.update(batch.targets[batch.targets != IGNORE_INDEX].tolist())
    share = len(seen) / len(np.unique(probe.known.targets))
    found = f"in {_PASSES} passes {share:.0%} of {probe.known.what} was a target"
    expect(share >= _LEAST_SHARE, f"batch: the text must be covered, but {found}")
