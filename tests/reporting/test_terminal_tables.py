"""What a terminal shows of a sweep, a job and runs."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from made_reports import BRIER, LMLABS, compared, jobs
from made_sweeps import made_job

from lmlab.diagnostics.diagnose import of_comparison
from lmlab.reporting.listings import MOST_ROWS, job_line, sweep_table
from lmlab.reporting.report import context, html
from lmlab.runs.comparison import Comparison
from lmlab.runs.records import read_record

PARTIAL: dict[str, Any] = {"train": {"batches": 5, "of": 118, "repeated": False}}


def cells(line: str) -> list[str]:
    return re.split(r" {2,}", line.strip())


def notes(comparison: Comparison) -> list[str]:
    return [line.removeprefix("note: ") for line in sweep_table(comparison) if line.startswith("note: ")]


def titles(comparison: Comparison) -> set[str]:
    """The diagnostics that the notes tell, by their titles."""
    known = {diagnostic.rule.title.lower() for diagnostic in of_comparison(comparison)}
    return {title for note in notes(comparison) if (title := note.partition(":")[0]) in known}


# The table


def test_a_row_a_setting_with_the_mean_over_seeds(tmp_path: Path) -> None:
    nats = {"4": [2.0, 2.1, 2.3], "8": [1.0, 1.1, 1.3]}
    added = {"metrics": {**{name: {} for name in LMLABS}, "brier": BRIER}, "val__brier": 0.25}
    comparison = jobs(tmp_path, nats, "a.size", val__excess_nats_per_token=0.0125, **added)
    header, first, second, *_ = sweep_table(comparison)
    assert cells(header) == [
        "size", "seeds", "nats/token", "above source", "perplexity", "bits/char", "Brier score", "parameters",
        "tokens/s", "memory", "best epoch",
    ]  # fmt: skip
    for place, line, size in ((1, first, "8"), (2, second, "4")):
        mean = sum(nats[size]) / 3
        half = 4.302653 * math.sqrt(sum((v - mean) ** 2 for v in nats[size]) / 2) / math.sqrt(3)
        assert cells(line) == [
            f"{place}.", size, "3", f"{mean:.4f} ± {half:.4f}", "+0.0125", f"{math.exp(mean):.3f}", "2.9000", "0.250",
            "12.3k", "4.02k", "500MB", "2",
        ]  # fmt: skip


def test_what_is_not_finished_follows_with_its_reason(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"], status="failed", error="model.hidden_size=0: is less than 1")
    made_job(tmp_path, 1, ["a=2"], status="interrupted")
    made_job(tmp_path, 2, ["a=3"], status="missing")
    told = [
        "failed    0_job: model.hidden_size=0: is less than 1",
        "interrupted  1_job: interrupted; it can be resumed where it stopped",
    ]
    assert sweep_table(compared(tmp_path)) == told
    made_job(tmp_path, 3, ["a=4"])
    made_job(tmp_path, 4, ["a=5"], val__nats_per_token=0.5, partial=PARTIAL)
    for number in range(5, 10):
        (made_job(tmp_path, number, [f"a={number}"]) / "summary.json").write_text("{")
    _, first, partial, *rest = sweep_table(compared(tmp_path))
    assert (cells(first)[:2], cells(partial)[:3]) == (["1.", "4"], ["partial", "5", "0.5000"])
    assert rest[-3:] == [*told, "damaged   5_job and 4 more: summary.json is damaged: it is not JSON"]


def test_a_long_table_says_how_much_is_left_out(tmp_path: Path) -> None:
    for number in range(MOST_ROWS + 3):
        made_job(tmp_path, number, [f"a=x{number}"], val__nats_per_token=float(number))
    lines = sweep_table(compared(tmp_path))
    assert lines[MOST_ROWS].lstrip().startswith(f"{MOST_ROWS}.")
    assert lines[MOST_ROWS + 1] == "and 3 more in results.csv"


# Notes


@pytest.mark.parametrize(
    ("name", "values", "best", "told"),
    [
        ("optimizer.lr", ["1e-4", "1e-3", "1e-2"], "1e-2", True),
        ("optimizer.lr", ["1e-4", "1e-3", "1e-2"], "1e-3", False),
        ("model.dropout", ["0", "0.2", "0.4"], "0", False),
        ("model.dropout", ["0", "0.2", "0.4"], "0.4", True),
        ("model", ["lstm", "gru", "rnn"], "rnn", False),
    ],
)
def test_the_terminal_and_the_page_tell_the_same(
    tmp_path: Path, name: str, values: list[str], best: str, told: bool
) -> None:
    for number, value in enumerate(values):
        figures = {"val__nats_per_token": 1.0 if value == best else 2.0, "num_parameters": 1000 * (number + 1)}
        made_job(tmp_path, number, [f"{name}={value}"], **figures)
    comparison = compared(tmp_path)
    expected = {"too few seeds", "models of different size"} | ({"best at the edge of the grid"} if told else set())
    assert titles(comparison) == expected
    page = html({**context(comparison), "figures": [], "watching": False}).lower()
    assert {title for title in (*expected, "best at the edge of the grid") if f"warning: {title}" in page} == expected


@pytest.mark.parametrize(("apart", "doubted"), [(0.22, True), (0.23, False)])
def test_a_difference_inside_its_interval_is_doubted(tmp_path: Path, apart: float, doubted: bool) -> None:
    """Three seeds 0.1 apart: Welch's interval of 4 degrees of freedom is 2.7764 * sqrt(2) * 0.0577 = 0.2267 wide."""
    first: list[float | None] = [1.0, 1.1, 1.2]
    comparison = jobs(tmp_path, {"x": first, "y": [value + apart for value in first if value]})
    assert any("may be chance" in note for note in notes(comparison)) == doubted


def test_warnings_are_counted_and_notes_and_failures_are_not_repeated(tmp_path: Path) -> None:
    levels = {"leak": "alarm", "unknown-words": "warning", "precision": "note"}
    stored = [{"kind": kind, "level": level, "text": "x", "values": {}} for kind, level in levels.items()]
    made_job(tmp_path, 0, ["seed=0"], diagnostics=stored)
    made_job(tmp_path, 1, ["seed=1"], diagnostics=stored[:1])
    made_job(tmp_path, 2, ["seed=2"], status="failed", error="x")
    told = [note for note in notes(compared(tmp_path)) if ", in " in note]
    assert len(told) == 2
    assert "2 of the 3 runs" in told[0]
    assert "“seed 0”" in told[1]


def test_nobody_is_warned_of_nothing_and_what_is_missing_has_no_column(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"])
    assert notes(compared(tmp_path)) == []
    made_job(tmp_path, 1, ["a=2"], val__nats_per_token=None, val__bits_per_char=None)
    header, first, second, *_ = sweep_table(compared(tmp_path))
    assert cells(header)[:4] == ["a", "nats/token", "perplexity", "bits/char"]
    assert cells(first)[:5] == ["1.", "1", "2.0000", "7.389", "2.9000"]
    assert cells(second)[:5] == ["2.", "2", "inf", "inf", "-"]


def test_without_a_common_text_there_are_no_places(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["data.path=a"], text_fingerprint="a", fingerprint="a")
    made_job(tmp_path, 1, ["data.path=b"], text_fingerprint="b", fingerprint="b")
    comparison = compared(tmp_path)
    assert cells(sweep_table(comparison)[1])[0] == "a"
    assert "not ranked" in notes(comparison)[0]
    assert "different texts" in titles(comparison)


# A line a job


def line(folder: Path, settings: dict[str, str] | None = None, **more: Any) -> str:
    return job_line(read_record(folder), settings=settings or {}, **{"total": 12, "best": False, **more})


def test_a_line_tells_place_settings_and_figures(tmp_path: Path) -> None:
    folder, settings = made_job(tmp_path, 8, [], wall_seconds=12.4), {"model.hidden_size": "64", "seed": "1"}
    figures = "val 2.0000 nats  perplexity 7.389  bits/char 2.9000  12 s"
    assert line(folder, settings, best=True) == f" 9/12  hidden_size=64 seed=1  {figures}  *best"
    assert line(folder, total=None).startswith("9  ")
    assert "*best" not in line(folder)


@pytest.mark.parametrize(("size", "said"), [(0, None), (1, "1 warning"), (2, "2 warnings")])
def test_a_line_counts_warnings(tmp_path: Path, size: int, said: str | None) -> None:
    stored = {"kind": "leak", "level": "alarm", "text": "x", "values": {}}
    found = cells(line(made_job(tmp_path, 0, [], diagnostics=[stored] * size)))
    assert (found[-1] == said) if said else not any("warning" in cell for cell in found)


def test_a_line_of_a_job_without_a_result_tells_why(tmp_path: Path) -> None:
    failed = made_job(tmp_path, 0, [], status="failed", error="a.lr=0: too small; give more")
    assert line(failed, {"a.lr": "0"}) == " 1/12  lr=0  failed: a.lr=0: too small; give more"
    partial = line(made_job(tmp_path, 1, [], partial=PARTIAL), best=True)
    assert partial.endswith("  partial")
    nothing = line(made_job(tmp_path, 2, [], val__nats_per_token=None, val__bits_per_char=None, wall_seconds=None))
    assert "val inf nats  perplexity inf" in nothing
