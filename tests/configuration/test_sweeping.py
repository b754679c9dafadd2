"""A sweep's folder, its lock, and what is left to do of each job."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import compose_config
from omegaconf import OmegaConf

from lmlab.configuration import sweeping
from lmlab.configuration.sweeping import (
    RECORD,
    Task,
    current_sweep,
    enter_sweep,
    leave_sweep,
    num_jobs,
    prepare_job,
    remove_if_unused,
    swept_settings,
    write_failure,
)
from lmlab.errors import UserError
from lmlab.reporting.sweeps import read_summary


@pytest.fixture(autouse=True)
def no_sweep() -> Iterator[None]:
    leave_sweep()
    yield
    leave_sweep()


# What is left to do of a job


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "own.txt"
    path.write_text("Anna sees Ben. " * 50)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path


@pytest.fixture(scope="module")
def composed(text_file: Path) -> dict[str, Any]:
    return compose_config(text_file)


@pytest.fixture
def config(text: Path, composed: dict[str, Any]) -> dict[str, Any]:
    own = copy.deepcopy(composed)
    own["data"]["path"] = own["data"]["source"]["path"] = str(text)
    return own


RESULTS = ("metrics.csv", "samples.jsonl", "tokenizer.json", "events.out.tfevents.1.host")


def left_by_a_run(folder: Path, config: dict[str, Any], *, status: str | None) -> Path:
    """A job's folder; status None for a run that was killed before it wrote a summary."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").touch()
    (folder / ".hydra").mkdir()
    for name in (*RESULTS, ".hydra/overrides.yaml", "train.log"):
        (folder / name).touch()
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(config)))
    if status is not None:
        (folder / "summary.json").write_text(json.dumps({"status": status}))
    return folder


def contents(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def is_cleaned(folder: Path) -> bool:
    """Only Hydra's record and the log are left."""
    return contents(folder) == {".hydra/overrides.yaml", "train.log"} and not (folder / "checkpoints").exists()


@pytest.mark.parametrize(
    ("status", "task"), [("finished", Task.DONE), ("interrupted", Task.RESUME), (None, Task.RESUME)]
)
def test_what_was_done_stays(tmp_path: Path, config: dict[str, Any], status: str | None, task: Task) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status=status)
    before = contents(folder)
    assert prepare_job(config, folder) == (task, config)
    assert contents(folder) == before


def test_an_empty_folder_is_a_new_job(tmp_path: Path, config: dict[str, Any]) -> None:
    assert prepare_job(config, tmp_path) == (Task.NEW, config)


def test_a_failed_job_is_tried_again_from_nothing(tmp_path: Path, config: dict[str, Any]) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status="failed")
    assert prepare_job(config, folder)[0] is Task.NEW
    assert is_cleaned(folder)


def test_an_interrupted_job_without_a_checkpoint_begins_again(tmp_path: Path, config: dict[str, Any]) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status="interrupted")
    (folder / "checkpoints" / "last.ckpt").rename(folder / "checkpoints" / "best.ckpt")
    assert prepare_job(config, folder)[0] is Task.NEW
    assert is_cleaned(folder)


@pytest.mark.parametrize("status", ["finished", "interrupted", None])
def test_another_configuration_is_another_job(tmp_path: Path, config: dict[str, Any], status: str | None) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status=status)
    changed = {**config, "optimizer": {**config["optimizer"], "lr": 0.5}}
    assert prepare_job(changed, folder) == (Task.NEW, changed)
    assert is_cleaned(folder)


@pytest.mark.parametrize("damaged", ["", "a: [", "- 1\n", "seed: ${nowhere}\n"])
def test_a_damaged_configuration_is_another_job(tmp_path: Path, config: dict[str, Any], damaged: str) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status="finished")
    (folder / "config.yaml").write_text(damaged)
    assert prepare_job(config, folder)[0] is Task.NEW
    assert is_cleaned(folder)


@pytest.mark.parametrize("status", ["finished", "interrupted"])
def test_a_text_written_since_makes_a_new_job(tmp_path: Path, text: Path, config: dict[str, Any], status: str) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status=status)
    later = time.time() + 100
    os.utime(text, (later, later))
    assert prepare_job(config, folder)[0] is Task.NEW
    assert is_cleaned(folder)


def test_a_file_written_since_in_a_folder_of_texts_makes_a_new_job(
    tmp_path: Path, text: Path, config: dict[str, Any]
) -> None:
    books = tmp_path / "books"
    books.mkdir()
    for name in ("a.txt", "b.txt", "c.txt"):
        shutil.copy2(text, books / name)
    config["data"]["path"] = str(books)
    folder = left_by_a_run(tmp_path / "0_a", config, status="finished")
    assert prepare_job(config, folder)[0] is Task.DONE
    later = time.time() + 100
    os.utime(books / "b.txt", (later, later))
    assert prepare_job(config, folder)[0] is Task.NEW


def test_vectors_written_since_make_a_new_job(tmp_path: Path, text: Path) -> None:
    vectors = tmp_path / "glove.txt"
    vectors.write_text("anna 1 2\n")
    os.utime(vectors, (1_000_000_000, 1_000_000_000))
    config = compose_config(
        text, "tokenizer=word", "embedding=glove", f"embedding.path='{vectors}'", "embedding.dim=null"
    )
    assert config["embedding"]["dim"] is None
    # A run writes the size that the file turned out to have.
    read = {**config, "embedding": {**config["embedding"], "dim": 2}}
    folder = left_by_a_run(tmp_path / "0_a", read, status="finished")
    assert prepare_job(config, folder) == (Task.DONE, read)
    later = time.time() + 100
    os.utime(vectors, (later, later))
    assert prepare_job(config, folder)[0] is Task.NEW


def test_a_size_that_was_asked_for_is_compared(tmp_path: Path, config: dict[str, Any]) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status="finished")
    wider = {**config, "embedding": {**config["embedding"], "dim": 16}}
    assert prepare_job(wider, folder)[0] is Task.NEW


def test_fresh_is_no_part_of_a_job(tmp_path: Path, config: dict[str, Any]) -> None:
    folder = left_by_a_run(tmp_path / "0_a", {**config, "fresh": True}, status="finished")
    assert prepare_job({**config, "fresh": False}, folder)[0] is Task.DONE


def test_a_text_that_is_gone_leaves_a_finished_job_alone(tmp_path: Path, text: Path, config: dict[str, Any]) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status="finished")
    text.unlink()
    assert prepare_job(config, folder)[0] is Task.DONE


def test_a_failure_is_written_beside_what_was_known(tmp_path: Path) -> None:
    write_failure(tmp_path, "text-lstm", "optimizer.lr=-1: is not positive")
    assert read_summary(tmp_path) == {
        "status": "failed",
        "name": "text-lstm",
        "error": "optimizer.lr=-1: is not positive",
    }
    (tmp_path / "summary.json").write_text('{"status": "interrupted", "val/nats_per_token": 2.5, "error": "old"}')
    write_failure(tmp_path, "text-lstm", "naïve “reason”")
    assert read_summary(tmp_path) == {
        "status": "failed",
        "name": "text-lstm",
        "error": "naïve “reason”",
        "val/nats_per_token": 2.5,
    }


# The lock


def a_sweep(folder: Path, **record: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / RECORD).write_text(json.dumps(record))
    return folder


ENTER = """
import sys
from pathlib import Path
from lmlab.configuration.sweeping import enter_sweep
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
    assert "is running at the moment" in refused
    assert "fresh=true" in refused
    leave_sweep()
    assert current_sweep() is None
    assert "LMLAB_SWEEP_FOLDER" not in os.environ
    assert entered_elsewhere(folder) == "entered"


def test_a_refused_sweep_is_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_sweep(tmp_path / "sweep")
    enter_sweep(folder)
    # Another opening of the file stands for another process.
    monkeypatch.setattr(sweeping, "_locks", [])
    monkeypatch.delenv("LMLAB_SWEEP_FOLDER")
    with pytest.raises(UserError, match="is running"):
        enter_sweep(folder)
    assert current_sweep() is None


# The folder


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)

    def start(*arguments: str, parameters: Any = None, fresh: bool = False) -> Path:
        leave_sweep()
        monkeypatch.setattr(sys, "argv", ["train", *arguments])
        return Path(sweeping._sweep_folder("outputs/name", fresh, parameters))

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
    record = json.loads((first / RECORD).read_text())
    (first / RECORD).write_text(json.dumps({**record, "directory": "/elsewhere"}))
    assert typed("-m", "seed=0,1") != first


def test_folders_that_are_no_sweep_are_passed_over(typed: Any, tmp_path: Path) -> None:
    parent = tmp_path / "outputs" / "name"
    (parent / "zzz").mkdir(parents=True)
    (parent / "zz" / RECORD).mkdir(parents=True)
    a_sweep(parent / "z")
    (parent / "y").mkdir()
    (parent / "y" / RECORD).write_text("[1]")
    (parent / "x").touch()
    first = typed("-m", "seed=0,1")
    assert first.name.startswith("20")
    assert typed("-m", "seed=0,1") == first


def test_a_sweep_under_way_is_the_sweep(typed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = typed("-m", "seed=0,1")
    monkeypatch.setattr(sys, "argv", ["train", "-m", "seed=5,6"])
    assert sweeping._sweep_folder("outputs/other", True, None) == str(first)


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
    assert sweeping._job_folder(1, OmegaConf.create(words)) == "1_hidden-8"
    assert sweeping._job_folder(1, None) == "1"


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
