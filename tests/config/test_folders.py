from __future__ import annotations

import re
from pathlib import Path

import pytest

from lmlab.config.folders import configuration_folder, job_folder, new_run_folder
from lmlab.errors import UserError


def test_a_jobs_folder_names_what_is_swept_and_nothing_else() -> None:
    overrides = ["model=lstm", "model.hidden_size=256", "optimizer.lr=0.001", "data.path='x y'"]
    assert job_folder(3, overrides, {"model.hidden_size", "optimizer.lr"}) == "3_hidden-256_lr-0.001"


def test_a_jobs_folder_can_be_typed_back_and_is_never_too_long() -> None:
    swept = {f"a.key{i}" for i in range(40)} | {"data.split", "name"}
    overrides = [f"a.key{i}=[{i},{i}]" for i in range(40)] + ["data.split=[.5,.5]", "name='ä/b=c, d'"]
    name = job_folder(12, list(reversed(overrides)), swept)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name)
    assert name.startswith("12_name-")


def test_two_runs_in_one_second_get_two_folders(tmp_path: Path) -> None:
    folders = {new_run_folder(str(tmp_path / "name")) for _ in range(5)}
    assert len(folders) == 5
    assert all(Path(folder).is_dir() for folder in folders)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="output_dir"):
        new_run_folder(str(tmp_path / "file" / "name"))


def test_the_configuration_is_found() -> None:
    assert (configuration_folder() / "train.yaml").is_file()
