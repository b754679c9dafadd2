"""A checkpoint is read as it was written, or not at all."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from lmlab.checkpoints import read_checkpoint, save_checkpoint
from lmlab.digests import has_digest
from lmlab.errors import UserError

SAVED: dict[str, Any] = {
    "lmlab": {"format": 3},
    "state": torch.arange(3_000, dtype=torch.float32),
    "rows": [{"a": 1.5, "b": None}],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_checkpoint(SAVED, tmp_path / "checkpoints" / "last.ckpt")
    return tmp_path / "checkpoints" / "last.ckpt"


def test_it_comes_back_and_torch_reads_it_too(path: Path) -> None:
    assert has_digest(path)
    for loaded in (read_checkpoint(path), torch.load(path, weights_only=True)):
        assert torch.equal(loaded.pop("state"), SAVED["state"])
        assert loaded == {key: value for key, value in SAVED.items() if key != "state"}


def test_a_named_pipe_or_folder_is_no_checkpoint(tmp_path: Path) -> None:
    for name, put in (("pipe.ckpt", os.mkfifo), ("folder.ckpt", Path.mkdir)):
        put(tmp_path / name)
        with pytest.raises(UserError, match="is not a file"):
            read_checkpoint(tmp_path / name)


def test_a_file_without_end_is_not_read_through(path: Path) -> None:
    os.truncate(path, 1 << 42)
    with pytest.raises(UserError, match="is damaged"):
        read_checkpoint(path)


def test_every_flipped_bit_is_found(path: Path) -> None:
    data = path.read_bytes()
    generator = random.Random(0)
    # All of the end, where digest and length of the comment stand; a sample of the rest.
    bits = [(at, bit) for at in range(len(data) - 100, len(data)) for bit in range(8)]
    bits += [(generator.randrange(len(data)), generator.randrange(8)) for _ in range(300)]
    for at, bit in bits:
        flipped = bytearray(data)
        flipped[at] ^= 1 << bit
        path.write_bytes(flipped)
        with pytest.raises(UserError, match="damaged"):
            read_checkpoint(path)


def test_every_cut_is_found(path: Path) -> None:
    data = path.read_bytes()
    for length in (0, 1, 21, 22, 77, 99, len(data) // 2, len(data) - 99, len(data) - 77, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(UserError):
            read_checkpoint(path)


def test_a_file_without_its_digest_is_no_checkpoint_of_this_version(path: Path, tmp_path: Path) -> None:
    torch.save(SAVED, path)
    with pytest.raises(UserError, match="damaged"):
        read_checkpoint(path)
    older = SAVED | {"lmlab": {"format": 2}}
    torch.save(older, path)
    assert not has_digest(path)
    assert read_checkpoint(path)["lmlab"] == {"format": 2}


def test_the_one_before_stays(path: Path) -> None:
    previous = path.with_name("previous.ckpt")
    before = path.read_bytes()
    save_checkpoint(SAVED | {"rows": []}, path, keep_previous=previous)
    assert previous.read_bytes() == before
    assert read_checkpoint(path)["rows"] == []
    assert sorted(file.name for file in path.parent.iterdir()) == ["last.ckpt", "previous.ckpt"]


def test_a_replacement_that_failed_leaves_nothing_the_next_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    previous = path.with_name("previous.ckpt")
    replace = os.replace

    def fail(source: Any, target: Any) -> None:
        if Path(target) == path:
            raise OSError(28, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", fail)
        with pytest.raises(OSError, match="No space left"):
            save_checkpoint(SAVED, path, keep_previous=previous)
    save_checkpoint(SAVED, path, keep_previous=previous)
    assert sorted(file.name for file in path.parent.iterdir()) == ["last.ckpt", "previous.ckpt"]


def test_file_systems_without_links_keep_it_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    before = path.read_bytes()
    save_checkpoint(SAVED | {"rows": []}, path, keep_previous=path.with_name("previous.ckpt"))
    assert path.with_name("previous.ckpt").read_bytes() == before
