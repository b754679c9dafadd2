"""The results of a benchmark: lines, JSON that can be read back, a figure, and files that are not lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from lmlab.benchmarks import results
from lmlab.benchmarks.machine import describe_machine, machine_sentence
from lmlab.benchmarks.measurement import Measurement
from lmlab.errors import UserError

MEASURED = [
    Measurement(
        part="layers",
        case="gru 1 x 256, 32-true",
        unit="tokens/s",
        value=34_567.8,
        repetitions=20,
        baseline="nn.GRU",
        baseline_value=19_000.25,
        ratio_of_times=0.5784,
    ),
    Measurement(part="large_text", case="1 GB by char, peak memory", unit="GB", value=1.25, repetitions=1),
]


def test_lines_are_aligned() -> None:
    first, second = map(results.line, MEASURED)
    assert first.split() == ["gru", "1", "x", "256,", "32-true", "34,568", "tokens/s", "19,000", "nn.GRU", "0.578"]
    assert second.split() == ["1", "GB", "by", "char,", "peak", "memory", "1.25", "GB"]
    assert first.index(" tokens/s") == second.index(" GB", 30)
    assert len(first) == len(results.HEADING)


def test_json_can_be_read_back(tmp_path: Path) -> None:
    machine = describe_machine(torch.device("cpu"), precision="32-true")
    results.write_json(tmp_path, machine, {"what": "all"}, MEASURED)
    text = (tmp_path / results.FILE).read_text(encoding="utf-8")
    assert results.read_measurements(text) == MEASURED
    assert json.loads(text)["machine"] == machine
    assert results.made_folder(tmp_path) == tmp_path  # it may be replaced by another result


def test_the_machine_is_described() -> None:
    machine = describe_machine(torch.device("cpu"), precision="32-true")
    assert machine["cores"] >= 1
    assert machine["threads"] == torch.get_num_threads()
    assert machine["torch"] == torch.__version__
    assert machine["cpu"] in machine_sentence(machine)
    assert "\n" not in machine_sentence(machine)


def test_the_figure_is_written(tmp_path: Path) -> None:
    paths = results.write_figure(tmp_path, "AMD EPYC, 2 cores", MEASURED)
    assert [path.name for path in paths] == ["benchmark.png", "benchmark.svg"]
    assert "gru 1 x 256" in paths[1].read_text(encoding="utf-8")


def test_a_file_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / results.FILE).write_text("{}")
    with pytest.raises(UserError, match="it would be lost"):
        results.made_folder(tmp_path)
    with pytest.raises(UserError, match="is a file"):
        results.made_folder(tmp_path / results.FILE)
