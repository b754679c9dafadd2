"""Callbacks that a configuration adds to lmlab's own or removes."""

from __future__ import annotations

import contextlib
import csv
import importlib.machinery
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SMALL, compose_config, kinds, resume_run
from equal_runs import weights
from typed_commands import typed

import lmlab
from lmlab.checkpoints import read_checkpoint
from lmlab.config import plugins
from lmlab.config.checks import check_device_statistics
from lmlab.config.plugins import Untrusted
from lmlab.config.settings import TrainSettings
from lmlab.errors import UserError
from lmlab.launch.execution import prepare
from lmlab.training.run import train

MODULE = """
import random

import numpy
import pytorch_lightning as pl
import torch


class Counts(pl.Callback):
    def __init__(self, *, every: int = 1) -> None:
        self.every, self.steps = every, 0

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.steps += 1
        if self.steps % self.every == 0:
            torch.rand(3), random.random(), numpy.random.rand()


class Remembers(Counts):
    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state_dict):
        self.steps = state_dict["steps"]


class Writes(Remembers):
    def on_train_end(self, trainer, pl_module):
        trainer.logger and None
        with open("steps.txt", "w") as file:
            file.write(str(self.steps))


class Plain(pl.Callback):
    def on_train_start(self, trainer, pl_module):
        torch.rand(1)


class DrawsEverywhere(Remembers):
    def __init__(self) -> None:
        super().__init__()
        torch.rand(2)
        self.on_train_epoch_start = lambda trainer, pl_module: torch.rand(2)

    def state_dict(self):
        torch.rand(1)
        return super().state_dict()


class BadState(Remembers):
    def state_dict(self):
        return {"steps": [numpy.float64(self.steps)]}


class Stops(pl.Callback):
    def on_train_batch_end(self, trainer, *_):
        trainer.should_stop = trainer.should_stop or trainer.global_step == 3


class Exits(pl.Callback):
    def on_train_start(self, trainer, pl_module):
        raise SystemExit


class NoCallback:
    pass
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "my_callbacks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with plugins.trusting("my_callbacks"):
        yield


def composed(text: Path, *added: str) -> TrainSettings:
    return compose_config(text, "model=rnn", "model.dropout=0.2", "data.batch_size=32", *added)


def own(name: str, *more: str) -> str:
    return f"+callbacks.mine={{{', '.join([f'_target_: my_callbacks.{name}', *more])}}}"


def trained(settings: TrainSettings, folder: Path, **more: Any) -> dict[str, Any]:
    folder.mkdir()
    return train(settings, folder, **more)


def test_one_that_draws_random_numbers_changes_no_figure(text_file: Path, tmp_path: Path) -> None:
    trained(composed(text_file), tmp_path / "without")
    more = "+callbacks.other={_target_: my_callbacks.DrawsEverywhere}"
    summary = trained(composed(text_file, own("Remembers", "every: 2"), more), tmp_path / "with")
    assert summary["plugins"].keys() == {"my_callbacks"}
    ours, theirs = weights(tmp_path / "with"), weights(tmp_path / "without")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    samples = [(tmp_path / name / "samples.jsonl").read_text() for name in ("with", "without")]
    assert samples[0] == samples[1]


def test_one_with_a_state_is_resumed_exactly(text_file: Path, tmp_path: Path) -> None:
    settings = composed(text_file, own("Writes"))
    whole = trained(settings, tmp_path / "whole")
    steps = (tmp_path / "steps.txt").read_text()
    paused = trained(
        composed(text_file, own("Writes")), tmp_path / "part", stop_after_tokens=whole["num_train_tokens"] // 3
    )
    assert paused["status"] == "interrupted"
    resumed = resume_run(tmp_path / "part")
    assert (tmp_path / "steps.txt").read_text() == steps
    assert "not-resumed-exactly" not in [*kinds(whole), *kinds(resumed)]


@pytest.mark.parametrize(("name", "told"), [("Counts", True), ("Remembers", False), ("Plain", False)])
def test_one_that_loses_its_state_is_told(name: str, told: bool, text_file: Path, tmp_path: Path) -> None:
    summary = trained(composed(text_file, own(name)), tmp_path / "run")
    found = [d["values"] for d in summary["diagnostics"] if d["kind"] == "not-resumed-exactly"]
    assert found == [{"callback": "callbacks.mine", "cls": name}] * told


def test_a_run_of_a_package_needs_trust_to_resume_run(text_file: Path, tmp_path: Path) -> None:
    trained(composed(text_file, own("Plain")), tmp_path / "run", stop_after_tokens=400)
    token = plugins._passed.set(())
    try:
        with pytest.raises(Untrusted, match=r"callbacks\.mine\._target_=my_callbacks\.Plain"):
            resume_run(tmp_path / "run")
    finally:
        plugins._passed.reset(token)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (own("NoCallback"), r"callbacks\.mine\._target_=.*not a subclass of pytorch_lightning\.Callback"),
        (own("Counts", "evry: 2"), r"callbacks\.mine\.evry=2: no such setting"),
        (own("Counts", "every: x"), r"callbacks\.mine\.every=x: is not a whole number"),
        ("+callbacks.mine=5", r"callbacks\.mine=5: no such setting"),
        ("callbacks.checkpoints=null", r"callbacks\.checkpoints=null: a run needs it"),
        (
            "+callbacks.x={_target_: pytorch_lightning.callbacks.ModelCheckpoint}",
            r"is not a class allowed for callbacks\.x; use .*LearningRateMonitor",
        ),
    ],
)
def test_what_cannot_be_added_or_removed(words: str, told: str, text_file: Path) -> None:
    with pytest.raises(UserError, match=told):
        composed(text_file, words)


def test_all_but_the_checkpoints_may_be_removed(text_file: Path, tmp_path: Path) -> None:
    names = ("sample_text", "gradients", "alarms", "progress", "early_stopping")
    summary = trained(composed(text_file, *(f"callbacks.{name}=null" for name in names)), tmp_path / "run")
    assert summary["status"] == "finished"
    assert not (tmp_path / "run" / "samples.jsonl").exists()
    expected = trained(composed(text_file), tmp_path / "with")
    assert summary["val/nats_per_token"] == expected["val/nats_per_token"]
    assert summary["diagnostics"] == expected["diagnostics"]
    again = resume_run(tmp_path / "run", **{"trainer.max_epochs": 3})
    assert again["status"] == "finished"


def test_lightnings_own_work(text_file: Path, tmp_path: Path) -> None:
    early = "_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: val/perplexity, stopping_threshold: 1e9"
    stop = f"+callbacks.stop={{{early}}}"
    summary = trained(composed(text_file, stop, "trainer.max_epochs=5"), tmp_path / "run")
    assert summary["best_epoch"] == 1  # the threshold is met at once
    rates = "+callbacks.lr={_target_: pytorch_lightning.callbacks.LearningRateMonitor}"
    assert trained(composed(text_file, rates), tmp_path / "rates")["status"] == "finished"
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["diagnostics"] == summary["diagnostics"]


def test_two_of_a_class_keep_their_states_apart(text_file: Path, tmp_path: Path) -> None:
    other = "+callbacks.other={_target_: my_callbacks.Remembers, every: 3}"
    trained(composed(text_file, own("Remembers"), other), tmp_path / "run")
    states = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["callbacks"]
    assert states["callbacks.mine"] == states["callbacks.other"]


def test_a_state_that_no_checkpoint_can_hold_is_told_before_it_is_saved(text_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"callbacks\.mine: its state_dict has a numpy\.float64"):
        trained(composed(text_file, own("BadState")), tmp_path / "run")


@pytest.mark.parametrize("name", ["DeviceStatsMonitor", "LearningRateMonitor"])
def test_one_that_has_no_logger_is_told_before_the_text_is_read(name: str, text_file: Path) -> None:
    words = [f"+callbacks.mine={{_target_: pytorch_lightning.callbacks.{name}}}", "logger=none"]
    with pytest.raises(UserError, match=rf"^callbacks\.mine={name}: has no logger .*callbacks\.mine=null"):
        composed(text_file, *words)
    composed(text_file, words[0])


@pytest.mark.parametrize(
    ("more", "device", "told"),
    [
        ("", "cpu", True),
        ("", "cuda", False),
        (", cpu_stats: false", "cpu", False),
        (", cpu_stats: true", "cuda", True),
    ],
)
def test_one_that_lacks_a_package_is_told(
    more: str, device: str, told: bool, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = composed(
        text_file, f"+callbacks.mine={{_target_: pytorch_lightning.callbacks.DeviceStatsMonitor{more}}}"
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: importlib.machinery.ModuleSpec(name, None))
    check_device_statistics(settings, device)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    expected = pytest.raises(UserError, match="needs psutil") if told else contextlib.nullcontext()
    with expected:
        if device == "cpu":
            prepare(settings)
        else:
            check_device_statistics(settings, device)


def test_an_option_without_lmlabs_own_says_how_to_begin_it(tmp_path: Path) -> None:
    (tmp_path / "conf" / "callbacks").mkdir(parents=True)
    monitor = "rates:\n  _target_: pytorch_lightning.callbacks.LearningRateMonitor\n"
    option, words = (
        tmp_path / "conf" / "callbacks" / "mine.yaml",
        ["callbacks=mine", f"--config-dir={tmp_path / 'conf'}"],
    )
    option.write_text(monitor)
    with pytest.raises(
        UserError, match=r"^callbacks: .*begin the YAML file with the line: defaults: \[default, _self_\]"
    ):
        lmlab.compose(words)
    option.write_text(f"defaults: [default, _self_]\n{monitor}")
    assert lmlab.compose(words).callbacks.added.keys() == {"rates"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("+callbacks.added={_target_: my_callbacks.Plain}", "callbacks.added: cannot be the name of a part"),
        ("+callbacks.class={_target_: my_callbacks.Plain}", "callbacks.class: cannot be the name of a part"),
        (
            "+callbacks.sample_txt=null",
            "callbacks.sample_txt=null: no such setting; did you mean",
        ),
    ],
)
def test_names_that_cannot_be(words: str, told: str, text_file: Path) -> None:
    with pytest.raises(UserError, match=re.escape(told)):
        composed(text_file, words)


def test_lightnings_timer_ends_a_run(text_file: Path, tmp_path: Path) -> None:
    timer = "+callbacks.timer={_target_: pytorch_lightning.callbacks.Timer, duration: '00:00:10:00'}"
    assert trained(composed(text_file, timer), tmp_path / "run")["status"] == "finished"


NEVER_BETTER = "patience: 1, min_delta: 100, monitor: val/perplexity"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["callbacks.early_stopping.patience=1", "callbacks.early_stopping.min_delta=100"], "early_stopping"),
        ([f"+callbacks.stop={{_target_: pytorch_lightning.callbacks.EarlyStopping, {NEVER_BETTER}}}"], "stop"),
        (["+callbacks.timer={_target_: pytorch_lightning.callbacks.Timer, duration: {microseconds: 1}}"], "timer"),
        ([own("Stops"), "callbacks.early_stopping.patience=9"], "mine"),
        ([own("Plain"), "callbacks.early_stopping.patience=9"], None),
    ],
)
def test_the_callback_that_ended_a_run_is_told_and_still_known_later(
    words: list[str], name: str | None, text_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    summary = trained(composed(text_file, *words, "trainer.max_epochs=3"), tmp_path / "run")
    assert summary["stopped_by"] == name
    assert ("stopped     by" in caplog.text) == (name is not None)
    if name is not None:
        assert f"stopped     by callbacks.{name}, before the limits of the run" in caplog.text
    # What comes after training is made again where it was interrupted.
    assert resume_run(tmp_path / "run")["stopped_by"] == name


def test_a_callback_that_exits_is_an_error(text_file: Path, tmp_path: Path) -> None:
    words = ["data=text", f"data.path={text_file}", *SMALL, own("Exits"), "plugins=[my_callbacks]"]
    done = typed("train", *words, cwd=tmp_path, status=1)
    assert "error: my_callbacks.Exits.on_train_start, line" in done.stderr


def test_what_lightning_logs_goes_on_at_its_steps_after_a_pause(text_file: Path, tmp_path: Path) -> None:
    """The learning rate by step, in log.csv, of a run that paused within an epoch and within a logging interval."""
    words = [*SMALL, "trainer.max_steps=60", "trainer.log_every_n_steps=7", "scheduler=cosine", "logger=csv"]
    words.append("+callbacks.rates={_target_: pytorch_lightning.callbacks.LearningRateMonitor}")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    train(compose_config(text_file, *words), whole)
    train(compose_config(text_file, *words), parts, stop_after_tokens=2_000)
    resume_run(parts)

    def rates(folder: Path) -> list[tuple[str, str]]:
        with (folder / "log.csv").open() as file:
            return [(row["step"], row["lr-Adam"]) for row in csv.DictReader(file) if row["lr-Adam"]]

    assert rates(parts) == rates(whole)
    assert len({step for step, _ in rates(whole)}) > 5
