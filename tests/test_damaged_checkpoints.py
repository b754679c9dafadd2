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
from lmlab.training.resuming import resume_from
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


def test_a_configuration_with_more_weights_than_the_file_is_refused_before_they_are_made(
    damaged: Callable[..., Path],
) -> None:
    folder = damaged(("lmlab", "config", "model", "core", "hidden_size"), 1_000_000)
    for path in (folder / "checkpoints").iterdir():
        saved = read_checkpoint(path)
        saved["lmlab"]["config"]["model"]["hidden_size"] = 1_000_000
        save_checkpoint(saved, path)
    (folder / "config.yaml").unlink()
    with pytest.raises(UserError, match=r"best\.ckpt: is smaller than the weights"):
        lmlab.load(folder, device="cpu")
    told = [check for check in checks(folder, "best") if check.name == "sizes"]
    assert [check.verdict for check in told] == ["wrong"]


def test_what_another_version_has_written_is_not_replaced(damaged: Callable[..., Path]) -> None:
    folder = damaged(("lmlab", "format"), 99)
    last = folder / "checkpoints" / "last.ckpt"
    shutil.copy(last.with_name("best.ckpt"), last.with_name("previous.ckpt"))
    before = last.read_bytes()
    with pytest.raises(UserError, match=r"last\.ckpt: was written by another version"):
        resume_from(folder, {})
    assert last.read_bytes() == before
