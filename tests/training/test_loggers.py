"""Loggers: several at once, resumed exactly, and a user's own that disturbs nothing."""

from __future__ import annotations

import copy
import csv
import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import compose_config, resume_run
from equal_runs import weights
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import lmlab
from lmlab import plain_yaml
from lmlab.checkpoints import read_checkpoint, save_checkpoint
from lmlab.config import plugins
from lmlab.config.retyped import Retyped
from lmlab.config.settings import TrainSettings
from lmlab.config.typed import plain
from lmlab.errors import UserError
from lmlab.launch.execution import work
from lmlab.launch.run_folder import Task
from lmlab.training.resuming import resume_from
from lmlab.training.run import train

MODULE = """
import json
import random
from pathlib import Path

import numpy
import torch
from pytorch_lightning.loggers import Logger


class Lines(Logger):
    def __init__(self, save_dir: str, host: str = "localhost", every: int = 1) -> None:
        super().__init__()
        self.path = Path(save_dir, "lines.jsonl")
        torch.rand(1)

    @property
    def name(self):
        return "lines"

    @property
    def version(self):
        return 0

    @property
    def experiment(self):
        torch.rand(1)

    def log_metrics(self, metrics, step=None):
        self.write({"step": step, **metrics})
        metrics.clear()
        torch.rand(3), random.random(), numpy.random.rand()

    def log_hyperparams(self, params):
        self.write({"settings": params})

    def write(self, line):
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\\n")


class Counts(Lines):
    lines = 0

    def write(self, line):
        self.lines += 1
        super().write({"line": self.lines, **line})

    def state_dict(self):
        torch.rand(1)
        return {"lines": self.lines}

    def load_state_dict(self, state):
        self.lines = state["lines"]


class Breaks(Lines):
    def __init__(self, at: str) -> None:
        super().__init__(save_dir=".")
        self.at = at
        self.reach("making it")

    def reach(self, place):
        if place == self.at:
            raise ValueError("the server\\nis gone")

    @property
    def experiment(self):
        self.reach("experiment")

    def log_metrics(self, metrics, step=None):
        self.reach("log_metrics")

    def log_hyperparams(self, params):
        self.reach("log_hyperparams")

    def save(self):
        self.reach("save")

    def finalize(self, status):
        self.reach("finalize")


class Exits(Lines):
    def log_metrics(self, metrics, step=None):
        raise SystemExit


class BreaksTwice(Lines):
    def log_metrics(self, metrics, step=None):
        raise ValueError("first")

    def finalize(self, status):
        raise ValueError("second")


class NoLogger:
    pass
"""
# Of the time that a step took.
_OF_TIME = ("tokens_per_second", "val_best/tokens_per_second")


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "my_loggers.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with plugins.trusting("my_loggers"):
        yield


def composed(text: Path, *more: str) -> TrainSettings:
    return compose_config(text, "model=rnn", "model.dropout=0.2", "data.batch_size=32", *more)


def own(name: str, *more: str) -> str:
    return f"+logger.mine={{{', '.join([f'_target_: my_loggers.{name}', *more])}}}"


def trained(settings: TrainSettings, folder: Path, **more: Any) -> dict[str, Any]:
    folder.mkdir()
    return train(settings, folder, **more)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in _OF_TIME} for row in csv.DictReader(file)]


def lines(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder / "lines.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in _OF_TIME} for line in found]


def points(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in EventAccumulator(str(folder)).Reload().Scalars(tag)]


def test_all_get_the_same_figures(text_file: Path, tmp_path: Path) -> None:
    settings = composed(text_file, "logger=[tensorboard,csv]", own("Lines"), "callbacks.gradients.per_layer=true")
    trained(settings, tmp_path / "run")
    found, told = rows(tmp_path / "run"), [line for line in lines(tmp_path / "run") if "step" in line]
    assert [{k: float(v) for k, v in row.items() if v} for row in found] == [
        {k: pytest.approx(float(v)) for k, v in line.items()} for line in told
    ]
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        evaluations = [(int(row["step"]), float(row["val/nats_per_token"])) for row in csv.DictReader(file)]
    assert len(evaluations) == 2
    for name in ("val/nats_per_token", "train/nats_per_token", "grad_norm/decoder", "val_best/perplexity"):
        logged = [(int(row["step"]), float(row[name])) for row in found if row.get(name)]
        assert logged == [(step, pytest.approx(value)) for step, value in points(tmp_path / "run", name)]
        assert name != "val/nats_per_token" or logged == evaluations
    assert not (tmp_path / "run" / "hparams.yaml").exists()


@pytest.mark.parametrize(
    ("words", "event_files", "log"),
    [
        (["logger=csv"], False, True),
        (["logger=none"], False, False),
        (["logger=[tensorboard,csv]", "logger.csv=null"], True, False),
        (["logger=[]"], False, False),
    ],
)
def test_they_are_chosen_and_removed(
    words: list[str], event_files: bool, log: bool, text_file: Path, tmp_path: Path
) -> None:
    trained(composed(text_file, *words, "trainer.max_steps=3"), tmp_path / "run")
    assert any((tmp_path / "run").glob("events.out.tfevents.*")) == event_files
    assert (tmp_path / "run" / "log.csv").exists() == log


def test_the_csv_of_a_resumed_run_is_that_of_an_uninterrupted_one(text_file: Path, tmp_path: Path) -> None:
    words = ("logger=csv", "trainer.val_check_interval=7")
    whole = trained(composed(text_file, *words), tmp_path / "whole")
    trained(composed(text_file, *words), tmp_path / "part", stop_after_tokens=whole["num_train_tokens"] // 2)
    path = tmp_path / "part" / "log.csv"
    header, *before = path.read_text().splitlines()
    # As if the run had gone on to a figure that is new, and been killed while it wrote.
    added = ["99" + "," * header.count(",") + ",0.5", "10" + ",1" * 3]
    path.write_text("\n".join([f"{header},later", *(f"{line}," for line in before), *added]))
    resume_run(tmp_path / "part")
    assert rows(tmp_path / "part") == rows(tmp_path / "whole")
    assert [*rows(tmp_path / "part")[0]] == [*rows(tmp_path / "whole")[0]]


def test_the_csv_of_an_earlier_attempt_is_not_gone_on_with(text_file: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.csv").write_text("step,a\n1,2\n")
    train(composed(text_file, "logger=csv", "trainer.max_steps=3"), tmp_path / "run")
    assert "a" not in rows(tmp_path / "run")[0]


def test_one_of_ones_own_changes_nothing_but_its_lines(text_file: Path, tmp_path: Path) -> None:
    trained(composed(text_file, "logger=[tensorboard,csv]"), tmp_path / "without")
    more = "+logger.other={_target_: my_loggers.Counts}"
    summary = trained(composed(text_file, "logger=[tensorboard,csv]", own("Lines"), more), tmp_path / "with")
    assert summary["plugins"].keys() == {"my_loggers"}
    ours, theirs = weights(tmp_path / "with"), weights(tmp_path / "without")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert rows(tmp_path / "with") == rows(tmp_path / "without")
    samples = [(tmp_path / name / "samples.jsonl").read_text() for name in ("with", "without")]
    assert samples[0] == samples[1]
    told = [line for line in lines(tmp_path / "with") if "step" in line]
    mine, other = ([line for line in told if ("line" in line) == counted] for counted in (False, True))
    assert [{key: value for key, value in line.items() if key != "line"} for line in other] == mine
    settings = next(line["settings"] for line in lines(tmp_path / "with") if "settings" in line)
    assert settings["model.hidden_size"] == 16


def test_one_with_a_state_is_resumed_exactly_and_told_the_settings_once(text_file: Path, tmp_path: Path) -> None:
    whole = trained(composed(text_file, own("Counts")), tmp_path / "whole")
    half = whole["num_train_tokens"] // 2
    trained(composed(text_file, own("Counts")), tmp_path / "part", stop_after_tokens=half)
    resume_run(tmp_path / "part")
    assert lines(tmp_path / "part") == lines(tmp_path / "whole")
    assert sum("settings" in line for line in lines(tmp_path / "part")) == 1


def test_its_folder_is_the_runs_unless_another_is_given(text_file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    trained(composed(text_file, own("Lines", f"save_dir: {tmp_path / 'elsewhere'}")), tmp_path / "run")
    assert (tmp_path / "elsewhere" / "lines.jsonl").exists()
    assert not (tmp_path / "run" / "lines.jsonl").exists()


@pytest.mark.parametrize("at", ["making it", "experiment", "log_metrics", "log_hyperparams", "save", "finalize"])
def test_one_that_fails_is_named(at: str, text_file: Path, tmp_path: Path) -> None:
    told = r"^logger\.mine: .*ValueError: the server|^logger\.mine: my_loggers\.Breaks could not be created: the server"
    with pytest.raises(UserError, match=told) as caught:
        trained(composed(text_file, own("Breaks", f"at: {at}")), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert at == "making it" or f"{at} failed" in str(caught.value)


@pytest.mark.parametrize(("name", "told"), [("Exits", "SystemExit"), ("BreaksTwice", "ValueError: first")])
def test_what_failed_first_is_told(name: str, told: str, text_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^logger\.mine: log_metrics failed with {told}"):
        trained(composed(text_file, own(name)), tmp_path / "run")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([own("NoLogger")], r"logger\.mine\._target_=.*not a subclass of pytorch_lightning\.loggers\.Logger"),
        ([own("Lines", "hst: x")], r"logger\.mine\.hst=x: no such setting"),
        ([own("Lines", "every: x")], r"logger\.mine\.every=x: is not a whole number"),
        (["+logger.x={_target_: pytorch_lightning.loggers.MLFlowLogger}"], "is not a class allowed for logger"),
        (["+logger.x={_target_: pytorch_lightning.loggers.WandbLogger}"], "is not a class allowed for logger"),
        (["+logger._target_=my_loggers.Lines"], r"logger\._target_=.*stands under a name of its own"),
        (["+logger.tensorbord=null"], r"did you mean logger\.tensorboard"),
        (["logger=[tensorboard,mlflow]"], "logger=mlflow: no such option; choose one of csv"),
    ],
)
def test_what_cannot_be_chosen(words: list[str], told: str, text_file: Path) -> None:
    with pytest.raises(UserError, match=told):
        composed(text_file, *words)


def stored_as(folder: Path, logger: dict[str, Any]) -> None:
    """Rewrites the loggers in a run's files, as an older lmlab or a stranger would have written them."""
    for path in (folder / "checkpoints").glob("*.ckpt"):
        saved = read_checkpoint(path)
        saved["lmlab"]["config"]["logger"] = logger
        save_checkpoint(saved, path)
    config = plain_yaml.read(folder / "config.yaml")
    (folder / "config.yaml").write_text(plain_yaml.dump(config | {"logger": logger}))


@pytest.mark.parametrize(("target", "files"), [("pytorch_lightning.loggers.TensorBoardLogger", 2), (None, 0)])
def test_a_run_of_an_older_lmlab_goes_on(target: str | None, files: int, text_file: Path, tmp_path: Path) -> None:
    words = () if target else ("logger=none",)
    whole = trained(composed(text_file, *words), tmp_path / "whole")
    trained(composed(text_file, *words), tmp_path / "part", stop_after_tokens=whole["num_train_tokens"] // 2)
    stored_as(tmp_path / "part", {"_target_": target})
    assert resume_run(tmp_path / "part")["val/nats_per_token"] == whole["val/nats_per_token"]
    assert len(list((tmp_path / "part").glob("events.out.tfevents.*"))) == files
    for name in ("val/nats_per_token", "train/nats_per_token") if target else ():
        assert points(tmp_path / "part", name) == points(tmp_path / "whole", name)
    assert lmlab.load(tmp_path / "part").generate("A", length=5)


def test_a_damaged_state_is_told(text_file: Path, tmp_path: Path) -> None:
    trained(composed(text_file, "logger=csv"), tmp_path / "run", stop_after_tokens=400)
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    saved = read_checkpoint(path)
    for state in ({"csv": {"num_rows": "3"}}, {"csv": {"num_rows": -1}}, {"wandb": {"run_id": "../x"}}, {"csv": 3}, 5):
        saved["callbacks"]["Loggers"] = {"are_shown": True, "states": state}
        save_checkpoint(saved, path)
        with pytest.raises(UserError, match="its state of the loggers is damaged"):
            resume_run(tmp_path / "run")


WANDB = """
import json, os

run = None
Table = dict


def init(**given):
    global run
    assert run is None, "the run before was not ended"
    run = Run(given)
    run.tell({"init": {key: value for key, value in given.items() if value is not None}})
    return run


class Config(dict):
    def update(self, params, **_):
        run.tell({"config": params})


class Run:
    url, offline = "https://example.org/run", False

    def __init__(self, given):
        self.id, self.path, self.config = given["id"], given["dir"] + "/sent.jsonl", Config()

    def tell(self, what):
        with open(self.path, "a") as file:
            file.write(json.dumps(what) + "\\n")

    def define_metric(self, *_, **__):
        pass

    def log(self, metrics):
        self.tell({"log": metrics})

    def finish(self, exit_code):
        global run
        self.tell({"finish": exit_code})
        run = None
"""


@pytest.fixture
def wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package in place of the real one, which writes what it is told to the folder that it is given."""
    files = {
        "__init__": WANDB,
        "wandb_run": "from wandb import Run",
        "sdk/__init__": "",
        "sdk/lib": "class RunDisabled: pass",
    }
    for name, content in files.items():
        path = tmp_path / "library" / "wandb" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path / "library"))
    monkeypatch.setattr("pytorch_lightning.loggers.wandb._WANDB_AVAILABLE", True)
    _forget_wandb()
    yield
    _forget_wandb()


def _forget_wandb() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "wandb"]:
        del sys.modules[name]


def sent(folder: Path, kind: str) -> list[Any]:
    found = [json.loads(line) for line in (folder / "sent.jsonl").read_text().splitlines()]
    return [line[kind] for line in found if kind in line]


def resumed(folder: Path, *words: str) -> dict[str, Any]:
    resumption = resume_from(folder, {}, retyped=Retyped.parse(words))
    return train(resumption.settings, folder, resumption=resumption)


@pytest.mark.usefixtures("wandb")
def test_weights_and_biases_has_one_run_for_a_run(text_file: Path, tmp_path: Path) -> None:
    words = ("logger=[tensorboard,wandb]", "logger.wandb.project=books", "logger.wandb.offline=true")
    whole = trained(composed(text_file, *words), tmp_path / "whole")
    half = whole["num_train_tokens"] // 2
    trained(composed(text_file, *words), tmp_path / "part", stop_after_tokens=half)
    assert resumed(tmp_path / "part", "logger.wandb.project=books")["val/nats_per_token"] == whole["val/nats_per_token"]
    (first, second), (other,) = sent(tmp_path / "part", "init"), sent(tmp_path / "whole", "init")
    assert (first["project"], first["dir"], first["mode"]) == ("books", str(tmp_path / "part"), "offline")
    assert first == second
    assert first["id"] != other["id"]
    assert sent(tmp_path / "part", "finish") == [0, 0]
    assert sent(tmp_path / "part", "config")[0]["model.name"] == "rnn"
    logs = [[{k: v for k, v in log.items() if k not in _OF_TIME} for log in sent(tmp_path / n, "log")] for n in
            ("part", "whole")]  # fmt: skip
    assert logs[0] == logs[1]
    assert any("samples" in log for log in logs[0])
    assert any("val/perplexity" in log for log in logs[0])


@pytest.mark.usefixtures("wandb")
def test_a_run_that_fails_ends_there_too(text_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="first"):
        trained(composed(text_file, "logger=wandb", own("BreaksTwice")), tmp_path / "run")
    assert sent(tmp_path / "run", "finish") == [1]


@pytest.mark.skipif(importlib.util.find_spec("wandb") is not None, reason="it is installed here")
def test_without_the_package_one_line_names_the_extra(text_file: Path, tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()  # left behind in the working directory by other programs
    with pytest.raises(UserError, match=re.escape("logger=wandb: needs the package wandb")) as caught:
        composed(text_file, "logger=wandb")
    assert "pip install 'lmlab[wandb]'" in str(caught.value)


@pytest.mark.usefixtures("wandb")
def test_a_stored_one_that_reaches_out_must_be_typed(text_file: Path, tmp_path: Path) -> None:
    words = ("logger=[csv,wandb]", "logger.wandb.entity=me")
    trained(composed(text_file, *words), tmp_path / "run", stop_after_tokens=400)
    once = sent(tmp_path / "run", "init")
    for typed in ((), ("logger=csv",), ("logger=wandb",), ("logger.wandb.project=lmlab",)):
        with pytest.raises(UserError, match=r"logger\.wandb may reach out .* add logger\.wandb\.entity=me; without it"):
            resumed(tmp_path / "run", *typed)
    with pytest.raises(UserError, match=r"^logger\.mlflow: this run has no such logger; it has csv, wandb"):
        resumed(tmp_path / "run", "logger=mlflow")
    assert sent(tmp_path / "run", "init") == once
    assert lmlab.load(tmp_path / "run", checkpoint="last").generate("A", length=5)
    assert resumed(tmp_path / "run", "logger.wandb=null")["status"] == "finished"
    assert sent(tmp_path / "run", "init") == once
    assert "wandb" not in plain_yaml.read(tmp_path / "run" / "config.yaml")["logger"]


@pytest.mark.parametrize(
    ("logger", "told"),
    [
        ({"mlflow": {"_target_": "pytorch_lightning.loggers.MLFlowLogger", "tracking_uri": "http://evil"}},
         r"^logger\.mlflow\._target_=.*is not a class allowed"),
        ({"wandb": {"_target_": "pytorch_lightning.loggers.WandbLogger", "project": "x", "save_dir": "/etc"}},
         r"^logger\.wandb\.save_dir=/etc: no such setting"),
        ({"wandb": {"_target_": "pytorch_lightning.loggers.WandbLogger", "project": "x", "host": "http://evil"}},
         r"^logger\.wandb\.host=http://evil: no such setting"),
        ({"csv": {"_target_": "pytorch_lightning.loggers.CSVLogger", "save_dir": "/etc"}},
         r"^logger\.csv\.save_dir=/etc: no such setting"),
        ({"_target_": "pytorch_lightning.loggers.MLFlowLogger"}, r"^logger\.tensorboard\._target_=.*is not a class"),
        ({"_target_": "os.system", "csv": None}, r"^logger\._target_=os\.system: a part of logger stands"),
    ],
)  # fmt: skip
def test_a_strangers_run_reaches_nothing(logger: dict[str, Any], told: str, text_file: Path, tmp_path: Path) -> None:
    trained(composed(text_file), tmp_path / "run", stop_after_tokens=400)
    stored_as(tmp_path / "run", logger)
    for use in (resume_run, lambda folder: lmlab.load(folder, checkpoint="last")):
        with pytest.raises(UserError, match=told) as caught:
            use(tmp_path / "run")
        assert "\n" not in str(caught.value)


def test_texts_of_ones_own_must_be_typed(text_file: Path, tmp_path: Path) -> None:
    word = own("Lines", "host: 'evil.example:5000'", "every: 2")
    whole = trained(composed(text_file, word), tmp_path / "whole")
    trained(composed(text_file, word), tmp_path / "run", stop_after_tokens=whole["num_train_tokens"] // 2)
    for typed in ((), ("logger=mine",), ("logger.mine.every=2",)):
        with pytest.raises(UserError, match=r"may reach out .* add logger\.mine\.host=evil\.example:5000;"):
            resumed(tmp_path / "run", *typed)
    assert resumed(tmp_path / "run", word)["val/nats_per_token"] == whole["val/nats_per_token"]


def test_one_that_was_left_out_stays_so(text_file: Path, tmp_path: Path) -> None:
    """The best weights so far were saved while it was there."""
    whole = trained(composed(text_file, "logger=csv"), tmp_path / "whole")
    tokens = whole["num_train_tokens"]
    trained(composed(text_file, "logger=csv"), tmp_path / "run", stop_after_tokens=int(tokens * 0.6))
    resumption = resume_from(tmp_path / "run", {}, retyped=Retyped.parse(["logger.csv=null"]))
    again = train(resumption.settings, tmp_path / "run", resumption=resumption, stop_after_tokens=int(tokens * 0.8))
    assert again["status"] == "interrupted"
    log = (tmp_path / "run" / "log.csv").read_bytes()
    assert resume_run(tmp_path / "run")["val/nats_per_token"] == whole["val/nats_per_token"]
    assert (tmp_path / "run" / "log.csv").read_bytes() == log


def test_a_path_of_ones_own_may_have_moved(text_file: Path, tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    trained(composed(text_file, own("Lines", f"save_dir: {tmp_path}/here")), tmp_path / "run", stop_after_tokens=400)
    resumed(tmp_path / "run", f"logger.mine.save_dir={tmp_path}/there")
    assert (tmp_path / "there" / "lines.jsonl").exists()
    assert plain_yaml.read(tmp_path / "run" / "config.yaml")["logger"]["mine"]["save_dir"] == f"{tmp_path}/there"


@pytest.mark.usefixtures("wandb")
def test_a_command_that_is_repeated_starts_only_what_it_says(text_file: Path, tmp_path: Path) -> None:
    """A stranger's checkpoint may say more than the config.yaml beside it, which is compared with the command."""
    folder = tmp_path / "run"
    for words, told in ((("logger=csv",), True), (("logger=[csv,wandb]", "logger.wandb.project=mine"), False)):
        shutil.rmtree(folder, ignore_errors=True)
        trained(composed(text_file, *words), folder, stop_after_tokens=400)
        path = folder / "checkpoints" / "last.ckpt"
        saved = read_checkpoint(path)
        sends = {"wandb": plain(composed(text_file, "logger=wandb", "logger.wandb.project=evil").logger)["wandb"]}
        saved["lmlab"]["config_before"] = copy.deepcopy(saved["lmlab"]["config"])
        saved["lmlab"]["config"]["logger"] |= sends
        save_checkpoint(saved, path)
        before = (folder / "sent.jsonl").exists()
        if told:
            with pytest.raises(UserError, match=r"logger\.wandb may reach out"):
                work(folder, Task.RESUME, composed(text_file, *words), None)
            assert (folder / "sent.jsonl").exists() == before
        else:
            work(folder, Task.RESUME, composed(text_file, *words), None)
            assert {init["project"] for init in sent(folder, "init")} == {"mine"}


@pytest.mark.usefixtures("wandb")
def test_a_run_that_begins_anew_starts_only_what_is_typed(text_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    made = plain(composed(text_file, "logger=wandb"))
    (folder / "config.yaml").write_text(plain_yaml.dump(made))
    with pytest.raises(UserError, match=r"logger\.wandb may reach out of the run"):
        lmlab.fit([f"run={folder}"])
    assert not (folder / "sent.jsonl").exists()
    assert lmlab.fit([f"run={folder}", "logger=wandb"]).status == "finished"
    assert sent(folder, "finish") == [0]
