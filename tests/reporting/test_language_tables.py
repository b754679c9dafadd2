"""Formal languages in the report: figures as in the summary, and nothing for other texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_sweeps import made_job

from lmlab.reporting.comparison import Comparison, compare
from lmlab.reporting.language_tables import language_tables
from lmlab.runs.discovery import find_records


def compared(folder: Path) -> Comparison:
    return compare(find_records(str(folder), output_dir=str(folder)))


BY_LENGTH = {
    "1-10": {"count": 1834, "valid": 0.9988, "distinct": 0.0276},
    "over 200": {"count": 2, "valid": 0.0, "distinct": None},
}
CLOSING = {
    "trained_depth": 41, "within": 0.995, "within_count": 4347, "beyond": None, "beyond_count": 0, "end": 1.0,
    "end_count": 1000,
}  # fmt: skip
SAMPLES = {
    "closing": CLOSING,
    "language": {"by_length": BY_LENGTH, "by_depth": {"1": {"count": 545, "valid": 1.0, "distinct": 0.5}}},
}
ABOVE = {"up to 16 characters": {"strings": 8000, "tokens": 40000, "excess_nats_per_token": -0.00012}}


def summary(**more: Any) -> dict[str, Any]:
    return {"val__nats_per_token": 1.0, **more}


def test_tables_of_a_formal_language(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"], **summary(val__by_length=ABOVE, samples=SAMPLES))
    above, by_length, by_depth, closing = language_tables(compared(tmp_path))
    assert above.title == "Above the source on validation strings"
    assert above.rows == (("up to 16 characters", "8,000", "40,000", "-0.0001"),)
    assert by_length.header == ("characters", "samples", "in the language", "of these different")
    assert by_length.rows == (("1-10", "1,834", "99.9%", "2.8%"), ("over 200", "2", "0.0%", "–"))
    assert by_depth.rows == (("1", "545", "100%", "50.0%"),)
    assert closing.rows == (
        ("closing brackets at depths that training had (up to 41)", "4,347", "99.5%"),
        ("closing brackets deeper than that", "0", "–"),
        ("ends of strings", "1,000", "100%"),
    )


def test_of_several_runs_the_best_is_shown(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"], **summary(samples=SAMPLES))
    made_job(tmp_path, 1, ["a=2"], val__nats_per_token=0.5, val__by_length=ABOVE)
    assert [table.title for table in language_tables(compared(tmp_path))] == [
        "Above the source on validation strings of a 2"
    ]


@pytest.mark.parametrize("damaged", [None, 3, [], {"language": 3}, {"language": {"by_length": {"1": 3}}}])
def test_other_texts_and_damaged_figures_have_none(tmp_path: Path, damaged: Any) -> None:
    made_job(tmp_path, 0, ["a=1"], **summary(samples=damaged, val__by_length={"up to 16": 3} if damaged else damaged))
    assert language_tables(compared(tmp_path)) == []
