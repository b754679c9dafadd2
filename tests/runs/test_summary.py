"""summary.json: typed, versioned, and told damaged from unfinished."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import FINISHED

from lmlab.errors import Diverged, UserError
from lmlab.runs.records import read_record
from lmlab.runs.summary import (
    FORMAT,
    Summary,
    describe_partial,
    mark_unfinished,
    read_summary,
    write_failure,
    write_summary,
)


def test_a_failure_is_written_beside_what_was_known(tmp_path: Path) -> None:
    refused = UserError("optimizer.lr", -1, "is not positive", "")
    write_failure(tmp_path, "text-lstm", refused, str(refused))
    assert read_summary(tmp_path) == {
        "status": "failed",
        "name": "text-lstm",
        "error": "optimizer.lr=-1: is not positive",
    }
    (tmp_path / "summary.json").write_text('{"status": "interrupted", "val/nats_per_token": 2.5, "error": "old"}')
    write_failure(tmp_path, "text-lstm", refused, "naïve “reason”")
    assert read_summary(tmp_path) == {
        "status": "failed",
        "name": "text-lstm",
        "error": "naïve “reason”",
        "val/nats_per_token": 2.5,
    }


def test_divergence_is_told_from_other_failures(tmp_path: Path) -> None:
    write_failure(tmp_path, "text-lstm", Diverged("training", None, "diverged", ""), "diverged")
    assert read_summary(tmp_path)["diverged"] is True
    write_failure(tmp_path, "text-lstm", OSError(28, "No space left on device"), "full")
    assert "diverged" not in read_summary(tmp_path)


def test_a_summary_has_its_version_and_is_read_without(tmp_path: Path) -> None:
    write_summary(tmp_path, {**FINISHED, "val/perplexity": float("inf")})
    stored = json.loads((tmp_path / "summary.json").read_text())
    assert stored.pop("format") == FORMAT
    assert stored["val/perplexity"] is None
    assert read_summary(tmp_path) == {**FINISHED, "val/perplexity": None}
    (tmp_path / "summary.json").write_text(json.dumps(FINISHED))
    assert read_summary(tmp_path) == FINISHED


def test_a_whole_number_that_no_float_can_hold_is_damage(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps({**FINISHED, "val/perplexity": 10**400}))
    assert read_summary(tmp_path).error == "summary.json is damaged: val/perplexity is not a number"


def test_a_summary_of_a_newer_version_is_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps({**FINISHED, "format": FORMAT + 1}))
    assert "a newer lmlab wrote it" in read_summary(tmp_path).error


def test_a_mark_forgets_the_end_before_it_and_replaces_a_damaged_summary(tmp_path: Path) -> None:
    write_failure(tmp_path, "x", Diverged("training", None, "diverged", ""), "diverged")
    mark_unfinished(tmp_path, "x")
    assert read_summary(tmp_path) == {"status": "unfinished", "name": "x"}
    (tmp_path / "summary.json").write_text("{")
    mark_unfinished(tmp_path, "y")
    assert read_summary(tmp_path) == {"status": "unfinished", "name": "y"}


WRONG: dict[str, tuple[Any, str]] = {
    "status": ("ended", "status is not one of"),
    "format": ("1", "format is not a whole number"),
    "warnings": ("x", "warnings is not a list"),
    "error": (["x"], "error is not text"),
    "diverged": (1, "diverged is not true or false"),
    "partial": (True, "partial is not an object"),
    "metrics": ([1], "metrics is not an object"),
    "architecture": ([3], "architecture[0] is not an object"),
    "num_parameters": (True, "num_parameters is not a number"),
    "wall_seconds": ("long", "wall_seconds is not a number"),
    "fingerprint": (3, "fingerprint is not text"),
    "val/nats_per_token": ("2.0", "val/nats_per_token is not a number"),
    "val/of_my_own": ([], "val/of_my_own is not a number"),
    "test/baselines": (2.0, "test/baselines is not an object"),
}


@pytest.mark.parametrize("key", WRONG)
def test_an_entry_of_another_type_is_damage_and_named(tmp_path: Path, key: str) -> None:
    value, said = WRONG[key]
    (tmp_path / "summary.json").write_text(json.dumps({**FINISHED, key: value}))
    record = read_record(tmp_path)
    assert (record.status, record.metric("val/perplexity")) == ("damaged", None)
    assert record.reason == str(*record.damages)
    assert said in record.reason


def test_a_summary_without_a_status_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    assert read_record(tmp_path).reason == "summary.json is damaged: status is missing"


def test_a_name_that_moves_the_cursor_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps({**FINISHED, "val/\x1b[2J\n": "x"}))
    assert read_record(tmp_path).reason.isprintable()


@pytest.mark.parametrize(
    ("summary", "status"),
    [
        ({"status": "finished"}, "finished"),
        ({"status": "finished", "partial": {"train": {"batches": 1}}}, "partial"),
        ({"status": "interrupted", "partial": {"train": {"batches": 1}}}, "interrupted"),
        ({"status": "failed", "error": "x"}, "failed"),
        ({"status": "unfinished"}, "unfinished"),
        (None, "missing"),
    ],
)
def test_whole_summaries_are_told_apart(tmp_path: Path, summary: dict[str, Any] | None, status: str) -> None:
    if summary is not None:
        (tmp_path / "summary.json").write_text(json.dumps(summary))
    record = read_record(tmp_path)
    assert (record.status, record.damages) == (status, ())


@pytest.mark.parametrize("damaged", ["x", [1], {"train": 3}, {"other": {"batches": 1}}, {"train": {}}, 1])
def test_a_damaged_mark_of_a_part_still_marks(damaged: Any) -> None:
    assert Summary({"status": "finished", "partial": damaged}).status == "partial"
    assert isinstance(describe_partial(damaged), str)
