"""Checkpoints with parts missing or of another kind: one line says so, from whichever command."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import lmlab
from lmlab.checkpoints import read_checkpoint, save_checkpoint
from lmlab.errors import UserError
from lmlab.verification.run import checks

GONE = "gone"
EMBEDDING = ("state_dict", "model.embedding.weight")
# Where in the checkpoint, and what stands there instead.
DAMAGES: list[tuple[tuple[str, ...], Any]] = [
    (("state_dict",), GONE),
    (("state_dict",), []),
    (("state_dict",), {}),
    (EMBEDDING, GONE),
    (EMBEDDING, 3),
    (EMBEDDING, torch.zeros(3)),
    (("global_step",), GONE),
    (("global_step",), "x"),
    (("lmlab",), 3),
    (("lmlab", "config"), GONE),
    (("lmlab", "config"), []),
    (("lmlab", "config", "model"), GONE),
    (("lmlab", "tokenizer"), GONE),
    (("lmlab", "tokenizer"), []),
    (("lmlab", "tokenizer", "type"), [1]),
    (("lmlab", "tokenizer", "vocabulary"), GONE),
    (("lmlab", "tokenizer", "vocabulary"), ["a"]),
    (("lmlab", "text_fingerprints"), []),
    (("callbacks",), 3),
    (("callbacks",), {"Recorder": {"rows": [3]}}),
]


def put(place: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    for key in keys[:-1]:
        place = place[key]
    if value is GONE:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value


@pytest.fixture
def damaged(trained_run: Path, tmp_path: Path) -> Callable[..., Path]:
    def make(keys: tuple[str, ...], value: Any) -> Path:
        """A copy of a run whose best.ckpt and last.ckpt are damaged alike, and carry the digest of their bytes."""
        folder = Path(shutil.copytree(trained_run, tmp_path / "run"))
        for path in (folder / "checkpoints" / "best.ckpt", folder / "checkpoints" / "last.ckpt"):
            saved = read_checkpoint(path)
            put(saved, keys, value)
            save_checkpoint(saved, path)
        return folder

    return make


@pytest.mark.parametrize(("keys", "value"), DAMAGES, ids=str)
def test_a_checkpoint_that_is_not_whole_is_told_in_one_line(
    damaged: Callable[..., Path], keys: tuple[str, ...], value: Any
) -> None:
    folder = damaged(keys, value)
    for which in ("best", "last"):
        with pytest.raises(UserError) as error:
            lmlab.load(folder, checkpoint=which, device="cpu")
        assert f"{which}.ckpt" in str(error.value)
        assert "\n" not in str(error.value)
        assert any(check.verdict == "wrong" for check in checks(folder, which))
