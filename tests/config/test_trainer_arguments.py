"""trainer.* has every argument of Lightning's Trainer, or a reason why not."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from conftest import compose_config

from lmlab import plain_yaml
from lmlab.config import stored
from lmlab.config.checks import check_training
from lmlab.config.compose import train_settings
from lmlab.config.settings.trainer import REFUSED, TrainerSettings
from lmlab.config.typed import plain
from lmlab.errors import UserError
from lmlab.launch.safe_arguments import is_safe

ARGUMENTS = set(inspect.signature(pl.Trainer.__init__).parameters) - {"self"}
SETTINGS = {field.name for field in dataclasses.fields(TrainerSettings)} - {"target"}


def composed(*words: str) -> TrainerSettings:
    settings = train_settings(words)
    check_training(settings)
    return settings.trainer


def test_every_argument_is_a_setting_or_refused_with_a_reason() -> None:
    assert SETTINGS | set(REFUSED) == ARGUMENTS | {"max_tokens"}
    assert not SETTINGS & set(REFUSED)
    assert all(problem and remedy for problem, remedy in REFUSED.values())


@pytest.mark.parametrize("argument", REFUSED)
@pytest.mark.parametrize("form", ["trainer.{}=1", "+trainer.{}=1", "++trainer.{}=[a]", "trainer.{}.a=1"])
def test_a_refused_argument_is_told_with_its_own_reason(argument: str, form: str) -> None:
    with pytest.raises(UserError) as caught:
        train_settings([form.format(argument)])
    assert (caught.value.field, caught.value.problem) == (f"trainer.{argument}", REFUSED[argument][0])


def test_a_reason_is_found_beside_other_settings_with_the_word() -> None:
    with pytest.raises(UserError, match=r"^trainer\.callbacks: "):
        train_settings(["callbacks.sample_text.every_n_epochs=null", "trainer.callbacks.x=1"])


@pytest.mark.parametrize("word", ["trainer.foo=1", "+trainer.foo=1", "trainer.limit_trian_batches=1"])
def test_what_lightning_does_not_have_either_is_no_such_setting(word: str) -> None:
    with pytest.raises(UserError, match="no such setting"):
        train_settings([word])


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("limit_train_batches=1", 1),
        ("limit_train_batches=1.0", 1.0),
        ("limit_val_batches=0.25", 0.25),
        ("limit_test_batches=null", None),
        ("overfit_batches='3'", 3),
        ("fast_dev_run=true", True),
        ("fast_dev_run=3", 3),
        ("fast_dev_run=0", 0),
        ("num_sanity_val_steps=-1", -1),
        ("max_time=00:12:00:00", "00:12:00:00"),
        ("profiler=simple", "simple"),
    ],
)
def test_values_keep_their_type(word: str, value: Any) -> None:
    found = getattr(train_settings([f"trainer.{word}"]).trainer, word.partition("=")[0])
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "word",
    [
        "limit_train_batches=0", "limit_train_batches=-0.5", "limit_train_batches=1.5", "limit_val_batches=-1",
        "limit_test_batches=true", "limit_test_batches=all", "overfit_batches=0", "fast_dev_run=-1",
        "fast_dev_run=0.5", "num_sanity_val_steps=-2", "min_epochs=0", "gradient_clip_algorithm=max", "profiler=x",
        "max_time=5", "max_time=00:00:00:00", "max_time=1:2:3:4", "min_epochs=13", "benchmark=maybe",
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_refused_by_name(word: str) -> None:
    name, _, value = word.partition("=")
    with pytest.raises(UserError, match=rf"(?i)^trainer\.{name}={value}"):
        composed(f"trainer.{word}")


@pytest.mark.parametrize(
    "words",
    [
        ("min_steps=9", "max_steps=8"),
        ("overfit_batches=1", "limit_train_batches=1"),
        ("overfit_batches=1", "limit_val_batches=1"),
        ("benchmark=true", "deterministic=true"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(words: tuple[str, ...]) -> None:
    for word in words:
        composed(f"trainer.{word}")
    with pytest.raises(UserError, match=r"^trainer\."):
        composed(*(f"trainer.{word}" for word in words))


def test_a_trial_comes_before_all_other_limits() -> None:
    others = ["max_steps=70", "max_tokens=9", "min_epochs=2", "overfit_batches=3", "val_check_interval=7"]
    trainer = composed("trainer.fast_dev_run=2", *(f"trainer.{word}" for word in others))
    limits = (trainer.limit_train_batches, trainer.limit_val_batches, trainer.limit_test_batches)
    assert (limits, trainer.max_epochs, trainer.max_steps, trainer.max_tokens) == ((2, 2, 2), 1, -1, -1)
    assert trainer.overfit_batches is trainer.min_epochs is trainer.val_check_interval is None
    assert composed("trainer.fast_dev_run=false", "trainer.max_epochs=3").max_epochs == 3


# From a stranger's file


@pytest.mark.parametrize("name", ["plugins", "strategy", "profiler", "default_root_dir", "logger", "callbacks"])
def test_a_stored_configuration_cannot_ask_for_what_reaches_outside_the_run(
    text_file: Path, tmp_path: Path, name: str
) -> None:
    config = plain(compose_config(text_file))
    for value in ("simple", "ddp", str(tmp_path), [], {"_target_": "os.system"}):
        config["trainer"][name] = value
        with pytest.raises(UserError, match=rf"^trainer\.{name}"):
            stored.checked(config, where="x")


def test_no_setting_of_the_trainer_is_a_path() -> None:
    free = [field.name for field in dataclasses.fields(TrainerSettings) if "str" in str(field.type)]
    choices = {f.name for f in dataclasses.fields(TrainerSettings) if f.metadata and f.metadata["lmlab"].choices}
    assert set(free) - choices - {"target"} == {"max_time"}  # whose form is checked


def test_one_batch_and_the_whole_stay_what_they_are_in_a_file(text_file: Path, tmp_path: Path) -> None:
    words = ("trainer.limit_train_batches=1", "trainer.limit_val_batches=1.0", "trainer.max_time=10:00:00:01")
    made = plain(compose_config(text_file, *words))
    path = tmp_path / "config.yaml"
    path.write_text(plain_yaml.dump(made))
    found = stored.checked(plain_yaml.read(path), where=path)
    assert plain_yaml.dump(found) == plain_yaml.dump(made)
    limits = [found["trainer"][f"limit_{split}_batches"] for split in ("train", "val")]
    assert [type(limit) for limit in limits] == [int, float]


def test_a_sweeps_record_may_limit_batches_but_not_profile() -> None:
    assert is_safe("trainer.limit_train_batches=5,0.5")
    assert not is_safe("trainer.profiler=simple")
