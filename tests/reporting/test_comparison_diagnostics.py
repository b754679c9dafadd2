"""The diagnostics of several runs together, and of runs that did not finish."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from diagnosed_runs import diagnosed, pair, run
from made_sweeps import evaluations, made_job, made_run, resolved, write_history

from lmlab.reporting.comparison import compare
from lmlab.reporting.diagnostics import diagnostics
from lmlab.runs.discovery import find_records


def test_different_texts(tmp_path: Path) -> None:
    found = pair(tmp_path, {"text_fingerprint": "a", "fingerprint": "a"}, {"text_fingerprint": "b", "fingerprint": "b"})
    assert found["different-text"].level == "alarm"
    assert "2 different texts" in found["different-text"].text
    assert "different-vocabulary" not in found


def test_texts_that_are_not_recorded(tmp_path: Path) -> None:
    found = pair(tmp_path, {"text_fingerprint": None, "fingerprint": None}, {})
    assert found["different-text"].text.startswith("On what text some of the runs were evaluated is not recorded. ")


def test_different_vocabularies_and_protocols(tmp_path: Path) -> None:
    found = pair(tmp_path, {"fingerprint": "a", "vocabulary_size": 65}, {"fingerprint": "b", "vocabulary_size": 9000})
    assert "vocabularies of 65 and 9,000 entries" in found["different-vocabulary"].text
    assert "bits per character" in found["different-vocabulary"].text
    again = pair(tmp_path / "again", {"fingerprint": "a"}, {"fingerprint": "b"})
    assert "evaluation.num_streams" in again["different-vocabulary"].text


def test_unknown_words_where_bits_decide(tmp_path: Path) -> None:
    found = pair(tmp_path, {"fingerprint": "a", "val__unk_rate": 0.0}, {"fingerprint": "b", "val__unk_rate": 0.034})
    assert "up to 3.4% of the tokens" in found["unknown-in-bits"].text
    assert all(run.startswith("lstm") for run in found["unknown-in-bits"].runs)
    assert "unknown-in-bits" not in pair(tmp_path / "same", {"val__unk_rate": 0.034}, {})


def test_different_training_texts(tmp_path: Path) -> None:
    found = pair(tmp_path, {"train_fingerprint": "a"}, {"train_fingerprint": "b"})
    assert "trained on 2 different texts" in found["training-text"].text
    assert "training-text" not in pair(tmp_path / "same", {"train_fingerprint": "a"}, {"train_fingerprint": "a"})


def test_parameters_and_tokens_that_differ(tmp_path: Path) -> None:
    first = {"num_parameters": 10_000, "num_train_tokens": 1_000_000}
    found = pair(tmp_path, first, {"num_parameters": 25_000, "num_train_tokens": 3_000_000})
    assert "between 10k and 25k parameters, 2.5 times" in found["parameters"].text
    assert "between 1M and 3M tokens" in found["training-tokens"].text
    same = pair(tmp_path / "same", first, {"num_parameters": 10_050, "num_train_tokens": 1_000_000})
    assert same == {}


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ((1, 1), "Each setting was run once"), ((2, 2), "Each setting was run twice"),
        ((3, 1), "1 of the 2 settings was run fewer than three times"), ((3, 3), None),
    ],
)  # fmt: skip
def test_fewer_than_three_seeds(tmp_path: Path, seeds: tuple[int, int], words: str | None) -> None:
    number = 0
    for model, size in zip(("gru", "lstm"), seeds, strict=True):
        for seed in range(size):
            made_job(tmp_path, number, [f"model={model}", f"seed={seed}"])
            number += 1
    found = diagnosed(tmp_path).get("seeds")
    assert (found is None) is (words is None)
    if found is not None and words is not None:
        assert words in found.text


def test_a_single_setting_needs_no_seeds(tmp_path: Path) -> None:
    run(tmp_path)
    assert diagnosed(tmp_path) == {}


def test_the_best_at_the_edge_of_the_grid_of_each_setting_in_one_diagnostic(tmp_path: Path) -> None:
    number = 0
    for lr in ("1e-4", "1e-3", "1e-2"):
        for size in ("64", "128", "256"):
            for layers in ("1", "2", "3"):
                nats = 2.0 - (lr == "1e-2") / 4 - (size == "256") / 8 + int(layers) / 10
                words = [f"optimizer.lr={lr}", f"model.hidden_size={size}", f"model.num_layers={layers}"]
                made_job(tmp_path, number, words, val__nats_per_token=nats)
                number += 1
    found = diagnosed(tmp_path)["edge"]
    assert "optimizer.lr 1e-2 is the largest of 3 values and model.hidden_size 256 is the largest" in found.text
    assert "num_layers" not in found.text  # nothing lies below one layer


@pytest.mark.parametrize(
    ("name", "values", "best", "word"),
    [
        ("model.dropout", ["0", "0.2", "0.4"], "0", None),
        ("model.dropout", ["0", "0.2", "0.4"], "0.4", "largest"),
        ("optimizer.lr", ["1", "2", "3"], "1", "smallest"),
        ("optimizer.lr", ["1", "2", "3"], "2", None),
        ("optimizer.lr", ["1", "2"], "2", None),
        ("optimizer.lr", ["1", "1.0", "2"], "2", None),
        ("model", ["a", "b", "c"], "c", None),
        ("data.tokens_per_batch", ["null", "1", "2"], "2", None),
    ],
)
def test_what_counts_as_an_edge(tmp_path: Path, name: str, values: list[str], best: str, word: str | None) -> None:
    for number, value in enumerate(values):
        made_job(tmp_path, number, [f"{name}={value}"], val__nats_per_token=1.0 if value == best else 2.0)
    found = diagnosed(tmp_path).get("edge")
    assert (found is None) is (word is None)
    if found is not None:
        assert f"{name} {best} is the {word} of 3 values" in found.text


def test_failures_by_reason(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"])
    for number, reason in enumerate(["x=1: no; y", "x=1: no; y", "z"], 1):
        made_job(tmp_path, number, [f"a={number + 1}"], status="failed", error=reason)
    found = diagnosed(tmp_path)["failed"]
    assert found.level == "alarm"
    assert found.text == ("3 runs failed and have no result. 2 of the 4 runs (“a 2” and “a 3”): x=1: no; y; “a 4”: z.")
    assert found.runs == ("a 2", "a 3", "a 4")


@pytest.mark.parametrize(("reasons", "last"), [(4, "“a 3”: r3."), (6, "; and 2 other reasons.")])
def test_many_reasons_are_cut_short(tmp_path: Path, reasons: int, last: str) -> None:
    for number in range(reasons):
        made_job(tmp_path, number, [f"a={number}"], status="failed", error=f"r{number}")
    found = diagnosed(tmp_path)
    assert set(found) == {"failed"}
    assert found["failed"].text.endswith(last)


def test_a_failure_without_a_reason(tmp_path: Path) -> None:
    made_job(tmp_path, 0, [], status="failed")
    assert diagnosed(tmp_path)["failed"].text == "1 run failed and has no result. This run: no reason is recorded."


def test_what_has_not_finished(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"])
    made_job(tmp_path, 1, ["a=2"], status="interrupted")
    made_job(tmp_path, 2, ["a=3"], status="missing")
    assert set(diagnosed(tmp_path)) == {"unfinished"}
    found = diagnosed(tmp_path)["unfinished"]
    assert found.text == "2 of the 3 runs (“a 2” and “a 3”) have not finished, and what is not finished is not ranked."
    (tmp_path / "sweep.json").write_text(json.dumps({"swept": {"a": 3, "seed": 2}}))
    assert "and 3 of 6 jobs of the sweep have not begun, and" in diagnosed(tmp_path)["unfinished"].text


def test_of_a_part_of_a_sweep_nothing_is_said_of_the_other_jobs(tmp_path: Path) -> None:
    for number in range(4):
        made_job(tmp_path, number, [f"a={number}"])
    (tmp_path / "sweep.json").write_text(json.dumps({"swept": {"a": 5}}))
    assert "1 of 5 jobs of the sweep has not begun" in diagnosed(tmp_path)["unfinished"].text.lower()
    for chosen in (["1_job"], ["1_job", "2_job"]):
        records = find_records([str(tmp_path / name) for name in chosen], output_dir=str(tmp_path))
        assert "unfinished" not in {diagnostic.kind for diagnostic in diagnostics(compare(records))}


@pytest.mark.parametrize("swept", ['{"swept": {"a": 1}}', '{"swept": {"a": 0}}', '{"swept": 3}', "{", "[]"])
def test_a_sweep_of_all_jobs_or_of_an_unknown_number_is_not_unfinished(tmp_path: Path, swept: str) -> None:
    made_job(tmp_path, 0, ["a=1"])
    (tmp_path / "sweep.json").write_text(swept)
    assert diagnosed(tmp_path) == {}


def test_an_interrupted_run_by_itself(tmp_path: Path) -> None:
    run(tmp_path, status="interrupted")
    text = diagnosed(tmp_path)["unfinished"].text
    assert text == "This run has not finished: its figures are those of the best epoch so far."


def test_runs_that_are_no_repetitions(tmp_path: Path) -> None:
    for date, seed in (("2026-01-01", 0), ("2026-01-02", 0), ("2026-01-03", 1)):
        made_run(tmp_path / date, config=resolved(seed=seed))
    found = diagnosed(tmp_path)["repeated"]
    assert found.text.startswith("1 run has the settings and the seed of a later run")


def test_machines_and_versions(tmp_path: Path) -> None:
    first = {"device": "CPU (1 threads)", "versions": {"torch": "2.11", "lmlab": "1", "numpy": "1"}}
    found = pair(tmp_path, first, {"device": "NVIDIA H200", "versions": {"torch": "2.13", "lmlab": "1", "numpy": "2"}})
    assert {kind: diagnostic.level for kind, diagnostic in found.items()} == {"machines": "note", "versions": "note"}
    assert "CPU (1 threads) and NVIDIA H200" in found["machines"].text
    assert "torch 2.11 and 2.13" in found["versions"].text
    assert "numpy" not in found["versions"].text
    assert "lmlab" not in found["versions"].text


@pytest.mark.parametrize(("steps", "tokens", "expected"), [(100, 8000, True), (191, 8000, False), (100, 4000, False)])
def test_equal_tokens_in_unequal_steps(tmp_path: Path, steps: int, tokens: int, expected: bool) -> None:
    for number, (last, read) in enumerate([(210, 8000), (steps, tokens)]):
        folder = made_job(tmp_path, number, [f"data.sequence_length={number + 1}"], num_train_tokens=read)
        rows = evaluations([2.0, 1.5])
        rows[-1]["step"] = last
        write_history(folder, rows)
    found = diagnosed(tmp_path)
    assert ("steps" in found) is expected
    if expected:
        other = made_job(tmp_path, 2, ["data.sequence_length=3"], num_train_tokens=8000, fingerprint="of other tokens")
        assert "steps" not in diagnosed(tmp_path)
        (other / "summary.json").unlink()
        assert "equally many tokens, in 100 to 210 steps" in found["steps"].text
