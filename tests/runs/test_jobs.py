"""What is read of a sweep's folder."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import made_job

from lmlab.runs.records import overrides_as_settings, read_jobs, read_overrides, read_sweep


def test_jobs_are_read_by_number_and_nothing_else_is_taken_for_one(tmp_path: Path) -> None:
    for number in (10, 2, 0):
        made_job(tmp_path, number, [f"seed={number}"])
    (tmp_path / "7").mkdir()
    (tmp_path / "results.csv").touch()
    (tmp_path / "3_job").touch()
    (tmp_path / ".hydra").mkdir()
    (tmp_path / "2026-01-01").mkdir()
    jobs = read_jobs(tmp_path)
    assert [job.number for job in jobs] == [0, 2, 7, 10]
    assert [job.status for job in jobs] == ["finished", "finished", "missing", "finished"]
    assert jobs[1].overrides == {"seed": "2"}
    assert jobs[1].folder == tmp_path / "2_job"


def test_a_damaged_record_of_overrides_counts_as_missing(tmp_path: Path) -> None:
    folder = made_job(tmp_path, 0, ["seed=1"])
    for damaged in ("a: [", "a: 1", ""):
        (folder / ".hydra" / "overrides.yaml").write_text(damaged)
        assert read_overrides(folder) == {}
    (folder / ".hydra" / "overrides.yaml").unlink()
    assert read_overrides(folder) == {}


def test_a_job_with_a_damaged_summary_says_so(tmp_path: Path) -> None:
    (made_job(tmp_path, 0, ["seed=1"]) / "summary.json").write_text('{"status": "fin')
    (job,) = read_jobs(tmp_path)
    assert (job.status, job.reason, job.nats) == ("damaged", "summary.json is damaged: it is not JSON", math.inf)


@pytest.mark.parametrize("put", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_record_of_a_sweep_that_is_no_file_is_not_read(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "sweep.json")
    assert read_sweep(tmp_path) is None


def test_overrides_keep_their_values_as_typed() -> None:
    words = ["optimizer.lr=1e-3", "+a.b=x=y", "data.path='a, b.txt'", "++c=''", "d='", "model=lstm"]
    assert overrides_as_settings(words) == {
        "optimizer.lr": "1e-3", "a.b": "x=y", "data.path": "a, b.txt", "c": "", "d": "'", "model": "lstm",
    }  # fmt: skip


@pytest.mark.parametrize("value", [None, "nan", [], {}])
def test_nats_that_are_no_number_are_infinite(tmp_path: Path, value: Any) -> None:
    made_job(tmp_path, 0, [], val__nats_per_token=value)
    made_job(tmp_path, 1, [], val__nats_per_token=3)
    assert [job.nats for job in read_jobs(tmp_path)] == [math.inf, 3.0]
