"""Text fits the terminal, and gives it no commands."""

from __future__ import annotations

import random

import pytest

from lmlab.layout import aligned, columns, one_line, visible, wrapped

NASTY = "\x1b[2J\x07\r\x9b31m\u202e\u2066\u2028\ud800"


@pytest.mark.parametrize(("text", "expected"), [("abc", 3), ("中文", 4), ("e\u0301", 1), ("🙂", 2), ("ﬀ", 1), ("", 0)])
def test_columns(text: str, expected: int) -> None:
    assert columns(text) == expected


def test_what_moves_a_cursor_or_turns_the_text_is_shown_as_a_sign() -> None:
    assert visible(f"a{NASTY}b") == "a" + "".join("\ufffd" if c not in "[2J31m" else c for c in NASTY) + "b"
    kept = "line\n\ttab é 中 🙂 \u200d שלום"
    assert visible(kept) == kept
    assert "\n" not in one_line("a\nb\tc")
    assert columns(one_line("a\nb\tc")) == 5


@pytest.mark.parametrize("width", [40, 80, 97])
def test_words_are_never_broken_and_lines_fit(width: int) -> None:
    generator = random.Random(width)
    for _ in range(200):
        words = ["x" * generator.randint(1, 25) for _ in range(generator.randint(1, 40))]
        label = generator.choice(["", "time       ", "warning: ", "    "])
        lines = wrapped(label + " ".join(words), width).split("\n")
        assert all(columns(line) <= width for line in lines)
        assert " ".join(lines).split() == (label + " ".join(words)).split()
        assert label in ("", "warning: ") or all(line.startswith(" " * len(label)) for line in lines[1:])
    assert wrapped("a b " * 100, None) == "a b " * 100


@pytest.mark.parametrize(
    "whole",
    [
        "python -m lmlab.generate 'run=a b/c' " + "temperature=0.8 " * 6 + "x",
        "tensorboard --logdir '" + "a b " * 30 + "'",
        "'" + "out puts/" * 15 + "'",
        "y" * 120,
    ],
)
def test_commands_and_paths_stay_whole(whole: str) -> None:
    for text in (f"next        {whole}", f"123 steps are done; to go on with this run type: {whole}"):
        assert whole in [line.strip() for line in wrapped(text, 60).split("\n")] or text.startswith("next")
        assert whole in wrapped(text, 60)


def test_a_table_keeps_its_columns_whatever_is_in_its_cells() -> None:
    rows = [["run", "model", "nats"], ["中文🙂", "a\nb", "1.2345"], ["plain", NASTY, "10.0000"]]
    lines = aligned(rows, left=2)
    assert len(lines) == len(rows)
    assert len({columns(line) for line in lines}) == 1
    assert len({columns(line[: line.index(rows[i][2])]) + len(rows[i][2]) for i, line in enumerate(lines)}) == 1


def test_a_table_that_is_too_wide_comes_in_blocks() -> None:
    rows = [["run", *(f"column {i}" for i in range(12))], ["one", *(f"value-{i}" for i in range(12))]]
    lines = aligned(rows, left=1, width=50)
    assert all(columns(line) <= 50 for line in lines)
    assert len(lines) % 2 == 0
    assert len(lines) > 2
    assert all(line.startswith(("run", "one")) for line in lines)
    assert all(any(cell in line for line in lines) for row in rows for cell in row)
