"""`python -m lmlab.list runs`: what is there, how large it is, and what may be deleted."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest
from conftest import NEEDS_POSIX
from made_sweeps import evaluations, made_job, made_run, resolved

from lmlab import locks
from lmlab.list import main

SPARE = ("step-000010.ckpt", "previous.ckpt", "best-before-end.ckpt", f".last.ckpt.{2**22 + 1}.part")


class Input(io.StringIO):
    """Standard input, of a terminal or not."""

    def __init__(self, text: str, *, terminal: bool) -> None:
        super().__init__(text)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


# Ends as a checkpoint of an older lmlab does, which has no digest.
WHOLE = b"x" * 978 + b"PK\x05\x06" + bytes(18)


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str, answer: str | None = None) -> str:
        """Both outputs of the command; standard input is a terminal where somebody answers."""
        monkeypatch.setattr(sys, "argv", ["list", *arguments])
        monkeypatch.setattr(sys, "stdin", Input("y\n" if answer is None else answer, terminal=answer is not None))
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main()
        return "".join(capsys.readouterr())

    return run


def dated(folder: Path, time: int) -> Path:
    for path in folder.rglob("*"):
        os.utime(path, (time, time))
    return folder


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """A finished run of 5,000 bytes, an older one that is interrupted, and a sweep of two jobs of three."""
    outputs = tmp_path / "outputs"
    done = made_run(outputs / "text-lstm" / "new", config=resolved(), history=evaluations([2.0, 1.5]))
    (done / "checkpoints").mkdir()
    for name in ("best.ckpt", "last.ckpt", *SPARE):
        (done / "checkpoints" / name).write_bytes(WHOLE)
    dated(done, 2000)
    old = made_run(outputs / "text-gru" / "old", config=resolved(model__name="gru"), status="interrupted")
    dated(old, 1000)
    sweep = outputs / "text-sweep" / "1"
    made_job(sweep, 0, ["model=gru"], val__nats_per_token=2.5)
    made_job(sweep, 1, ["model=rnn"], val__nats_per_token=2.25)
    (sweep / "sweep.json").write_text(json.dumps({"swept": {"model": 3}}))
    dated(sweep, 1500)
    return outputs


def there(outputs: Path) -> set[str]:
    """All files but those of locks."""
    return {str(path.relative_to(outputs)) for path in outputs.rglob("*") if path.name != locks.NAME}


def test_runs_and_sweeps_have_a_line_each_the_newest_last(listed, outputs: Path) -> None:
    header, *lines = listed("runs", f"output_dir={outputs}").splitlines()
    assert header.split("  ")[0] == "run"
    old, sweep, new, total = lines
    for line, parts in (
        (old, ["text-gru/old", "interrupted", "text", "gru"]),
        (sweep, ["text-sweep/1", "2 of 3 jobs done", "gru and rnn", "2.2500", "9.488"]),
        (new, ["text-lstm/new", "finished", "text", "lstm", " 2  "]),
    ):
        assert [part for part in parts if part not in line] == []
    assert total.startswith("4 runs, ")


@NEEDS_POSIX
def test_sizes_are_those_of_all_files_and_links_are_not_followed(listed, outputs: Path, tmp_path: Path) -> None:
    folder = outputs / "text-lstm" / "new"
    expected = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    (folder / "link").symlink_to(tmp_path / "large")
    os.link(folder / "checkpoints" / "best.ckpt", folder / "checkpoints" / "again")
    size = listed(f"runs={folder}").splitlines()[1].split()[-3]
    assert size.endswith("kB")
    assert expected <= float(size.removesuffix("kB")) * 1000 < expected + 200


def test_jobs_of_the_only_sweep_have_lines_of_their_own(listed, outputs: Path) -> None:
    lines = listed(f"runs={outputs}/text-sweep").splitlines()
    assert [line.split()[0].rpartition("/")[2] for line in lines[1:3]] == ["0_job", "1_job"]


def test_damage_is_told(listed, outputs: Path) -> None:
    (outputs / "text-lstm" / "new" / "summary.json").write_text("{")
    (outputs / "text-gru" / "old" / "metrics.csv").write_text("x\n")
    told = listed("runs", f"output_dir={outputs}")
    assert "text-lstm/new  damaged " in told
    assert "text-lstm/new: summary.json is damaged: it is not JSON\n" in told
    assert "text-gru/old: metrics.csv is damaged: it has no column step\n" in told


@pytest.mark.parametrize("answer", ["n\n", "\n", "no\n", "", "yes please\n", "Nay\n"])
def test_nothing_is_deleted_without_a_yes(listed, outputs: Path, answer: str) -> None:
    before = there(outputs)
    told = listed("runs", f"output_dir={outputs}", "prune=true", answer=answer)
    assert "delete 4 files, 4k" in told
    assert "nothing was deleted" in told
    assert all(name in told for name in SPARE)
    assert there(outputs) == before


def test_nothing_is_deleted_where_nobody_can_be_asked(listed, outputs: Path) -> None:
    before = there(outputs)
    told = listed("runs", f"output_dir={outputs}", "prune=true")  # `y` is waiting, but from no terminal
    assert "error: prune=true: nobody can be asked here" in told
    assert "prune=yes" in told
    assert there(outputs) == before
    listed("runs", f"output_dir={outputs}")
    listed("runs", f"output_dir={outputs}", "prune=false")
    assert there(outputs) == before


@pytest.mark.parametrize(("prune", "answer"), [("true", "y\n"), ("true", "Yes\n"), ("yes", None)])
def test_a_yes_deletes_all_but_best_and_last(listed, outputs: Path, prune: str, answer: str | None) -> None:
    (outputs / "text-lstm" / "new" / "checkpoints" / "my own.ckpt").touch()
    before = there(outputs)
    told = listed("runs", f"output_dir={outputs}", f"prune={prune}", answer=answer)
    assert before - there(outputs) == {f"text-lstm/new/checkpoints/{name}" for name in SPARE}
    assert there(outputs) <= before
    assert "deleted 4kB\n" in told
    assert "nothing to delete" in listed("runs", f"output_dir={outputs}", "prune=yes")


def test_a_run_at_which_another_works_is_left_alone(listed, outputs: Path) -> None:
    before = there(outputs)
    with locks.locked(outputs / "text-lstm" / "new"):
        told = listed("runs", f"output_dir={outputs}", "prune=yes")
    assert "another process is working on it" in told
    assert there(outputs) == before


@NEEDS_POSIX
@pytest.mark.parametrize("change", ["interrupted", "damaged", "no best", "no last", "empty last", "linked last"])
def test_a_run_that_may_need_them_keeps_all_checkpoints(listed, outputs: Path, change: str) -> None:
    folder = outputs / "text-lstm" / "new"
    checkpoints = folder / "checkpoints"
    if change == "interrupted":
        (folder / "summary.json").write_text('{"status": "interrupted"}')
    elif change == "damaged":
        (folder / "summary.json").write_text("{")
    elif change == "empty last":
        (checkpoints / "last.ckpt").write_bytes(b"")
    else:
        (checkpoints / f"{change.split()[1]}.ckpt").unlink()
    if change == "linked last":
        (checkpoints / "last.ckpt").symlink_to(checkpoints / "best.ckpt")
    before = there(outputs)
    assert "nothing to delete" in listed("runs", f"output_dir={outputs}", "prune=yes")
    assert there(outputs) == before


@pytest.mark.parametrize("name", ["best.ckpt", "last.ckpt"])
def test_a_run_whose_best_or_last_is_damaged_keeps_all_checkpoints(listed, outputs: Path, name: str) -> None:
    folder = outputs / "text-lstm" / "new"
    (folder / "checkpoints" / name).write_bytes(WHOLE[:-1])
    before = there(outputs)
    told = listed("runs", f"output_dir={outputs}", "prune=yes")
    assert f"new: its other checkpoints stay, for {name} is damaged: " in told
    assert "nothing to delete" not in told
    assert there(outputs) == before


@NEEDS_POSIX
def test_links_out_of_a_run_are_not_followed(listed, outputs: Path, tmp_path: Path) -> None:
    folder = outputs / "text-lstm" / "new"
    (folder / "checkpoints").rename(tmp_path / "elsewhere")
    (folder / "checkpoints").symlink_to(tmp_path / "elsewhere")
    assert "nothing to delete" in listed("runs", f"output_dir={outputs}", "prune=yes")
    assert len(list((tmp_path / "elsewhere").iterdir())) == 6
    (folder / "checkpoints").unlink()
    (tmp_path / "elsewhere").rename(folder / "checkpoints")
    (tmp_path / "mine.ckpt").touch()
    (folder / "checkpoints" / "step-000020.ckpt").symlink_to(tmp_path / "mine.ckpt")
    listed("runs", f"output_dir={outputs}", "prune=yes")
    assert (tmp_path / "mine.ckpt").exists()
    assert (folder / "checkpoints" / "step-000020.ckpt").is_symlink()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs", "model=lstm"], "model=lstm: cannot be given with runs"),
        (["runs", "output_dir=nowhere"], "output_dir=nowhere: no such folder; check the path, or leave it out"),
        (["runs=", "prune=true"], 'runs="": names no run; write python -m lmlab.list runs for all, or give a folder'),
        (["runs", "prune=maybe"], "prune=maybe: no such option"),
        (["runs=nowhere"], "runs=nowhere: no such folder"),
        (["runs=latest", "output_dir=nowhere"], "output_dir=nowhere: no such folder"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(listed, arguments: list[str], said: str) -> None:
    (line,) = listed(*arguments).splitlines()
    assert line.startswith("error: ")
    assert said in line
