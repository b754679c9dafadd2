"""What two runs must agree in to be the same: evaluations, samples and weights, but no times."""

from __future__ import annotations

import csv
from pathlib import Path

import torch

from lmlab.checkpoints import read_checkpoint

TIMING = ("seconds", "tokens_per_second")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in TIMING} for row in csv.DictReader(file)]


def weights(folder: Path, which: str = "last") -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read_checkpoint(folder / "checkpoints" / f"{which}.ckpt")["state_dict"]
    return state


def assert_equal_runs(found: Path, expected: Path) -> None:
    assert rows(expected)
    assert rows(found) == rows(expected)
    assert (found / "samples.jsonl").read_text() == (expected / "samples.jsonl").read_text()
    for which in ("last", "best"):
        ours, theirs = weights(found, which), weights(expected, which)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
