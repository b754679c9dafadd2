"""Settings side by side: groups, order, differences, and when there is none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import evaluations, made_job, made_run, resolved, write_history

from lmlab.runs.comparison import Comparison, by_text, compare
from lmlab.runs.discovery import find_records
from lmlab.runs.summary import BITS, NATS


def compared(folder: Path) -> Comparison:
    return compare(find_records(str(folder), output_dir=str(folder)))


def sweep(folder: Path, nats: dict[str, list[float | None]], name: str = "model", **summary: Any) -> Comparison:
    """A job for each seed of each value of a setting."""
    number = 0
    for value, values in nats.items():
        for seed, found in enumerate(values):
            made_job(folder, number, [f"{name}={value}", f"seed={seed}"], val__nats_per_token=found, **summary)
            number += 1
    return compared(folder)


def test_seeds_become_a_mean_with_its_interval(tmp_path: Path) -> None:
    comparison = sweep(tmp_path, {"lstm": [2.0, 2.1, 2.3], "gru": [1.0, 1.1, 1.3]})
    assert comparison.names == ("model",)
    assert comparison.metric == NATS
    gru, lstm = comparison.conditions
    assert (gru.place, gru.label, gru.settings) == (1, "gru", {"model": "gru"})
    assert [record.number for record in gru.runs] == [3, 4, 5]
    mean = (1.0 + 1.1 + 1.3) / 3
    assert gru.nats.mean == pytest.approx(mean)
    variance = sum((v - mean) ** 2 for v in (1.0, 1.1, 1.3)) / 2
    assert gru.nats.half_width == pytest.approx(4.3027 * math.sqrt(variance / 3), rel=1e-4)
    assert gru.gap_to_best is None
    assert comparison.best is gru
    assert (lstm.place, lstm.label) == (2, "lstm")
    # Equal variances and sizes: Welch's degrees of freedom are 4.
    assert lstm.gap_to_best is not None
    assert lstm.gap_to_best.mean == pytest.approx(1.0)
    assert lstm.gap_to_best.half_width == pytest.approx(2.7764 * math.sqrt(2 * variance / 3), rel=1e-4)
    assert lstm.gap_to_best.significant is True


def test_a_difference_inside_the_interval_is_not_decided(tmp_path: Path) -> None:
    comparison = sweep(tmp_path, {"lstm": [1.1, 1.2, 1.4], "gru": [1.0, 1.1, 1.3]})
    gap_to_best = comparison.conditions[1].gap_to_best
    assert gap_to_best is not None
    assert gap_to_best.mean == pytest.approx(0.1)
    assert gap_to_best.significant is False


@pytest.mark.parametrize("values", [{"lstm": [2.0], "gru": [1.0]}, {"lstm": [2.0], "gru": [1.0, 1.1, 1.2]}])
def test_with_one_seed_it_is_not_known_whether_a_difference_is_real(
    tmp_path: Path, values: dict[str, list[float | None]]
) -> None:
    gap_to_best = sweep(tmp_path, values).conditions[1].gap_to_best
    assert gap_to_best is not None
    assert gap_to_best.half_width is None
    assert gap_to_best.significant is None


def test_a_single_run_is_a_cell_under_its_own_name(tmp_path: Path) -> None:
    made_run(tmp_path / "2026-01-02", ["seed=4"], val__nats_per_token=1.5)
    comparison = compared(tmp_path)
    (condition,) = comparison.conditions
    assert (condition.place, condition.label, condition.gap_to_best, comparison.names) == (1, "2026-01-02", None, ())
    assert comparison.label(comparison.records[0]) == "2026-01-02"
    assert condition.nats == (1.5, None)


def test_repetitions_of_one_setting_are_one_cell_called_by_the_runs_name(tmp_path: Path) -> None:
    comparison = sweep(tmp_path, {"lstm": [1.0, 1.1]})
    (condition,) = comparison.conditions
    assert condition.label == "text-lstm"
    assert [comparison.label(record) for record in comparison.records] == ["seed 0", "seed 1"]


def test_runs_are_called_by_setting_and_seed(tmp_path: Path) -> None:
    comparison = sweep(tmp_path, {"lstm": [1.0, 1.1], "gru": [1.2]})
    assert [comparison.label(r) for r in comparison.records] == ["lstm, seed 0", "lstm, seed 1", "gru, seed 0"]
    assert comparison.settings_of(comparison.records[1]) == {"model": "lstm", "seed": "1"}


def test_labels_of_cells_differ(tmp_path: Path) -> None:
    for number in range(30):
        words = [f"a={number % 2}", f"b={number % 3}", f"c={number % 5}", "d=1", f"e={number}", f"model=m{number % 2}"]
        made_job(tmp_path, number, words)
    labels = [condition.label for condition in compared(tmp_path).conditions]
    assert len(set(labels)) == 30
    assert {"e 4, m0", "e 5, m1"} <= set(labels)


def test_a_seed_that_is_not_known_is_not_told(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["model=gru", "seed=1"])
    made_job(tmp_path, 1, ["model=lstm"])
    comparison = compared(tmp_path)
    assert [comparison.label(record) for record in comparison.records] == ["gru, seed 1", "lstm"]


# When they may be ranked


def test_another_vocabulary_is_ranked_by_bits_per_character(tmp_path: Path) -> None:
    for i, (bits, nats) in enumerate([(2.0, 1.0), (2.2, 1.0), (1.0, 3.0), (1.3, 3.0)]):
        overrides = [f"tokenizer={'char' if i < 2 else 'word'}", f"seed={i % 2}"]
        summary = {"val__bits_per_char": bits, "val__nats_per_token": nats, "fingerprint": "c" if i < 2 else "w"}
        made_job(tmp_path, i, overrides, **summary)
    comparison = compared(tmp_path)
    assert comparison.metric == BITS
    assert [condition.label for condition in comparison.conditions] == ["tokenizer word", "tokenizer char"]
    gap_to_best = comparison.conditions[1].gap_to_best
    assert gap_to_best is not None
    assert gap_to_best.mean == pytest.approx(2.1 - 1.15)
    assert by_text(comparison) == []


def test_bits_rank_where_a_token_has_no_number(tmp_path: Path) -> None:
    for i, bits in enumerate((2.0, 1.0)):
        summary = {"val__bits_per_char": bits, "val__nats_per_token": None, "fingerprint": str(i)}
        made_job(tmp_path, i, [f"tokenizer={i}"], **summary)
    best = compared(tmp_path).best
    assert best is not None
    assert best.label == "tokenizer 1"


def test_different_texts_are_not_ranked_but_each_by_itself(tmp_path: Path) -> None:
    runs = [("a", "gru", 2.0), ("a", "lstm", 1.0), ("b", "gru", 3.0), ("b", "lstm", 4.0), ("c", "gru", 0.1)]
    for i, (text, model, nats) in enumerate([*runs, ("d", "gru", 0.1), ("d", "gru", 0.2)]):
        overrides = [f"data={text}", f"model={model}", f"seed={i}"]
        made_job(tmp_path, i, overrides, val__nats_per_token=nats, fingerprint=text, text_fingerprint=text)
    comparison = compared(tmp_path)
    assert (comparison.metric, comparison.best) == (None, None)
    assert "different texts" in comparison.note
    assert all((condition.place, condition.gap_to_best) == (None, None) for condition in comparison.conditions)
    parts = by_text(comparison)
    assert [[condition.label for condition in part.conditions] for part in parts] == [["lstm", "gru"], ["gru", "lstm"]]


@pytest.mark.parametrize("fingerprints", [{"fingerprint": None, "text_fingerprint": None}, {"fingerprint": None}])
def test_unknown_fingerprints_are_not_taken_for_equal(tmp_path: Path, fingerprints: dict[str, Any]) -> None:
    comparison = sweep(tmp_path, {"lstm": [1.0], "gru": [2.0]}, **fingerprints)
    assert comparison.metric == (None if len(fingerprints) == 2 else BITS)
    assert by_text(comparison) == []


def test_only_whole_finished_runs_are_ranked_and_all_have_labels_of_their_own(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["model=gru"], val__nats_per_token=2.0)
    made_job(tmp_path, 1, ["model=lstm"], status="interrupted", val__nats_per_token=0.1)
    made_job(tmp_path, 2, ["model=rnn"], status="failed", error="x")
    write_history(made_job(tmp_path, 3, ["model=a"], status="missing"), evaluations([1.0]))
    made_job(tmp_path, 4, ["model=b"], status="missing")
    (made_job(tmp_path, 5, ["model=c"]) / "summary.json").write_text('{"status": "fin')
    (made_job(tmp_path, 6, ["model=d"]) / "summary.json").write_text('{"accuracy": 1.0}')  # of something else
    made_job(tmp_path, 7, ["model=e"], val__nats_per_token=0.2, partial={"train": {"batches": 1, "of": 9}})
    (tmp_path / "8_job").mkdir()
    (tmp_path / "sweep.json").write_text("{}")
    comparison = compared(tmp_path)
    assert [(condition.label, condition.place) for condition in comparison.conditions] == [("gru", 1)]
    assert [(condition.label, condition.place) for condition in comparison.partial] == [("e", None)]
    assert [record.status for record in comparison.unfinished] == [
        "interrupted", "failed", "unfinished", "missing", "damaged", "damaged", "partial", "missing",
    ]  # fmt: skip
    assert [comparison.label(record) for record in comparison.unfinished[:-1]] == ["lstm", "rnn", *"abcde"]
    assert len({comparison.label(record) for record in comparison.records}) == 9
    assert [record.number for record in comparison.finished] == [0]


def test_only_partial_runs_or_none_have_no_best(tmp_path: Path) -> None:
    sweep(tmp_path, {"lstm": [1.0], "gru": [2.0]}, partial={"train": {"batches": 1, "of": 9}})
    comparison = compared(tmp_path)
    assert (comparison.best, comparison.best_run, comparison.conditions, len(comparison.partial)) == (None, None, (), 2)
    nothing = compare([])
    assert (nothing.best, nothing.names, nothing.shown) == (None, (), None)


def test_only_failures_are_a_comparison_without_cells(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["model=gru"], status="failed", error="x")
    comparison = compared(tmp_path)
    assert (comparison.conditions, comparison.best) == ((), None)


def test_a_figure_that_is_no_number_comes_last_and_is_behind_by_nothing(tmp_path: Path) -> None:
    comparison = sweep(tmp_path, {"lstm": [1.0, None], "gru": [3.0, 3.1], "rnn": [float("nan"), 1.0]})
    assert comparison.conditions[0].label == "gru"
    assert [condition.nats.mean for condition in comparison.conditions[1:]] == [math.inf, math.inf]
    assert [condition.gap_to_best for condition in comparison.conditions] == [None, None, None]


def test_nothing_is_best_where_no_figure_is_a_number(tmp_path: Path) -> None:
    comparison = sweep(tmp_path, {"lstm": [None], "gru": [None]})
    assert (comparison.metric, comparison.best) == (NATS, None)


def test_the_mean_decides_and_not_the_best_seed(tmp_path: Path) -> None:
    comparison = sweep(tmp_path, {"4": [1.0, 2.0], "8": [1.5, 1.4]}, name="model.hidden_size")
    assert [condition.settings for condition in comparison.conditions] == [
        {"model.hidden_size": "8"}, {"model.hidden_size": "4"},
    ]  # fmt: skip
    assert comparison.best_run is not None
    assert comparison.best_run.number == 3


# Repetitions that are none


def test_a_run_repeated_with_the_same_seed_does_not_make_an_interval(tmp_path: Path) -> None:
    for name, nats in (("2026-01-01", 1.0), ("2026-01-02", 1.1), ("2026-01-03", 1.2)):
        made_run(tmp_path / name, config=resolved(), val__nats_per_token=nats)
    comparison = compared(tmp_path)
    assert comparison.names == ("run",)
    assert [(condition.label, condition.nats) for condition in comparison.conditions] == [
        ("2026-01-01", (1.0, None)),
        ("2026-01-02", (1.1, None)),
        ("2026-01-03", (1.2, None)),
    ]
    assert comparison.duplicates == ()


def test_two_sweeps_of_the_same_settings_stand_side_by_side(tmp_path: Path) -> None:
    for date, more in (("2026-01-01", 0.0), ("2026-01-02", 1.0)):
        for seed in range(3):
            config = resolved(seed=seed)
            made_run(
                tmp_path / date / f"{seed}_x", [f"seed={seed}"], config=config, val__nats_per_token=1 + more + seed / 10
            )
        (tmp_path / date / "sweep.json").write_text("{}")
    comparison = compared(tmp_path)
    assert [(condition.label, len(condition.runs)) for condition in comparison.conditions] == [
        ("2026-01-01", 3),
        ("2026-01-02", 3),
    ]


def test_of_runs_repeated_in_part_the_latest_counts(tmp_path: Path) -> None:
    for date, seed, nats in (("2026-01-03", 0, 3.0), ("2026-01-01", 0, 1.0), ("2026-01-02", 1, 2.0)):
        made_run(tmp_path / date, [f"seed={seed}"], config=resolved(seed=seed), val__nats_per_token=nats)
    comparison = compared(tmp_path)
    (condition,) = comparison.conditions
    assert sorted(record.label for record in condition.runs) == ["2026-01-02", "2026-01-03"]
    assert [record.label for record in comparison.duplicates] == ["2026-01-01"]
    assert condition.nats.mean == 2.5
    (condition,) = compare(comparison.records[::-1]).conditions
    assert condition.nats.mean == 2.5


def test_a_repeated_run_leaves_other_settings_as_they_are(tmp_path: Path) -> None:
    for date, size in (("2026-01-01", 64), ("2026-01-02", 64), ("2026-01-03", 128)):
        made_run(tmp_path / date, config=resolved(model__hidden_size=size))
    comparison = compared(tmp_path)
    assert comparison.names == ("model.hidden_size", "run")
    labels = {condition.label for condition in comparison.conditions}
    assert labels == {"hidden_size 64, 2026-01-01", "hidden_size 64, 2026-01-02", "hidden_size 128"}


def test_the_best_seed_of_the_best_setting_is_shown(tmp_path: Path) -> None:
    given = [("lstm", 0, 2.0), ("gru", 0, 1.2), ("gru", 1, 1.1), ("lstm", 1, 1.05)]
    for number, (model, seed, nats) in enumerate(given):
        made_job(tmp_path, number, [f"model={model}", f"seed={seed}"], val__nats_per_token=nats)
    shown = compared(tmp_path).shown
    assert shown is not None
    assert shown.folder.name == "2_job"


def test_without_a_best_the_first_with_a_curve_is_shown(tmp_path: Path) -> None:
    for number in range(3):
        made_job(tmp_path, number, [f"seed={number}"], status="interrupted")
    assert compared(tmp_path).shown is None
    write_history(tmp_path / "1_job", evaluations([2.0]))
    shown = compared(tmp_path).shown
    assert shown is not None
    assert shown.folder.name == "1_job"


def test_labels_are_unique_whatever_the_settings_are(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["data.path=/a/x.txt"])
    made_job(tmp_path, 1, ["data.path=/b/x.txt"])
    for number, text in enumerate(("x" * 200, "x" * 201, "a\nb", "", "–"), 2):
        made_job(tmp_path, number, [f"data.path={text}"])
    comparison = compared(tmp_path)
    assert len({comparison.label(record) for record in comparison.records}) == 7
    assert len({condition.label for condition in comparison.conditions}) == 7


def test_the_best_run_may_have_no_loss_at_all(tmp_path: Path) -> None:
    for seed, nats in enumerate((0.5, 0.0)):
        made_run(tmp_path / str(seed), config=resolved(seed=seed), val__nats_per_token=nats)
    best = compared(tmp_path).best_run
    assert best is not None
    assert best.nats == 0.0
