"""What a sweep's folder may ask for: lmlab's own settings; anything else has to be typed again."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from lmlab.config.arguments import quote_free_text
from lmlab.config.folders import configuration_folder
from lmlab.errors import UserError
from lmlab.launch.sweep_arguments import replayed

FOLDER = Path("/sweeps/one")

OWN = [
    "seed=0,1,2", "model=gru,lstm", "model.hidden_size=64,128", "optimizer.lr=choice(1e-3,3e-3)", "model.context=3",
    "trainer.max_epochs=range(1,4)", "optimizer.lr=interval(1e-4,1e-2)", "optimizer=glob(*,exclude=sgd)", "name=x",
    "model=glob(*)", "seed=shuffle(range(0,5))", "seed=sort(3,1,2)", "optimizer.lr=tag(a,interval(0,1))",
    "seed=int(3.0)",
    "model.tie_weights=bool(1)", "optimizer.lr=float(3)", "tokenizer.lower=true,false", "experiment=toy_small",
    "experiment=[toy_small,shakespeare]", "experiment=null", "data=text", "data.split=[0.8,0.1,0.1]", "data.stride=5",
    "data.split=[0.8,0.2],[0.9,0.1]", "callbacks.sample_text.prompts=['Once upon','The']", "batching=windows",
    "trainer.gradient_clip_val=null", "scheduler.epochs=[1,2.5]", "evaluation.prompt='a b'", "trainer.max_steps=-1",
    "optimizer.betas=[0.9,0.99]", "data.path=a b.txt", "data.path=/x/${y}", "data.path='a b.txt'",
    # Free text is never followed, quoted or not.
    "evaluation.prompt='${oc.env:HOME}'", "evaluation.prompt=$\\{oc.env:HOME\\}", "data.path='a','${oc.env:HOME}'",
    "data.path=a,'${oc.env:HOME}'", 'data.path=a,"${oc.env:HOME}",b', "evaluation.prompt='\\${x}'", "data.path=null",
    "data.path=a.txt,b (1).txt", "embedding.path=~/glove's/x.txt", "output_dir=my runs", "data.name=${oc.env:HOME}",
    "optimizer.weight_decay=range(0,1,0.25)", "callbacks.early_stopping.patience=2", "logger=none", "data.path=",
    "averaging.decay=0.99", "logger=csv", "logger=[tensorboard,csv]", "logger=csv,[tensorboard,csv],none",
]  # fmt: skip

FOREIGN = [
    "+hydra.callbacks.x._target_=torch.hub.load", "++hydra.callbacks.x={_target_:os.system}", "hydra.sweep.dir=x",
    "hydra/launcher=joblib", "hydra/job_logging=none", "hydra.searchpath=[file:///tmp/evil]", "hydra.mode=RUN",
    "'hydra.sweep.dir=x'", "data=../../../../tmp/evil", "data='../../evil'", "data=/tmp/evil", "experiment=../x",
    "experiment=a,../x", "experiment=[toy,../x]", "experiment=choice(toy,'../x')", "data=glob(*/../*)",
    "data=evil.yaml",
    "data.source._target_=torch.hub.load", "data.source={_target_:torch.hub.load}", "data.source.path=x",
    "data.batching._target_=os.system", "data.batching.stride=3", "model.core={a:1}", "model.core.hidden_size=3",
    "optimizer._target_=os.system", "callbacks.sample_text._target_=os.system", "callbacks.sample_text={_target_:x}",
    "callbacks={x:{_target_:os.system}}", "callbacks.x._target_=os.system", "optimizer.lr=${oc.env:HOME}",
    "optimizer.lr=1,${oc.env:HOME}", "name.x=1",
    "evaluation.prompt=choice(a,$\\{oc.env:HOME\\})", "data.split=[$\\{x\\}]",
    "trainer.max_epochs@x=1", "data@model=text", "+seed=1", "++seed=1", "~seed", "~data", "~optimizer.lr=1", "+x=1",
    "seed", "evil", "", "=1", "foo=1", "schema=train", "schema/train=x", "hydra=x", "model/x=1", "seed={a:1}",
    "seed=[{a:1}]", "seed=range(0,inf)", "seed=range(0,1,0)", "seed=range(0,1e9)", "seed=range(0,100000000)",
    "optimizer.lr=range(1000000000000000000000000000000,1000000000000000000000000000001,0.5)", "seed=[choice(1,2)]",
    "seed=range(0,1,nan)", "seed=evil(1)", "seed=(", "seed=" + "9" * 5000, "seed=" + "[" * 3000, "model=glob(../*)",
    "seed=range(0,1" + "0" * 400 + ")", "model=", "model=a b", "model={a:1}", "model=range(1,3)", "model=interval(0,1)",
    "evaluation=x", "trainer.foo=1", "model.hidden_size.x=1", " seed=1",
    "data.path=" + "\\" * 200,
    "logger=wandb", "logger=[tensorboard,wandb]", "logger=csv,wandb", "logger=csv,[csv,'wandb']", "logger=glob(*)",
    "logger.wandb.project=x", "logger.wandb.offline=true", "+logger.mine={_target_:my_parts.Sends}", "logger=../wandb",
]  # fmt: skip


@pytest.mark.parametrize("word", OWN)
def test_settings_of_lmlab_are_taken_over_as_they_stand(word: str) -> None:
    assert replayed([word], [], folder=FOLDER) == [word]


@pytest.mark.parametrize("word", FOREIGN)
def test_anything_else_is_refused_in_one_line_that_says_what_to_type(word: str) -> None:
    before = time.perf_counter()
    with pytest.raises(UserError) as caught:
        replayed(["seed=1", word], [], folder=FOLDER)
    assert time.perf_counter() - before < 5
    line = str(caught.value)
    assert line.startswith("run=/sweeps/one: was started with")
    assert "repeat it: python -m lmlab.train run=/sweeps/one" in line
    assert len(line) < 1500
    shown = " ".join(word[:300].split())
    assert line.count(shown) >= 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--config-dir=evil"], "--config-dir=evil"),
        (["--config-dir", "evil"], "--config-dir evil"),
        (["-cd", "evil"], "-cd evil"),
        (["-cd=evil"], "-cd=evil"),
        (["--config-d", "evil"], "--config-d evil"),
        (["-cp", "evil", "-cn", "x"], "-cp evil -cn x"),
        (["--experimental-rerun", "x.pickle"], "--experimental-rerun x.pickle"),
        (["--config-dir"], "--config-dir"),
        (["--", "seed=1"], "--"),
    ],
)
def test_options_are_refused_with_their_values(options: list[str], named: str) -> None:
    with pytest.raises(UserError, match=f"started with {named}, which an untrusted"):
        replayed(["seed=1", *options], [], folder=FOLDER)


def test_what_is_typed_again_is_taken_as_typed_in_its_place() -> None:
    words = ["-cd", "/own", "seed=1", "hydra/launcher=joblib", "model=gru,lstm", "+x=1", "optimizer.lr=${x}"]
    typed = ["run=sweeps/one", "optimizer.lr=${x}", "hydra/launcher=other", "--config-dir=/mine", "+x=1"]
    assert replayed(words, typed, folder=FOLDER) == [
        "--config-dir=/mine", "seed=1", "hydra/launcher=other", "model=gru,lstm", "+x=1", "optimizer.lr=${x}",
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"started with \+x=1, which an untrusted") as caught:
        replayed(words, typed[:-1], folder=FOLDER)
    assert str(caught.value).endswith(
        "python -m lmlab.train run=/sweeps/one 'optimizer.lr=${x}' hydra/launcher=other --config-dir=/mine +x=1"
    )


def test_what_is_hydras_may_be_typed_for_the_first_time() -> None:
    assert replayed(["seed=1"], ["hydra/launcher=joblib"], folder=FOLDER) == ["seed=1", "hydra/launcher=joblib"]


@pytest.mark.parametrize("word", ["seed=3", "trainer.max_epochs=9", "fresh=true", "-m", "model=", "+x=1", "x", "~seed"])
def test_other_settings_cannot_be_typed(word: str) -> None:
    with pytest.raises(UserError, match="cannot be changed when a sweep is resumed") as caught:
        replayed(["seed=0,1"], [word], folder=FOLDER)
    assert str(caught.value).startswith(word.rstrip("="))


def test_a_pause_is_typed_for_one_call() -> None:
    words = ["seed=1", "stop_after_tokens=100", "fresh=true", "-m", "run=x"]
    assert replayed(words, [], folder=FOLDER) == ["seed=1"]
    assert replayed(words, ["stop_after_tokens=9", "run=y", "output_dir=z"], folder=FOLDER) == [
        "seed=1", "stop_after_tokens=9",
    ]  # fmt: skip


def test_a_typed_folder_is_meant_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for typed in (["--config-dir=own"], ["--config-dir", "own"], ["-cd", "own"], ["--config-di", "own"]):
        assert replayed(["-cd", "own", "seed=1"], typed, folder=FOLDER) == [f"--config-dir={tmp_path}/own", "seed=1"]
    for path in ("[file://own]", "[own]", "['file://own']", "[pkg://x,own]"):
        with pytest.raises(UserError, match=r"hydra\.searchpath: has a relative folder"):
            replayed([], [f"hydra.searchpath={path}"], folder=FOLDER)
    assert replayed([], ["hydra.searchpath=[file:///own,pkg://x]"], folder=FOLDER)


def test_the_order_and_repetition_of_words_stay() -> None:
    words = ["seed=1", "model=gru", "seed=2", "seed=1"]
    assert replayed(words, [], folder=FOLDER) == words


@pytest.mark.parametrize(
    "record",
    [
        None, "seed=1", {"a": 1}, 3, [1], [None], [["seed=1"]], [{"a": 1}], ["seed=1", ["x"]], ["a"] * 1001,
        ["name=" + "x" * 10_000], ["name=" + "x" * 9_000] * 12, ["name=a\0b"], ["name=\ud800"],
    ],
)  # fmt: skip
def test_a_damaged_record_is_refused(record: Any) -> None:
    with pytest.raises(UserError, match=r"^run=/sweeps/one: its sweep\.json .*start the sweep again$"):
        replayed(record, [], folder=FOLDER)


def test_many_foreign_words_make_one_bearable_line() -> None:
    with pytest.raises(UserError, match="and 980 more") as caught:
        replayed([f"x{i}={'y' * 30}" for i in range(1000)], [], folder=FOLDER)
    assert len(str(caught.value)) < 6000
    with pytest.raises(UserError) as caught:
        replayed(["x=\x1b[2J"], [], folder=FOLDER)
    assert "\x1b" not in str(caught.value)


def swept(words: list[str]) -> list[list[str]]:
    """The overrides of each job, as Hydra's sweeper makes them."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    parsed: list[Override] = OverridesParser.create().parse_overrides(quote_free_text(words, sweep=True))
    return [job for chunk in BasicSweeper.split_arguments(parsed, None) for job in chunk]


def test_no_text_that_is_taken_over_is_ever_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "told")
    monkeypatch.chdir(tmp_path)
    generator = random.Random(3)
    pieces = ["${oc.env:SECRET}", "${seed}", "\\", "\\\\", "'", '"', ",", "a", " ", "$", "{", "}", "[", "]", "=", ":"]
    parser = OverridesParser.create()
    taken = 0
    for _ in range(1500):
        text = "".join(generator.choice(pieces) for _ in range(generator.randrange(1, 7)))
        key = generator.choice(["data.path", "evaluation.prompt"])
        try:
            words = replayed([f"{key}={text}"], [], folder=FOLDER)
        except UserError:
            continue
        taken += "SECRET" in text
        for job in swept(words):
            value = parser.parse_override(job[0]).value()
            config = OmegaConf.create({"seed": 12345, "value": value})
            assert "told" not in str(config.value), text
            assert "12345" not in str(config.value), text
    assert taken > 100


def test_a_literal_reference_in_a_path_arrives_as_it_was_typed() -> None:
    for path in ("/x/${y}", "/x/${oc.env:HOME}/it's"):
        (job,) = swept(replayed([f"data.path={path}"], [], folder=FOLDER))
        with initialize_config_dir(config_dir=str(configuration_folder()), version_base="1.3"):
            config = compose("train", overrides=["data=text", *job])
        assert config.data.path == config.data.source.path == path
