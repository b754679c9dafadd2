"""Temperatures, predictions, passages and bins of a run, whatever of them is there."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import FINISHED, made_run

from lmlab.reporting.analysis import (
    FrequencyBin,
    Prediction,
    frequency_bins,
    last_samples,
    one_a_prompt,
    passage,
    predictions,
    temperatures,
)
from lmlab.runs.records import RunRecord, read_record


def run(folder: Path, figures: dict[str, Any] | None = None, **more: Any) -> RunRecord:
    """A run, with the `samples` of its summary."""
    made = made_run(folder / "run", **more)
    if figures is not None:
        (made / "summary.json").write_text(json.dumps({**FINISHED, "samples": figures}))
    return read_record(made)


def sample(step: int, temperature: float, text: str, prompt: str = "p") -> dict[str, Any]:
    return {"step": step, "temperature": temperature, "text": text, "prompt": prompt}


QUALITY = {"num_samples": 20, "temperature": 1.0, "most_tokens": 500, "distinct_2": 0.5, "unknown_words": None}


def test_temperatures_put_aside_are_shown_by_rising_temperature(tmp_path: Path) -> None:
    listed = [
        {"temperature": 2.0, "prompt": "The ", "num_samples": 20, "text": "hot", "distinct_2": 0.9, "valid": None},
        {"temperature": 0, "prompt": "The ", "num_samples": 1, "text": "cold", "repetition": 0.25, "foreign": 1.0},
    ]
    cold, hot = temperatures(run(tmp_path, analysis={"temperatures": listed}))
    assert (cold.temperature, cold.text, cold.num_samples, cold.figures) == (0.0, "cold", 1, {"repetition": 0.25})
    assert (hot.temperature, hot.prompt, hot.figures) == (2.0, "The ", {"distinct_2": 0.9})


def test_samples_of_training_stand_in_with_the_figures_of_the_summary(tmp_path: Path) -> None:
    samples = [sample(10, 1.0, "first"), sample(20, 0.5, "low"), sample(20, 1.0, "last")]
    low, high = temperatures(run(tmp_path, QUALITY, samples=samples))
    assert (low.temperature, low.text, low.figures, low.num_samples) == (0.5, "low", {}, None)
    assert (high.temperature, high.text, high.figures, high.num_samples) == (1.0, "last", {"distinct_2": 0.5}, 20)


def test_samples_of_training_stand_in_without_any_figures(tmp_path: Path) -> None:
    (row,) = temperatures(run(tmp_path, samples=[sample(10, 0.8, "text")]))
    assert (row.temperature, row.text, row.figures) == (0.8, "text", {})


def test_what_was_put_aside_counts_before_the_rest(tmp_path: Path) -> None:
    listed = [{"temperature": 1.0, "text": "aside"}, {"temperature": 0.5, "text": "aside too"}]
    samples = [sample(10, 1.0, "trained"), sample(10, 0.8, "only here")]
    found = temperatures(run(tmp_path, QUALITY, samples=samples, analysis={"temperatures": listed}))
    # Samples of training have other prompts and lengths: they do not stand beside those put aside.
    assert [(row.temperature, row.text) for row in found] == [(0.5, "aside too"), (1.0, "aside")]


def test_the_summary_alone_has_figures_without_a_text(tmp_path: Path) -> None:
    language = {"samples": 1000, "valid": 0.997, "novel": 0.0, "distinct": 0.25, "by_length": {}}
    (row,) = temperatures(run(tmp_path, {"num_samples": 1000, "temperature": 1.0, "language": language}))
    assert (row.text, row.num_samples) == ("", 1000)
    assert row.figures == {"valid": 0.997, "novel": 0.0, "distinct": 0.25}


@pytest.mark.parametrize(
    "damaged", [None, 3, "x", {}, [None, 3, {}, {"temperature": "hot"}, {"temperature": None}, [1]]]
)
def test_a_damaged_analysis_is_none(tmp_path: Path, damaged: Any) -> None:
    names = ("temperatures", "predictions", "passage", "frequency_bands")
    record = run(tmp_path, analysis=dict.fromkeys(names, damaged))
    assert temperatures(record) == []
    assert predictions(record) == ("", [])
    assert passage(record) == []
    assert frequency_bins(record) == []


def test_texts_and_prompts_that_are_none_are_empty(tmp_path: Path) -> None:
    listed = [{"temperature": 1, "text": None, "prompt": None, "num_samples": None}]
    (row,) = temperatures(run(tmp_path, analysis={"temperatures": listed}))
    assert (row.text, row.prompt, row.num_samples) == ("", "", None)


def test_predictions_of_checkpoints(tmp_path: Path) -> None:
    listed = [
        {"name": "step-000500", "step": 500, "next": [["p", 0.61], ["\n", 0.1], ["x", math.inf]]},
        {"name": "best", "next": [["q", 1]]},
        {"name": "empty", "step": 1, "next": []},
    ]
    prompt, found = predictions(run(tmp_path, analysis={"predictions": {"prompt": "peo", "checkpoints": listed}}))
    assert prompt == "peo"
    assert found == [
        Prediction("step-000500", 500, (("p", 0.61), ("\n", 0.1))),
        Prediction("best", None, (("q", 1.0),)),
    ]


def test_a_passage_is_read_in_order(tmp_path: Path) -> None:
    tokens = [["Th", 3.21], ["e", 0.02], ["e", 0], ["x", math.nan]]
    assert passage(run(tmp_path, analysis={"passage": {"tokens": tokens}})) == [("Th", 3.21), ("e", 0.02), ("e", 0.0)]


def test_bins_from_the_rarest_without_empty_ones(tmp_path: Path) -> None:
    listed = [
        {"from": 1000, "to": None, "tokens": 50, "nats_per_token": 1.5},
        {"from": 0, "to": 0, "tokens": 120, "nats_per_token": 9.1},
        {"from": 1, "to": 9, "tokens": 0, "nats_per_token": None},
        {"from": 10, "to": 99, "tokens": 0, "nats_per_token": 2.0},
    ]
    found = frequency_bins(run(tmp_path, analysis={"frequency_bands": listed}))
    assert found == [FrequencyBin(0, 0, 120, 9.1), FrequencyBin(1000, None, 50, 1.5)]


def test_the_last_samples_and_one_a_prompt(tmp_path: Path) -> None:
    samples = [sample(10, 1.0, "old"), sample(20, 1.0, "a"), sample(20, 1.0, "b"), sample(20, 1.0, "c", prompt="q")]
    last = last_samples(run(tmp_path, samples=samples))
    assert [found["text"] for found in last] == ["a", "b", "c"]
    assert [found["text"] for found in one_a_prompt(last)] == ["a", "c"]
    assert last_samples(run(tmp_path / "none")) == []
