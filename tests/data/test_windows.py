"""Windows and chunks: rows are passages of the text, each token predicted from the one before it."""

from __future__ import annotations

import numpy as np
import pytest

from lmlab.data.loaders.windows import ChunksLoader, WindowsLoader
from lmlab.data.token_store import TokenStore


def store_of(length: int) -> TokenStore:
    return TokenStore(np.arange(length, dtype=np.int32), length, 0, "", None)


def starts(batches) -> list[int]:
    return [int(row[0]) for batch in batches for row in batch.inputs]


@pytest.mark.parametrize(("stride", "length"), [(1, 4), (3, 4), (4, 4), (10, 4), (4, 19)])
def test_windows_begin_at_every_stride_and_the_last_ends_with_the_text(stride: int, length: int) -> None:
    loader = WindowsLoader(store=store_of(23), batch_size=3, sequence_length=length, stride=stride, seed=0)
    batches = list(loader)
    assert len(batches) == len(loader)
    for batch in batches:
        assert batch.reset.all()
        assert (batch.targets == batch.inputs + 1).all()
        assert batch.inputs.shape[1] == length
    found = starts(batches)
    expected = set(range(0, 23 - length, stride)) | {22 - length}
    assert sorted(found) == sorted(expected)
    if stride <= length:
        assert {int(t) for batch in batches for t in batch.targets.flatten()} == set(range(1, 23))


def test_windows_come_in_another_order_each_epoch_by_seed() -> None:
    def epochs(seed: int) -> list[list[int]]:
        loader = WindowsLoader(store=store_of(200), batch_size=4, sequence_length=10, stride=2, seed=seed)
        return [starts(loader), starts(loader)]

    assert epochs(1) == epochs(1)
    assert epochs(1) != epochs(2)
    first, second = epochs(1)
    assert first != second
    assert sorted(first) == sorted(second)
    assert first != sorted(first)


def test_chunks_come_from_everywhere_alike() -> None:
    loader = ChunksLoader(store=store_of(60), batch_size=50, sequence_length=9, seed=0)
    found = [start for _ in range(200) for start in starts(loader)]
    counts = np.bincount(found)
    assert len(counts) == 51  # the last chunk ends with the text
    expected = len(found) / 51
    assert ((counts - expected) ** 2 / expected).sum() < 51 + 5 * np.sqrt(2 * 51)
    assert len(loader) == 1


@pytest.mark.parametrize("make", [
    lambda: ChunksLoader(store=store_of(300), batch_size=4, sequence_length=10, seed=5),
    lambda: WindowsLoader(store=store_of(300), batch_size=4, sequence_length=10, stride=3, seed=5),
])  # fmt: skip
def test_an_interrupted_epoch_goes_on_where_it_stopped(make) -> None:
    whole = make()
    expected = [starts([batch]) for _ in range(2) for batch in whole]
    part = make()
    seen = []
    for number, batch in enumerate(part):
        seen.append(starts([batch]))
        if number == 2:
            break
    other = make()
    other.load_state_dict(part.state_dict())
    assert seen + [starts([batch]) for _ in range(2) for batch in other] == expected


@pytest.mark.parametrize("kind", ["windows", "chunks"])
def test_a_short_text_shortens_the_rows_and_says_so(kind: str) -> None:
    store = store_of(6)
    if kind == "windows":
        loader = WindowsLoader(store=store, batch_size=4, sequence_length=50, stride=50, seed=0)
    else:
        loader = ChunksLoader(store=store, batch_size=4, sequence_length=50, seed=0)
    assert all(batch.inputs.shape[1] == 5 for batch in loader)
    assert "data.sequence_length=5" in loader.note
