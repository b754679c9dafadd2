"""Damaged files of a run: each is told in one line, none raises, and none is taken for something unfinished."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from made_sweeps import evaluations, made_run, resolved

from lmlab.diagnostics.diagnose import of_comparison
from lmlab.reporting.report import write_report
from lmlab.runs.comparison import compare
from lmlab.runs.records import RunRecord, read_record

SAMPLE = {"text": "a", "prompt": "b", "step": 1, "temperature": 0.8}
EXHIBITS = {
    "passage": {"split": "validation", "tokens": [["a", 0.5]]},
    "temperatures": [{"temperature": 1.0, "prompt": "", "num_samples": 3, "text": "a", "distinct_2": None}],
    "predictions": {"prompt": "a", "checkpoints": [{"name": "best", "step": 3, "next": [["a", 0.5]]}]},
    "frequency_bands": [{"from": 10, "to": None, "tokens": 3, "nats_per_token": 2.0}],
}
TOKENIZER = {"format": 1, "type": "char", "end_token": None, "vocabulary": ["<unk>", "a"]}
# Texts that no file of a run may be, and those that one of them may not be.
NONE_MAY_BE = (b"", b"\x00", b"\xff\xfe", b"{", b"[]\n", b"3\n", b'"x"\n', b'{"a": ' * 3000, b"a: [", b"- 1\n")
ONE_MAY_NOT_BE = {
    "metrics.csv": (
        (b"step,epoch\n", "it has no column val/nats_per_token"),
        (b"step,val/nats_per_token\n1,2.0,3\n", "line 2 has 3 cells, not 2"),
        (b"step,val/nats_per_token\n1,2.0\n2\n", "line 3 has 1 cells, not 2"),
        (b"step,val/nats_per_token\n1,x\n", "line 2: val/nats_per_token is x, not a number"),
        (b"step,val/nats_per_token\n1,2.0\n2,2", "its last line is incomplete"),
    ),
    "samples.jsonl": (
        (b'{"text": "a"}\n{"te\n{"text": "b"}\n', "line 2: it is not JSON"),
        (b'{"text": "a"}\n\n', "line 2: it is not JSON"),
        (b'{"prompt": "a"}\n', "line 1: text is missing"),
        (b'{"text": "a", "step": "1"}\n', "line 1: step is not a number"),
        (b'{"text": "a", "valid": 1}\n', "line 1: valid is not true or false"),
        (b'{"text": "a", "valid": false, "leaves": "1"}\n', "line 1: leaves is not a number"),
        (b'{"text": "a"}\n{"text": "b', "its last line is incomplete"),
    ),
    "exhibits.json": (
        (b'{"passage": []}', "passage is not an object"),
        (b'{"passage": {"tokens": [["a"]]}}', "passage.tokens[0] does not have 2 items"),
        (b'{"temperatures": [{}]}', "temperatures[0].temperature is missing"),
        (b'{"predictions": {"checkpoints": {}}}', "predictions.checkpoints is not a list"),
        (b'{"frequency_bands": [{"from": 1, "tokens": "x"}]}', "frequency_bands[0].tokens is not a number"),
    ),
    "config.yaml": ((b"", "it has no settings"), (b"a: 1\na: 2\n", "it has a key twice (line 2)")),
    "tokenizer.json": (
        (b'{"type": "char"}', "format is missing"),
        (b'{"format": 1, "type": "char", "vocabulary": [1]}', "vocabulary[0] is not text"),
    ),
    "summary.json": ((b"null", "it is not an object"),),
}
CASES = [(file, damage, "") for file in ONE_MAY_NOT_BE for damage in NONE_MAY_BE]
CASES += [(file, damage, said) for file, found in ONE_MAY_NOT_BE.items() for damage, said in found]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A finished run with all of its files."""
    rows, samples = evaluations([2.0, 1.5], [2.5, 1.25]), [SAMPLE]
    folder = made_run(tmp_path / "run", config=resolved(), history=rows, samples=samples, analysis=EXHIBITS)
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    return folder


@pytest.mark.parametrize("file", ["summary.json", "metrics.csv", "samples.jsonl", "exhibits.json"])
def test_a_file_that_would_take_all_memory_is_not_read(whole: Path, file: str) -> None:
    os.truncate(whole / file, 2**40)  # takes no room on the disk
    record = read_record(whole)
    assert [str(found) for found in record.damages] == [
        f"{file} is damaged: it has 1.1 TB, more than the memory can hold"
    ]


def contents(record: RunRecord) -> dict[str, object]:
    """What is shown of each file."""
    return {
        "summary.json": record.metric("val/nats_per_token"),
        "metrics.csv": record.history,
        "samples.jsonl": record.samples,
        "exhibits.json": record.analysis,
        "config.yaml": record.config,
    }


def test_a_whole_run_has_no_damage(whole: Path) -> None:
    record = read_record(whole)
    assert record.damages == ()
    assert all(contents(record).values())


@pytest.mark.parametrize(("file", "damage", "said"), CASES)
def test_a_damaged_file_is_told_and_nothing_of_it_is_taken(whole: Path, file: str, damage: bytes, said: str) -> None:
    (whole / file).write_bytes(damage)
    record, before = read_record(whole), contents(read_record(whole))
    (found,) = record.damages
    assert str(found).startswith(f"{file} is damaged: ")
    assert said in found.problem
    assert str(found).isprintable()
    assert record.status == ("damaged" if file == "summary.json" else "finished")
    assert {name for name, value in before.items() if not value} == {file} - {"tokenizer.json"}


@pytest.mark.parametrize("file", ONE_MAY_NOT_BE)
def test_a_report_tells_damage_in_its_diagnostics(whole: Path, file: str) -> None:
    (whole / file).write_bytes(b"\x00")
    comparison = compare([read_record(whole)])
    (found,) = (diagnostic for diagnostic in of_comparison(comparison) if diagnostic.kind == "damaged")
    assert f"{file} is damaged" in found.text(1)
    write_report(comparison.records, whole / "report", along="tokens")
    assert f"{file} is damaged" in (whole / "report" / "report.md").read_text()


@pytest.mark.parametrize("file", ["samples.jsonl", "metrics.csv"])
def test_a_line_that_is_being_written_is_no_damage(whole: Path, file: str) -> None:
    (whole / "summary.json").unlink()
    before = contents(read_record(whole))[file]
    with (whole / file).open("a") as lines:
        lines.write('{"text": "c' if file == "samples.jsonl" else "30,3.")
    record = read_record(whole)
    assert (record.status, record.damages, contents(record)[file]) == ("unfinished", (), before)


def test_a_file_larger_than_the_memory_is_damage(whole: Path) -> None:
    for file in ONE_MAY_NOT_BE:
        os.truncate(whole / file, 1 << 42)
    assert sorted(found.file for found in read_record(whole).damages) == sorted(ONE_MAY_NOT_BE)


def test_evaluations_that_cannot_be_read_are_not_missing_ones(whole: Path) -> None:
    (whole / "summary.json").unlink()
    (whole / "metrics.csv").write_text("x\n")
    assert read_record(whole).status == "unfinished"
    (whole / "metrics.csv").unlink()
    assert read_record(whole).status == "missing"


@pytest.mark.parametrize(
    "put", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path.name), lambda path: path.symlink_to("/dev/zero")]
)
def test_what_is_no_file_is_damage(whole: Path, put: Callable[[Path], None]) -> None:
    for file in ONE_MAY_NOT_BE:
        (whole / file).unlink()
        put(whole / file)
    assert sorted(found.file for found in read_record(whole).damages) == sorted(ONE_MAY_NOT_BE)
