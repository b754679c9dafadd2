"""Streams and their loaders, against the corpus they were cut from."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch

from lmlab.data.loaders import streams
from lmlab.data.loaders.base import IGNORE_INDEX, Batch
from lmlab.data.loaders.first_batches import FirstBatches
from lmlab.data.loaders.streams import EvaluationLoader, Streams, StreamsLoader, num_evaluation_streams
from lmlab.data.token_store import TokenStore

END_ID = 1


def make_store(num_tokens: int, *, end_token: bool) -> TokenStore:
    """Token i has id i + 2, so that every id says where it stands."""
    ids = np.arange(2, num_tokens + 2, dtype=np.int32)
    return TokenStore(ids, num_tokens, 0, "", END_ID if end_token else None)


def windows(streams: Streams, sequence_length: int) -> list[Batch]:
    count = streams.num_windows(sequence_length)
    return [streams.window(i * sequence_length, (i + 1) * sequence_length) for i in range(count)]


def put_together(batches: list[Batch]) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets of all windows, (S, length)."""
    return torch.cat([b.inputs for b in batches], dim=1), torch.cat([b.targets for b in batches], dim=1)


def sizes() -> list[tuple[int, int, int]]:
    """(N, S, T): all tiny ones, and some at random. One token alone has nothing to predict it from."""
    tiny = list(itertools.product(range(2, 9), range(1, 6), range(1, 5)))
    generator = random.Random(0)
    return tiny + [(generator.randint(2, 300), generator.randint(1, 20), generator.randint(1, 40)) for _ in range(300)]


@pytest.mark.parametrize("end_token", [True, False])
def test_streams_put_together_give_the_corpus(end_token):
    for num_tokens, num_streams, sequence_length in sizes():
        store = make_store(num_tokens, end_token=end_token)
        _, targets = put_together(windows(Streams(store, num_streams), sequence_length))
        counted = targets.flatten()[targets.flatten() != IGNORE_INDEX]
        expected = store.ids[0 if end_token else 1 :]
        assert counted.tolist() == expected.tolist(), (num_tokens, num_streams, sequence_length)
        assert len(counted) == store.num_targets


@pytest.mark.parametrize("end_token", [True, False])
def test_every_target_is_predicted_from_the_token_before_it(end_token):
    for num_tokens, num_streams, sequence_length in sizes():
        store = make_store(num_tokens, end_token=end_token)
        inputs, targets = put_together(windows(Streams(store, num_streams), sequence_length))
        counted = targets != IGNORE_INDEX
        # Ids count up from 2; the first one follows the end token.
        expected = torch.where(targets == 2, END_ID, targets - 1)
        assert torch.equal(inputs[counted], expected[counted]), (num_tokens, num_streams, sequence_length)


@pytest.mark.parametrize("end_token", [True, False])
def test_counted_targets_come_first_in_every_stream(end_token):
    """Nothing is fed to a stream before its first counted target, and no hole lies between two of them."""
    for num_tokens, num_streams, sequence_length in sizes():
        store = make_store(num_tokens, end_token=end_token)
        _, targets = put_together(windows(Streams(store, num_streams), sequence_length))
        counted = (targets != IGNORE_INDEX).int()
        assert bool((counted[:, 1:] <= counted[:, :-1]).all()), (num_tokens, num_streams, sequence_length)


@pytest.mark.parametrize("end_token", [True, False])
def test_no_column_is_padding_only(end_token):
    """So that no training step is made on nothing."""
    for num_tokens, num_streams, sequence_length in sizes():
        store = make_store(num_tokens, end_token=end_token)
        _, targets = put_together(windows(Streams(store, num_streams), sequence_length))
        counted = (targets != IGNORE_INDEX).any(dim=0)
        assert bool(counted.all()), (num_tokens, num_streams, sequence_length)


def test_padding_inputs_are_ids_of_the_corpus():
    for num_tokens, num_streams, sequence_length in sizes():
        store = make_store(num_tokens, end_token=True)
        inputs, _ = put_together(windows(Streams(store, num_streams), sequence_length))
        assert set(inputs.flatten().tolist()) <= {END_ID, *store.ids.tolist()}


def test_windows_have_the_types_and_shapes_of_a_batch():
    for batch in windows(Streams(make_store(23, end_token=True), 4), 5):
        assert batch.inputs.shape == batch.targets.shape
        assert batch.inputs.shape[0] == 4
        assert 1 <= batch.inputs.shape[1] <= 5
        assert batch.inputs.dtype == batch.targets.dtype == torch.int64
        assert batch.reset.shape == (4,)
        assert batch.reset.dtype == torch.bool


def test_only_position_0_resets():
    first, *others = windows(Streams(make_store(100, end_token=True), 4), 5)
    assert bool(first.reset.all())
    assert others
    assert not any(bool(batch.reset.any()) for batch in others)


def test_a_window_may_start_anywhere():
    streams = Streams(make_store(50, end_token=True), 3)
    inputs, targets = put_together(windows(streams, 100))
    for start, stop in [(0, 1), (3, 9), (5, 17), (16, 17)]:
        batch = streams.window(start, stop)
        assert torch.equal(batch.inputs, inputs[:, start:stop])
        assert torch.equal(batch.targets, targets[:, start:stop])


@pytest.mark.parametrize("end_token", [True, False])
def test_from_an_offset_on_the_text_is_a_ring_and_every_target_is_there_once(end_token):
    generator = random.Random(1)
    for num_tokens, num_streams, sequence_length in sizes():
        store = make_store(num_tokens, end_token=end_token)
        offset = generator.randrange(store.num_targets)
        streams = Streams(store, num_streams, offset=offset)
        batches = windows(streams, sequence_length)
        inputs, targets = put_together(batches)
        counted = targets != IGNORE_INDEX
        case = num_tokens, num_streams, sequence_length, offset
        ids = store.ids[0 if end_token else 1 :].tolist()
        assert targets[counted].tolist() == [*ids[offset:], *ids[:offset]], case
        assert bool(counted.any(dim=0).all()), case
        for number, batch in enumerate(batches):
            begins = batch.targets[:, 0] == ids[0]  # the text's beginning does not continue its end
            read = batch.targets[:, 0] != IGNORE_INDEX
            assert torch.equal(batch.reset[read], (begins | (number == 0))[read]), case
        assert torch.equal(inputs[counted], torch.where(targets == 2, END_ID, targets - 1)[counted]), case
        by_window = [int((batch.targets != IGNORE_INDEX).sum()) for batch in batches]
        assert streams.num_targets(sequence_length).tolist() == by_window, case


def test_batches_do_not_share_memory_with_the_store():
    store = make_store(30, end_token=True)
    before = store.ids.copy()
    batch = Streams(store, 2).window(0, 5)
    batch.inputs.fill_(0)
    assert not bool((batch.targets == 0).any())
    assert np.array_equal(store.ids, before)


# The training loader


def make_loader(num_tokens: int = 103, *, batch_size: int = 4, sequence_length: int = 5) -> StreamsLoader:
    store = make_store(num_tokens, end_token=True)
    return StreamsLoader(store=store, batch_size=batch_size, sequence_length=sequence_length, seed=0)


def same(left: list[Batch], right: list[Batch]) -> bool:
    return len(left) == len(right) and all(
        torch.equal(a, b) for one, other in zip(left, right, strict=True) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("end_token", [True, False])
def test_loader_is_sized_and_counts_its_tokens(end_token):
    for num_tokens, batch_size, sequence_length in sizes():
        store = make_store(num_tokens, end_token=end_token)
        loader = StreamsLoader(store=store, batch_size=batch_size, sequence_length=sequence_length, seed=0)
        batches = list(loader)
        assert len(batches) == len(loader)
        counted = sum(int((b.targets != IGNORE_INDEX).sum()) for b in batches)
        assert counted == store.num_targets


def test_loader_gives_streams_in_the_order_of_the_text():
    loader = make_loader()
    _, targets = put_together(list(loader))
    counted = targets.flatten()[targets.flatten() != IGNORE_INDEX]
    assert counted.tolist() == list(range(2, 105))


def test_every_iteration_starts_at_the_beginning():
    loader = make_loader()
    whole = list(loader)
    assert same(list(loader), whole)
    for taken in range(1, len(whole)):
        assert same(list(itertools.islice(loader, taken)), whole[:taken])
    assert same(list(loader), whole)


def test_epochs_are_counted_with_the_last_batch():
    loader = make_loader()
    for epoch in range(3):
        seen = []
        for _ in loader:
            seen.append(loader.state_dict()["epoch"])
        assert seen == [epoch] * (len(loader) - 1) + [epoch + 1]


def test_an_abandoned_epoch_is_not_counted():
    loader = make_loader()
    list(itertools.islice(loader, 2))
    list(loader)
    assert loader.state_dict()["epoch"] == 1


def test_a_restored_loader_goes_on_exactly():
    whole = list(make_loader())
    for taken in range(1, len(whole) + 1):
        stopped = make_loader()
        list(stopped)
        begun = list(itertools.islice(stopped, taken))
        restored = make_loader()
        restored.load_state_dict(stopped.state_dict())
        rest = list(restored)
        if taken < len(whole):
            assert same(begun + rest, whole)
            assert restored.state_dict()["epoch"] == 2
        else:  # the epoch had ended: the next one is served whole
            assert same(rest, whole)
            assert restored.state_dict()["epoch"] == 3


def test_a_loaded_state_counts_for_one_iteration_only():
    whole = list(make_loader())
    loader = make_loader()
    loader.load_state_dict({"epoch": 3, "position": 2})
    assert same(list(itertools.islice(loader, 1)), whole[2:3])
    assert same(list(loader), whole)


def test_saving_a_state_does_not_disturb_the_iteration():
    loader, states, batches = make_loader(), [], []
    for batch in loader:
        states.append(loader.state_dict())
        batches.append(batch)
    assert same(batches, list(make_loader()))
    assert [s["position"] for s in states] == [*range(1, len(batches)), 0]


def test_a_text_for_one_batch_exactly_is_not_shrunk():
    loader = make_loader(20, batch_size=4, sequence_length=5)
    assert (loader.batch_size, loader.sequence_length, loader.note) == (4, 5, "")
    assert len(loader) == 1


@pytest.mark.parametrize(
    ("num_tokens", "batch_size", "sequence_length"), [(19, 4, 5), (7, 4, 5), (5, 1, 6), (1, 8, 8), (10, 100, 1)]
)
def test_a_text_shorter_than_one_batch_shrinks_it_and_is_noted(num_tokens, batch_size, sequence_length):
    loader = make_loader(num_tokens, batch_size=batch_size, sequence_length=sequence_length)
    assert loader.batch_size * loader.sequence_length <= num_tokens
    assert (loader.batch_size, loader.sequence_length) != (batch_size, sequence_length)
    assert f"data.batch_size={loader.batch_size}" in loader.note
    assert f"data.sequence_length={loader.sequence_length}" in loader.note
    first = next(iter(loader))
    assert first.inputs.shape == (loader.batch_size, loader.sequence_length)
    # No stream of the first batch is padding only.
    assert bool((first.targets != IGNORE_INDEX).any(dim=1).all())


def drawing_loader(*, seed: int = 0, probability: float = 0.3, random_offset: bool = True) -> StreamsLoader:
    store = make_store(2_003, end_token=True)
    how = {"reset_probability": probability, "random_offset": random_offset}
    return StreamsLoader(store=store, batch_size=10, sequence_length=5, seed=seed, **how)


def test_what_is_drawn_is_a_function_of_seed_and_epoch_and_goes_on_exactly():
    whole = [[*loader] for loader in [drawing_loader()] for _ in range(3)]
    assert not same(whole[0], whole[1])
    assert not same(whole[0], list(drawing_loader(seed=1)))
    for epoch, taken in [(0, 7), (1, 1), (2, 40)]:
        restored = drawing_loader()
        restored.load_state_dict({"epoch": epoch, "position": taken})
        assert same(list(restored), whole[epoch][taken:])


def test_epochs_begin_at_places_all_over_the_text():
    loader = drawing_loader(probability=0.0)
    first = [int(loader.batch(epoch, 0).targets[0, 0]) for epoch in range(200)]
    assert len(set(first)) > 150
    assert min(first) < 200
    assert max(first) > 1_800
    assert all(int(loader.num_targets(epoch).sum()) == 2_003 for epoch in range(5))


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_rows_start_afresh_with_the_probability_and_all_of_them_at_the_beginning(probability):
    loader = drawing_loader(probability=probability, random_offset=False)
    batches = [batch for _ in range(20) for batch in loader]
    per_epoch = len(loader)
    assert all(bool(batch.reset.all()) for batch in batches[::per_epoch])
    later = torch.stack([batch.reset for i, batch in enumerate(batches) if i % per_epoch]).float()
    standard_error = (probability * (1 - probability) / later.numel()) ** 0.5
    assert abs(float(later.mean()) - probability) <= 4 * standard_error
    assert len({float(row) for row in later.mean(dim=0)}) > 1 or probability in (0.0, 1.0)  # rows one by one


@pytest.mark.parametrize("end_token", [True, False])
@pytest.mark.parametrize("at_once", [1, 40, 1 << 22])
@pytest.mark.parametrize(("probability", "random_offset"), [(0.0, False), (0.0, True), (0.4, True)])
def test_batches_from_ids_that_are_kept_on_a_device_are_the_same(
    end_token, at_once, probability, random_offset, monkeypatch
):
    monkeypatch.setattr(streams, "_COPIED_AT_ONCE", at_once)
    how = {"batch_size": 6, "sequence_length": 7, "seed": 3}
    how |= {"reset_probability": probability, "random_offset": random_offset}
    store = make_store(500, end_token=end_token)
    plain, kept, too_large = (StreamsLoader(store=store, **how) for _ in range(3))
    kept.keep_on(torch.device("cpu"), 4 * 2 * 510)
    FirstBatches(too_large, num_batches=5).keep_on(torch.device("meta"), 4 * 2 * 490)
    for _ in range(3):
        expected = list(plain)
        assert same(list(kept), expected)
        assert same(list(too_large), expected)
        assert all(tensor.dtype == torch.int64 for batch in expected for tensor in batch[:2])
    assert kept._kept(2)[0].dtype == torch.int32


# The evaluation loader


@pytest.mark.parametrize(
    ("num_tokens", "expected"),
    [(1, 1), (1_999, 1), (2_000, 1), (3_999, 1), (4_000, 2), (6_000, 3), (31_999, 15), (32_000, 16), (10**7, 16)],
)
def test_the_protocol_sets_the_number_of_streams(num_tokens, expected):
    assert num_evaluation_streams(num_tokens) == expected


def test_evaluation_uses_the_protocol_unless_told_otherwise():
    store = make_store(6_100, end_token=True)
    assert EvaluationLoader(store, num_streams=None).num_streams == 3
    assert EvaluationLoader(store, num_streams=1).num_streams == 1
    assert next(iter(EvaluationLoader(store, num_streams=5))).inputs.shape[0] == 5


def test_evaluation_has_no_more_streams_than_tokens():
    assert EvaluationLoader(make_store(3, end_token=True), num_streams=10).num_streams == 3


@pytest.mark.parametrize("sequence_length", [1, 7, 256, 10_000])
def test_evaluation_counts_every_token_once_whatever_the_window(sequence_length):
    store = make_store(4_100, end_token=True)
    loader = EvaluationLoader(store, num_streams=None, sequence_length=sequence_length)
    batches = list(loader)
    assert len(batches) == len(loader)
    _, targets = put_together(batches)
    assert targets[targets != IGNORE_INDEX].tolist() == store.ids.tolist()
    assert [bool(b.reset.all()) for b in batches] == [True] + [False] * (len(batches) - 1)


def test_evaluation_can_be_repeated():
    loader = EvaluationLoader(make_store(999, end_token=True), num_streams=2)
    assert same(list(loader), list(loader))
