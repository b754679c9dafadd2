"""A sweep's folder and its lock."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from lmlab.errors import UserError
from lmlab.launch import sweep_folder
from lmlab.launch.sweep_folder import (
    current_sweep,
    enter_sweep,
    leave_sweep,
    num_jobs,
    remove_if_unused,
    swept_settings,
)
from lmlab.runs.files import RESULTS, SWEEP


@pytest.fixture(autouse=True)
def no_sweep() -> Iterator[None]:
    leave_sweep()
    yield
    leave_sweep()


# Its own files


@pytest.mark.parametrize("name", ["multirun.yaml", "results.csv", ".lmlab.lock"])
def test_a_link_in_the_place_of_a_sweeps_file_is_refused_and_what_it_points_to_stays(tmp_path: Path, name: str) -> None:
    folder, elsewhere = a_sweep(tmp_path / "sweep"), tmp_path / "precious.txt"
    elsewhere.write_text("precious")
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(UserError, match=rf"^run=.*{name}: is a symbolic link, .*; move it away$"):
        enter_sweep(folder)
    assert elsewhere.read_text() == "precious"
    assert current_sweep() is None


def test_a_folder_in_the_place_of_the_results_is_refused_before_a_job_is_trained(tmp_path: Path) -> None:
    folder = a_sweep(tmp_path / "sweep")
    (folder / RESULTS).mkdir()
    with pytest.raises(UserError, match=r"^run=.*results\.csv: is a folder, .*; move it away$"):
        enter_sweep(folder)


# The lock


def a_sweep(folder: Path, **record: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / SWEEP).write_text(json.dumps(record))
    return folder


ENTER = """
import sys
from pathlib import Path
from lmlab.launch.sweep_folder import enter_sweep
from lmlab.errors import UserError
try:
    enter_sweep(Path(sys.argv[1]))
except UserError as error:
    print(error)
else:
    print("entered")
"""


def entered_elsewhere(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ENTER, str(folder)], capture_output=True, text=True, check=True, env=os.environ
    )
    return done.stdout.strip()


def test_a_second_process_is_refused_in_one_line_until_the_first_has_left(tmp_path: Path) -> None:
    folder = a_sweep(tmp_path / "sweep")
    enter_sweep(folder)
    assert current_sweep() == folder
    refused = entered_elsewhere(folder)
    assert "\n" not in refused
    assert "is working on it at the moment" in refused
    assert "fresh=true" in refused
    leave_sweep()
    assert current_sweep() is None
    assert "LMLAB_SWEEP_FOLDER" not in os.environ
    assert entered_elsewhere(folder) == "entered"


def test_a_refused_sweep_is_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_sweep(tmp_path / "sweep")
    enter_sweep(folder)
    # Another opening of the file stands for another process.
    monkeypatch.setattr(sweep_folder, "_locks", [])
    monkeypatch.delenv("LMLAB_SWEEP_FOLDER")
    with pytest.raises(UserError, match="is working on it"):
        enter_sweep(folder)
    assert current_sweep() is None


# The folder


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)

    def start(*arguments: str, parameters: Any = None, fresh: bool = False) -> Path:
        leave_sweep()
        monkeypatch.setattr(sys, "argv", ["train", *arguments])
        return Path(sweep_folder._sweep_folder("outputs/name", fresh, parameters))

    return start


def test_the_same_words_go_on_in_the_same_folder(typed: Any, tmp_path: Path) -> None:
    first = typed("-m", "seed=0,1")
    assert first.parent == tmp_path / "outputs" / "name"
    assert typed("--multirun", "seed=0,1") == first
    other = typed("-m", "seed=0,2")
    assert other != first
    assert typed("-m", "seed=0,1") == first


def test_fresh_begins_another_that_is_then_gone_on_with(typed: Any) -> None:
    first = typed("-m", "seed=0,1")
    fresh = typed("-m", "seed=0,1", "fresh=true", fresh=True)
    assert fresh != first
    assert typed("-m", "seed=0,1") == fresh
    assert typed("-m", "seed=0,1", "fresh=true", fresh=True) not in (first, fresh)


def test_the_same_words_elsewhere_are_another_sweep(typed: Any, tmp_path: Path) -> None:
    first = typed("-m", "seed=0,1")
    record = json.loads((first / SWEEP).read_text())
    (first / SWEEP).write_text(json.dumps({**record, "directory": "/elsewhere"}))
    assert typed("-m", "seed=0,1") != first


def test_folders_that_are_no_sweep_are_passed_over(typed: Any, tmp_path: Path) -> None:
    parent = tmp_path / "outputs" / "name"
    (parent / "zzz").mkdir(parents=True)
    (parent / "zz" / SWEEP).mkdir(parents=True)
    a_sweep(parent / "z")
    (parent / "y").mkdir()
    (parent / "y" / SWEEP).write_text("[1]")
    (parent / "x").touch()
    first = typed("-m", "seed=0,1")
    assert first.name.startswith("20")
    assert typed("-m", "seed=0,1") == first


def test_a_sweep_under_way_is_the_sweep(typed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = typed("-m", "seed=0,1")
    monkeypatch.setattr(sys, "argv", ["train", "-m", "seed=5,6"])
    assert sweep_folder._sweep_folder("outputs/other", True, None) == str(first)


def test_what_is_swept_is_known_and_counted(typed: Any) -> None:
    typed("-m", "model=rnn,gru", "seed=range(0,3)", "optimizer.lr=1e-3", "model.hidden_size=4,8")
    assert swept_settings() == {"model": 2, "seed": 3, "model.hidden_size": 2}
    assert num_jobs() == 12


def test_a_preset_is_swept_too_unless_the_command_line_says_otherwise(typed: Any) -> None:
    parameters = {"model.hidden_size": "4,8,16", "seed": "0,1"}
    typed("-m", "seed=3", parameters=parameters)
    assert swept_settings() == {"model.hidden_size": 3}
    assert num_jobs() == 3


@pytest.mark.parametrize("word", ["optimizer.lr=interval(1e-4,1e-2)", "model=glob(*)"])
def test_what_only_a_sweeper_can_count_leaves_the_number_of_jobs_open(typed: Any, word: str) -> None:
    typed("-m", word, "seed=0,1")
    assert swept_settings() == {word.partition("=")[0]: 0, "seed": 2}
    assert num_jobs() is None


def test_outside_a_sweep_nothing_is_swept() -> None:
    assert swept_settings() == {}


def test_a_jobs_folder_names_what_the_sweep_sweeps(typed: Any) -> None:
    typed("-m", "model.hidden_size=4,8", "optimizer.lr=0.1")
    words = ["model.hidden_size=8", "optimizer.lr=0.1"]
    assert sweep_folder._job_folder(1, OmegaConf.create(words)) == "1_hidden-8"
    assert sweep_folder._job_folder(1, None) == "1"


def test_only_a_sweep_without_jobs_is_removed(typed: Any, tmp_path: Path) -> None:
    used = typed("-m", "seed=0,1")
    (used / "0_seed-0").mkdir()
    remove_if_unused()
    assert used.is_dir()
    unused = typed("-m", "seed=0,2")
    (unused / "multirun.yaml").touch()
    remove_if_unused()
    assert not unused.exists()
    assert used.is_dir()  # the parent is not empty and stays
    shutil.rmtree(used)
    typed("-m", "seed=0,2")
    remove_if_unused()
    assert not (tmp_path / "outputs" / "name").exists()
    leave_sweep()
    remove_if_unused()  # there is none, which is no mistake
