"""Parts that wait for evaluations, in runs that have few of them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from conftest import compose_config, kinds

from lmlab.errors import UserError
from lmlab.training.assembly import build_data
from lmlab.training.averaging import TriggeredAverage
from lmlab.training.duration import evaluations_before, num_batches, steps_per_epoch
from lmlab.training.plan import total_steps
from lmlab.training.run import train

QUICK = ("callbacks.sample_text=null", "trainer.limit_train_batches=4")
MONITORED = (
    "+callbacks.mine={{_target_:pytorch_lightning.callbacks.EarlyStopping,monitor:{},check_on_train_epoch_end:{}}}"
)
LIMITS: dict[str, list[str]] = {
    "less than an epoch": ["trainer.max_steps=2"],
    "tokens": ["trainer.max_tokens=150"],
    "never": ["trainer.val_check_interval=1000"],
    "every second epoch": ["trainer.max_epochs=3", "trainer.check_val_every_n_epoch=2"],
    "across epochs": ["trainer.max_epochs=3", "trainer.val_check_interval=3"],
    "accumulated": ["trainer.accumulate_grad_batches=3", "trainer.max_epochs=4", "trainer.val_check_interval=2"],
    "accumulated for ever": ["trainer.accumulate_grad_batches=1000"],
}


def trained(folder: Path, text: Path, *words: str) -> dict[str, Any]:
    folder.mkdir()
    return train(compose_config(text, *QUICK, *words), folder)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("at_epochs", ["null", "true"])
def test_early_stopping_waits_for_the_first_evaluation(
    text_file: Path, tmp_path: Path, limit: str, at_epochs: str
) -> None:
    words = [MONITORED.format("val/nats_per_token", at_epochs), *LIMITS[limit]]
    assert trained(tmp_path / "run", text_file, *words)["status"] == "finished"


def test_a_figure_that_does_not_exist_is_named_with_those_that_do(text_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^callbacks\.mine\.monitor=val/loss: .*; choose one of .*val/nats_per_token"):
        trained(tmp_path / "run", text_file, MONITORED.format("val/loss", "null"))


@pytest.mark.parametrize("limit", LIMITS)
def test_evaluations_are_counted_as_they_come(text_file: Path, tmp_path: Path, limit: str) -> None:
    words = LIMITS[limit]
    settings = compose_config(text_file, *QUICK, *words)
    trained(tmp_path / "run", text_file, *words)
    data = build_data(settings)
    data.limit_batches("train", 4)
    steps = total_steps(settings, data)
    rows = [int(row["step"]) for row in csv.DictReader((tmp_path / "run" / "metrics.csv").open())]
    assert rows[-1] == steps
    assert evaluations_before(settings, data, steps) == sum(step < steps for step in rows)
    per_epoch = steps_per_epoch(settings, data)
    assert [num_batches(settings, data, n * per_epoch) for n in range(3)] == [0, 4, 8]


@pytest.mark.parametrize(
    ("words", "enough"),
    [
        (["callbacks.early_stopping.patience=2", "callbacks.early_stopping.min_delta=9"], 3),
        (["scheduler=plateau", "scheduler.patience=0", "scheduler.min_improvement=9"], 2),
        (["averaging=triggered", "averaging.patience=1", "optimizer.lr=30"], 3),
    ],
)
def test_what_can_change_nothing_is_said_before_training(
    text_file: Path, tmp_path: Path, words: list[str], enough: int
) -> None:
    """And it is not said where the part does act: the improvements here are never large enough."""
    few = trained(tmp_path / "few", text_file, *words, f"trainer.max_epochs={enough}")
    assert "too-few-evaluations" in kinds(few)
    many = trained(tmp_path / "many", text_file, *words, f"trainer.max_epochs={enough + 1}")
    assert "too-few-evaluations" not in kinds(many)
    scheduler, early = many["scheduler"], many["early_stopping"]
    reacted = scheduler.get("num_reductions") or (early is not None and early["stopped"])
    assert reacted or many["averaging"] is not None  # whose reaction is below, for it needs a worse evaluation


@pytest.mark.parametrize("patience", [0, 1])
def test_triggered_averaging_begins_after_as_many_evaluations(patience: int) -> None:
    rule = TriggeredAverage(patience=patience)
    begun = [rule.begins(float(nats)) for nats in range(patience + 2)]
    assert begun == [False] * (patience + 1) + [True]


@pytest.mark.parametrize(
    ("words", "enough"),
    [
        (["scheduler=exponential", "scheduler.start_epoch=1"], 3),
        (["scheduler=step", "scheduler.epochs=[2]"], 3),
        (["scheduler=step", "scheduler.epochs=[0.5,2]"], 3),
        (["scheduler=cosine", "scheduler.warmup_steps=8"], 3),  # of 4 steps an epoch
    ],
)
def test_a_schedule_that_the_run_ends_before_is_told(
    text_file: Path, tmp_path: Path, words: list[str], enough: int
) -> None:
    cut = trained(tmp_path / "cut", text_file, *words, f"trainer.max_epochs={enough - 1}")
    assert "schedule-cut" in kinds(cut)
    whole = trained(tmp_path / "whole", text_file, *words, f"trainer.max_epochs={enough}")
    assert "schedule-cut" not in kinds(whole)
