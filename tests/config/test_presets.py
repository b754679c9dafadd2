"""Every preset of conf/experiment composes, passes the checks and trains; sweeps are known as such."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import made_up_text

from lmlab.config.folders import configuration_folder
from lmlab.config.outward import OPTIONS
from lmlab.config.presets import asks_for_a_sweep

FOLDER = configuration_folder() / "experiment"
PRESETS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
STUDIES = ("harry_potter", "shakespeare", "dickens", "ndfa", "brackets", "toy", "imdb", "sst")
SWEEPS = ("harry_potter_grid", "shakespeare_grid", "dickens_lr", "dickens_log", "sst_grid")
# What makes a run short, whatever the preset says.
SHORT = (
    "trainer=cpu",
    "trainer.max_steps=2",
    "trainer.max_epochs=1",
    "trainer.val_check_interval=null",
    "model.hidden_size=8",
    "embedding.dim=8",
    "callbacks.sample_text.every_n_epochs=1",
    "callbacks.sample_text.every_n_steps=null",
    "callbacks.sample_text.length=5",
    "evaluation.num_samples=2",
    "evaluation.sample_length=5",
)


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Overrides by data set that put made-up text in the place of the real one."""
    folder = tmp_path_factory.mktemp("texts")
    text = folder / "text.txt"
    text.write_text(made_up_text(600), encoding="utf-8")
    books = folder / "books"
    books.mkdir()
    for i in range(3):
        (books / f"{i}.txt").write_text(made_up_text(300, seed=i), encoding="utf-8")
    reviews = folder / "reviews"
    reviews.mkdir()
    lines = made_up_text(60).splitlines()
    for i, line in enumerate(lines):
        (reviews / f"{i}.txt").write_text(line, encoding="utf-8")
    sentences = folder / "sentences.txt"
    sentences.write_text("\n".join(lines), encoding="utf-8")
    few = ["data.source.num_strings=60", "data.source.num_held_out=20"]
    return {
        "shakespeare": [f"data.path='{text}'"],
        "dickens": [f"data.path='{text}'"],
        "harry_potter": [f"data.path='{books}'"],
        "oz": [f"data.path='{books}'"],
        "sst": [f"data.path='{sentences}'"],
        "imdb": [f"data.path='{reviews}'"],
        **dict.fromkeys(("ndfa", "brackets", "toy"), few),
    }


def composed(*overrides: str) -> Any:
    from hydra import compose, initialize_config_dir

    from lmlab.config import folders
    from lmlab.launch import sweep_folder

    folders.register_resolvers()
    sweep_folder.register_resolvers()
    with initialize_config_dir(config_dir=str(configuration_folder()), version_base="1.3"):
        return compose("train", overrides=list(overrides), return_hydra_config=True)


def swept(preset: str) -> dict[str, str]:
    """The settings that the preset sweeps over, with their values as typed."""
    params = composed(f"experiment={preset}").hydra.sweeper.params
    return {} if params is None else dict(params)


def test_every_study_has_its_presets() -> None:
    wanted = {*STUDIES, *SWEEPS, "shakespeare_best"}
    assert set(PRESETS) == wanted | {f"{name}_small" for name in wanted}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_trains(preset: str, texts: dict[str, list[str]], tmp_path: Path) -> None:
    from lmlab.config.checks import check_training
    from lmlab.config.compose import train_settings
    from lmlab.training.run import train

    vectors = tmp_path / "glove.8d.txt"
    vectors.write_text(
        "".join(f"{word} {' '.join(['0.5'] * 8)}\n" for word in ("the", "cat", "sees")), encoding="utf-8"
    )
    name = composed(f"experiment={preset}").data.name
    values = {key: value.split(",") for key, value in swept(preset).items()}
    # The last of each, with the sizes made small.
    last = [f"{key}={value[-1]}" for key, value in values.items() if key != "model.hidden_size"]
    if any("glove" in one for one in last):
        last.append(f"embedding.path='{vectors}'")
    settings = train_settings([f"experiment={preset}", *last, *SHORT, *texts[name]])
    check_training(settings)
    settings.trainer.precision = "32-true"
    folder = tmp_path / "run"
    folder.mkdir()
    summary = train(settings, folder)
    assert summary["status"] == "finished"
    assert summary["val/perplexity"] > 1
    assert json.loads((folder / "exhibits.json").read_text(encoding="utf-8"))["temperatures"]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_value_of_a_sweep_composes(preset: str) -> None:
    is_sweep = preset.removesuffix("_small") in SWEEPS
    assert asks_for_a_sweep([f"experiment={preset}"]) == is_sweep
    assert bool(swept(preset)) == is_sweep
    for key, values in swept(preset).items():
        for value in values.split(","):
            composed(f"experiment={preset}", f"{key}={value}")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_says_what_it_asks_and_what_it_costs(preset: str) -> None:
    lines = (FOLDER / f"{preset}.yaml").read_text(encoding="utf-8").splitlines()
    comment = [line for line in lines[1:] if line.startswith("# ")]
    assert lines[0] == "# @package _global_"
    assert comment[0].endswith((".", "?"))
    assert any(line.startswith("# Cost: ") and any(c.isdigit() for c in line) for line in comment)


def test_words_that_ask_for_a_sweep(tmp_path: Path) -> None:
    own = tmp_path / "experiment"
    own.mkdir()
    (own / "mine.yaml").write_text("defaults: [shakespeare_grid, _self_]\n")
    (own / "shakespeare_grid.yaml").write_text("hydra: {mode: RUN}\n")
    (own / "broken.yaml").write_text("hydra: [")
    assert asks_for_a_sweep(["-m", "seed=0"])
    assert asks_for_a_sweep(["+experiment=dickens_lr_small", "seed=1"])
    assert not asks_for_a_sweep(["experiment=shakespeare"])
    assert not asks_for_a_sweep(["experiment=nothing"])
    assert not asks_for_a_sweep(["experiment=shakespeare_grid", "--cfg", "job"])
    # The user's own folder comes first.
    assert not asks_for_a_sweep(["--config-dir", str(tmp_path), "experiment=mine"])
    assert not asks_for_a_sweep([f"--config-dir={tmp_path}", "experiment=broken"])
    (own / "shakespeare_grid.yaml").unlink()
    assert asks_for_a_sweep([f"--config-dir={tmp_path}", "experiment=mine"])


def test_no_preset_reaches_out() -> None:
    """A stored sweep may choose among them."""
    for path in FOLDER.glob("*.yaml"):
        assert not OPTIONS & set(re.findall(r"\w+", path.read_text(encoding="utf-8"))), path
