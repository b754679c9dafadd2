"""Stored configurations: those of real runs pass as they are, all else is refused by name, nothing is followed."""

from __future__ import annotations

import copy
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import compose_config
from omegaconf import OmegaConf

from lmlab import plain_yaml
from lmlab.config import registry, stored
from lmlab.config.checks import check_training
from lmlab.config.compose import train_settings
from lmlab.config.folders import group_options
from lmlab.config.setting_names import known_settings
from lmlab.config.settings import TrainSettings
from lmlab.config.slots import MOVED, SLOTS
from lmlab.config.typed import plain
from lmlab.errors import UserError, printable

GROUPS = (
    "tokenizer", "batching", "embedding", "model", "optimizer", "scheduler", "averaging", "trainer", "callbacks",
    "logger", "data",
)  # fmt: skip


@pytest.fixture(scope="module")
def config(text_file: Path) -> dict[str, Any]:
    return plain(compose_config(text_file))


def composed(*overrides: str) -> dict[str, Any]:
    """Without the checks, which want the texts of published data to be there."""
    return plain(train_settings(list(overrides)))


def rows() -> list[tuple[str, ...]]:
    """Overrides with every option of every group in at least one row; each text with one option of every part."""
    parts = {group: group_options(group) for group in GROUPS}
    length = max(map(len, parts.values()))
    return [tuple(f"{group}={found[row % len(found)]}" for group, found in parts.items()) for row in range(length)]


@pytest.mark.parametrize("overrides", [*rows(), *((f"experiment={name}",) for name in group_options("experiment"))])
def test_every_option_of_every_group_passes_as_it_is(overrides: tuple[str, ...]) -> None:
    made = composed(*overrides)
    assert stored.checked(made, where="x") == made


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("model=gru", "tokenizer=bpe", "batching=windows", "data.stride=5", "scheduler=cosine", "optimizer=sgd"),
        ("model=feedforward", "tokenizer=word", "batching=chunks", "scheduler=step", "scheduler.epochs=[1,2.5]"),
        ("data=sentences", "averaging=ema", "data.tokens_per_batch=500", "optimizer.lr=1e-5", "logger=none"),
        ("trainer.gradient_clip_val=null", "callbacks.checkpoints.every_minutes=1", "callbacks.sample_text.top_k=3"),
    ],
)
def test_what_a_run_stores_passes_by_file_too(text_file: Path, tmp_path: Path, overrides: tuple[str, ...]) -> None:
    made = plain(compose_config(text_file, *overrides))
    assert stored.checked(made, where="x") == made
    for number, text in enumerate((plain_yaml.dump(made), OmegaConf.to_yaml(OmegaConf.create(made)))):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        assert stored.checked(plain_yaml.read(path), where=path) == made


NEWER = {
    "init_from": None,
    "data.reset_probability": 0.0,
    "data.random_offset": False,
    "data.batching.reset_probability": 0.0,
    "data.batching.random_offset": False,
    "trainer.max_tokens": -1,
    "trainer.deterministic": False,
    "trainer.max_time": None,
    "trainer.min_epochs": None,
    "trainer.min_steps": None,
    "trainer.limit_train_batches": None,
    "trainer.limit_val_batches": None,
    "trainer.limit_test_batches": None,
    "trainer.overfit_batches": None,
    "trainer.fast_dev_run": False,
    "trainer.gradient_clip_algorithm": "norm",
    "trainer.benchmark": False,
    "trainer.num_sanity_val_steps": 0,
    "trainer.inference_mode": True,
    "trainer.detect_anomaly": False,
    "trainer.enable_model_summary": False,
    "trainer.profiler": None,
    "stop_after_tokens": None,
    "model.weight_dropout": 0.0,
    "model.core.weight_dropout": 0.0,
    "model.decoder": {"_target_": "lmlab.models.decoder.LinearDecoder"},
    "metrics": {},
}


def test_settings_that_are_newer_than_the_run_get_what_the_run_did(config: dict[str, Any]) -> None:
    old = copy.deepcopy(config)
    for name in NEWER:
        section, key = at(old, name)
        section.pop(key, None)
    found = stored.checked(old, where="x")
    for name, default in NEWER.items():
        section, key = at(found, name)
        assert section[key] == default


@pytest.mark.parametrize(("before", "now"), MOVED.items())
def test_classes_that_moved_are_found_under_their_old_names(before: str, now: str) -> None:
    module, _, name = now.rpartition(".")
    assert getattr(importlib.import_module(module), name).__module__ == module
    (slot,) = (slot for slot in SLOTS.values() if now in slot.own)
    assert registry.settings_class(slot, before) == registry.settings_class(slot, now)


def at(config: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    *parents, key = name.split(".")
    for parent in parents:
        config = config[parent]
    return config, key


def changed(config: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    found = copy.deepcopy(config)
    section, key = at(found, name)
    section[key] = value
    return found


def leaves(value: Any, name: str = "") -> Iterator[str]:
    for key, item in value.items():
        dotted = f"{name}.{key}" if name else key
        yield dotted
        if isinstance(item, dict):
            yield from leaves(item, dotted)


def test_every_setting_that_is_missing_is_refused_by_name(config: dict[str, Any]) -> None:
    for name in leaves(config):
        if name in NEWER or name == "logger.tensorboard":  # without one a run has none
            continue
        cut = copy.deepcopy(config)
        section, key = at(cut, name)
        del section[key]
        with pytest.raises(UserError, match=rf"^{re.escape(name)}(\._target_)?: is missing \(in /x/config.yaml\)"):
            stored.checked(cut, where="/x/config.yaml")


def test_every_setting_of_another_type_is_refused_by_name(config: dict[str, Any]) -> None:
    for name in leaves(config):
        for value in ([{}], {"a": 1}, object(), 3j, b"x"):
            with pytest.raises(UserError) as caught:
                stored.checked(changed(config, name, value), where="x")
            assert caught.value.field.startswith(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", "0"),
        ("seed", True),
        ("seed", 0.0),
        ("seed", None),
        ("seed", 2**80),
        ("seed", "${oc.env:HOME}"),
        ("optimizer.lr", "0.1"),
        ("optimizer.lr", True),
        ("optimizer.lr", float("nan")),
        ("optimizer.lr", None),
        ("model.tie_weights", 1),
        ("model.tie_weights", "yes"),
        ("name", 5),
        ("name", "???"),
        ("name", ["a"]),
        ("data.prompts", "a"),
        ("data.prompts", [1]),
        ("data.prompts", ["???"]),
        ("data.prompts", ("a",)),
        ("data.split", [0.5, "x"]),
        ("data.split", [[0.5]]),
        ("data.source", None),
        ("data.source.path", {"_target_": "torch.hub.load"}),
        ("data.source.path", 5),
        ("data.source.split", "abc"),
        ("data.source.encoding", None),
        ("data.path", {"_target_": "lmlab.data.sources.text_files.TextFiles"}),
        ("evaluation", []),
        ("trainer", {"_target_": "pytorch_lightning.Trainer"}),
        ("optimizer.betas", None),
    ],
)
def test_a_wrong_value_is_refused_by_name(config: dict[str, Any], name: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"^{re.escape(name)}") as caught:
        stored.checked(changed(config, name, value), where="x")
    assert len(str(caught.value)) < 400
    assert str(caught.value).endswith("(in x); restore it, or train again")


@pytest.mark.parametrize(
    "name",
    [
        "foo",
        "model.foo",
        "data.source.foo",
        "data.batching.foo",
        "model.core.foo",
        "trainer.foo",
    ],
)
def test_an_unknown_setting_is_refused_by_name(config: dict[str, Any], name: str) -> None:
    for value in (1, {"_target_": "torch.hub.load"}):
        with pytest.raises(UserError, match=rf"^{re.escape(name)}=.*no such setting"):
            stored.checked(changed(config, name, value), where="x")


def test_an_added_callback_is_of_the_list_or_refused(config: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^callbacks\.evil=1: no such setting"):
        stored.checked(changed(config, "callbacks.evil", 1), where="x")
    for target in ("torch.hub.load", "pytorch_lightning.callbacks.ModelCheckpoint", "os.system", None, "???"):
        with pytest.raises(UserError, match=r"^callbacks\.evil\._target_|^callbacks: callbacks\.evil\._target_"):
            stored.checked(changed(config, "callbacks.evil", {"_target_": target}), where="x")
    rates = {"_target_": "pytorch_lightning.callbacks.LearningRateMonitor", "logging_interval": "step"}
    found = stored.checked(changed(config, "callbacks.rates", rates), where="x")["callbacks"]["rates"]
    assert found["logging_interval"] == "step"


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("model.core", "torch.optim.SGD"),
        ("model.core", "torch.hub.load"),
        ("data.source", "lmlab.training.callbacks.samples.SampleText"),
        ("data.source", "os.system"),
        ("data.batching", "lmlab.data.sources.text_files.TextFiles"),
        ("tokenizer", "lmlab.models.recurrent.LSTM"),
        ("optimizer", "pytorch_lightning.Trainer"),
        ("optimizer", None),
        ("optimizer", ["torch.optim.SGD"]),
        ("trainer", "torch.optim.SGD"),
        ("logger.tensorboard", "pytorch_lightning.Trainer"),
        ("callbacks.alarms", "lmlab.training.callbacks.progress.Progress"),
        ("embedding", "${oc.env:HOME}"),
    ],
)
def test_a_part_is_made_only_as_what_belongs_there(config: dict[str, Any], name: str, target: Any) -> None:
    with pytest.raises(UserError, match=rf"^{re.escape(name)}\._target_=.*is not a class allowed"):
        stored.checked(changed(config, f"{name}._target_", target), where="x")


def test_a_published_text_is_one_of_the_catalogue() -> None:
    with pytest.raises(UserError, match=r"^data\.source\.name=\.\./x: no such option"):
        stored.checked(changed(composed("data=ptb"), "data.source.name", "../x"), where="x")


def test_the_settings_follow_from_what_is_made(config: dict[str, Any]) -> None:
    sgd = changed(config, "optimizer._target_", "torch.optim.SGD")
    with pytest.raises(UserError, match=r"^optimizer\.betas=.*no such setting"):
        stored.checked(sgd, where="x")
    with pytest.raises(UserError, match=r"^model\.weight_dropout=.*no such setting"):
        stored.checked(changed(config, "model.core._target_", "lmlab.models.feedforward.FeedForward"), where="x")


def test_it_is_a_mapping_or_refused() -> None:
    for value in (None, [], "x", 3, {1: 2}, {"name": "x"}):
        with pytest.raises(UserError, match=r"\(in x\)|run=x: has no settings"):
            stored.checked(value, where="x")


def test_strings_stay_what_they_are_and_nothing_is_followed(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []
    OmegaConf.register_new_resolver("evil", lambda *given: called.append(given), replace=True)
    monkeypatch.setenv("SECRET", "told")
    hostile = copy.deepcopy(config)
    hostile["data"]["prompts"] = ["${evil:1}", "${oc.env:SECRET}", "\\${seed}", "\\\\${seed}", "${"]
    hostile["name"] = "${evil:${oc.env:SECRET}}"
    hostile["output_dir"] = "${lmlab_run_folder:" + str(tmp_path / "made") + "}"
    found = stored.checked(hostile, where="x")
    assert found == hostile
    settings = stored.read_settings(hostile, where="x")
    check_training(settings)
    assert plain(settings) == hostile
    assert not called
    assert not (tmp_path / "made").exists()


def test_the_settings_that_can_be_typed() -> None:
    found = stored.settings()
    assert {"seed", "model.context", "model.weight_dropout", "tokenizer.lower", "optimizer.momentum"} <= found
    assert not {"data.source", "model.core", "data.batching", "callbacks", "model", "callbacks.alarms"} & found
    assert not [name for name in found if "_target_" in name or name.startswith(("data.batching", "model.core"))]
    assert found <= set(known_settings(TrainSettings))


def test_a_strangers_words_reach_no_terminal() -> None:
    assert printable("\x1b[2Ja\nb") == "\ufffd[2Ja\ufffdb"
    assert len(printable("x" * 10**6)) < 100
    assert printable(10**5000) == "(a very large number)"
    assert printable([[1]]) == "(list)"
