"""Judging strings of formal languages, by examples counted by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lmlab.data.grammars.brackets import Brackets
from lmlab.data.grammars.ndfa import NDFA
from lmlab.data.grammars.toy import Toy
from lmlab.evaluation.language import closing_accuracy, language_quality, leaves_at, trained_depth


def test_shares_by_hand():
    strings = ["()", "()", "(())", "(()", "", "()()", "((()))"]
    reasons = ["end", "end", "end", "length", "end", "end", "length"]
    quality = language_quality(strings, reasons, Brackets(), ["()", "((()))"])
    assert quality == {
        "samples": 7,
        "valid": 3 / 7,
        "novel": 1 / 3,
        "distinct": 2 / 3,
        "by_length": {
            "0": {"count": 1, "valid": 0.0, "distinct": None},
            "1-10": {"count": 6, "valid": 3 / 6, "distinct": 2 / 3},
        },
        "by_depth": {
            "0": {"count": 1, "valid": 0.0, "distinct": None},
            "1": {"count": 3, "valid": 2 / 3, "distinct": 1 / 2},
            "2": {"count": 2, "valid": 1 / 2, "distinct": 1.0},
            "3": {"count": 1, "valid": 0.0, "distinct": None},
        },
    }
    assert list(quality["by_depth"]) == ["0", "1", "2", "3"]
    assert json.loads(json.dumps(quality, allow_nan=False)) == quality


def test_a_string_that_was_cut_off_is_not_valid():
    quality = language_quality(["ss", "ss", "sabc!s"], ["end", "length", "length"], NDFA(), [])
    assert (quality["valid"], quality["novel"], quality["distinct"]) == (1 / 3, 1.0, 1.0)
    assert "by_depth" not in quality


@pytest.mark.parametrize(
    ("length", "name"),
    [
        (1, "1-10"),
        (10, "1-10"),
        (11, "11-20"),
        (20, "11-20"),
        (21, "21-50"),
        (50, "21-50"),
        (51, "51-100"),
        (100, "51-100"),
        (101, "101-200"),
        (200, "101-200"),
        (201, "over 200"),
        (5000, "over 200"),
    ],
)
def test_bounds_of_the_ranges(length, name):
    quality = language_quality(["x" * length], ["end"], NDFA(), [])
    assert quality["by_length"] == {name: {"count": 1, "valid": 0.0, "distinct": None}}


def test_ranges_come_in_order():
    lengths = [300, 150, 70, 30, 15, 5, 0]
    quality = language_quality(["(" * n for n in lengths], ["end"] * 7, Brackets(), [])
    assert list(quality["by_length"]) == ["0", "1-10", "11-20", "21-50", "51-100", "101-200", "over 200"]
    assert list(quality["by_depth"]) == ["0", "5", "15", "30", "70", "150", "300"]


@pytest.mark.parametrize(
    ("string", "stop_reason", "expected"),
    [
        ("ss", "end", None),
        ("ss", "length", 2),
        ("sabc!", "end", 5),
        ("sabc!", "length", 5),
        ("sabc!x", "end", 5),
        ("sabc!x", "length", 5),
        ("", "end", 0),
    ],
)
def test_a_string_that_did_not_end_is_incomplete(string, stop_reason, expected):
    assert leaves_at(string, stop_reason, NDFA()) == expected
    quality = language_quality([string], [stop_reason], NDFA(), [])
    assert quality["valid"] == (expected is None)


@pytest.mark.parametrize("grammar", [NDFA(), Brackets(), Toy()])
def test_the_source_itself_is_always_valid_and_rows_add_up(grammar):
    strings = grammar.sample(500, np.random.default_rng(0))
    quality = language_quality(strings, ["end"] * 500, grammar, strings[:250])
    assert quality["valid"] == 1.0
    assert quality["distinct"] == len(set(strings)) / 500
    assert quality["novel"] == sum(s not in strings[:250] for s in strings) / 500
    for table in ("by_length", "by_depth"):
        if table in quality:
            rows = quality[table].values()
            assert sum(row["count"] for row in rows) == 500
            # No string is in two rows, so the distinct ones add up.
            assert round(sum(row["distinct"] * row["count"] for row in rows)) == len(set(strings))


def test_no_strings():
    quality = language_quality([], [], Brackets(), ["()"])
    assert quality == {
        "samples": 0,
        "valid": None,
        "novel": None,
        "distinct": None,
        "by_length": {},
        "by_depth": {},
    }


def test_wrong_stop_reasons_are_refused():
    with pytest.raises(ValueError, match="2 strings have 1 stop reasons"):
        language_quality(["ss", "ss"], ["end"], NDFA(), [])
    with pytest.raises(ValueError, match=r"not \['eos'\]"):
        language_quality(["ss"], ["eos"], NDFA(), [])


def test_trained_depth():
    assert trained_depth(["()", "((())())", "(())"]) == 3
    assert trained_depth([]) == 0
    assert trained_depth([""]) == 0


def test_closings_by_hand():
    #          (     (      (     )     )     (      )     )      end
    right = [[True, False, True, True, False, False, True, False, True]]
    #                              3     2            2     1
    strings = ["((())())"]
    found = closing_accuracy(strings, right, trained_depth=2)
    assert found == {
        "within": 1 / 3,
        "within_count": 3,
        "beyond": 1.0,
        "beyond_count": 1,
        "end": 1.0,
        "end_count": 1,
    }
    found = closing_accuracy([*strings, "()"], [*right, [False, True, False]], trained_depth=1)
    assert (found["within"], found["within_count"]) == (1 / 2, 2)
    assert (found["beyond"], found["beyond_count"]) == (2 / 3, 3)
    assert (found["end"], found["end_count"]) == (1 / 2, 2)


def test_closings_as_numpy_flags_give_plain_numbers():
    found = closing_accuracy(["()"], [np.array([False, True, True])], trained_depth=1)
    assert {type(value) for value in found.values()} <= {int, float}
    assert found["within"] == 1.0
    assert math.isnan(found["beyond"])
    assert found["beyond_count"] == 0


def test_closings_are_all_counted_once():
    strings = Brackets().sample(300, np.random.default_rng(1))
    generator = np.random.default_rng(2)
    right = [generator.random(len(string) + 1) < 0.5 for string in strings]
    for depth in (0, 1, 3, 100):
        found = closing_accuracy(strings, right, trained_depth=depth)
        assert found["within_count"] + found["beyond_count"] == sum(string.count(")") for string in strings)
        num_right = sum(int(f) for s, flags in zip(strings, right, strict=True) for c, f in zip(s, flags) if c == ")")  # noqa: B905
        parts = [found[name] * found[f"{name}_count"] for name in ("within", "beyond") if found[f"{name}_count"]]
        assert sum(parts) == pytest.approx(num_right)


def test_no_held_out_strings():
    found = closing_accuracy([], [], trained_depth=3)
    assert [found[f"{name}_count"] for name in ("within", "beyond", "end")] == [0, 0, 0]
    assert all(math.isnan(found[name]) for name in ("within", "beyond", "end"))


@pytest.mark.parametrize(
    ("strings", "right", "message"),
    [
        (["()"], [], "1 strings have flags for 0"),
        (["()"], [[True, True]], "has 2 flags: 3 are needed"),
        (["(("], [[True] * 3], "not in the language"),
    ],
)
def test_what_does_not_fit_is_refused(strings, right, message):
    with pytest.raises(ValueError, match=message):
        closing_accuracy(strings, right, trained_depth=1)
