"""Averages against plain loops over the weights, and what a run does with them."""

from __future__ import annotations

import copy
import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from conftest import compose_config, resume_run
from torch.nn import Parameter

import lmlab
from lmlab.errors import InterruptedRun
from lmlab.training import run as run_module
from lmlab.training.averaging import ExponentialMovingAverage, TriggeredAverage, WeightAverage
from lmlab.training.run import train


def walk(average: WeightAverage, steps: int) -> tuple[list[Parameter], list[torch.Tensor]]:
    """Random weights for some steps: the parameters and the history of the first."""
    torch.manual_seed(1)
    parameters = [Parameter(torch.randn(3, 2)), Parameter(torch.randn(4))]
    history = []
    for _ in range(steps):
        for parameter in parameters:
            parameter.data = torch.randn_like(parameter)
        average.update(parameters)
        history.append(parameters[0].detach().clone())
    return parameters, history


def test_ema_equals_a_loop_in_float64() -> None:
    average = WeightAverage(ExponentialMovingAverage(decay=0.9))
    parameters, history = walk(average, 200)
    expected = history[0].double()
    for n, weights in enumerate(history[1:], 1):
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * weights.double()
    trained = parameters[0].detach().clone()
    average.swap_in(parameters)
    torch.testing.assert_close(parameters[0].detach().double(), expected, rtol=1e-4, atol=1e-5)
    average.swap_in(parameters)  # a second time changes nothing
    average.swap_out(parameters)
    assert torch.equal(parameters[0], trained)
    average.swap_out(parameters)
    assert torch.equal(parameters[0], trained)


def test_triggered_is_the_mean_since_validation_stalled() -> None:
    average = WeightAverage(TriggeredAverage(patience=2))
    parameters, _ = walk(average, 3)
    before = parameters[0].detach().clone()
    average.swap_in(parameters)
    assert torch.equal(parameters[0], before)  # nothing averaged yet
    for step, nats in enumerate((3.0, 2.9, 2.95, 2.96)):
        average.observe(nats, step)
    assert average.from_step is None  # 2.96 is worse than 2.9, but that is one of the last two before it
    average.observe(2.97, 7)
    assert average.from_step == 7
    average.observe(0.1, 8)
    assert average.from_step == 7
    _, history = walk(average, 50)
    average.swap_in(parameters)
    torch.testing.assert_close(parameters[0].detach(), torch.stack(history).mean(0))


def overrides(*more: str) -> list[str]:
    return ["trainer.max_steps=40", "trainer.val_check_interval=5", "model=gru", "optimizer.lr=0.02", *more]


def read_weights(folder: Path, which: str) -> dict[str, torch.Tensor]:
    loaded = torch.load(folder / "checkpoints" / f"{which}.ckpt", weights_only=True)["state_dict"]
    return dict(loaded)


def test_validation_and_best_use_the_average_and_training_does_not(text_file: Path, tmp_path: Path) -> None:
    folders = {}
    for name in ("none", "ema"):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        summary = train(compose_config(text_file, *overrides(f"averaging={name}")), folders[name])
    # training goes on from the trained weights: the last ones are the same with and without an average
    none, ema = (read_weights(folders[name], "last") for name in ("none", "ema"))
    assert all(torch.equal(none[key], ema[key]) for key in none)
    best = read_weights(folders["ema"], "best")
    assert not torch.equal(best["model.decoder.weight"], read_weights(folders["none"], "best")["model.decoder.weight"])
    assert summary["averaging"] == {"name": "ema", "decay": 0.999, "from_step": 0}
    # the best checkpoint gives the number of the summary
    lm = lmlab.load(folders["ema"])
    rows = list(csv.DictReader((folders["ema"] / "metrics.csv").open()))
    assert min(float(row["val/nats_per_token"]) for row in rows) == summary["val/nats_per_token"]
    text = text_file.read_text()
    test = text[int(0.9 * len(text)) :]
    while test[0].isalnum():
        test = test[1:]
    assert lm.evaluate(test)["nats_per_token"] == pytest.approx(summary["test/nats_per_token"], rel=2e-2)
    assert json.loads((folders["none"] / "summary.json").read_text())["averaging"] is None


class _StopAt(pl.Callback):
    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == 32:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    "more",
    [["averaging=ema", "averaging.decay=0.9"], ["averaging=triggered", "averaging.patience=0"], ["scheduler=plateau"]],
)
def test_an_interrupted_run_goes_on_with_the_same_average(
    more: list[str], text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a rate high enough for validation to rise now and then
    config = compose_config(text_file, *overrides("optimizer.lr=0.6", *more))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    expected = train(copy.deepcopy(config), whole)
    make_trainer = run_module.build_trainer
    spy = _StopAt()
    monkeypatch.setattr(
        run_module, "build_trainer", lambda c, f, d, cb, *more: make_trainer(c, f, d, [spy, *cb], *more)
    )
    with pytest.raises(InterruptedRun):
        train(copy.deepcopy(config), parts)
    monkeypatch.setattr(run_module, "build_trainer", make_trainer)
    found = resume_run(parts)
    assert found["val/nats_per_token"] == expected["val/nats_per_token"]
    assert found["scheduler"] == expected["scheduler"]
    assert found["averaging"] == expected["averaging"]
    if "averaging=triggered" in more:
        assert 0 < found["averaging"]["from_step"] < 32
    if "scheduler=plateau" in more:
        assert found["scheduler"]["num_reductions"] > 0
    for which in ("last", "best"):
        a, b = read_weights(whole, which), read_weights(parts, which)
        assert all(torch.equal(a[key], b[key]) for key in a)


def test_early_stopping_ends_after_its_patience_and_says_so(text_file: Path, tmp_path: Path) -> None:
    more = ["callbacks.early_stopping.patience=2", "callbacks.early_stopping.min_delta=100"]
    summary = train(compose_config(text_file, *overrides(*more)), tmp_path)
    steps = [int(row["step"]) for row in csv.DictReader((tmp_path / "metrics.csv").open())]
    assert steps == [5, 10, 15]  # one best, then two without improvement
    assert summary["early_stopping"] == {"patience": 2, "min_delta": 100.0, "stopped": True}
    assert summary["status"] == "finished"


def test_early_stopping_lets_a_run_that_improves_go_on(text_file: Path, tmp_path: Path) -> None:
    summary = train(
        compose_config(text_file, *overrides("callbacks.early_stopping.patience=1", "optimizer.lr=0.003")), tmp_path
    )
    assert summary["early_stopping"]["stopped"] is False
    assert [int(row["step"]) for row in csv.DictReader((tmp_path / "metrics.csv").open())][-1] == 40
