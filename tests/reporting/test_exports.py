"""The CSV files of a report: figures digit by digit, text that survives and does no harm."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from lmlab.reporting.comparison import Comparison, compare
from lmlab.reporting.spreadsheets import cell, csv_text
from made_sweeps import FINISHED, evaluations, made_job, made_run, resolved

from lmlab.reporting.exports import experiment_logs, history, results
from lmlab.runs.discovery import find_records

Rows = list[dict[str, str]]


def compared(folder: Path) -> Comparison:
    return compare(find_records(str(folder), output_dir=str(folder)))


def rows(text: str) -> Rows:
    reader = csv.DictReader(io.StringIO(text))
    found = list(reader)
    assert reader.fieldnames is not None
    assert len(set(reader.fieldnames)) == len(reader.fieldnames)
    assert all(None not in row and None not in row.values() for row in found)
    return found


def lstm(folder: Path, name: str, *overrides: str, **more: Any) -> Path:
    return made_run(folder / name, overrides, **{"config": resolved(), **more})


# Cells


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1", "=", "-", "--1"]
)
def test_text_that_would_be_a_formula_is_not(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-1", "+1.5", "-1e-3", "a=1", "", " x", "1", "'=", -1, -0.5, 3, math.pi, "\n=x"])
def test_numbers_and_other_text_stay_as_they_are(value: object) -> None:
    assert cell(value) == value


def test_nothing_is_an_empty_cell() -> None:
    assert csv_text(["a", "=b"], [[None, "x"], [0, False]]) == "a,'=b\n,x\n0,False\n"


# results.csv


def test_results_have_a_row_a_run_the_best_first_with_what_differs(tmp_path: Path) -> None:
    lstm(
        tmp_path, "2026-01-01", "model.hidden_size=64", config=resolved(model__hidden_size=64), val__nats_per_token=2.0
    )
    lstm(tmp_path, "2026-01-02", val__nats_per_token=1 / 3)
    lstm(tmp_path, "2026-01-03", status="missing", history=evaluations([1.0]))
    found = rows(results(compared(tmp_path)))
    assert [(row["rank"], row["job"], row["model.hidden_size"], row["status"]) for row in found] == [
        ("1", "2026-01-02", "256", "finished"),
        ("2", "2026-01-01", "64", "finished"),
        ("", "2026-01-03", "256", "unfinished"),
    ]
    summary = json.loads((tmp_path / "2026-01-02" / "summary.json").read_text())
    for name in set(FINISHED) & set(found[0]) - {"status"}:
        assert type(summary[name])(found[0][name]) == summary[name], name


def test_results_of_a_sweep_are_the_sweeps_own(tmp_path: Path) -> None:
    from lmlab.reporting.sweeps import results_csv

    from lmlab.runs.sweeps import read_jobs

    for number, (model, seed) in enumerate((m, s) for m in ("gru", "lstm") for s in (0, 1)):
        made_job(tmp_path, number, [f"model={model}", f"seed={seed}", "name=x"], val__nats_per_token=1.0 + number)
    assert results(compared(tmp_path)) == results_csv(read_jobs(tmp_path))


def test_a_run_that_was_repeated_later_is_there_without_a_rank(tmp_path: Path) -> None:
    for date, seed, nats in (("2026-01-03", 0, 3.0), ("2026-01-01", 0, 1.0), ("2026-01-02", 1, 2.0)):
        lstm(tmp_path, date, f"seed={seed}", config=resolved(seed=seed), val__nats_per_token=nats)
    found = [(row["rank"], row["job"]) for row in rows(results(compared(tmp_path)))]
    assert found == [("1", "2026-01-02"), ("1", "2026-01-03"), ("", "2026-01-01")]


def test_results_of_different_texts_have_no_ranks(tmp_path: Path) -> None:
    for number, text in enumerate("ab"):
        made_job(tmp_path, number, [f"data={text}"], text_fingerprint=text, fingerprint=text)
    assert [row["rank"] for row in rows(results(compared(tmp_path)))] == ["", ""]


# experiment_logs.csv


def test_logs_have_a_row_for_each_run_and_temperature_with_units(tmp_path: Path) -> None:
    listed = [
        {"temperature": t, "prompt": "ith attent", "num_samples": 20, "text": f"t{t}", "distinct_2": t / 4}
        for t in (0.1, 0.5)
    ]
    summary = {"val__nats_per_token": 1.75, "wall_seconds": 12.5, "num_train_tokens": 600_000}
    config = resolved(model__hidden_size=128, model__num_layers=2, optimizer__lr=0.005, seed=3, trainer__max_epochs=2)
    lstm(tmp_path, "2026-01-01", config=config, analysis={"temperatures": listed}, **summary)
    lstm(tmp_path, "2026-01-02")
    first, second, without = rows(experiment_logs(compared(tmp_path)))
    expected = {
        "run": "2026-01-01", "num_layers (layers)": "2", "learning_rate": "0.005", "hidden_size (units)": "128",
        "temperature": "0.1", "validation loss (nats per token)": "1.75", "wall time (s)": "12.5", "seed": "3",
        "distinct pairs of tokens (share)": "0.025", "number of samples": "20", "prompt": "ith attent",
        "sample": "t0.1", "model": "lstm", "training tokens": "600000", "trainer.max_epochs": "2",
    }  # fmt: skip
    assert expected.items() <= first.items()
    assert (second["temperature"], second["sample"]) == ("0.5", "t0.5")
    assert (without["run"], without["temperature"], without["sample"]) == ("2026-01-02", "", "")
    assert "test loss (nats per token)" not in without, "no run has a test figure"


def test_logs_of_a_job_that_failed_at_once_have_what_was_typed(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["model=gru", "optimizer.lr=-1"], status="failed", error="x")
    made_job(tmp_path, 1, ["model=gru", "optimizer.lr=1"])
    first, _ = rows(experiment_logs(compared(tmp_path)))
    assert (first["model"], first["learning_rate"], first["status"]) == ("gru", "-1", "failed")


def test_samples_survive_and_are_no_formulas(tmp_path: Path) -> None:
    texts = ['=HYPERLINK("x")', 'a,"b"\nc', "+1", "“naïve”; ü\x00", "-x", "\ud800"]
    listed = [{"temperature": i, "prompt": text, "text": text} for i, text in enumerate(texts)]
    lstm(tmp_path, "2026-01-01", analysis={"temperatures": listed})
    text = experiment_logs(compared(tmp_path))
    text.encode("utf-8")
    found = [row["sample"] for row in rows(text)]
    assert found == ["'" + texts[0], texts[1], "+1", texts[3], "'-x", "\ufffd"]
    assert [row["prompt"] for row in rows(text)] == found


# history.csv


def test_history_has_a_row_an_evaluation_digit_by_digit(tmp_path: Path) -> None:
    values = [1 / 3, 0.1 + 0.2, 2**-40 + 1]
    config = resolved(model__hidden_size=64, seed=5)
    lstm(tmp_path, "2026-01-01", config=config, history=evaluations(values, tokens=2**40 + 1, lr=1e-8))
    lstm(tmp_path, "2026-01-02", history=[{"step": 7, "val/nats_per_token": math.inf, "extra": math.nan}])
    lstm(tmp_path, "2026-01-03")
    found = rows(history(compared(tmp_path)))
    assert [(row["run"], row["model.hidden_size"], row["seed"]) for row in found] == [
        *[("2026-01-01", "64", "5")] * 3,
        ("2026-01-02", "256", "0"),
    ]
    assert [float(row["val/nats_per_token"]) for row in found] == [*values, math.inf]
    assert found[0]["step (optimizer steps)"] == "10"
    assert found[0]["tokens (training tokens read)"] == str(2**40 + 1)
    assert float(found[0]["lr"]) == 1e-8
    assert (found[0]["extra"], found[3]["extra"], found[3]["lr"]) == ("", "nan", "")


# All


def test_runs_repeated_with_the_same_seed_have_no_column_twice(tmp_path: Path) -> None:
    for date in ("2026-01-01", "2026-01-02"):
        lstm(tmp_path, date, history=evaluations([1.0]))
    for export in (results, experiment_logs, history):
        assert len(rows(export(compared(tmp_path)))) == 2


def test_empty_and_damaged_runs_are_exported(tmp_path: Path) -> None:
    for number, odd in enumerate((None, "=x", [], {}, True, float("nan"), float("inf"), -1)):
        names = ("val__nats_per_token", "warnings", "error", "device", "samples", "best_epoch", "num_parameters")
        folder = made_job(tmp_path, number, [f"a={number}"], **dict.fromkeys(names, odd))
        (folder / "metrics.csv").write_text("")
    comparison = compared(tmp_path)
    assert len(rows(results(comparison))) == len(rows(experiment_logs(comparison))) == 8
    assert rows(history(comparison)) == []
    assert "\n=x" not in results(comparison)
    assert ",=x" not in results(comparison)
