"""Each schedule against a closed form, or against torch's own scheduler stepped beside it."""

from __future__ import annotations

import csv
import math
import random
from pathlib import Path

import pytest
import torch
from conftest import compose_config

from lmlab.training.run import train
from lmlab.training.schedulers import Constant, Cosine, Exponential, OneCycle, Plateau, Step


def torch_rates(make, steps: int) -> list[float]:
    """The rates of one of torch's schedulers with a rate of 1, before each step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_constant_is_one() -> None:
    factor = Constant(total_steps=10, steps_per_epoch=5)
    assert [factor(t) for t in (0, 5, 10, 100)] == [1.0] * 4


def test_cosine_equals_its_closed_form() -> None:
    factor = Cosine(total_steps=110, steps_per_epoch=10, warmup_steps=10, final_fraction=0.1)
    assert [factor(t) for t in range(10)] == pytest.approx([(t + 1) / 10 for t in range(10)])
    for t in range(10, 110):
        assert factor(t) == pytest.approx(0.1 + 0.9 * math.cos(math.pi * (t - 10) / 200) ** 2)
    assert factor(110) == factor(500) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("total", "rise", "initial", "final"), [(100, 0.3, 25, 1e4), (37, 0.5, 10, 3), (1000, 0.1, 2, 50)]
)
def test_one_cycle_equals_torchs(total: int, rise: float, initial: float, final: float) -> None:
    factor = OneCycle(
        total_steps=total, steps_per_epoch=7, rise_fraction=rise, initial_divisor=initial, final_divisor=final
    )
    expected = torch_rates(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, 1.0, total_steps=total + 1, pct_start=rise, div_factor=initial, final_div_factor=final,
            cycle_momentum=False,
        ),
        total,
    )  # fmt: skip
    # torch counts its initial call as a step, so one more is asked of it for the rates of the same number of steps
    torchs = OneCycle(
        total_steps=total + 1, steps_per_epoch=7, rise_fraction=rise, initial_divisor=initial, final_divisor=final
    )
    assert [torchs(t) for t in range(total)] == pytest.approx(expected, rel=1e-9)
    assert factor(0) == pytest.approx(1 / initial)
    assert max(factor(t) for t in range(total)) == pytest.approx(1, abs=2e-3)
    assert factor(total - 1) == factor(total + 50) == pytest.approx(1 / initial / final)


@pytest.mark.parametrize("total", [1, 2, 3])
@pytest.mark.parametrize("rise", [0.0, 0.3, 1.0])
def test_one_cycle_of_few_steps_stays_between_its_ends(total: int, rise: float) -> None:
    factor = OneCycle(total_steps=total, steps_per_epoch=1, rise_fraction=rise, initial_divisor=25, final_divisor=1e4)
    assert all(1 / 25 / 1e4 <= factor(t) <= 1 for t in range(5))


@pytest.mark.parametrize("start", [0, 3])
def test_exponential_equals_torchs_after_its_start(start: int) -> None:
    factor = Exponential(total_steps=100, steps_per_epoch=8, gamma=0.7, start_epoch=start)
    expected = torch_rates(lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.7), 12)
    for epoch in range(12):
        by_epoch = 1.0 if epoch < start else expected[epoch - start]
        assert [factor(epoch * 8 + t) for t in range(8)] == pytest.approx([by_epoch] * 8)


def test_step_equals_torchs() -> None:
    factor = Step(total_steps=100, steps_per_epoch=10, epochs=[2, 2.5, 6], gamma=0.1)
    expected = torch_rates(lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [20, 25, 60], 0.1), 100)
    assert [factor(t) for t in range(100)] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("patience", [0, 1, 3])
@pytest.mark.parametrize("threshold", [0.0, 0.05])
def test_plateau_equals_torchs(patience: int, threshold: float) -> None:
    generator = random.Random(patience)
    curve = [3 / (1 + t) + generator.gauss(0, 0.1) for t in range(60)]
    factor = Plateau(
        total_steps=60, steps_per_epoch=1, gamma=0.5, patience=patience, min_improvement=threshold, min_fraction=0.01
    )
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    torchs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=patience, threshold=threshold, threshold_mode="abs", min_lr=0.01, eps=0
    )
    seen = set()
    for nats in curve:
        factor.observe(nats)
        torchs.step(nats)
        assert factor(0) == pytest.approx(optimizer.param_groups[0]["lr"])
        seen.add(factor(0))
    assert len(seen) > 2
    copy = Plateau(
        total_steps=60, steps_per_epoch=1, gamma=0.5, patience=patience, min_improvement=threshold, min_fraction=0.01
    )
    copy.load_state_dict(factor.state_dict())
    for nats in (9.0, 9.0, -9.0, 9.0, 9.0, 9.0, 9.0, 9.0):
        copy.observe(nats)
        factor.observe(nats)
        assert copy(0) == factor(0)


def rates(folder: Path) -> list[float]:
    return [float(row["lr"]) for row in csv.DictReader((folder / "metrics.csv").open())]


def test_a_run_ends_at_the_final_rate_whatever_ends_it(text_file: Path, tmp_path: Path) -> None:
    overrides = ["scheduler=cosine", "scheduler.final_fraction=0.25", "optimizer.lr=0.008", "trainer.max_steps=20"]
    train(compose_config(text_file, *overrides, "trainer.val_check_interval=10"), tmp_path)
    assert rates(tmp_path) == pytest.approx([0.008 * (0.25 + 0.75 / 2), 0.008 * 0.25])


def test_a_run_follows_its_epochs(text_file: Path, tmp_path: Path) -> None:
    overrides = [
        "data.batch_size=32",
        "trainer.max_epochs=4",
        "optimizer.lr=0.01",
        "callbacks.sample_text.every_n_epochs=null",
    ]
    for name, extra, expected in (
        ("exponential", ["scheduler.gamma=0.5", "scheduler.start_epoch=1"], [1, 0.5, 0.25, 0.125]),
        ("step", ["scheduler.epochs=[1,3]", "scheduler.gamma=0.2"], [0.2, 0.2, 0.04, 0.04]),
    ):
        folder = tmp_path / name
        folder.mkdir()
        summary = train(compose_config(text_file, *overrides, f"scheduler={name}", *extra), folder)
        assert rates(folder) == pytest.approx([0.01 * factor for factor in expected])
        assert summary["scheduler"]["name"] == name
        assert "gamma" in summary["scheduler"]


def test_a_plateau_lowers_the_rate_of_the_next_step_and_says_so(text_file: Path, tmp_path: Path) -> None:
    overrides = ["scheduler=plateau", "scheduler.gamma=0.5", "scheduler.min_improvement=100", "optimizer.lr=0.01"]
    summary = train(
        compose_config(text_file, *overrides, "trainer.max_steps=12", "trainer.val_check_interval=3"), tmp_path
    )
    assert rates(tmp_path) == pytest.approx([0.01, 0.005, 0.0025, 0.00125])
    assert summary["scheduler"]["num_reductions"] == 3
