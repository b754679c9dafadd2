from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lmlab.checkpoints import FORMAT, read_checkpoint, save_checkpoint
from lmlab.errors import UserError
from lmlab.files import write_text
from lmlab.random_states import random_states, restore_random_states

OURS = {"format": FORMAT}


def draw_of_each() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(torch.rand(()))


def test_random_states_survive_a_checkpoint_file(tmp_path: Path) -> None:
    random.gauss(0, 1)
    np.random.normal()
    save_checkpoint({"states": random_states(), "lmlab": OURS}, tmp_path / "a.ckpt")
    expected = [draw_of_each() for _ in range(3)]
    restore_random_states(read_checkpoint(tmp_path / "a.ckpt")["states"])
    assert [draw_of_each() for _ in range(3)] == expected


def test_a_crash_while_saving_leaves_the_file_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.ckpt"
    save_checkpoint({"value": 1, "lmlab": OURS}, path)

    def half(checkpoint: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint({"value": 2}, path)
    assert read_checkpoint(path) == {"value": 1, "lmlab": OURS}
    assert os.listdir(tmp_path) == ["a.ckpt"]


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (os.mkdir, (str(tmp_path / "ran"),))

    torch.save({"state": Trap(), "lmlab": OURS}, tmp_path / "trap.ckpt")
    with pytest.raises(UserError, match="weights_only"):
        read_checkpoint(tmp_path / "trap.ckpt")
    assert not (tmp_path / "ran").exists()


def test_a_text_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "one")
    write_text(path, "zwei ü")
    assert path.read_text(encoding="utf-8") == "zwei ü"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_checkpoint_is_told_in_one_line(damage: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    save_checkpoint({"value": torch.zeros(10_000), "lmlab": OURS}, path)
    path.write_bytes(path.read_bytes()[:5_000] if damage is None else damage)
    with pytest.raises(UserError, match="damaged"):
        read_checkpoint(path)
