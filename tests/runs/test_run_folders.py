"""Which run `run=` means, and its checkpoints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_sweeps import made_run

from lmlab.errors import UserError
from lmlab.runs.discovery import checkpoint_names, checkpoint_path, find_records, find_run, named_checkpoint


def with_checkpoint(folder: Path, time: int, name: str = "best.ckpt") -> Path:
    """A run whose files are all of one time."""
    (made_run(folder) / "checkpoints").mkdir()
    (folder / "checkpoints" / name).touch()
    for path in (folder / "summary.json", folder / ".hydra", folder / "checkpoints" / name):
        os.utime(path, (time, time))
    return folder


def test_latest_is_one_run_for_all_commands(tmp_path: Path) -> None:
    first, second = with_checkpoint(tmp_path / "x/1", 1000), with_checkpoint(tmp_path / "x/2", 1001)
    for newest in (first, second, first):
        (newest / "checkpoints" / "last.ckpt").touch()
        assert find_run("latest", output_dir=str(tmp_path)) == newest
        assert [record.folder for record in find_records("latest", output_dir=str(tmp_path))] == [newest]
        for run in (first, second):
            (run / ".lmlab.lock").touch()  # looked at, not written to
            if (run / "checkpoints" / "last.ckpt").exists():
                os.utime(run / "checkpoints" / "last.ckpt", (1002, 1002))


def test_a_path_of_a_checkpoint_names_it(tmp_path: Path) -> None:
    run = with_checkpoint(tmp_path / "x.ckpt", 1000)
    assert named_checkpoint(str(run)) is None
    assert named_checkpoint("latest") is None
    assert named_checkpoint(str(run / "checkpoints" / "best.ckpt")) == "best"
    assert named_checkpoint(str(run / "checkpoints" / "last.ckpt")) == "last"  # is not there, which is told later


def test_a_file_beside_the_checkpoints_is_none_of_them(tmp_path: Path) -> None:
    run = with_checkpoint(tmp_path / "x/1", 1000)
    for name in ("step-000002", "step-abc", "my"):
        (run / "checkpoints" / f"{name}.ckpt").touch()
    assert checkpoint_names(run) == ["step-000002", "best"]
    for checkpoint in ("best", "my"):
        with pytest.raises(UserError, match=r"is no checkpoint of a run's; write run=.*/x/1 checkpoint=best$"):
            find_run(str(run / "checkpoints" / "my.ckpt"), output_dir=str(tmp_path), checkpoint=checkpoint)
    (tmp_path / "my.ckpt").touch()
    with pytest.raises(UserError, match=r"is no checkpoint of a run's; give a run's folder below "):
        find_run(str(tmp_path / "my.ckpt"), output_dir=str(tmp_path), checkpoint="best")


def test_the_folder_of_the_latest_run_may_be_in_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = with_checkpoint(tmp_path / "x/1", 1000)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_run("latest", output_dir="~/x") == trained


def test_a_folder_of_runs_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere")
    for look in (find_run, find_records):
        with pytest.raises(UserError, match=rf"^output_dir={missing}: no such folder; check the path"):
            look("latest", output_dir=missing)


def test_the_latest_run_to_be_loaded_has_a_checkpoint(tmp_path: Path) -> None:
    trained = with_checkpoint(tmp_path / "x/1", 1000)
    made_run(tmp_path / "x/2")
    assert find_run("latest", output_dir=str(tmp_path)) == trained
    (trained / "checkpoints" / "best.ckpt").unlink()
    with pytest.raises(UserError, match=r"run=latest: no runs below .*train one first"):
        find_run("latest", output_dir=str(tmp_path))


def test_a_checkpoint_names_its_run_if_it_is_the_one_that_is_used(tmp_path: Path) -> None:
    folder = with_checkpoint(tmp_path / "my runs" / "run", 1)
    for name in ("best", "last", "step-000002"):
        path = folder / "checkpoints" / f"{name}.ckpt"
        path.touch()
        assert find_run(str(path), output_dir="outputs", checkpoint=name) == folder
        with pytest.raises(UserError, match=rf"would be used; write 'run=.*my runs/run' checkpoint={name}$"):
            find_run(str(path), output_dir="outputs", checkpoint="step-000001")
    with pytest.raises(UserError, match=r"for example checkpoint=step-000002$"):
        checkpoint_path(folder, "step-2")
    with pytest.raises(UserError, match=r"for example 'run=.*my runs/run'$"):
        find_run(str(tmp_path), output_dir="outputs")


def test_checkpoints_are_listed_by_step(tmp_path: Path) -> None:
    folder = with_checkpoint(tmp_path / "run", 1)
    for name in ("step-000200.ckpt", "step-000050.ckpt", "last.ckpt", "previous.ckpt", ".last.ckpt.1.part"):
        (folder / "checkpoints" / name).touch()
    assert checkpoint_names(folder) == ["step-000050", "step-000200", "best", "last"]
