"""The CSV files of a report: figures digit by digit, text that survives and does no harm."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from made_reports import compared, with_all_figures
from made_sweeps import evaluations, made_job, made_run, resolved

from lmlab.reporting.listings import as_csv, experiment_logs, experiment_logs_columns, history, results

WARNED, NOTED = ({"kind": "leak", "level": level, "text": "x", "values": {}} for level in ("warning", "note"))
Rows = list[dict[str, str]]


def rows(text: str) -> Rows:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    found = list(reader)
    assert reader.fieldnames is not None
    assert len(set(reader.fieldnames)) == len(reader.fieldnames)
    assert all(None not in row and None not in row.values() for row in found)
    return found


def lstm(folder: Path, name: str, *overrides: str, **more: Any) -> Path:
    return made_run(folder / name, overrides, **{"config": resolved(), **more})


# Cells


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1", "=", "--1"])
def test_text_that_would_be_a_formula_is_not(text: str) -> None:
    for row in rows(as_csv([{text: text, "other": f"x{text}"}])):
        assert row == {f"'{text}": f"'{text}", "other": f"x{text}"}


@pytest.mark.parametrize("value", ["-1", "+1.5", "-1e-3", "a=1", " x", "1", "'=", -1, -0.5, 3, 10**17, math.pi, "\n=x"])
def test_numbers_and_other_text_stay_as_they_are(value: object) -> None:
    assert rows(as_csv([{"a": value, "b": None}])) == [{"a": str(value), "b": ""}]


# Figures


def test_every_figure_is_that_of_the_summary_digit_by_digit(tmp_path: Path) -> None:
    comparison = with_all_figures(tmp_path)
    for odd, number in enumerate((0.1 + 0.2, 1 / 3, 2**-40 + 1, 123456.78901234567, 2**53 - 1)):
        made_job(tmp_path, 20 + odd, [f"model.hidden_size={odd}", "seed=0"], val__nats_per_token=number)
    found = rows(results(compared(tmp_path)))
    assert {"val/brier", "test/brier", "test/perplexity", "num_train_tokens"} <= set(found[0])
    for row in found:
        summary = json.loads((tmp_path / row["job"] / "summary.json").read_text())
        for name, value in summary.items():
            if name in row and value is not None:  # whole numbers stay whole, and a repr is exact
                assert row[name] == (value if isinstance(value, str) else repr(value)), name
        # Only what says nothing of its own, or is no figure, has no column.
        left_out = set(summary) - set(row)
        assert left_out <= {"name", "text_fingerprint", "warnings", "metrics", "val/baselines", "test/baselines"}
    logged = rows(experiment_logs(comparison))
    assert [row["val_brier"] for row in logged] == [repr(record.summary["val/brier"]) for record in comparison.records]


def test_results_have_a_row_a_run_in_the_order_of_the_ranking(tmp_path: Path) -> None:
    """One lucky seed does not make its setting the best: the table ranks by the mean, and so does the file."""
    for number, (lr, seed, nats) in enumerate([("1", 0, 1.2), ("1", 1, 1.0), ("2", 0, 1.09), ("2", 1, 1.08)]):
        made_job(tmp_path, number, [f"lr={lr}", f"seed={seed}"], val__nats_per_token=nats)
    made_job(tmp_path, 4, ["lr=0", "seed=0"], status="failed", error="optimizer.lr=0: is not positive; give one")
    made_job(tmp_path, 5, ["lr=3", "seed=0"], val__nats_per_token=None, diagnostics=[WARNED, NOTED, WARNED])
    made_job(tmp_path, 6, ["lr=2", "seed=1"], val__nats_per_token=0.1, partial={"train": {"batches": 5, "of": 9}})
    made_job(tmp_path, 7, ["lr=3", "seed=1"], status="missing")
    found = rows(results(compared(tmp_path)))
    assert [(row["rank"], row["job"][0], row["lr"], row["seed"], row["status"]) for row in found] == [
        ("1", "3", "2", "1", "finished"), ("1", "2", "2", "0", "finished"), ("2", "1", "1", "1", "finished"),
        ("2", "0", "1", "0", "finished"), ("3", "5", "3", "0", "finished"), ("", "4", "0", "0", "failed"),
        ("", "6", "2", "1", "partial"), ("", "7", "3", "1", "missing"),
    ]  # fmt: skip
    assert [row["num_warnings"] for row in found] == ["0"] * 4 + ["2"] + ["0"] * 3
    assert found[4]["val/nats_per_token"] == ""
    assert found[5]["error"] == "optimizer.lr=0: is not positive; give one"
    assert found[6]["error"] == "5 of 9 training batches"
    for number in range(3):
        made_job(tmp_path / "texts", number, [f"data={number}"], text_fingerprint=str(number), fingerprint=str(number))
    found = rows(results(compared(tmp_path / "texts")))
    assert [(row["rank"], row["job"]) for row in found] == [("", f"{number}_job") for number in range(3)]


def test_logs_have_a_row_for_each_run_and_temperature_and_their_columns_are_explained(tmp_path: Path) -> None:
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
        "run": "2026-01-01", "num_layers": "2", "learning_rate": "0.005", "hidden_size": "128",
        "temperature": "0.1", "val_nats_per_token": "1.75", "wall_seconds": "12.5", "seed": "3",
        "samples_distinct_2": "0.025", "num_samples": "20", "prompt": "ith attent",
        "sample": "t0.1", "model": "lstm", "num_train_tokens": "600000", "trainer.max_epochs": "2",
    }  # fmt: skip
    assert expected.items() <= first.items()
    assert (second["temperature"], second["sample"]) == ("0.5", "t0.5")
    assert (without["run"], without["temperature"], without["sample"]) == ("2026-01-02", "", "")
    assert "test_nats_per_token" not in without, "no run has a test figure"
    explained = rows(experiment_logs_columns(compared(tmp_path)))
    assert [row["column"] for row in explained] == list(first)
    assert all(row["meaning"] for row in explained)
    units = {row["column"]: row["unit"] for row in explained}
    assert {
        "hidden_size": "units",
        "val_nats_per_token": "nats per token",
        "wall_seconds": "s",
    }.items() <= units.items()
    assert units["samples_distinct_2"] == "share"


def test_history_has_a_row_an_evaluation_digit_by_digit(tmp_path: Path) -> None:
    values = [1 / 3, 0.1 + 0.2, 2**-40 + 1]
    config = resolved(model__hidden_size=64, seed=5)
    lstm(tmp_path, "2026-01-01", config=config, history=evaluations(values, tokens=2**40 + 1, lr=1e-8))
    lstm(tmp_path, "2026-01-02", history=[{"step": 7, "val/nats_per_token": math.inf, "extra": math.nan}])
    lstm(tmp_path, "2026-01-03")
    found = rows(history(compared(tmp_path)))
    assert [(row["run"], row["model.hidden_size"], row["seed"]) for row in found] == [
        *[("2026-01-01", "64", "5")] * 3, ("2026-01-02", "256", "0"),
    ]  # fmt: skip
    assert [row["val/nats_per_token"] for row in found] == [*map(repr, values), "inf"]
    assert found[0]["step (optimizer steps)"] == "10"
    assert found[0]["tokens (training tokens read)"] == str(2**40 + 1)
    assert [row["lr"] for row in found] == ["1e-08"] * 3 + [""]


# Text


def test_samples_and_settings_survive_and_are_no_formulas(tmp_path: Path) -> None:
    texts = ['=HYPERLINK("x")', 'a,"b"\nc', "+1", "“naïve”; ü\x00", "-x", "\ud800", "a\r\nb", "x" * 500]
    survived = ["'" + texts[0], texts[1], "+1", texts[3], "'-x", "\ufffd", *texts[6:]]
    listed = [{"temperature": i, "prompt": text, "text": text} for i, text in enumerate(texts)]
    lstm(tmp_path, "2026-01-01", analysis={"temperatures": listed})
    text = experiment_logs(compared(tmp_path))
    text.encode("utf-8")
    assert [row["sample"] for row in rows(text)] == [row["prompt"] for row in rows(text)] == survived
    for number, prompt in enumerate(texts[:2]):
        made_job(tmp_path / "sweep", number, [f"p={prompt}"], status="failed", error=prompt)
    assert [row["p"] for row in rows(results(compared(tmp_path / "sweep")))] == survived[:2]


def test_runs_repeated_with_the_same_seed_have_no_column_twice(tmp_path: Path) -> None:
    for date in ("2026-01-01", "2026-01-02"):
        lstm(tmp_path, date, history=evaluations([1.0]))
    for export in (results, experiment_logs, history):
        assert len(rows(export(compared(tmp_path)))) == 2
