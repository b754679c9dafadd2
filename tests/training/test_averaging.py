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
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.nn import Parameter

import lmlab
from lmlab.checkpoints import read_checkpoint, save_checkpoint
from lmlab.errors import InterruptedRun
from lmlab.training import run as run_module
from lmlab.training.averaging import ExponentialMovingAverage, TriggeredAverage, WeightAverage
from lmlab.training.callbacks.averaging import Averaging
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


def test_triggered_waits_for_more_evaluations_than_its_patience() -> None:
    rule = TriggeredAverage(patience=3)
    assert not any(map(rule.begins, (3.0, 3.5, 3.6)))
    assert not rule.begins(2.9)
    assert rule.begins(3.7)


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


# In a Trainer of one's own


class _Spy(pl.Callback):
    """Keeps the weights that callbacks see at the end of an evaluation, and those that training goes on from."""

    def __init__(self) -> None:
        self.evaluated: list[torch.Tensor] = []
        self.trained: list[torch.Tensor] = []

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self.evaluated.append(pl_module.model.decoder.weight.detach().clone())

    on_test_end = on_validation_end

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        self.trained.append(pl_module.model.decoder.weight.detach().clone())


def fitted(
    text_file: Path, tmp_path: Path, order: str, *more: str, accumulate: int = 1
) -> tuple[_Spy, dict[str, torch.Tensor], pl.Trainer, lmlab.LanguageModelModule]:
    """A run of a plain Trainer with the callbacks of an order: a(verage), m(odel checkpoint), s(py)."""
    settings = compose_config(text_file, "model=gru", "model.dropout=0", *more)
    pl.seed_everything(1)
    data = lmlab.build_data(settings)
    module = lmlab.build_module(settings, data)
    spy = _Spy()
    saved = ModelCheckpoint(tmp_path / order, filename="best", monitor="val/perplexity")
    made = {"a": Averaging(ExponentialMovingAverage(decay=0.9)), "m": saved, "s": spy}
    trainer = pl.Trainer(
        max_epochs=3,
        callbacks=[made[letter] for letter in order],
        accelerator="cpu",
        accumulate_grad_batches=accumulate,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=False,
    )
    trainer.fit(module, datamodule=data)
    best = torch.load(tmp_path / order / "best.ckpt", weights_only=True)["state_dict"]
    return spy, best, trainer, module


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_average_is_evaluated_and_saved_whatever_the_order(
    accumulate: int, text_file: Path, tmp_path: Path
) -> None:
    plain, *_ = fitted(text_file, tmp_path, "ms", accumulate=accumulate)
    expected: list[torch.Tensor] = []
    average, before = plain.trained[0], None
    count = 0
    for index, weights in enumerate(plain.trained, 1):
        is_end = index % (len(plain.trained) // 3) == 0
        if index % accumulate == 0 or is_end:
            share = 1.0 if count == 0 else 1 - min(0.9, (1 + count) / (10 + count))
            average = weights if before is None else torch.lerp(average, weights, share)
            before, count = weights, count + 1
        if is_end:
            expected.append(average)
    for order in ("ams", "mas", "sma", "msa"):
        spy, best, trainer, module = fitted(text_file, tmp_path, order, accumulate=accumulate)
        assert all(map(torch.equal, spy.trained, plain.trained)), "training goes on from its own weights"
        for found, wanted in zip(spy.evaluated, expected, strict=True):
            torch.testing.assert_close(found, wanted)
        assert any(torch.equal(best["model.decoder.weight"], weights) for weights in spy.evaluated)
        assert torch.equal(module.model.decoder.weight, plain.trained[-1])
        once, again = (trainer.validate(module, datamodule=trainer.datamodule, verbose=False) for _ in range(2))
        assert once == again
        assert [type(callback) for callback in trainer.callbacks].count(Averaging) == 1
        trainer.test(module, datamodule=trainer.datamodule, verbose=False)
        torch.testing.assert_close(spy.evaluated[-1], expected[-1])
        assert torch.equal(module.model.decoder.weight, plain.trained[-1])
        trainer.test(module, datamodule=trainer.datamodule, ckpt_path="best", verbose=False)
        assert torch.equal(spy.evaluated[-1], best["model.decoder.weight"])


def test_a_module_brings_its_average_along(text_file: Path, tmp_path: Path) -> None:
    """`lmlab.build_module` with averaging=ema needs no callback, and a second fit has it once."""
    own, *_ = fitted(text_file, tmp_path, "ams")
    spy, _, trainer, module = fitted(text_file, tmp_path, "ms", "averaging=ema", "averaging.decay=0.9")
    assert all(map(torch.equal, spy.evaluated, own.evaluated))
    trainer.fit_loop.max_epochs = 4
    trainer.fit(module, datamodule=trainer.datamodule)
    assert [type(callback) for callback in trainer.callbacks].count(Averaging) == 1


@pytest.mark.parametrize("weights_only", [False, True])
def test_a_saved_average_is_gone_on_with_and_tested(weights_only: bool, text_file: Path, tmp_path: Path) -> None:
    """The weights of an early checkpoint are its average: tested as such, also by a Trainer with a later average."""
    tied = ["model=gru", "embedding.dim=16", "model.tie_weights=true", "model.dropout=0"]
    settings = compose_config(text_file, *tied, "averaging=ema", "averaging.decay=0.9")

    def made(max_epochs: int) -> tuple[pl.Trainer, lmlab.LanguageModelModule, lmlab.LanguageModelData]:
        pl.seed_everything(1)
        data = lmlab.build_data(settings)
        saved = ModelCheckpoint(tmp_path / "c", "{epoch}", save_top_k=-1, save_weights_only=weights_only)
        how = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
        trainer = pl.Trainer(max_epochs=max_epochs, callbacks=[saved], num_sanity_val_steps=0, **how)
        return trainer, lmlab.build_module(settings, data), data

    trainer, module, data = made(2)
    trainer.fit(module, datamodule=data)
    first = tmp_path / "c" / "epoch=0.ckpt"
    tested = trainer.test(module, datamodule=data, ckpt_path=first, verbose=False)
    average = torch.load(first, weights_only=True)["state_dict"]
    plain = lmlab.build_module(compose_config(text_file, *tied), data)
    plain.load_state_dict(average)
    assert made(1)[0].test(plain, datamodule=data, verbose=False) == tested
    if not weights_only:
        again, other, _ = made(2)
        again.fit(other, datamodule=data, ckpt_path=first)
        whole = made(2)
        whole[0].fit(whole[1], datamodule=whole[2])
        assert all(map(torch.equal, other.parameters(), whole[1].parameters()))
        assert all(map(torch.equal, other.averaging.average._average, whole[1].averaging.average._average))


def test_a_checkpoint_of_an_earlier_format_has_its_average_with_the_module(text_file: Path, tmp_path: Path) -> None:
    settings = compose_config(text_file, *overrides("averaging=ema", "averaging.decay=0.9"))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    expected = train(copy.deepcopy(settings), whole)
    train(copy.deepcopy(settings), parts, stop_after_tokens=2_000)
    saved = read_checkpoint(parts / "checkpoints" / "last.ckpt")
    saved["lmlab_task"]["averaging"] = saved["callbacks"].pop("Averaging")
    save_checkpoint(saved, parts / "checkpoints" / "last.ckpt")
    assert resume_run(parts)["val/nats_per_token"] == expected["val/nats_per_token"]
