"""The diagnostics of single runs: when, once, with numbers, and in which order."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from diagnosed_runs import diagnosed, pair, run
from made_sweeps import evaluations, made_job, made_run, resolved, write_history

from lmlab.reporting.comparison import compare
from lmlab.reporting.diagnostics import diagnostics
from lmlab.runs.discovery import find_records


def test_nothing_is_said_of_a_run_without_fault(tmp_path: Path) -> None:
    run(tmp_path, history=evaluations([1.51, 1.5], [2.0, 1.5], clip_fraction=0.5), val__baselines={"unigram": 3.0})
    assert diagnosed(tmp_path) == {}


def test_nothing_is_said_of_a_comparison_without_fault(tmp_path: Path) -> None:
    assert pair(tmp_path, {"val__nats_per_token": 1.0}, {"val__nats_per_token": 2.0}) == {}


# Of curves


def test_overfitting_and_failed_optimisation_are_told_apart(tmp_path: Path) -> None:
    run(tmp_path, "2026-01-01", history=evaluations([2.0, 1.5, 1.625], [2.0, 1.5, 1.25]))
    assert set(diagnosed(tmp_path)) == {"overfitting"}
    run(tmp_path, "2026-01-02", history=evaluations([2.0, 1.5, 1.75], [2.0, 1.5, 1.625]))
    run(tmp_path, "2026-01-03", history=evaluations([2.0, 1.5, 1.6875], [2.0, 1.5, 1.0]))
    found = diagnosed(tmp_path)
    overfitting, failed = found["overfitting"], found["failed-optimisation"]
    assert overfitting.runs == ("2026-01-01", "2026-01-03")
    assert failed.runs == ("2026-01-02",)
    # The worst of the two is the example.
    for words in (
        "2 of the 3 runs (“2026-01-01” and “2026-01-03”)", "1.5000 nats per token (epoch 2) to 1.6875 (epoch 3)",
        "fell from 1.5000 to 1.0000 (2026-01-03)",
    ):  # fmt: skip
        assert words in overfitting.text
    assert "rose from 1.5000 to 1.6250" in failed.text
    assert "not overfitting" in failed.text
    assert "model.dropout" in overfitting.remedy
    assert "optimizer.lr" in failed.remedy


def test_without_evaluations_a_runs_own_word_counts(tmp_path: Path) -> None:
    run(tmp_path, warnings=["overfitting: validation rose from 1.5 to 1.6; the best checkpoint counts"])
    assert "validation rose from 1.5 to 1.6: the model" in diagnosed(tmp_path)["overfitting"].text


def test_its_evaluations_count_more_than_a_runs_own_word(tmp_path: Path) -> None:
    run(tmp_path, history=evaluations([1.51, 1.5], [2.0, 1.5]), warnings=["overfitting: x"])
    assert diagnosed(tmp_path) == {}


def test_what_rises_before_the_text_was_read_once_is_no_overfitting(tmp_path: Path) -> None:
    rows = evaluations([2.0, 1.5, 1.8], [2.0, 1.6, 1.2])
    for row, epoch in zip(rows, (0.4, 0.7, 1.0), strict=True):
        row["epoch"] = epoch
    run(tmp_path, history=rows)
    found = diagnosed(tmp_path)
    assert set(found) == {"unsteady"}
    text = found["unsteady"].text
    assert "validation rose from 1.5000 nats per token (epoch 0.7) to 1.8000 (epoch 1) while the training" in text
    assert "before the text had been read through once" in text
    rows[-1]["epoch"] = 1.01
    run(tmp_path / "later", history=rows)
    assert set(diagnosed(tmp_path / "later")) == {"overfitting"}
    # Windows that overlap: half an epoch has read the text five times.
    rows[-1]["epoch"] = 0.5
    config = resolved(data__batching={"sequence_length": 30, "stride": 3})
    made_run(tmp_path / "windows" / "2026-01-01", history=rows, config=config)
    assert set(diagnosed(tmp_path / "windows")) == {"overfitting"}


@pytest.mark.parametrize(("last", "expected"), [(1.479, True), (1.481, False), (1.6, False)])
def test_a_loss_that_still_falls_at_the_end_is_a_note(tmp_path: Path, last: float, expected: bool) -> None:
    run(tmp_path, history=evaluations([1.7, 1.5, last]))
    found = diagnosed(tmp_path)
    assert ("still-falling" in found) is expected
    if expected:
        assert found["still-falling"].level == "note"
        assert "0.0210 nats per token better than the one before" in found["still-falling"].text


def test_a_run_that_still_trains_falls_of_course(tmp_path: Path) -> None:
    run(tmp_path, history=evaluations([1.7, 1.5]), status="missing")
    assert "still-falling" not in diagnosed(tmp_path)


def test_a_last_epoch_that_is_worse_is_a_note(tmp_path: Path) -> None:
    run(tmp_path, history=evaluations([2.0, 1.5, 1.505], [2.0, 1.5, 1.25]))
    (diagnostic,) = diagnosed(tmp_path).values()
    assert (diagnostic.kind, diagnostic.level) == ("last-worse", "note")
    assert "1.5000 nats per token (epoch 2) to 1.5050 (epoch 3)" in diagnostic.text
    run(tmp_path, "2026-01-02", history=evaluations([2.0, 1.5, 1.75]))
    assert "to 1.7500 (epoch 3) (2026-01-02)" in diagnosed(tmp_path)["last-worse"].text


def test_clipping_on_over_half_of_the_steps(tmp_path: Path) -> None:
    rows = evaluations([2.0, 1.5], [2.0, 1.5])
    run(tmp_path, history=[rows[0] | {"clip_fraction": 1.0}, rows[1] | {"clip_fraction": 0.1}])
    assert "on 55.0% of the steps" in diagnosed(tmp_path)["clipping"].text
    run(tmp_path, "2026-01-02", warnings=["clipping: the gradient was clipped on 97% of the steps, so the clip"])
    found = diagnosed(tmp_path)["clipping"]
    assert "up to 97.0% of the steps (2026-01-02)" in found.text
    assert len(found.runs) == 2


def test_worse_than_counting_is_found_in_the_figures(tmp_path: Path) -> None:
    baselines = {"uniform": 4.0, "unigram": 3.0, "kneser_ney_5": 1.875}
    run(tmp_path, val__nats_per_token=2.0, val__baselines=baselines, warnings=["baseline: a Kneser-Ney 5-gram"])
    found = diagnosed(tmp_path)
    assert set(found) == {"baseline"}
    assert (
        "a 5-gram model (Kneser-Ney), which only counts: 2.0000 against 1.8750 nats per token" in found["baseline"].text
    )


@pytest.mark.parametrize("baselines", [{"kneser_ney_5": 2.0}, {}, None, {"unigram": None}])
def test_no_better_baseline_is_not_told(tmp_path: Path, baselines: object) -> None:
    run(tmp_path, val__nats_per_token=2.0, val__baselines=baselines)
    assert diagnosed(tmp_path) == {}


def test_below_the_source(tmp_path: Path) -> None:
    run(
        tmp_path,
        val__excess_nats_per_token=-0.03,
        val__num_tokens=1000,
        warnings=["below the source: 30.0 nats better"],
    )
    (diagnostic,) = diagnosed(tmp_path).values()
    assert (diagnostic.kind, diagnostic.level) == ("below-source", "alarm")
    assert "30.0 nats better" in diagnostic.text


def test_below_the_source_by_a_runs_own_word(tmp_path: Path) -> None:
    run(tmp_path, warnings=["below the source: 41.5 nats better than the source itself"])
    assert "41.5 nats better" in diagnosed(tmp_path)["below-source"].text


def test_losses_that_are_no_numbers(tmp_path: Path) -> None:
    run(tmp_path, "2026-01-01", history=evaluations([2.0, 1.5], [2.0, math.nan]))
    assert "first seen at the evaluation after step 20" in diagnosed(tmp_path)["non-finite"].text
    reason = "training: diverged: the loss of step 3 is not finite, first in core.0; lower optimizer.lr"
    run(tmp_path, "2026-01-02", status="failed", error=reason)
    run(tmp_path, "2026-01-03", val__nats_per_token=None)
    found = diagnosed(tmp_path)
    assert found["non-finite"].runs == ("2026-01-01", "2026-01-02", "2026-01-03")
    assert found["non-finite"].level == "alarm"
    assert reason in found["failed"].text


# Of what runs were given


def test_leaks_are_repeated_with_the_worst_as_example(tmp_path: Path) -> None:
    words = (
        "of the validation text stands in the training text word for word, for example '{who} - x'; its perplexity is"
    )
    run(tmp_path, "2026-01-01", warnings=[f"leak: 2.0% {words} flattered: remove the passages"])
    run(tmp_path, "2026-01-02", warnings=[f"leak: 6.0% {words} flattered: remove the passages"])
    (diagnostic,) = [
        c
        for c in diagnostics(compare(find_records(str(tmp_path), output_dir="x")))
        if c.kind not in ("seeds", "repeated")
    ]
    assert (diagnostic.kind, diagnostic.level) == ("leak", "alarm")
    assert "6.0% of the validation text stands in the training text" in diagnostic.text
    assert "'{who} - x' (2026-01-02)" in diagnostic.text
    assert "perplexity is flattered" not in diagnostic.text


@pytest.mark.parametrize(("rate", "expected"), [(0.05, False), (0.051, True)])
def test_unknown_words_above_five_per_cent(tmp_path: Path, rate: float, expected: bool) -> None:
    run(tmp_path, val__unk_rate=0.01, test__unk_rate=rate)
    found = diagnosed(tmp_path)
    assert ("unknown-words" in found) is expected
    if expected:
        assert "In this run, 5.1% of the evaluated tokens" in found["unknown-words"].text
        assert "tokenizer.min_frequency" in found["unknown-words"].remedy


def test_the_most_unknown_words_are_the_example(tmp_path: Path) -> None:
    for i, rate in enumerate((0.06, 0.08, 0.04), 1):
        run(tmp_path, f"2026-01-0{i}", val__unk_rate=rate)
    text = diagnosed(tmp_path)["unknown-words"].text
    assert (
        "2 of the 3 runs (“2026-01-01” and “2026-01-02”), up to 8.0% of the evaluated tokens are <unk> (2026-01-02)"
        in text
    )


def test_a_leak_without_a_share(tmp_path: Path) -> None:
    for i in (1, 2):
        run(tmp_path, f"2026-01-0{i}", warnings=["leak: much of it; its perplexity is flattered: x"])
    assert "In all 2 runs, much of it (2026-01-01). What" in diagnosed(tmp_path)["leak"].text


def test_unknown_words_of_a_published_text_have_their_own_remedy(tmp_path: Path) -> None:
    said_then = "6.4% of the validation tokens are <unk>, so perplexity is flattered; the text itself spells them so"
    run(tmp_path, warnings=[f"unknown tokens: {said_then}"])
    found = diagnosed(tmp_path)["unknown-words"]
    assert "6.4%" in found.text
    assert found.remedy == "The text itself spells them so."


def test_words_without_vectors(tmp_path: Path) -> None:
    run(tmp_path, "2026-01-01", vector_coverage=0.9)
    assert diagnosed(tmp_path) == {}
    run(tmp_path, "2026-01-02", vector_coverage=0.82)
    assert "only 82.0% of the vocabulary" in diagnosed(tmp_path)["glove-coverage"].text
    run(tmp_path, "2026-01-03", warnings=["only 78.2% of the vocabulary has a pretrained vector; the rest begins"])
    assert "only 78.2% of the vocabulary has a GloVe vector (2026-01-03)" in diagnosed(tmp_path)["glove-coverage"].text


def test_slow_precision(tmp_path: Path) -> None:
    run(tmp_path, warnings=["precision: this CPU has no bfloat16 units, so it is slower"])
    (diagnostic,) = diagnosed(tmp_path).values()
    assert (diagnostic.kind, diagnostic.level) == ("precision", "note")


def test_other_warnings_are_passed_on_those_that_differ_in_numbers_once(tmp_path: Path) -> None:
    for i in range(3):
        text = f"the training text (1,{i}34 tokens) is shorter than one batch of {i + 2} x 100"
        made_job(tmp_path, i, [f"seed={i}"], warnings=[text, "data.split: whole documents give a, b"])
    found = [c for c in diagnostics(compare(find_records(str(tmp_path), output_dir="x"))) if c.kind == "other"]
    assert [c.text for c in found] == [
        "In all 3 runs: the training text (1,034 tokens) is shorter than one batch of 2 x 100.",
        "In all 3 runs: data.split: whole documents give a, b.",
    ]


# Of all


def test_what_matters_most_comes_first(tmp_path: Path) -> None:
    rows = evaluations([2.0, 1.5, 1.7], [2.0, 1.5, 1.2])
    folder = made_job(tmp_path, 0, ["a=1"], warnings=["leak: 2.0% of the validation text", "precision: x"])
    write_history(folder, rows)
    made_job(tmp_path, 1, ["a=2"], device="x", status="interrupted")
    made_job(tmp_path, 2, ["a=3"], status="failed", error="x")
    made_job(tmp_path, 3, ["a=4"], device="x", fingerprint="y")
    levels = [c.level for c in diagnostics(compare(find_records(str(tmp_path), output_dir="x")))]
    assert levels == sorted(levels, key=["alarm", "warning", "note"].index)
    assert {"alarm", "warning", "note"} == set(levels)


def test_five_hundred_runs_have_one_diagnostic_a_kind_in_few_words(tmp_path: Path) -> None:
    for number in range(60):
        folder = made_job(tmp_path, number, [f"a={number}"], warnings=["overfitting: x", f"odd: {number}"])
        write_history(folder, evaluations([2.0, 1.5, 1.6 + number / 100], [2.0, 1.5, 1.2]))
    found = diagnosed(tmp_path)
    assert len(found["overfitting"].runs) == 60
    assert all(len(diagnostic.text) < 500 for diagnostic in found.values())
    assert set(found) == {"overfitting", "seeds", "other"}


def test_damaged_files_are_told_and_raise_nothing(tmp_path: Path) -> None:
    names = ("val__baselines", "val__unk_rate", "num_parameters", "versions", "device", "fingerprint", "samples",
             "vector_coverage", "val__excess_nats_per_token", "num_train_tokens", "warnings")  # fmt: skip
    for number, odd in enumerate((None, float("nan"), float("inf"), -1, "x", [], {}, True)):
        made_job(tmp_path, number, [f"a={number}"], **dict.fromkeys(names, odd))
    (tmp_path / "0_job" / "metrics.csv").write_text("no numbers\n")
    found = diagnosed(tmp_path)
    assert found["damaged"].level == "alarm"
    assert len(found["damaged"].runs) == 8  # a text that is a number, and metrics.csv of the only whole summary
    assert "metrics.csv is damaged: it has no column step" in found["damaged"].text
    assert "unfinished" not in found
