"""What is read of a run's folder, whole or damaged."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
from made_sweeps import FINISHED, evaluations, made_job, made_run, resolved, write_history

from lmlab.runs.records import read_record, setting, typed
from lmlab.runs.summary import finite


def test_a_whole_run_is_read(tmp_path: Path) -> None:
    rows = evaluations([2.0, 1.5, 1.75], [2.5, 1.25, 1.0])
    sample = {"step": 10, "prompt": "The ", "text": "cat|\n\u2028`x`", "temperature": 0.8}
    folder = made_run(
        tmp_path / "3_lr-1",
        ["optimizer.lr=1e-3", "seed=7"],
        config=resolved(model__hidden_size=64),
        choices={"model": "gru", "data": "text"},
        history=rows,
        samples=[sample, {**sample, "step": 20}],
        analysis={"passage": {"tokens": [["a", 1.0]]}},
        warnings=["leak: x"],
    )
    record = read_record(folder, label="mine")
    assert (record.label, record.number, record.status, record.reason) == ("mine", 3, "finished", "")
    assert record.summary == {**FINISHED, "warnings": ["leak: x"]}
    assert record.overrides == {"optimizer.lr": "1e-3", "seed": "7"}
    assert record.config == resolved(model__hidden_size=64)
    assert record.choices == {"model": "gru", "data": "text"}
    assert record.history == rows
    assert record.best_row == rows[1]
    assert record.samples == [sample, {**sample, "step": 20}]
    assert record.analysis == {"passage": {"tokens": [["a", 1.0]]}}
    assert record.seed == "7"
    assert record.origin == tmp_path


def test_a_run_of_its_own_has_no_number_and_is_its_own_origin(tmp_path: Path) -> None:
    record = read_record(made_run(tmp_path / "2026-01-02_03-04-05", config=resolved(seed=3)))
    assert record.label == "2026-01-02_03-04-05"
    assert record.number is None
    assert record.origin == record.folder
    assert record.seed == "3"


def test_an_empty_folder_is_a_missing_run(tmp_path: Path) -> None:
    record = read_record(tmp_path)
    assert record.status == "missing"
    assert (record.history, record.samples, record.analysis, record.config, record.choices) == ([], [], {}, {}, {})
    assert (record.best_row, record.seed) == (None, "")


def test_a_run_without_summary_that_was_evaluated_is_unfinished(tmp_path: Path) -> None:
    write_history(tmp_path, evaluations([2.0]))
    assert read_record(tmp_path).status == "unfinished"


def test_empty_and_infinite_cells(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,epoch,val/nats_per_token,lr\n10,1,2.5,\n20,2,nan,0.1\n30,3,inf,\n")
    first, second, third = read_record(tmp_path).history
    assert first == {"step": 10, "epoch": 1, "val/nats_per_token": 2.5}
    assert math.isnan(second["val/nats_per_token"])
    assert second["lr"] == 0.1
    assert third == {"step": 30, "epoch": 3, "val/nats_per_token": math.inf}
    assert read_record(tmp_path).best_row == first


def test_half_of_a_character_becomes_a_sign(tmp_path: Path) -> None:
    text = '{"text": "caf\ud800"}\n{"text": "\\ud800x"}\n'
    (tmp_path / "samples.jsonl").write_bytes(text.encode("utf-8", errors="surrogatepass"))
    assert [sample["text"] for sample in read_record(tmp_path).samples] == ["caf\ufffd", "\ufffdx"]


def test_the_best_of_equal_evaluations_is_the_first(tmp_path: Path) -> None:
    write_history(tmp_path, evaluations([2.0, 1.0, 1.0, math.nan]))
    best = read_record(tmp_path).best_row
    assert best is not None
    assert best["epoch"] == 2


def test_without_a_resolved_configuration_hydras_record_is_resolved(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text(
        "model: {dropout: 0.3, input_dropout: '${model.dropout}', again: '${model.input_dropout}'}\n"
        "name: ${data.name}-${model.name}\nlost: ${no.such}\nloop: ${loop}\na: ${b}\nb: ${a}\n"
        "batch: ${lmlab_x:a}\nall: ${model}\n"
    )
    config = read_record(tmp_path).config
    assert config["model"] == {"dropout": 0.3, "input_dropout": 0.3, "again": 0.3}
    assert config["name"] == "${data.name}-${model.name}"
    assert (config["lost"], config["loop"], config["batch"]) == ("${no.such}", "${loop}", "${lmlab_x:a}")
    assert config["all"] == config["model"]
    assert {config["a"], config["b"]} <= {"${a}", "${b}"}
    (tmp_path / "config.yaml").write_text("model: {dropout: 0.5}")
    assert read_record(tmp_path).config == {"model": {"dropout": 0.5}}


def test_choices_are_read_as_hydra_writes_them(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "hydra.yaml").write_text(
        "hydra:\n  runtime:\n    version: 1.3\n    choices:\n      experiment: null\n      model: gru\n"
        "      hydra/env: default\n  verbose: false\n"
    )
    assert read_record(tmp_path).choices == {"experiment": "null", "model": "gru"}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (0.5, 0.5),
        (True, None),
        (None, None),
        ("1", None),
        (math.nan, None),
        (math.inf, None),
        (10**400, None),
    ],
)
def test_only_finite_numbers_are_figures(value: object, number: float | None) -> None:
    assert finite(value) == number


def test_settings_as_they_are_typed() -> None:
    config = {"a": {"b": None, "c": [1, "x", 0.5], "d": True, "e": 1e-8, "f": "text"}}
    assert [setting(config, f"a.{key}") for key in "bcdef"] == ["null", "[1,x,0.5]", "true", "1e-08", "text"]
    assert setting(config, "a.g") == setting(config, "a.f.text") == setting({}, "a") == ""
    assert typed(0.001) == "0.001"


def test_a_reason_is_one_line(tmp_path: Path) -> None:
    folder = made_job(tmp_path, 0, [], status="failed", error="a\n  b")
    assert read_record(folder).reason == "a b"


def test_reading_and_comparing_runs_imports_nothing_heavy() -> None:
    code = (
        "import sys; from lmlab.runs import comparison, discovery; from lmlab.diagnostics import diagnose; "
        "print([name for name in ('torch', 'hydra', 'pandas', 'scipy', 'matplotlib') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
