from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from conftest import compose_config

from lmlab.training.run import train
from lmlab.training.schedulers import Cosine


def test_cosine_equals_its_closed_form() -> None:
    factor = Cosine(total_steps=110, warmup_steps=10, final_fraction=0.1)
    assert [factor(t) for t in range(10)] == pytest.approx([(t + 1) / 10 for t in range(10)])
    for t in range(10, 110):
        assert factor(t) == pytest.approx(0.1 + 0.9 * math.cos(math.pi * (t - 10) / 200) ** 2)
    assert factor(110) == factor(500) == pytest.approx(0.1)


def test_a_run_ends_at_the_final_rate_whatever_ends_it(text_file: Path, tmp_path: Path) -> None:
    overrides = ["scheduler=cosine", "scheduler.final_fraction=0.25", "optimizer.lr=0.008", "trainer.max_steps=20"]
    train(compose_config(text_file, *overrides, "trainer.val_check_interval=10"), tmp_path)
    rates = [float(row["lr"]) for row in csv.DictReader((tmp_path / "metrics.csv").open())]
    assert rates == pytest.approx([0.008 * (0.25 + 0.75 / 2), 0.008 * 0.25])
