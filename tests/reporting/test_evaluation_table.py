"""The evaluations of the shown run, as they stand in its file."""

from __future__ import annotations

from pathlib import Path

from made_sweeps import evaluations, made_job, made_run, write_history

from lmlab.reporting.comparison import Comparison, compare
from lmlab.reporting.evaluation_table import MOST_EVALUATIONS, evaluation_table
from lmlab.runs.discovery import find_records


def compared(folder: Path) -> Comparison:
    return compare(find_records(str(folder), output_dir=str(folder)))


ROW = {
    "step": 1200, "epoch": 1.0, "tokens": 1234567, "val/nats_per_token": 1.5, "val/perplexity": 4.48169,
    "val/bits_per_char": 2.16404, "val/error_rate": 0.444, "train/nats_per_token": 1.75, "train/error_rate": 0.5,
    "grad_norm": 0.38403, "clip_fraction": 0.028, "lr": 0.0006354, "seconds": 5.0,
}  # fmt: skip


def test_each_figure_has_its_column_and_its_form(tmp_path: Path) -> None:
    worse = {"step": 2400, "epoch": 2.0, "val/nats_per_token": 1.6}
    made_run(tmp_path / "2026-01-01", history=[ROW, worse])
    table = evaluation_table(compared(tmp_path))
    assert table.title == "Evaluations"
    first, second = (dict(zip(table.header, row, strict=True)) for row in table.rows)
    assert first == {
        "epoch": "1 (best)", "step (optimizer steps)": "1,200", "tokens (training tokens read)": "1,234,567",
        "training loss (nats per token)": "1.7500",
        "validation loss (nats per token)": "1.5000", "validation perplexity": "4.482",
        "validation loss (bits per character)": "2.1640",
        "training error rate": "50.0%", "validation error rate": "44.4%",
        "gradient norm before clipping": "0.384", "steps clipped": "2.8%", "learning rate": "0.000635",
    }  # fmt: skip
    assert (second["epoch"], second["step (optimizer steps)"], second["validation loss (nats per token)"]) == (
        "2",
        "2,400",
        "1.6000",
    )
    assert second["validation perplexity"] == "–"


def test_of_many_the_best_and_the_last_are_among_those_shown(tmp_path: Path) -> None:
    nats = [3.0 - i / 100 for i in range(100)]
    nats[41] = 1.0
    made_run(tmp_path / "2026-01-01", history=evaluations(nats))
    table = evaluation_table(compared(tmp_path))
    assert table.title == f"Evaluations, {len(table.rows)} of 100 (all in history.csv)"
    assert len(table.rows) == MOST_EVALUATIONS
    assert [row[0] for row in table.rows if "best" in row[0]] == ["42 (best)"]
    assert (table.rows[0][0], table.rows[-1][0]) == ("1", "100")
    made_run(tmp_path / "2" / "2026-01-01", history=evaluations(nats[:MOST_EVALUATIONS]))
    assert len(evaluation_table(compared(tmp_path / "2")).rows) == MOST_EVALUATIONS


def test_of_several_runs_the_best_is_shown(tmp_path: Path) -> None:
    for number, nats in enumerate((2.0, 1.0)):
        write_history(
            made_job(tmp_path, number, [f"a={number}"], val__nats_per_token=nats), evaluations([nats + 1, nats])
        )
    table = evaluation_table(compared(tmp_path))
    assert table.title == "Evaluations of a 1"
    assert [row[table.header.index("validation loss (nats per token)")] for row in table.rows] == ["2.0000", "1.0000"]


def test_without_a_curve_nothing_is_shown(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"], status="failed")
    assert evaluation_table(compared(tmp_path)).rows == ()
