"""The texts of a report: each setting's sample after each prompt, and what else a run has stored of its best model."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from made_reports import compared
from made_sweeps import FINISHED, made_run

from lmlab.reporting import texts
from lmlab.runs.records import RunRecord, read_record


def sample(step: int, text: str, prompt: str | None = "p", **more: Any) -> dict[str, Any]:
    return {"step": step, "temperature": 0.8, "text": text, "prompt": prompt, **more}


def run(folder: Path, figures: dict[str, Any] | None = None, **more: Any) -> RunRecord:
    """A run, with the `samples` of its summary."""
    made = made_run(folder / "run", **more)
    if figures is not None:
        (made / "summary.json").write_text(json.dumps({**FINISHED, "samples": figures}))
    return read_record(made)


# Side by side


def test_each_sample_of_a_prompt_has_a_place_which_is_empty_where_there_is_none(tmp_path: Path) -> None:
    for number, prompts in enumerate(("aba", "bc", "")):
        samples = [sample(1, f"{p}{i}", p) for i, p in enumerate(prompts)]
        made_run(tmp_path / f"{number}_x", [f"s={number}"], samples=samples, status="interrupted")
    shown, rows = texts.texts_side_by_side(compared(tmp_path))
    assert shown == ["a", "b", "c", "a"]
    assert [[one and one.text for one in samples] for _, samples in rows] == [
        ["a0", "b1", None, "a2"], [None, "b0", "c1", None],
    ]  # fmt: skip


def test_of_one_run_the_rows_are_steps_from_the_first_to_the_last(tmp_path: Path) -> None:
    for total in (1, 5, texts.MOST_ROWS, 100):
        samples = [sample(10 * i, f"{p}{i}", p) for i in range(1, total + 1) for p in "ab"]
        made_run(tmp_path / str(total) / "run", samples=samples)
        shown, rows = texts.texts_side_by_side(compared(tmp_path / str(total)))
        assert shown == ["a", "b"]
        assert len(rows) == min(total, texts.MOST_ROWS)
        assert (rows[0][0], rows[-1][0]) == ("step 10", f"step {10 * total:,}")
        for label, found in rows:
            step = int(label.removeprefix("step ").replace(",", "")) // 10
            assert [one and one.text for one in found] == [f"a{step}", f"b{step}"]


@pytest.mark.parametrize(("prompt", "leaves"), [("ab", 2), ("ab", 4), ("ab", 5), ("", 0), ("ab", 0), (None, 3)])
def test_a_sample_is_whole_and_marked_from_where_it_leaves_the_language(
    tmp_path: Path, prompt: str | None, leaves: int
) -> None:
    text = "abcde"
    made_run(tmp_path / "run", samples=[sample(1, text, prompt, valid=False, leaves=leaves)])
    ((_, (one,)),) = texts.texts_side_by_side(compared(tmp_path))[1]
    assert one is not None
    assert one.text + one.rest + one.wrong == text
    assert len((prompt or "") + one.text + one.rest) == max(leaves, len(prompt or ""))
    assert one.note == "not in the language"


def test_valid_samples_and_those_of_other_texts_are_not_marked(tmp_path: Path) -> None:
    long = "x" * (texts.BEGINNING + 10)
    given = [{"valid": True}, {"valid": None}, {"stop_reason": "end"}, {"stop_reason": "length"}]
    made_run(tmp_path / "run", samples=[sample(i, long, **more) for i, more in enumerate(given)])
    found = [samples[0] for _, samples in texts.texts_side_by_side(compared(tmp_path))[1]]
    assert [one.note for one in found if one] == ["in the language", "", "it ended by itself", ""]
    assert all(one and (one.text, one.rest, one.wrong) == (long[: texts.BEGINNING], "x" * 10, "") for one in found)


def test_the_share_of_valid_samples_by_step(tmp_path: Path) -> None:
    given = [(1, True), (1, False), (2, True), (2, None), (3, None)]
    samples = [sample(step, "x", valid=valid) for step, valid in given]
    assert texts.validity(run(tmp_path, samples=samples)) == [(1, 0.5), (2, 1.0)]


# Temperatures

QUALITY = {"num_samples": 20, "temperature": 1.0, "most_tokens": 500, "distinct_2": 0.5, "unknown_words": None}


def test_stored_temperatures_are_shown_in_ascending_order(tmp_path: Path) -> None:
    listed = [
        {"temperature": 2.0, "prompt": "The ", "num_samples": 20, "text": "hot", "distinct_2": 0.9, "valid": None},
        {
            "temperature": 0,
            "prompt": "",
            "num_samples": 1,
            "text": "co\nld" + "c" * 100,
            "repetition": 0.25,
            "foreign": 1,
        },
    ]
    record = run(tmp_path, analysis={"temperatures": listed})
    cold, hot = texts.temperatures(record)
    assert (cold.temperature, cold.num_samples, cold.figures) == (0.0, 1, {"repetition": 0.25})
    assert (hot.temperature, hot.prompt, hot.text, hot.figures) == (2.0, "The ", "hot", {"distinct_2": 0.9})
    first, second = texts.temperature_table(record).to_dict("records")
    assert first == {
        "temperature": "0", "sample begins": f"co⏎ld{'c' * 75}…", "repeated (share)": "25.0%",
        "distinct pairs of tokens (share)": "–",
    }  # fmt: skip
    assert (second["sample begins"], second["distinct pairs of tokens (share)"]) == ("The hot", "90.0%")


@pytest.mark.parametrize("language", [{"valid": 0.997, "distinct": 0.25, "by_length": {}}, 3, [], "x", None])
def test_the_summary_alone_has_figures_without_a_text(tmp_path: Path, language: Any) -> None:
    (row,) = texts.temperatures(run(tmp_path, {"num_samples": 1000, "temperature": 1.0, "language": language}))
    assert (row.text, row.num_samples) == ("", 1000)
    assert row.figures == ({"valid": 0.997, "distinct": 0.25} if isinstance(language, dict) else {})


# Predictions, passages and bins


def test_predictions_have_a_row_a_checkpoint_and_a_column_a_token(tmp_path: Path) -> None:
    listed = [
        {"name": "step-000500", "step": 1500, "next": [[c, 0.1] for c in "abcdefg"]},
        {"name": "best", "next": [[" ", 0.975]]},
        {"name": "empty", "step": 1, "next": []},
    ]
    prompt, table = texts.predictions_table(
        run(tmp_path, analysis={"predictions": {"prompt": "p", "checkpoints": listed}})
    )
    assert (prompt, list(table)) == ("p", ["checkpoint", "step", "1st", "2nd", "3rd", "4th", "5th"])
    assert table.to_numpy().tolist() == [
        ["step-000500", "1,500", *(f"{c} 10.0%" for c in "abcde")],
        ["best", "–", "␣ 97.5%", "–", "–", "–", "–"],
        ["empty", "1", "–", "–", "–", "–", "–"],
    ]
    assert len(texts.predictions_table(read_record(tmp_path))[1]) == 0


def test_a_passage_is_read_in_order_and_the_rarer_a_token_the_darker(tmp_path: Path) -> None:
    tokens = [["Th", 3.21], ["e", 0.02], ["e", 0], ["x", math.nan], ["y", math.inf]]
    found = texts.passage(run(tmp_path, analysis={"passage": {"tokens": tokens}}))
    assert found == [("Th", 3.21), ("e", 0.02), ("e", 0.0), ("y", math.inf)]
    shades = [texts.surprise(-math.log(p)) for p in (1.0, 0.51, 0.49, 0.11, 0.09, 0.011, 0.009, 0.0011, 0.0009, 1e-300)]
    assert shades == ["s0", "s0", "s1", "s1", "s2", "s2", "s3", "s3", "s4", "s4"]
    assert texts.surprise(math.inf) == "s4"


def test_the_most_surprising_tokens_come_with_their_probabilities() -> None:
    tokens = [("a", 0.1), (" ", -math.log(0.0624)), ("c", math.log(20)), ("c", math.log(40)), ("d", math.log(9.9))]
    assert texts.most_surprising(tokens) == "“c” (2.5%), “␣” (6.2%)"  # each once, and none that was likely
    assert texts.most_surprising([(str(i), 5.0 + i) for i in range(20)]).count("“") == 8
    assert texts.most_surprising([]) == ""


def test_bins_are_of_runs_with_the_same_tokens_without_empty_ones(tmp_path: Path) -> None:
    def bins(rare: float, common: float, tokens: int = 5) -> dict[str, Any]:
        limits = [(1000, None, tokens, common), (0, 0, 7, rare), (1, 9, 0, None), (10, 99, 0, 2.0)]
        names = ("from", "to", "tokens", "nats_per_token")
        return {"frequency_bands": [dict(zip(names, one, strict=True)) for one in limits]}

    for number, analysis in enumerate((bins(9.0, 1.5), bins(8.0, 1.0), bins(1.0, 1.0, tokens=6), None)):
        made_run(tmp_path / f"{number}_x", [f"a={number}"], analysis=analysis)
    comparison = compared(tmp_path)
    table = texts.frequency_table(comparison, comparison.records)
    assert list(table) == ["occurrences in the training text", "never", "1,000 or more"]
    assert table.to_numpy().tolist() == [["a 0", "9.0000", "1.5000"], ["a 1", "8.0000", "1.0000"]]


def test_white_space_and_control_characters_are_seen() -> None:
    assert texts.visible("  ") == "␣␣"
    assert texts.visible("a b\n\tc\x1b[2J") == "a b⏎⇥c�[2J"
    assert texts.visible("") == ""
