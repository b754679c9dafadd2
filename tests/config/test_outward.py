"""A stored run's callbacks and metrics, which may be a stranger's, reach out of the run only where that is typed."""

from __future__ import annotations

import copy
import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import SMALL, compose_config, resume_run
from typed_commands import typed

import lmlab
from lmlab import plain_yaml
from lmlab.checkpoints import read_checkpoint, save_checkpoint
from lmlab.config import plugins
from lmlab.config.outward import resume_command, words_by_part
from lmlab.config.retyped import Retyped
from lmlab.config.settings import TrainSettings
from lmlab.config.stored import read_settings
from lmlab.config.typed import plain
from lmlab.errors import UserError
from lmlab.launch.execution import work
from lmlab.launch.run_folder import Task
from lmlab.launch.start import _nothing_saved as nothing_saved
from lmlab.training.resuming import resume_from
from lmlab.training.run import train

MODULE = """
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

import lmlab


def reach(place):
    if isinstance(place, str) and place.startswith("/"):
        with Path(place).open("a") as file:
            file.write("reached ")


class Writes(pl.Callback):
    def __init__(self, *, path: Any = "words", monitor: str = "val/perplexity", home: str = "~/.mine", every: int = 1):
        reach(path)


class Logs(lmlab.TokenMetric):
    spec = lmlab.MetricSpec("ones", "", ".1f", "lower", "one", "one")
    fields = ()

    def __init__(self, *, path: Any = "words", scale: float = 1.0):
        super().__init__()
        reach(path)
        self.scale = scale

    def update(self, statistics):
        pass

    def compute(self):
        return torch.tensor(self.scale)
"""
CALLBACK, METRIC = "callbacks.mine", "metrics.mine"
TARGETS = {CALLBACK: "my_parts.Writes", METRIC: "my_parts.Logs"}


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "my_parts.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with plugins.trusting("my_parts"):
        yield


def composed(text: Path, *words: str) -> TrainSettings:
    return compose_config(text, "model=rnn", "data.batch_size=32", "trainer.val_check_interval=2", *words)


def own(part: str, **values: Any) -> str:
    keywords = "".join(f", {key}: {value}" for key, value in values.items())
    return f"+{part}={{_target_: {TARGETS[part]}{keywords}}}"


def with_path(settings: TrainSettings, part: str, value: Any) -> TrainSettings:
    """The settings of a file that gives a part a path, which no command line could say in each case."""
    found = plain(settings)
    group, _, name = part.partition(".")
    found[group][name]["path"] = value
    return read_settings(found, where="config.yaml")


def paused(text: Path, folder: Path, *words: str) -> None:
    folder.mkdir()
    train(composed(text, *words), folder, stop_after_tokens=2500)


def stored_as(folder: Path, part: str, **values: Any) -> None:
    """Changes a part in the files of a run, as a stranger would."""
    group, _, name = part.partition(".")
    for path in (folder / "checkpoints").glob("*.ckpt"):
        saved = read_checkpoint(path)
        saved["lmlab"]["config"][group][name] |= values
        save_checkpoint(saved, path)
    config = plain_yaml.read(folder / "config.yaml")
    config[group][name] |= values
    (folder / "config.yaml").write_text(plain_yaml.dump(config))


@pytest.mark.parametrize("part", [CALLBACK, METRIC])
@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("/home/me/.bashrc", "/home/me/.bashrc"),
        ("~/x", "'~/x'"),
        ("a/../../x", "a/../../x"),
        ("notes.txt", "notes.txt"),
        (".", "'.'"),
        ("", "''"),
        ("http://evil", "http://evil"),
        ("evil:5000", "evil:5000"),
        ("//evil/share", "//evil/share"),
        ("3232235777", "'3232235777'"),
        ("C:\\x", "'C:\\x'"),
        ("a\\b", "'a\\b'"),
        ("$HOME/x", "'$HOME/x'"),
        ("one\n/x", None),
        (["ok", "/x"], "[ok,/x]"),
        ({"ok": {"to": "/x"}}, "{ok:{to:/x}}"),
        ({"/x": 1}, None),
    ],
)
def test_what_may_point_out_of_the_run_must_be_typed(part: str, value: Any, word: str | None, text_file: Path) -> None:
    found = words_by_part(with_path(composed(text_file, own(part)), part, value))
    assert found.keys() == {part}
    if word is not None:
        assert found == {part: [f"{part}.path={word}"]}
        assert Retyped.parse(found[part]).values == {part: {"path": value}}


@pytest.mark.parametrize("part", [CALLBACK, METRIC])
@pytest.mark.parametrize("value", ["min", "val/perplexity", "Brier score, squared", "layer/0", "Größe", 3, None, ["a"]])
def test_words_and_numbers_need_not_be_typed(part: str, value: Any, text_file: Path) -> None:
    assert not words_by_part(with_path(composed(text_file, own(part)), part, value))


@pytest.mark.parametrize(
    "word",
    [
        own(CALLBACK, every=2),  # its home is the class's own
        "+callbacks.timer={_target_: pytorch_lightning.callbacks.Timer, duration: '00:00:10:00'}",
        "+callbacks.stop={_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: val/nats_per_token, mode: min}",
        "+metrics.top_10={_target_: lmlab.evaluation.metrics.TopKAccuracy, k: 10}",
    ],
)
def test_a_usual_run_goes_on_without_words(word: str, text_file: Path, tmp_path: Path) -> None:
    paused(text_file, tmp_path / "run", word)
    assert resume_command(tmp_path / "run", composed(text_file, word)).count("=") == (2 if "my_parts" in word else 1)
    assert resume_run(tmp_path / "run")["status"] == "finished"


@pytest.mark.parametrize("part", [CALLBACK, METRIC])
def test_a_strangers_run_reaches_nothing(part: str, text_file: Path, tmp_path: Path) -> None:
    folder, place = tmp_path / "run", tmp_path / "reached"
    paused(text_file, folder, own(part))
    stored_as(folder, part, path=str(place))
    told = rf"^run=\S*run: its stored {part} may reach out .* add {part}\.path={place}; without it {part}=null$"
    for words in ((), (f"{part}.{'every' if part == CALLBACK else 'scale'}=1",)):
        with pytest.raises(UserError, match=told):
            lmlab.fit([f"run={folder}", *words])
    shutil.rmtree(folder / "checkpoints")  # it begins again
    (folder / "summary.json").unlink()
    with pytest.raises(UserError, match=told):
        lmlab.fit([f"run={folder}"])
    assert not place.exists()
    assert lmlab.fit([f"run={folder}", f"{part}=null"]).status == "finished"
    assert not place.exists()


@pytest.mark.parametrize("part", [CALLBACK, METRIC])
def test_what_is_typed_counts_also_elsewhere(part: str, text_file: Path, tmp_path: Path) -> None:
    folder, here, there = tmp_path / "run", tmp_path / "here", tmp_path / "there"
    paused(text_file, folder, own(part, path=here))
    again = shlex.split(resume_command(folder, composed(text_file, own(part, path=here))))
    assert again[3:] == [f"run={folder.name}", "plugins=[my_parts]", f"{part}.path={here}"]
    here.unlink()
    assert lmlab.fit([again[3], f"{part}.path={there}", "stop_after_tokens=4000"]).status == "interrupted"
    assert (here.exists(), there.exists()) == (False, True)
    group, _, name = part.partition(".")
    assert plain_yaml.read(folder / "config.yaml")[group][name]["path"] == str(there)
    assert lmlab.load(folder).generate("A", length=3)  # best.ckpt has the other place
    assert lmlab.fit([again[3], own(part, path=there)]).status == "finished"
    assert not here.exists()


@pytest.mark.parametrize("part", [CALLBACK, METRIC])
def test_one_that_was_left_out_stays_so(part: str, text_file: Path, tmp_path: Path) -> None:
    folder, place = tmp_path / "run", tmp_path / "reached"
    paused(text_file, folder, own(part, path=place))
    place.unlink()
    assert lmlab.fit([f"run={folder}", f"{part}=null", "stop_after_tokens=4000"]).status == "interrupted"
    assert lmlab.load(folder).generate("A", length=3)  # of a best.ckpt from before
    assert lmlab.fit([f"run={folder}"]).status == "finished"
    assert not place.exists()


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("callbacks.mine.every=5", r"callbacks\.mine\.every=5"),
        ("callbacks.mine.monitor=/x", r"callbacks\.mine\.monitor=/x"),
        ("callbacks.mine._target_=my_parts.Other", r"callbacks\.mine\._target_=my_parts\.Other"),
        ("callbacks.mine=null", r"callbacks\.mine=null"),
        ("metrics.mine.scale=2", r"metrics\.mine\.scale=2"),
        ("metrics.other=null", r"metrics\.other"),
        ("callbacks.early_stopping=null", r"callbacks\.early_stopping"),
        ("callbacks.sample_text.length=5", r"callbacks\.sample_text"),
    ],
)
def test_nothing_else_of_them_can_be_changed(word: str, told: str, text_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    settings = composed(text_file, own(CALLBACK), own(METRIC, path="words"))
    (folder / "config.yaml").write_text(plain_yaml.dump(plain(settings)))
    with pytest.raises(UserError, match=f"^{told}: cannot be changed when resuming a run; only trainer.max_epochs"):
        lmlab.fit([f"run={folder}", word])


def test_a_choice_of_callbacks_cannot_be_typed(text_file: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(plain_yaml.dump(plain(composed(text_file))))
    with pytest.raises(
        UserError, match=r"callbacks=none: cannot be said when a run is resumed; write callbacks\.<name>"
    ):
        lmlab.fit([f"run={tmp_path}", "callbacks=none"])


def test_the_command_to_begin_again_has_all_words(text_file: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(plain_yaml.dump(plain(composed(text_file, own(CALLBACK, path="/x/y")))))
    again = shlex.split(nothing_saved(tmp_path))
    assert again[-2:] == ["plugins=[my_parts]", "callbacks.mine.path=/x/y"]


def craft(path: Path, part: str, place: Path) -> None:
    """Makes a checkpoint say more than the config.yaml beside it, which is compared with the command."""
    group, _, name = part.partition(".")
    saved = read_checkpoint(path)
    ours = saved["lmlab"]
    ours["config_before"] = copy.deepcopy(ours["config"])
    ours["config"][group].setdefault(name, copy.deepcopy(ours["config"][group]["usual"]))["path"] = str(place)
    save_checkpoint(saved, path)


@pytest.mark.parametrize("part", [CALLBACK, METRIC])
def test_a_command_that_is_repeated_starts_only_what_it_says(part: str, text_file: Path, tmp_path: Path) -> None:
    folder, place = tmp_path / "run", tmp_path / "reached"
    word = own(part).replace(".mine=", ".usual=")
    paused(text_file, folder, word)
    craft(folder / "checkpoints" / "last.ckpt", part, place)
    with pytest.raises(UserError, match=rf"its stored {part} may reach out"):
        work(folder, Task.RESUME, composed(text_file, word), None)
    there = tmp_path / "there"
    work(folder, Task.RESUME, composed(text_file, word, own(part, path=there)), None)
    assert (place.exists(), there.exists()) == (False, True)


def test_a_strangers_sweep_reaches_nothing(text_file: Path, tmp_path: Path) -> None:
    place = tmp_path / "reached"
    usual = "+callbacks.usual={_target_: my_parts.Writes}"
    words = ["data=text", f"data.path={text_file}", *SMALL, "model=rnn", "data.batch_size=32", "seed=1,2"]

    def command(*given: str) -> subprocess.CompletedProcess[str]:
        return typed("train", *given, "plugins=[my_parts]", cwd=tmp_path, status=None)

    assert command("-m", *words, usual, "stop_after_tokens=2500").returncode == 0
    (record,) = (tmp_path / "outputs").rglob("sweep.json")
    (path,) = record.parent.glob("0*/checkpoints/last.ckpt")
    craft(path, CALLBACK, place)
    done = command(f"run={record.parent}", usual)
    assert "its stored callbacks.mine may reach out of the run" in done.stdout
    assert "1 of 2 jobs failed" in done.stderr
    assert not place.exists()
    stored = json.loads(record.read_text())
    stored["arguments"] = [*stored["arguments"], f"callbacks.usual.path={place}"]
    record.write_text(json.dumps(stored))
    done = command(f"run={record.parent}", usual)
    assert f"was started with callbacks.usual.path={place}, which an untrusted folder cannot supply" in done.stderr
    assert not place.exists()


def test_a_loaded_run_leaves_out_a_metric_that_reaches_out(
    text_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, place = tmp_path / "run", tmp_path / "reached"
    folder.mkdir()
    train(composed(text_file, own(METRIC), "+metrics.usual={_target_: my_parts.Logs}"), folder)
    stored_as(folder, METRIC, path=str(place))
    lm = lmlab.load(folder)
    figures = lm.evaluate("Anna sees Ben.\n" * 9)
    assert "mine" not in figures
    assert figures["usual"] == 1
    assert "perplexity" in figures
    (note,) = (line for line in caplog.messages if "left out" in line)
    assert note == f"note: metrics.mine is left out, for its stored metrics.mine.path={place} may reach out of the run"
    data = lmlab.build_data(lm.settings, tokenizer=lm.tokenizer)
    lmlab.build_module(lm.settings, data)
    for program in ("evaluate", "generate", "verify"):
        more = ["length=5"] if program == "generate" else []
        typed(program, f"run={folder}", "plugins=[my_parts]", *more, cwd=tmp_path)
    assert not place.exists()


def test_a_callback_in_a_loaded_run_is_not_made(text_file: Path, tmp_path: Path) -> None:
    place = tmp_path / "reached"
    paused(text_file, tmp_path / "run", own(CALLBACK))
    stored_as(tmp_path / "run", CALLBACK, path=str(place))
    assert lmlab.load(tmp_path / "run", checkpoint="last").generate("A", length=3)
    assert not place.exists()


def test_previous_checkpoints_are_no_way_around(text_file: Path, tmp_path: Path) -> None:
    folder, place = tmp_path / "run", tmp_path / "reached"
    paused(text_file, folder, own(CALLBACK))
    stored_as(folder, CALLBACK, path=str(place))
    (folder / "checkpoints" / "last.ckpt").rename(folder / "checkpoints" / "previous.ckpt")
    with pytest.raises(UserError, match="may reach out"):
        resume_from(folder, {})
    assert not place.exists()
