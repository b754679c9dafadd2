"""Which runs `runs=` means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import NEEDS_POSIX
from made_sweeps import made_job, made_run

from lmlab.errors import UserError
from lmlab.runs.discovery import find_records, unique_labels


def found(runs: str | list[str], outputs: Path) -> list[str]:
    return [record.folder.relative_to(outputs).as_posix() for record in find_records(runs, output_dir=str(outputs))]


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Two runs of `text-lstm`, one of `sst-gru`, and a sweep of three jobs, the last without anything in it yet."""
    for i, run in enumerate(("text-lstm/2026-01-02_00-00-00", "text-lstm/2026-01-02_00-00-00_2", "sst-gru/2026-01-01")):
        folder = made_run(tmp_path / run)
        for file in (folder / "summary.json", folder / ".hydra"):
            os.utime(file, (1000 + i, 1000 + i))
    sweep = tmp_path / "text-lstm" / "2026-01-03"
    for number in (10, 2):
        job = made_job(sweep, number, [f"seed={number}"])
        os.utime(job / "summary.json", (500, 500))
    (sweep / "11").mkdir()
    (sweep / "sweep.json").write_text('{"swept": {"seed": 3}}')
    return tmp_path


SWEEP = ["text-lstm/2026-01-03/2_job", "text-lstm/2026-01-03/10_job", "text-lstm/2026-01-03/11"]
RUNS = ["text-lstm/2026-01-02_00-00-00", "text-lstm/2026-01-02_00-00-00_2"]


def test_a_runs_folder(outputs: Path) -> None:
    assert found(str(outputs / RUNS[0]), outputs) == [RUNS[0]]
    assert found(str(outputs / SWEEP[1]), outputs) == [SWEEP[1]]


def test_a_sweeps_folder_is_its_jobs_by_number_also_those_not_begun(outputs: Path) -> None:
    assert found(str(outputs / "text-lstm/2026-01-03"), outputs) == SWEEP


def test_a_folder_above_has_all_below_it_by_name_and_date(outputs: Path) -> None:
    assert found(str(outputs / "text-lstm"), outputs) == [*RUNS, *SWEEP]
    assert found(str(outputs), outputs) == ["sst-gru/2026-01-01", *RUNS, *SWEEP]


def test_a_glob(outputs: Path) -> None:
    assert found(f"{outputs}/text-*/2026-01-02*", outputs) == RUNS
    assert found(f"{outputs}/*/2026-01-0[13]", outputs) == ["sst-gru/2026-01-01", *SWEEP]


def test_several_entries_in_the_order_given_each_run_once(outputs: Path) -> None:
    entries = [f"{outputs}/{RUNS[1]}", f"{outputs}/text-lstm", f"{outputs}/sst-gru/../{RUNS[0]}"]
    expected = [RUNS[1], RUNS[0], *SWEEP]
    assert found(entries, outputs) == expected
    assert found(",".join(entries), outputs) == expected
    assert found(f"[{', '.join(entries)}]", outputs) == expected


@NEEDS_POSIX
def test_a_link_to_a_run_is_that_run(outputs: Path) -> None:
    (outputs / "best").symlink_to(outputs / RUNS[0])
    assert len(find_records(str(outputs), output_dir="x")) == 6


def test_links_in_a_circle_end(outputs: Path) -> None:
    (outputs / "text-lstm" / "again").symlink_to(outputs)
    assert len(find_records(str(outputs), output_dir="x")) == 6


def test_files_of_a_run_or_sweep_mean_it(outputs: Path) -> None:
    (outputs / RUNS[0] / "checkpoints").mkdir()
    (outputs / RUNS[0] / "checkpoints" / "best.ckpt").touch()
    assert found(str(outputs / RUNS[0] / "checkpoints" / "best.ckpt"), outputs) == [RUNS[0]]
    assert found(str(outputs / RUNS[0] / "summary.json"), outputs) == [RUNS[0]]
    assert found(str(outputs / "text-lstm/2026-01-03/sweep.json"), outputs) == SWEEP


def test_commas_and_brackets_in_a_name_that_exists(outputs: Path) -> None:
    for name in ("a,b", "[c]", "d[1]"):
        made_run(outputs / name)
        assert found(str(outputs / name), outputs) == [name]


def test_latest_is_the_run_last_written_to(outputs: Path) -> None:
    assert found("latest", outputs) == ["sst-gru/2026-01-01"]
    (outputs / RUNS[0] / "report").mkdir()
    (outputs / RUNS[0] / "report" / "index.html").touch()
    assert found("latest", outputs) == ["sst-gru/2026-01-01"]
    (outputs / RUNS[0] / "metrics.csv").touch()
    assert found("latest", outputs) == [RUNS[0]]


def test_the_latest_job_stands_for_its_sweep(outputs: Path) -> None:
    (outputs / SWEEP[0] / "metrics.csv").touch()
    assert found("latest", outputs) == SWEEP


def test_what_is_no_run_is_passed_over(outputs: Path) -> None:
    for name in ("checkpoints", "report", "3_old"):
        (outputs / name).mkdir()
    (outputs / "3_old" / "config.yaml").touch()
    (outputs / ".trash").mkdir()
    made_run(outputs / ".trash" / "run")
    assert len(find_records(str(outputs), output_dir="x")) == 6
    (outputs / "3_old" / "tokenizer.json").touch()
    assert len(find_records(str(outputs), output_dir="x")) == 7


def test_runs_too_far_below_are_not_searched(tmp_path: Path) -> None:
    made_run(tmp_path / "1/2/3/4/5")
    made_run(tmp_path / "1/2/3/4/x/6")
    assert found(str(tmp_path), tmp_path) == ["1/2/3/4/5"]


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ("nowhere", ["runs=nowhere", "no such folder", "runs=latest"]),
        ("no*where", ["runs=no*where", "no path matches"]),
        ("[[nowhere]]", ["runs=[[nowhere]]: no path matches"]),
        ("[a: b]", ["runs=[a: b]: no path matches"]),
        ("[a, 'b]", ["runs=[a, 'b]: no path matches"]),
        ("[nowhere", ["runs=[nowhere"]),
        ("[2, 3]", ["runs=2"]),
        ("", ["names no run"]),
        ([], ["names no run"]),
        (" , ", ["names no run"]),
    ],
)
def test_what_is_not_found_is_told_in_one_line(outputs: Path, runs: str | list[str], said: list[str]) -> None:
    with pytest.raises(UserError) as error:
        find_records(runs, output_dir=str(outputs))
    assert all(words in str(error.value) for words in said)
    assert "\n" not in str(error.value)


def test_an_entry_that_is_not_found_is_told_though_others_are(outputs: Path) -> None:
    with pytest.raises(UserError, match="missing: no such folder"):
        find_records([str(outputs), str(outputs / "missing")], output_dir=str(outputs))


def test_a_folder_without_runs_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no run"):
        find_records(str(tmp_path / "empty"), output_dir=str(tmp_path))
    with pytest.raises(UserError, match=r"no runs below .*train one first"):
        find_records("latest", output_dir=str(tmp_path / "empty"))


def test_labels_are_as_long_as_needed() -> None:
    paths = [Path(p) for p in ("/o/a/1_x", "/o/b/1_x", "/o/b/2_x", "/p/b/1_x")]
    assert unique_labels(paths) == ["a/1_x", "o/b/1_x", "2_x", "p/b/1_x"]
    assert unique_labels([]) == []
    assert unique_labels([Path("/o/a"), Path("/o/a")]) == ["/o/a", "/o/a"]
