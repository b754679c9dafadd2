"""The generated inputs find what is broken on purpose; a forked command inherits what is patched here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inputs import meanings
from inputs.bench import Bench
from inputs.cases import Case, Expect, in_shell
from inputs.oracle import problems
from lmlab.config import command, compose, typed
from lmlab.config.setting import Range, Setting

OUT_OF_RANGE = Case(
    "generate", "", Expect.REFUSED, ("length=0",), fields=("length",), value="0", setting="length"
)  # fmt: skip
IN_RANGE = Case("generate", "", Expect.ACCEPTED, ("length=7",), fields=("length",), setting="length", meanings=(7,))
TYPO = Case("generate", "", Expect.REFUSED, ("lenght=7",), fields=("lenght",), remedy="length")


def _unchecked(value: Any, *args: Any, **more: Any) -> Any:
    return value


def _off_by_one(value: Any, *args: Any, **more: Any) -> Any:
    return value + 1 if type(value) is int else value


def _with_a_file(*args: Any) -> Any:
    Path("left.txt").touch()
    return _compose(*args)


def _with_a_change(*args: Any) -> Any:
    Path("book.txt").write_text("")
    return _compose(*args)


def _with_memory(*args: Any) -> Any:
    return bytearray(2**32)


_compose = compose.compose
BROKEN: list[tuple[str, Any, str, Callable[..., Any], Case, str]] = [
    ("a range is dropped", typed, "check_value", _unchecked, OUT_OF_RANGE, "accepts what it must refuse"),
    ("another value is taken", typed, "check_value", _off_by_one, IN_RANGE, "takes another value than was typed"),
    ("two lines", command, "describe", lambda *args: "length=0: bad; mend it\nmore", OUT_OF_RANGE, "not one line"),
    ("no remedy", command, "describe", lambda *args: "length=0: bad", OUT_OF_RANGE, "has no remedy"),
    ("another word", command, "describe", lambda *args: "seed=0: bad; mend it", OUT_OF_RANGE, "blames another word"),
    ("no value", command, "describe", lambda *args: "length: bad; mend it", OUT_OF_RANGE, "does not show the value"),
    ("too long", command, "describe", lambda *args: f"length=0: {'x ' * 300}; mend it", OUT_OF_RANGE, "is longer than"),
    (
        "control characters",
        command,
        "describe",
        lambda *args: "length=0: \x1b; mend it",
        OUT_OF_RANGE,
        "has a character",
    ),
    ("a class's name", command, "describe", lambda *args: "length=0: OmegaConf; mend it", OUT_OF_RANGE, "speaks of"),
    ("no suggestion", command, "describe", lambda *args: "lenght: unknown; mend it", TYPO, "has another remedy"),
    ("in range", command, "describe", lambda *args: "length=7: bad; mend it", IN_RANGE, "refuses a value in its range"),
    ("a file is left", compose, "compose", _with_a_file, OUT_OF_RANGE, "leaves something behind"),
    ("a file is changed", compose, "compose", _with_a_change, IN_RANGE, "changes what was there"),
    ("memory", compose, "compose", _with_memory, IN_RANGE, "blames another word"),
    ("status", command, "run_command", lambda *args, **more: 2, OUT_OF_RANGE, "exit status 2"),
    ("argparse", command, "run_command", lambda *args, **more: sys.exit(2), OUT_OF_RANGE, "exit status 2"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken[0])
def test_what_is_broken_is_found(
    broken: tuple[str, Any, str, Callable[..., Any], Case, str], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, module, name, instead, case, kind = broken
    bench.base_of(case)
    if name == "describe" and case is IN_RANGE:
        monkeypatch.setattr(typed, "check_value", lambda *args, **more: 1 / 0)
    monkeypatch.setattr(module, name, instead)
    assert kind in " ".join(found for found, _ in problems(case, bench.run(case), bench))


@pytest.mark.parametrize("case", [OUT_OF_RANGE, IN_RANGE, TYPO], ids=str)
def test_what_is_right_is_not(case: Case, bench: Bench) -> None:
    assert list(problems(case, bench.run(case), bench)) == []


MEANINGS: list[tuple[str, Any, list[Any] | None]] = [
    ("5", int, [5]),
    ("0x10", int, [16]),
    ("1e3", int, [1000]),
    ("1_000", int, [1000]),
    ("007", int, [7]),
    ("int(5)", int, [5]),
    ("1.5", int, []),
    ("0", int, []),
    ("abc", int, []),
    ("1,2", int, []),
    ("[1,2]", int, []),
    ("${x}", int, None),
    ("null", int, []),
    ("null", int | None, [None]),
    ("[1,2]", list[int], [[1, 2]]),
    ("[1,0]", list[int], []),
    ("1", list[int], []),
    ("nan", float, []),
    ("1e999", float, []),
    ("yes", bool, [True]),
    ("0", bool, [False]),
    ("2", bool, []),
    ("a b", str, ["a b"]),
    ("5", str, ["5"]),
    ("", str, []),
    ("'a'", str, None),
]


@pytest.mark.parametrize(("text", "kind", "expected"), MEANINGS)
def test_meanings(text: str, kind: Any, expected: list[Any] | None) -> None:
    shape = meanings.shape_of(Setting("", Range(at_least=1)), kind)
    assert shape is not None
    assert meanings.meanings(text, shape) == expected


def test_a_case_is_shown_as_bash_reads_it() -> None:
    assert in_shell("a=b") == "a=b"
    assert in_shell("a=\udcff'\n") == r"$'a=\xff\x27\x0a'"
    assert in_shell("x=" + "a" * 100) == "x=$(printf 'a%.0s' {1..100})"
