"""The data module and the module with a plain Trainer of Lightning."""

from __future__ import annotations

import copy
import csv
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from conftest import compose_config
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

import lmlab
from lmlab.checkpoints import read_checkpoint
from lmlab.data.loaders.base import Batch
from lmlab.device import choose_precision
from lmlab.errors import UserError
from lmlab.evaluation.metrics import OWN
from lmlab.training.assembly import build_data
from lmlab.training.run import train


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a plain Trainer writes its checkpoints into the current folder


class Seen(pl.LightningModule):
    """Records the batches of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.epochs: list[list[torch.Tensor]] = []

    def on_train_epoch_start(self) -> None:
        self.epochs.append([])

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        self.epochs[-1].append(batch.inputs)
        return self.weight * 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("batching", ["windows", "chunks"])
def test_an_epoch_that_is_cut_short_does_not_repeat_the_order(batching: str, text_file: Path, tmp_path: Path) -> None:
    data = build_data(compose_config(text_file, f"batching={batching}"))
    seen = Seen()
    options: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    trainer = pl.Trainer(accelerator="cpu", max_epochs=3, limit_train_batches=4, default_root_dir=tmp_path, **options)
    trainer.fit(seen, train_dataloaders=data.train_dataloader())
    orders = [torch.cat(epoch) for epoch in seen.epochs]
    assert [len(epoch) for epoch in seen.epochs] == [4, 4, 4]
    for number, found in enumerate(orders):
        expected = [data.train_loader.batch(number, index).inputs for index in range(4)]
        assert torch.equal(found, torch.cat(expected))
    assert not torch.equal(orders[0], orders[1])


QUIET: dict[str, Any] = {
    "accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False, "logger": False,
}  # fmt: skip
RUNS = {
    "gru": ["model=gru", "model.dropout=0.2"],
    "schedule": ["model=rnn", "scheduler=cosine", "scheduler.warmup_steps=5", "optimizer=adamw"],
    "plateau": ["model=rnn", "scheduler=plateau", "scheduler.patience=1", "optimizer=sgd", "optimizer.lr=30"],
    "windows": ["batching=windows", "data.stride=12", "data.batch_size=32"],
    "sentences": ["data=sentences", "tokenizer=word"],
    "average": ["averaging=ema", "model.dropout=0.1"],
    "accumulated": ["trainer.accumulate_grad_batches=3", "scheduler=one_cycle"],
}


@pytest.mark.parametrize("name", RUNS)
def test_a_plain_trainer_gives_the_figures_of_the_command(name: str, text_file: Path, tmp_path: Path) -> None:
    settings = compose_config(text_file, *RUNS[name])
    settings.trainer.precision = choose_precision(settings.trainer.precision, torch.device("cpu"))
    (tmp_path / "run").mkdir()
    summary = train(copy.deepcopy(settings), tmp_path / "run")

    pl.seed_everything(settings.seed)
    data = lmlab.build_data(settings)
    module = lmlab.build_module(settings, data)
    callbacks = [
        EarlyStopping("val/perplexity"),
        ModelCheckpoint(tmp_path, monitor="val/perplexity"),
        LearningRateMonitor(),
    ]
    trainer = pl.Trainer(
        max_epochs=settings.trainer.max_epochs,
        gradient_clip_val=settings.trainer.gradient_clip_val,
        accumulate_grad_batches=settings.trainer.accumulate_grad_batches,
        precision=settings.trainer.precision,
        callbacks=callbacks,
        **QUIET | {"logger": CSVLogger(tmp_path)},
    )
    trainer.fit(module, datamodule=data)
    last = {k: v.item() for k, v in trainer.callback_metrics.items()}
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        row = list(csv.DictReader(file))[-1]
    for figure in ("nats_per_token", "perplexity", "bits_per_char", "error_rate"):
        assert last[f"val/{figure}"] == float(row[f"val/{figure}"])
    (tested,) = trainer.test(module, datamodule=data, ckpt_path="best", verbose=False)
    (validated,) = trainer.validate(module, datamodule=data, ckpt_path="best", verbose=False)
    for figure in OWN:
        assert tested[f"test/{figure}"] == summary[f"test/{figure}"]
        assert validated[f"val/{figure}"] == summary[f"val/{figure}"]
    ours = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["state_dict"]
    trained = trainer.lightning_module.state_dict() if name != "average" else {}  # the best weights are in it now
    if summary["best_epoch"] == settings.trainer.max_epochs:
        assert all(torch.equal(trained[key], ours[key]) for key in trained)


def test_predictions_are_statistics_of_each_target(text_file: Path) -> None:
    settings = compose_config(text_file)
    data = lmlab.build_data(settings)
    module = lmlab.build_module(settings, data)
    trainer = pl.Trainer(**QUIET)
    (tested,) = trainer.test(module, datamodule=data, verbose=False)
    predicted = trainer.predict(module, datamodule=data)
    assert predicted is not None
    nats = torch.cat([found.nats[found.mask] for found in predicted]).double()
    assert len(nats) == tested["test/num_tokens"]
    assert float(nats.mean()) == pytest.approx(tested["test/nats_per_token"], rel=1e-6)
    assert all((found.rank > 0).equal(found.wrong) for found in predicted)


def test_other_loaders_give_the_figures_that_need_no_text(text_file: Path) -> None:
    settings = compose_config(text_file)
    data = lmlab.build_data(settings)
    module = lmlab.build_module(settings, data)
    (found,) = pl.Trainer(**QUIET).test(module, dataloaders=data.test_dataloader(), verbose=False)
    assert set(found) == {f"test/{name}" for name in OWN if name != "bits_per_char"}


def test_other_ways_of_clipping_are_lightnings(text_file: Path) -> None:
    settings = compose_config(text_file, "optimizer=sgd", "optimizer.lr=1")
    data = lmlab.build_data(settings)
    module = lmlab.build_module(settings, data)
    before = copy.deepcopy(module.state_dict())
    trainer = pl.Trainer(max_steps=1, gradient_clip_val=1e-5, gradient_clip_algorithm="value", **QUIET)
    trainer.fit(module, datamodule=data)
    moved = max(float((value - before[key]).abs().max()) for key, value in module.state_dict().items())
    assert 0 < moved <= 1.01e-5


def test_a_checkpoint_says_in_one_line_what_loads_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"use lmlab\.load\(run\) for a run"):
        lmlab.LanguageModelModule.load_from_checkpoint(tmp_path / "x.ckpt")


MODELS = {
    "rnn": ["model=rnn"],
    "gru": ["model=gru", "model.weight_dropout=0.2", "model.embedding_dropout=0.1"],
    "lstm": ["model=lstm", "model.num_layers=2", "model.dropout=0.2", "model.locked_dropout=true"],
    "tied": ["model=gru", "model.tie_weights=true", "embedding.dim=16"],
    "feedforward": ["model=feedforward"],
}


@pytest.mark.parametrize("batching", [[], ["data=sentences", "tokenizer=word"]], ids=["streams", "sentences"])
@pytest.mark.parametrize("model", MODELS)
def test_a_step_leaves_no_tensor_on_the_cpu(model: str, batching: list[str], text_file: Path) -> None:
    """On the meta device, which has no values: what mixes it with a tensor on the CPU fails, as on a GPU."""
    settings = compose_config(text_file, *batching, *MODELS[model])
    data = lmlab.build_data(settings)
    module = lmlab.build_module(settings, data).to("meta").train()
    module._trainer = Steps()
    batches = [Batch(*(tensor.to("meta") for tensor in data.train_loader.batch(0, index))) for index in range(2)]
    for number, batch in enumerate(batches, 1):
        loss = module.training_step(batch, number)
        torch.autograd.backward(loss)
    module.on_before_optimizer_step(None)
    module.configure_gradient_clipping(None, 1.0)
    module.eval()
    for batch in batches:
        module.validation_step(batch, 0)
    states = [metric.metric_state for metric in (*module.validation.values(), module.recent)]
    tensors = [tensor for state in states for tensor in state.values()]
    assert all(tensor.device.type == "meta" for tensor in tensors)


class Steps:
    """What a module asks of its Trainer in a step."""

    global_step = 1
    precision_plugin = None


@pytest.mark.parametrize("batching", [[], ["batching=windows", "data.stride=12"]], ids=["streams", "windows"])
def test_a_checkpoint_from_within_an_epoch_is_gone_on_with_there(
    batching: list[str], text_file: Path, tmp_path: Path
) -> None:
    settings = compose_config(text_file, "model=gru", "model.dropout=0", *batching)

    def fitted(name: str, ckpt_path: Path | None) -> dict[str, float]:
        pl.seed_everything(settings.seed)
        data = lmlab.build_data(settings)
        module = lmlab.build_module(settings, data)
        saved = ModelCheckpoint(tmp_path / name, filename="{step}", save_top_k=-1, every_n_train_steps=7)
        trainer = pl.Trainer(max_epochs=2, callbacks=[saved], **QUIET)
        trainer.fit(module, datamodule=data, ckpt_path=ckpt_path)
        return {name: value.item() for name, value in trainer.callback_metrics.items()}

    whole = fitted("whole", None)
    assert fitted("part", tmp_path / "whole" / "step=7.ckpt") == whole


def test_figures_of_a_part_of_a_split_are_those_that_need_no_text(text_file: Path) -> None:
    data = lmlab.build_data(compose_config(text_file))
    module = lmlab.build_module(compose_config(text_file), data)
    (partly,) = pl.Trainer(limit_val_batches=1, **QUIET).validate(module, datamodule=data, verbose=False)
    assert "val/bits_per_char" not in partly
    other = pl.Trainer(**QUIET)
    other.validate(module, datamodule=data, verbose=False)
    (found,) = other.test(module, dataloaders=data.evaluation_loader("train"), verbose=False)
    assert "test/bits_per_char" not in found


def test_each_fit_has_a_schedule_of_its_own_length(text_file: Path) -> None:
    settings = compose_config(text_file, "scheduler=cosine", "scheduler.final_fraction=0")
    data = lmlab.build_data(settings)
    module = lmlab.build_module(settings, data)
    for epochs in (1, 3):
        pl.Trainer(max_epochs=epochs, **QUIET).fit(module, datamodule=data)
        assert module.lr_lambda is not None
        steps = epochs * len(data.train_loader)
        assert module.lr_lambda(0) == 1
        assert module.lr_lambda(steps // 2) == pytest.approx(0.5, abs=0.02)
    with pytest.raises(UserError, match="Cosine depends on the length of training"):
        pl.Trainer(max_epochs=-1, max_time="00:00:00:05", **QUIET).fit(module, datamodule=data)


def test_evaluations_outside_of_training_change_no_schedule(text_file: Path) -> None:
    settings = compose_config(text_file, "scheduler=plateau", "scheduler.patience=0", "optimizer=sgd")
    data = lmlab.build_data(settings)
    module = lmlab.build_module(settings, data)
    trainer = pl.Trainer(max_epochs=1, **QUIET)
    trainer.fit(module, datamodule=data)
    assert module.lr_lambda is not None
    before = module.lr_lambda.state_dict()
    for _ in range(3):
        trainer.validate(module, datamodule=data, verbose=False)
    assert module.lr_lambda.state_dict() == before
