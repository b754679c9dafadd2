"""What a command may do to a folder that holds something: nothing, but for going on with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import NEEDS_POSIX, SMALL, made_up_text
from typed_commands import typed


def train(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return typed("train", *arguments, cwd=cwd, status=None)


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def told(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refusal."""
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    return line


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    (folder / "text.txt").write_text(made_up_text(200))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LMLAB_CACHE", str(folder / "cache"))
        assert train(*COMMAND, cwd=folder).returncode == 0
    return folder


COMMAND = ("data=text", "data.path=text.txt", *SMALL, "trainer.max_epochs=1", "hydra.run.dir=run")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ([], "error: run=run: is finished"),
        (["optimizer.lr=0.5"], "contains a run with different settings (optimizer.lr was 0.003 and is 0.5)"),
        (["model=lstmm"], "error: model=lstmm: no such option"),
        (["data.path=missing.txt"], "error: data.path="),
    ],
)
def test_a_finished_run_is_not_written_over(place: Path, more: list[str], problem: str) -> None:
    before = contents(place / "run")
    assert problem in told(train(*COMMAND, *more, cwd=place))
    assert contents(place / "run") == before


def test_jobs_cannot_be_given_one_folder(place: Path) -> None:
    words = [*COMMAND[:-1], "seed=0,1", "-m", "hydra.sweep.subdir=0"]
    assert "error: hydra.sweep.subdir=0: is not used by lmlab" in told(train(*words, cwd=place))
    assert not (place / "outputs").exists()


ATTACK = ["+hydra.callbacks.x._target_=torch.hub.load", "+hydra.callbacks.x.repo_or_dir=.", "hydra.sweep.dir=/tmp/x"]


@pytest.mark.parametrize(
    "record",
    [
        {"arguments": ["seed=0,1", *ATTACK], "directory": ".", "swept": {"seed": 2}},
        {"arguments": ["seed=0,1", "--config-dir=evil"], "directory": ".", "swept": {}},
        {"arguments": ["data=../../../evil"], "directory": ".", "swept": {}},
        {"arguments": "seed=0", "directory": ".", "swept": {}},
        {},
    ],
)
def test_a_strangers_sweep_is_refused_and_stays(tmp_path: Path, record: dict[str, Any]) -> None:
    folder = tmp_path / "sweep"
    folder.mkdir()
    ran = tmp_path / "ran"
    for name in ("hubconf.py", "evil.yaml"):
        (tmp_path / name).write_text(f"open({str(ran)!r}, 'w')\n")
    (folder / "sweep.json").write_text(json.dumps(record))
    before = contents(folder)
    assert told(train(f"run={folder}", cwd=tmp_path)).startswith("error: ")
    assert contents(folder) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.yaml", "hubconf.py", "sweep"]


@NEEDS_POSIX
@pytest.mark.parametrize("inside", ["checkpoints", "train.log", "events.out.tfevents.1.x", "report", "pipe"])
def test_a_run_that_leads_elsewhere_is_refused(place: Path, tmp_path: Path, inside: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(place / "run", run)
    victim = tmp_path / "victim"
    if inside in ("checkpoints", "report"):
        shutil.rmtree(run / inside, ignore_errors=True)
        victim.mkdir()
        (run / inside).symlink_to(victim)
    elif inside == "pipe":
        os.mkfifo(run / inside)
    else:
        victim.write_text("precious")
        (run / inside).unlink(missing_ok=True)
        (run / inside).symlink_to(victim)
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    line = told(train(f"run={run}", "trainer.max_epochs=2", cwd=tmp_path))
    assert inside in line
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_strangers_configuration_runs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    made = tmp_path / "made"
    (folder / "config.yaml").write_text(f"name: ${{lmlab_run_folder:{made}}}\nseed: ${{oc.env:HOME}}\n")
    before = contents(folder)
    line = told(train(f"run={folder}", cwd=tmp_path))
    assert "config.yaml" in line
    assert os.environ.get("HOME", "/root") not in line.replace(str(tmp_path), "")
    assert not made.exists()
    assert contents(folder) == before
