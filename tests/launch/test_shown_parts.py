"""`--cfg job --package=...` for a part that there is, and for one that there is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def shown(*words: str, cwd: Path) -> tuple[int, str, str]:
    """Status and outputs; in a process of its own, because Hydra keeps what it was started with."""
    command = [sys.executable, "-m", "lmlab.train", *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", [["--cfg", "job", "-p", "model.nothere"], ["--cfg=hydra", "--package=nothere"]])
def test_a_part_that_is_not_there_is_told_as_any_mistake(tmp_path: Path, words: list[str]) -> None:
    remedy = "leave it out, which shows the whole with the names of its parts"
    line = f"error: --package={words[-1].rpartition('=')[2]}: no such part; {remedy}\n"
    assert shown(*words, cwd=tmp_path) == (1, "", line)


def test_a_part_that_is_there_is_shown(tmp_path: Path) -> None:
    status, output, errors = shown("--cfg", "job", "-p", "model.core", cwd=tmp_path)
    assert (status, errors) == (0, "")
    assert output.startswith("# @package model.core\n_target_: ")
