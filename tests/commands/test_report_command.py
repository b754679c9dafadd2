"""`python -m lmlab.report` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import typed_commands
from made_sweeps import FINISHED, evaluations, made_job, made_run


def typed(*arguments: str, cwd: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    return typed_commands.typed("report", *arguments, cwd=cwd, status=status)


def test_a_sweeps_report_lies_in_its_folder_and_torch_is_not_needed(tmp_path: Path) -> None:
    sweep = tmp_path / "outputs" / "text-lstm" / "2026-01-01"
    for number, size in enumerate((8, 16)):
        made_job(sweep, number, [f"model.hidden_size={size}"], val__nats_per_token=2.0 + number)
    (sweep / "sweep.json").write_text("{}")
    code = "import sys; sys.modules['torch'] = None; import lmlab.report; sys.argv = ['report']; lmlab.report.main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "The better of the two settings is “hidden_size 8”" in done.stdout
    assert "outputs/text-lstm/2026-01-01/report/index.html" in done.stdout
    assert (sweep / "report" / "index.html").is_file()
    # The report itself is no run, and a second one does not count the first.
    typed("runs=outputs/*/2026-01-01", "output=elsewhere/deep", cwd=tmp_path)
    assert (tmp_path / "elsewhere" / "deep" / "report.md").is_file()


def test_the_first_job_of_a_sweep_is_no_run_of_its_own(tmp_path: Path) -> None:
    job = made_job(tmp_path / "sweep", 0, ["optimizer.lr=1"])
    (tmp_path / "sweep" / "sweep.json").write_text("{}")
    typed("runs=sweep", cwd=tmp_path)
    assert (tmp_path / "sweep" / "report" / "index.html").is_file()
    typed(f"runs=sweep/{job.name}", cwd=tmp_path)
    assert (job / "report" / "index.html").is_file()


def test_some_jobs_of_a_sweep_leave_its_report_as_it_is(tmp_path: Path) -> None:
    for number in range(3):
        made_job(tmp_path / "sweep", number, [f"optimizer.lr={number + 1}"])
    (tmp_path / "sweep" / "sweep.json").write_text(json.dumps({"swept": {"optimizer.lr": 3}}))
    done = typed("runs=sweep/0_job,sweep/2_job", "watch=true", cwd=tmp_path)  # ends, for these have ended
    assert "The better of the two settings" in done.stdout
    assert not (tmp_path / "sweep" / "report").exists()
    (folder,) = (tmp_path / "outputs" / "reports").iterdir()
    assert "not begun" not in (folder / "report.md").read_text(encoding="utf-8")


def test_several_runs_get_a_folder_of_their_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        made_run(tmp_path / "outputs" / "text" / name, history=evaluations([2.0, 1.5]))
    typed("runs=outputs/text/a,outputs/text/b", cwd=tmp_path)
    (folder,) = (tmp_path / "outputs" / "reports").iterdir()
    assert (folder / "index.html").is_file()


def test_mistakes_are_answered_in_one_line(tmp_path: Path) -> None:
    made_run(tmp_path / "run")
    (tmp_path / "file").write_text("")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("a page of mine")
    for arguments, words in (
        (["runs=nowhere"], "runs=nowhere: no such folder"),
        ([], "no runs below outputs"),
        (["runs=run", "along=days"], "along=days"),
        (["runs=run", "every_seconds=0"], "every_seconds=0"),
        (["runs=run", "every_seconds=3"], "every_seconds=3: counts only while runs are watched"),
        (["runs=run", "output=file"], "output=file"),
        (["runs=run", "output=file/below"], "output=file/below"),
        (["runs=run", "output=."], "output=.: holds other files"),
        (["runs=run", "output=run"], "output=run: holds other files"),
        (["runs=run", "output=site"], "output=site: holds other files"),
        (["run=run"], "did you mean runs?"),
    ):
        done = typed(*arguments, cwd=tmp_path, status=1)
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert (tmp_path / "site" / "index.html").read_text() == "a page of mine"


def test_a_report_is_written_again_over_one_that_was_interrupted(tmp_path: Path) -> None:
    made_run(tmp_path / "run", history=evaluations([2.0, 1.5]))
    for _ in range(2):
        typed("runs=run", cwd=tmp_path)
        folder = tmp_path / "run" / "report"
        for left in ({"figures", "index.html"}, {"figures"}):
            for path in folder.iterdir():
                if path.name not in left:
                    path.unlink()
            typed("runs=run", "output=run/report", cwd=tmp_path)
            assert {"index.html", "report.md", "results.csv", "figures"} <= {path.name for path in folder.iterdir()}


def test_watching_writes_the_report_again_as_jobs_end_and_then_ends(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    made_job(sweep, 0, ["optimizer.lr=1"], val__nats_per_token=2.5)
    # The second job has not begun: what is to come is known from the sweep's record.
    (sweep / "sweep.json").write_text(json.dumps({"swept": {"optimizer.lr": 2}}))
    words = [sys.executable, "-m", "lmlab.report", "output_dir=.", "watch=true", "every_seconds=0.1"]
    watching = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    page = sweep / "report" / "index.html"
    deadline = time.monotonic() + 120
    while not page.is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "jobs are still running" in page.read_text(encoding="utf-8")
    # What was the latest when watching began is watched, though another run begins.
    made_run(tmp_path / "another", history=evaluations([9.0]), status="missing")
    time.sleep(0.5)
    unfinished = made_job(sweep, 1, ["optimizer.lr=2"], status="missing")
    beside = tmp_path / "summary.json"
    beside.write_text(json.dumps({**FINISHED, "val/nats_per_token": 1.5}))
    beside.rename(unfinished / "summary.json")
    stdout, stderr = watching.communicate(timeout=120)
    assert watching.returncode == 0, stderr
    assert "of 1 finished" not in stdout
    assert "2 of 2 finished: The better of the two settings is “lr 2”, with 1.5000" in stdout
    assert "jobs are still running" not in page.read_text(encoding="utf-8")
