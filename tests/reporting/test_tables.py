"""The tables of results: every number is that of the summaries, and nothing is shown where nothing is known."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd
import pytest
from made_reports import BRIER, LMLABS, compared, jobs, with_all_figures
from made_sweeps import evaluations, made_job, made_run, write_history

from lmlab.reporting.tables import (
    MOST_EVALUATIONS,
    evaluation_table,
    figures_of_run,
    figures_of_settings,
    language_tables,
    results_table,
    unfinished_table,
)
from lmlab.runs.records import read_record

NATS, BITS = "validation loss (nats per token)", "validation loss (bits per character)"
OF_SUMMARIES = {
    NATS: "val/nats_per_token", BITS: "val/bits_per_char", "validation error rate": "val/error_rate",
    "validation unknown tokens": "val/unk_rate", "validation Brier score (share)": "val/brier",
    "test loss (nats per token)": "test/nats_per_token", "best epoch": "best_epoch", "parameters": "num_parameters",
    "training tokens": "num_train_tokens", "tokens per second": "tokens_per_second", "wall time (s)": "wall_seconds",
    "peak memory": "peak_memory_bytes",
}  # fmt: skip
PERPLEXITIES = {"validation perplexity": "val/nats_per_token", "test perplexity": "test/nats_per_token"}
UNITS = {"%": 0.01, "k": 1e3, "M": 1e6, "G": 1e9}


def value_and_step(cell: str) -> tuple[float, float]:
    """The number of a cell, and one of its last digit."""
    digits, unit = re.fullmatch(r"([+-]?[\d,.]+)([%kMG]?)( ± .*| \(best\))?", cell).groups()[:2]  # type: ignore[union-attr]
    scale = UNITS.get(unit, 1.0)
    return float(digits.replace(",", "")) * scale, scale * 10.0 ** -len(digits.partition(".")[2])


def shows(cell: str, number: float) -> bool:
    value, step = value_and_step(cell)
    return abs(value - number) <= max(0.51 * step, 0.006 * abs(number) if cell[-1] in "kMG" else 0.0)


def rows(frame: pd.DataFrame) -> list[dict[str, str]]:
    assert frame.columns.is_unique
    assert all(isinstance(cell, str) and cell for cell in frame.to_numpy().flat)
    return list(frame.to_dict("records"))


def summaries(folders: Iterable[Path]) -> list[dict[str, Any]]:
    return [json.loads((folder / "summary.json").read_text()) for folder in folders]


def test_every_number_of_the_settings_is_the_mean_of_its_summaries(tmp_path: Path) -> None:
    comparison = with_all_figures(tmp_path)
    results, figures = rows(results_table(comparison)), rows(figures_of_settings(comparison))
    assert {*OF_SUMMARIES, "validation perplexity"} <= set(figures[0])
    assert {NATS, *PERPLEXITIES, "validation Brier score (share)"} <= set(results[0])
    for condition, *found in zip(comparison.conditions, results, figures, strict=True):
        given = summaries(record.folder for record in condition.runs)
        for row in found:
            for heading, name in OF_SUMMARIES.items():
                assert heading not in row or shows(row[heading], fmean(one[name] for one in given)), heading
            for heading, name in PERPLEXITIES.items():  # not the mean of the perplexities, which is larger
                assert heading not in row or shows(row[heading], math.exp(fmean(one[name] for one in given)))
        assert found[0]["setting"] == f"hidden_size {found[1]['hidden_size']}" == condition.label
        assert found[0]["seeds"] == "3"
        assert shows(found[1]["training loss then"], 2.0)


def test_the_order_is_that_of_the_means_and_gaps_are_their_differences(tmp_path: Path) -> None:
    comparison = with_all_figures(tmp_path, settings=6)
    found = rows(results_table(comparison))
    means = [value_and_step(row[NATS])[0] for row in found]
    assert means == sorted(means)
    assert [row["place"] for row in found] == list("123456")
    assert (found[0]["behind the best"], found[0]["is that real?"]) == ("the best", "–")
    for row, mean, condition in list(zip(found, means, comparison.conditions, strict=True))[1:]:
        gap = condition.gap_to_best
        assert gap is not None
        assert value_and_step(row["behind the best"])[0] == pytest.approx(mean - means[0], abs=1.1e-4)
        assert row["behind the best"].endswith(f" ± {gap.half_width:.4f}")
        assert (row["is that real?"] == "yes") == (gap.mean > (gap.half_width or 0.0))


def test_whether_a_difference_is_real_takes_seeds(tmp_path: Path) -> None:
    found = rows(results_table(jobs(tmp_path, {"a": [1.0, 1.01, 1.02], "b": [1.011, 1.0, 1.03], "c": [3.0]})))
    assert [row["is that real?"] for row in found] == ["–", "not significant", "not significant: one seed"]
    made_job(tmp_path, 9, ["model=d"], val__nats_per_token=None, val__perplexity=None)
    last = rows(results_table(compared(tmp_path)))[-1]
    assert {last[name] for name in (NATS, "validation perplexity", "behind the best", "is that real?")} == {"–"}


def test_without_others_or_a_ranking_nothing_is_behind(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["data=a"], text_fingerprint="a", fingerprint="a")
    assert not {"seeds", "is that real?", "behind the best"} & set(results_table(compared(tmp_path)))
    made_job(tmp_path, 1, ["data=b"], text_fingerprint="b", fingerprint="b")
    assert not {"place", "is that real?", "behind the best"} & set(results_table(compared(tmp_path)))


def test_ranked_by_bits_what_does_not_compare_is_left_out(tmp_path: Path) -> None:
    for number, (tokenizer, bits) in enumerate({"char": 2.5, "word": 1.5}.items()):
        made_job(tmp_path, number, [f"tokenizer={tokenizer}"], val__bits_per_char=bits, fingerprint=str(number))
    comparison = compared(tmp_path)
    for frame in (results_table(comparison), figures_of_settings(comparison)):
        assert frame[BITS].tolist() == ["1.5000", "2.5000"]
        assert not [name for name in frame if "perplexity" in name or "nats" in name or "error rate" in name]


def test_columns_without_any_value_are_left_out(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["embedding=random"], val__unk_rate=0.0, vector_coverage=None)
    columns = {"validation unknown tokens", "words with a GloVe vector"}
    assert not columns & set(figures_of_settings(compared(tmp_path)))
    made_job(tmp_path, 1, ["embedding=glove"], val__nats_per_token=9.0, val__unk_rate=0.0125, vector_coverage=0.875)
    first, second = rows(figures_of_settings(compared(tmp_path)))
    assert [(row["validation unknown tokens"], row["words with a GloVe vector"]) for row in (first, second)] == [
        ("0.0%", "–"), ("1.2%", "87.5%"),
    ]  # fmt: skip


def test_remarks_say_of_how_many_seeds(tmp_path: Path) -> None:
    jobs(tmp_path, {"a": [1.0, 1.1], "b": [2.0]})
    for name in ("0_job", "2_job"):
        write_history(tmp_path / name, evaluations([2.0, 1.5, 1.7], [2.0, 1.5, 1.0]))
    assert results_table(compared(tmp_path))["remarks"].tolist() == ["overfitted (1 of 2)", "overfitted"]


def test_figures_of_one_run_are_its_summarys(tmp_path: Path) -> None:
    comparison = with_all_figures(tmp_path, settings=1, seeds=1)
    (record,), (summary,) = comparison.records, summaries([tmp_path / "0_job"])
    found = {row["figure"]: row for row in rows(figures_of_run(record))}
    names = {"loss (nats per token)": "nats_per_token", "perplexity": "perplexity", "error rate": "error_rate"}
    names |= {"loss (bits per character)": "bits_per_char", "unknown tokens": "unk_rate"}
    names |= {"Brier score (share)": "brier", "tokens predicted": "num_tokens"}
    for heading, name in names.items():
        for column, split in (("validation", "val"), ("test", "test")):
            known = summary.get(f"{split}/{name}")
            assert found[heading][column] == "–" if known is None else shows(found[heading][column], known)
    baselines = {heading: (row["validation"], row["test"]) for heading, row in found.items() if heading not in names}
    assert baselines == {
        "a unigram model, to compare (nats per token)": ("3.0000", "3.2500"),
        "a 5-gram model (Kneser-Ney), to compare (nats per token)": ("2.5000", "–"),
    }
    assert len(figures_of_run(read_record(tmp_path / "nothing"))) == 0


def test_evaluations_are_those_of_the_file(tmp_path: Path) -> None:
    row = {
        "step": 1200, "epoch": 1.0, "tokens": 1234567, "val/nats_per_token": 1.5, "val/perplexity": 4.48169,
        "val/bits_per_char": 2.16404, "val/error_rate": 0.444, "val/brier": 0.3456, "train/nats_per_token": 1.75,
        "train/error_rate": 0.5, "grad_norm": 0.38403, "clip_fraction": 0.028, "lr": 0.0006354, "seconds": 5.0,
    }  # fmt: skip
    names = (
        "step (optimizer steps)", "epoch", "tokens (training tokens read)", NATS, "validation perplexity", BITS,
        "validation error rate", "validation Brier score (share)", "training loss (nats per token)",
        "training error rate", "gradient norm before clipping", "steps clipped", "learning rate",
    )  # fmt: skip
    worse = {"step": 2400, "epoch": 2.0, "val/nats_per_token": 1.6}
    metrics = {**{name: {} for name in LMLABS}, "brier": BRIER}
    record = read_record(made_run(tmp_path / "run", history=[row, worse], metrics=metrics))
    first, second = rows(evaluation_table(record))
    assert (first["epoch"], second["epoch"]) == ("1 (best)", "2")
    assert set(first) == set(names)
    assert all(shows(first[name], value) for name, value in zip(names, row.values(), strict=False) if name != "epoch")
    assert {name for name in names if second[name] != "–"} == {names[0], "epoch", NATS}


def test_of_many_evaluations_the_best_and_the_last_are_among_those_shown(tmp_path: Path) -> None:
    for total in (1, 2, MOST_EVALUATIONS - 1, MOST_EVALUATIONS, MOST_EVALUATIONS + 1, 1000):
        for best in {0, total // 3, total - 1}:
            nats = [3.0 - i / 2000 for i in range(total)]
            nats[best] = 1.0
            record = read_record(made_run(tmp_path / f"{total} {best}", history=evaluations(nats)))
            epochs = evaluation_table(record)["epoch"].tolist()
            assert len(epochs) <= MOST_EVALUATIONS
            assert len(epochs) == min(total, len(epochs)) >= min(total, MOST_EVALUATIONS - 2)
            assert epochs[0].startswith("1")
            assert epochs[-1].split()[0] == str(total)
            assert [epoch for epoch in epochs if "best" in epoch] == [f"{best + 1} (best)"]
    assert len(evaluation_table(read_record(tmp_path))) == 0


def test_runs_without_a_result_have_a_reason_and_what_they_reached(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"])
    made_job(tmp_path, 1, ["a=2"], status="failed", error="x=1: no; y")
    write_history(made_job(tmp_path, 2, ["a=3"], status="interrupted"), evaluations([2.0, 1.5, 1.7]))
    made_job(tmp_path, 3, ["a=4"], partial={"train": {"batches": 5, "of": 118}})
    assert [tuple(row.values()) for row in rows(unfinished_table(compared(tmp_path)))] == [
        ("a 2", "failed", "x=1: no; y", "–"),
        ("a 3", "interrupted", "–", "1.5000"),
        ("a 4", "partial", "5 of 118 training batches", "–"),
    ]


# Formal languages

BY_LENGTH = {"1-10": {"count": 1834, "valid": 0.9988, "distinct": 0.0276}, "over 200": {"count": 2, "valid": 0.0}}
CLOSING = {"trained_depth": 41, "within": 0.995, "within_count": 4347, "beyond": None, "beyond_count": 0}
ABOVE = {"up to 16": {"strings": 8000, "tokens": 40000, "excess_nats_per_token": -0.00012}}


def test_tables_of_a_formal_language(tmp_path: Path) -> None:
    samples = {"closing": CLOSING, "language": {"by_length": BY_LENGTH, "by_depth": {"1": {"count": 545, "valid": 1}}}}
    record = read_record(made_job(tmp_path, 0, [], val__by_length=ABOVE, samples=samples))
    found = [[tuple(row.values()) for row in rows(frame)] for frame in language_tables(record).values()]
    assert found == [
        [("up to 16", "8,000", "-0.0001")],
        [("1-10", "1,834", "99.9%", "2.8%"), ("over 200", "2", "0.0%", "–")],
        [("1", "545", "100%", "–")],
        [
            ("closing brackets at depths that training had (up to 41)", "4,347", "99.5%"),
            ("closing brackets deeper than that", "0", "–"),
        ],
    ]
