"""Partial runs are shown and marked, have no place and are never best."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import evaluations, made_job, made_run

from lmlab.reporting.comparison import compare
from lmlab.reporting.diagnostics import diagnostics
from lmlab.reporting.exports import results
from lmlab.reporting.report import write_report
from lmlab.reporting.report_tables import settings_table, unfinished_table
from lmlab.reporting.sweeps import rank, results_csv
from lmlab.reporting.tables import best_folder, job_line, sweep_table
from lmlab.reporting.verdict import verdict
from lmlab.runs.discovery import find_records
from lmlab.runs.records import read_record
from lmlab.runs.summary import Summary, describe_partial
from lmlab.runs.sweeps import read_jobs

PARTIAL: dict[str, Any] = {"train": {"batches": 5, "of": 118, "repeated": False}}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two whole runs, and a better one of a part, with the fingerprints of the whole ones: the mark alone decides."""
    made_job(tmp_path, 0, ["model=lstm"], val__nats_per_token=2.0)
    made_job(tmp_path, 1, ["model=gru"], val__nats_per_token=1.5)
    made_job(tmp_path, 2, ["model=rnn"], val__nats_per_token=0.5, partial=PARTIAL)
    return tmp_path


def test_a_partial_job_has_no_place_and_is_not_best(sweep: Path) -> None:
    jobs = read_jobs(sweep)
    ranking = rank(jobs)
    assert [condition.settings["model"] for condition in ranking.conditions] == ["gru", "lstm"]
    assert [condition.settings["model"] for condition in ranking.partial] == ["rnn"]
    assert best_folder(jobs) == sweep / "1_job"
    assert best_folder(jobs[2:]) is None
    rows = list(csv.DictReader(io.StringIO(results_csv(jobs))))
    assert [(row["rank"], row["model"], row["status"]) for row in rows] == [
        ("1", "gru", "finished"), ("2", "lstm", "finished"), ("", "rnn", "partial"),
    ]  # fmt: skip


def test_the_terminal_shows_partial_jobs_without_a_place(sweep: Path) -> None:
    jobs = read_jobs(sweep)
    lines = sweep_table(jobs)
    assert [line.split()[:3] for line in lines[1:4]] == [
        ["1.", "gru", "1.5000"], ["2.", "lstm", "2.0000"], ["partial", "rnn", "0.5000"],
    ]  # fmt: skip
    assert any("1 of the jobs are partial" in line and "5 of 118 training batches" in line for line in lines)
    assert any(line.startswith("partial") for line in sweep_table(jobs[2:]))
    assert job_line(jobs[2], total=3, names=["model"], best=False).endswith("  partial")


def test_figures_that_a_part_lacks_are_left_open(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["model=lstm"], partial=PARTIAL, val__bits_per_char=None)
    (job,) = read_jobs(tmp_path)
    del job.summary["val/bits_per_char"]
    assert "bits/char" not in job_line(job, total=1, names=[], best=False)
    assert "inf" not in " ".join(sweep_table([job]))


def test_the_report_shows_them_without_comparing_them(sweep: Path) -> None:
    comparison = compare(find_records(str(sweep), output_dir=str(sweep)))
    assert comparison.best is not None
    assert comparison.best.settings["model"] == "gru"
    assert "rnn" not in str(settings_table(comparison).rows)
    assert unfinished_table(comparison).rows[0][1:3] == ("partial", "5 of 118 training batches")
    assert "Best of 2 settings" in verdict(comparison).headline
    found = {diagnostic.kind: diagnostic for diagnostic in diagnostics(comparison)}
    assert "5 of 118 training batches" in found["partial"].text
    assert "unfinished" not in found
    assert [row["rank"] for row in csv.DictReader(io.StringIO(results(comparison)))] == ["1", "2", ""]


def test_one_partial_run_is_called_so_at_the_head_of_its_report(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run", history=evaluations([2.0, 1.0]), partial=PARTIAL)
    headline = verdict(compare([read_record(folder)])).headline
    assert headline.startswith("This run is partial (5 of 118 training batches)")
    write_report([read_record(folder)], tmp_path / "report", along="tokens", watching=False)
    assert "partial" in (tmp_path / "report" / "report.md").read_text()


def test_only_partial_runs_have_no_best(tmp_path: Path) -> None:
    for number in range(2):
        made_job(tmp_path, number, [f"model={number}"], partial=PARTIAL)
    comparison = compare(find_records(str(tmp_path), output_dir=str(tmp_path)))
    assert comparison.best is None
    assert "2 partial" in verdict(comparison).headline


@pytest.mark.parametrize("damaged", ["x", [1], {"train": 3}, {"other": {"batches": 1}}, {"train": {}}, 1])
def test_a_damaged_mark_still_marks(damaged: Any) -> None:
    assert Summary({"status": "finished", "partial": damaged}).status == "partial"
    assert isinstance(describe_partial(damaged), str)


def test_the_mark_is_no_end_of_a_run_that_has_not_ended() -> None:
    assert Summary({"status": "interrupted", "partial": PARTIAL}).status == "interrupted"
    assert Summary({"status": "finished"}).status == "finished"
    assert Summary().status is None
