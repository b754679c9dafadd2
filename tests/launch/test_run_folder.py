"""What is left to do in a run's folder, and that nothing of value in it is touched before that is known."""

from __future__ import annotations

import copy
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import changed, compose_config

from lmlab import plain_yaml
from lmlab.config.settings import TrainSettings
from lmlab.config.typed import plain
from lmlab.data.cache import text_sha256
from lmlab.errors import Refused, UserError
from lmlab.launch.run_folder import Task, clear, remaining_task, remove_if_unused, tidy

LONG_AGO = (1_000_000_000, 1_000_000_000)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "own.txt"
    path.write_text("Anna sees Ben. " * 50)
    os.utime(path, LONG_AGO)
    return path


@pytest.fixture(scope="module")
def composed(text_file: Path) -> TrainSettings:
    return compose_config(text_file)


@pytest.fixture
def config(text: Path, composed: TrainSettings) -> TrainSettings:
    own = copy.deepcopy(composed)
    own.data.path = own.data.source.path = str(text)
    return own


RESULTS = ("metrics.csv", "samples.jsonl", "tokenizer.json", "events.out.tfevents.1.host")


def fingerprints(config: TrainSettings) -> dict[str, str]:
    from lmlab.config import registry

    corpus = registry.build("data.source", config.data.source).load()
    names = {"train": "train_fingerprint", "validation": "text_fingerprint", "test": "test_fingerprint"}
    return {name: text_sha256(corpus.texts(split)) for split, name in names.items()}


def left_by_a_run(
    folder: Path, config: TrainSettings, *, status: str | None, last: bool = True, **summary: Any
) -> Path:
    """A run's folder; status None for a run that was killed before it wrote a summary."""
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("best", *(["last"] if last else [])):
        (folder / "checkpoints" / f"{name}.ckpt").touch()
    (folder / ".hydra").mkdir()
    for name in (*RESULTS, ".hydra/overrides.yaml", "train.log"):
        (folder / name).touch()
    (folder / "config.yaml").write_text(plain_yaml.dump(plain(config)))
    if status is not None:
        left = {"status": status, **summary, **(fingerprints(config) if status == "finished" else {})}
        (folder / "summary.json").write_text(json.dumps(left))
    return folder


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def refused(config: TrainSettings, folder: Path) -> str:
    """The line of a refusal, after which the folder is as it was."""
    before = contents(folder)
    with pytest.raises(UserError) as caught:
        remaining_task(folder, config)
    assert contents(folder) == before
    return str(caught.value)


@pytest.mark.parametrize(
    ("status", "task"),
    [("finished", Task.DONE), ("interrupted", Task.RESUME), ("failed", Task.RESUME), (None, Task.RESUME)],
)
def test_what_was_done_stays(tmp_path: Path, config: TrainSettings, status: str | None, task: Task) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status=status)
    before = contents(folder)
    assert remaining_task(folder, config) is task
    assert contents(folder) == before


def test_an_empty_folder_is_a_new_run(tmp_path: Path, config: TrainSettings) -> None:
    assert remaining_task(tmp_path / "nothing", config) is Task.NEW


def test_a_run_that_failed_before_it_trained_begins_anew(tmp_path: Path, config: TrainSettings) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status="failed")
    shutil.rmtree(folder / "checkpoints")
    assert remaining_task(folder, changed(config, **{"seed": 5})) is Task.NEW
    clear(folder)
    assert set(contents(folder)) == {".hydra/overrides.yaml", "train.log", "config.yaml"}


def test_one_that_diverged_would_do_so_again(tmp_path: Path, config: TrainSettings) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status="failed", diverged=True, error="diverged at step 3")
    assert "would diverge again: diverged at step 3" in refused(config, folder)


@pytest.mark.parametrize("name", ["last.ckpt", "previous.ckpt"])
def test_either_checkpoint_is_enough_to_go_on(tmp_path: Path, config: TrainSettings, name: str) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status="interrupted", last=False)
    assert remaining_task(folder, config) is Task.NEW  # it will have its best.ckpt again
    assert "seed was 0 and is 7" in refused(changed(config, **{"seed": 7}), folder)
    (folder / "checkpoints" / name).touch()
    assert remaining_task(folder, config) is Task.RESUME


@pytest.mark.parametrize("status", ["finished", "interrupted", None])
def test_another_configuration_is_refused_by_name(tmp_path: Path, config: TrainSettings, status: str | None) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status=status)
    other = changed(config, **{"optimizer.lr": 0.5})
    assert "optimizer.lr was 0.003 and is 0.5" in refused(other, folder)


@pytest.mark.parametrize("damaged", ["", "a: [", "- 1\n", "seed: ${nowhere}\n"])
def test_a_damaged_configuration_is_refused(tmp_path: Path, config: TrainSettings, damaged: str) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status="finished")
    (folder / "config.yaml").write_text(damaged)
    assert "config.yaml" in refused(config, folder)


def test_a_text_that_was_only_touched_changes_nothing(tmp_path: Path, text: Path, config: TrainSettings) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status="finished")
    later = time.time() + 100
    os.utime(text, (later, later))
    assert remaining_task(folder, config) is Task.DONE


@pytest.mark.parametrize(("share", "split"), [(0.0, "train"), (0.9, "validation"), (1.0, "test")])
def test_a_text_that_has_changed_is_refused_by_its_split(
    tmp_path: Path, text: Path, config: TrainSettings, share: float, split: str
) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status="finished")
    old = text.read_text()
    place = min(len(old) - 2, int(share * len(old)) - (10 if split == "validation" else 0))
    place = max(place, 0)
    text.write_text(old[:place] + "#" + old[place + 1 :])
    later = time.time() + 100
    os.utime(text, (later, later))
    assert f"whose {split} text has changed" in refused(config, folder)


def test_a_folder_of_texts_is_read_again_where_one_was_written(
    tmp_path: Path, text: Path, config: TrainSettings
) -> None:
    books = tmp_path / "books"
    books.mkdir()
    for name in ("a.txt", "b.txt", "c.txt"):
        shutil.copy2(text, books / name)
    config.data.path = config.data.source.path = str(books)
    folder = left_by_a_run(tmp_path / "0_a", config, status="finished")
    assert remaining_task(folder, config) is Task.DONE
    (books / "b.txt").write_text("Ben sees Anna. " * 50)
    later = time.time() + 100
    os.utime(books / "b.txt", (later, later))
    assert "has changed" in refused(config, folder)


def test_vectors_written_since_are_refused(tmp_path: Path, text: Path) -> None:
    vectors = tmp_path / "glove.txt"
    vectors.write_text("anna 1 2\n")
    os.utime(vectors, LONG_AGO)
    config = compose_config(
        text, "tokenizer=word", "embedding=glove", f"embedding.path='{vectors}'", "embedding.dim=null"
    )
    assert config.embedding.dim is None
    # A run writes the size that the file turned out to have.
    read = changed(config, **{"embedding.dim": 2})
    folder = left_by_a_run(tmp_path / "0_a", read, status="finished")
    assert remaining_task(folder, config) is Task.DONE
    later = time.time() + 100
    os.utime(vectors, (later, later))
    assert "vector file was modified later" in refused(config, folder)


def test_a_size_that_was_asked_for_is_compared(tmp_path: Path, config: TrainSettings) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status="finished")
    assert "embedding.dim" in refused(changed(config, **{"embedding.dim": 16}), folder)


def test_fresh_and_pauses_are_no_part_of_a_run(tmp_path: Path, config: TrainSettings) -> None:
    folder = left_by_a_run(tmp_path / "0_a", changed(config, **{"fresh": True}), status="finished")
    assert remaining_task(folder, changed(config, **{"fresh": False, "stop_after_tokens": 5})) is Task.DONE


def test_a_text_that_is_gone_leaves_a_finished_run_alone(tmp_path: Path, text: Path, config: TrainSettings) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status="finished")
    text.unlink()
    assert remaining_task(folder, config) is Task.DONE


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    dead = max(1, os.getpid() + 4_000_000)
    left = [tmp_path / f".metrics.csv.{dead}.part", tmp_path / "checkpoints" / f".last.ckpt.{dead}.part"]
    alive = tmp_path / f".metrics.csv.{os.getppid()}.part"
    for path in (*left, alive, tmp_path / ".other"):
        path.touch()
    tidy(tmp_path)
    assert not any(path.exists() for path in left)
    assert alive.exists()
    assert (tmp_path / ".other").exists()


def test_only_a_folder_without_results_is_removed(tmp_path: Path) -> None:
    empty, used = tmp_path / "a" / "empty", tmp_path / "b" / "used"
    for folder in (empty, used):
        (folder / ".hydra").mkdir(parents=True)
        for name in (".hydra/config.yaml", "train.log", "config.yaml", ".lmlab.lock"):
            (folder / name).touch()
    (used / "metrics.csv").touch()
    (tmp_path / "c" / "new").mkdir(parents=True)
    remove_if_unused(tmp_path / "c" / "new")
    assert not (tmp_path / "c").exists()
    remove_if_unused(empty)
    remove_if_unused(used)
    assert not empty.parent.exists()
    assert len(contents(used)) == 5


def test_refusals_are_told_from_other_mistakes(tmp_path: Path, config: TrainSettings) -> None:
    folder = left_by_a_run(tmp_path / "0_a", config, status="finished")
    with pytest.raises(Refused):
        remaining_task(folder, changed(config, **{"seed": 9}))
