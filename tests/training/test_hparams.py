"""TensorBoard's HPARAMS page: the same columns for every run, and the figures of the best evaluation."""

from __future__ import annotations

import csv
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from conftest import compose_config, resume_run
from hparams_pages import Page, groups_of_curves, hparams_page
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lmlab.config.typed import plain
from lmlab.training.callbacks.hparams import Shown, shown_settings, write_failed_job
from lmlab.training.run import train

OTHERS = "other settings"
# As a sweep may name them: an option of a group, a setting of every run, and others.
SWEPT = {
    "model": "rnn",
    "data": "text",
    "optimizer": "adam",
    "model.hidden_size": "16",
    "seed": "3",
    "trainer.gradient_clip_val": "0.5",
    "scheduler": "cosine",
    "data.tokens_per_batch": "null",
}
_OTHERS = ("trainer.gradient_clip_val", "scheduler", "data.tokens_per_batch")


def run(text: Path, folder: Path, *words: str, **more: Any) -> dict[str, Any]:
    folder.mkdir(parents=True)
    return train(compose_config(text, "data.batch_size=32", *words), folder, **more)


@pytest.fixture(scope="module")
def outputs(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, a job of each of two sweeps, and a job that failed."""
    folder = tmp_path_factory.mktemp("outputs")
    run(text_file, folder / "single", "model=lstm", "callbacks.gradients.per_layer=true")
    rnn = {"model": "rnn", "trainer.gradient_clip_val": "0.5"}
    run(text_file, folder / "sweep" / "0", "model=rnn", "trainer.gradient_clip_val=0.5", swept=rnn)
    run(text_file, folder / "other" / "0", "model.dropout=0.1", "seed=1", swept={"model.dropout": "0.1", "seed": "1"})
    (folder / "sweep" / "1").mkdir()
    failed = plain(compose_config(text_file, "data.batch_size=32")) | {"name": "${data.name}-${model.name}"}
    failed["model"]["hidden_size"] = 0
    write_failed_job(folder / "sweep" / "1", shown_settings(failed, {**rnn, "model": "lstm"}))
    return folder


def settings_of(page: Page) -> dict[str, list[str]]:
    return {name: sorted(row.settings) for name, row in page.rows.items()}


def test_every_run_has_the_same_columns(outputs: Path) -> None:
    page = hparams_page(outputs)
    assert sorted(page.rows) == ["other/0", "single", "sweep/0", "sweep/1"]
    common = settings_of(page)["single"]
    assert {"model.name", "model.hidden_size", "optimizer", "optimizer.lr", "tokenizer", "embedding", "seed"} < {
        *common
    }
    assert set(common) | {OTHERS} <= set(page.settings)
    assert settings_of(page)["other/0"] == common
    assert settings_of(page)["sweep/0"] == sorted([*common, OTHERS, "trainer.gradient_clip_val"])
    assert settings_of(page)["sweep/1"] == settings_of(page)["sweep/0"]
    row = page.rows["sweep/0"].settings
    assert (row["model.name"], row["trainer.gradient_clip_val"]) == ("rnn", 0.5)
    assert row[OTHERS] == "trainer.gradient_clip_val=0.5"
    assert (row["optimizer"], row["tokenizer"], row["embedding"]) == ("adam", "char", "random")
    assert (row["model.hidden_size"], page.rows["sweep/1"].settings["model.hidden_size"]) == (16.0, 0.0)
    assert not page.rows["sweep/1"].figures
    alone = hparams_page(outputs / "sweep" / "1")
    assert (sorted(alone.settings), alone.figures) == (settings_of(page)["sweep/1"], [])


@pytest.mark.parametrize("part", ["", "single", "sweep", "other"])
def test_the_page_of_any_of_them_has_its_figures_first(part: str, outputs: Path) -> None:
    page = hparams_page(outputs / part)
    assert page.figures[:4] == ["val nats per token", "val perplexity", "val bits per char", "tokens per second"]
    assert "parameters" in page.figures
    for row in page.rows.values():
        assert set(row.figures) in (set(page.figures), set())
    if part == "sweep":
        assert {"model.name", "trainer.gradient_clip_val"} < {*page.ticked}


def test_it_is_the_same_whichever_declares_it(outputs: Path) -> None:
    """But for what is swept besides, which is in a column that all have."""
    pages = [hparams_page(outputs / part) for part in ("single", "sweep", "other")]
    for one, other in itertools.combinations(pages, 2):
        assert one.figures == other.figures
        assert {*one.settings} ^ {*other.settings} <= {"trainer.gradient_clip_val"}


def test_no_copies_of_the_best_figures_stand_before_the_curves_of_validation(outputs: Path) -> None:
    groups = groups_of_curves(outputs)
    assert groups.index("train") < groups.index("val") < groups.index("val_best")
    assert not [group for group in groups if "best" in group and group != "val_best"]


def test_the_figures_are_those_of_the_best_evaluation(text_file: Path, tmp_path: Path) -> None:
    words = ("model=lstm", "optimizer.lr=0.6", "seed=1", "trainer.val_check_interval=4", "trainer.max_steps=20")
    words += ("trainer.precision=32-true",)  # where the best is must not depend on the machine
    summary = run(text_file, tmp_path / "run", *words)
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    best = min(rows, key=lambda row: float(row["val/nats_per_token"]))
    assert int(best["step"]) == summary["best_step"]
    assert best not in (rows[0], rows[-1])
    (row,) = hparams_page(tmp_path).rows.values()
    for name in ("nats per token", "perplexity", "bits per char", "error rate"):
        assert row.figures[f"val {name}"] == pytest.approx(float(best[f"val/{name.replace(' ', '_')}"]), rel=1e-6)
    assert row.figures["tokens per second"] == pytest.approx(float(best["tokens_per_second"]), rel=1e-6)
    assert row.figures["parameters"] == summary["num_parameters"]
    assert row.is_done


def test_a_resumed_run_has_the_page_of_one_that_was_not_interrupted(text_file: Path, tmp_path: Path) -> None:
    summary = run(text_file, tmp_path / "whole" / "run", "model=rnn")
    run(text_file, tmp_path / "part" / "run", "model=rnn", stop_after_tokens=summary["num_train_tokens"] // 2)
    assert not hparams_page(tmp_path / "part").rows["run"].is_done
    resume_run(tmp_path / "part" / "run")
    whole, part = (hparams_page(tmp_path / name) for name in ("whole", "part"))
    for page in (whole, part):
        assert page.rows["run"].figures.pop("tokens per second") > 0
    assert part == whole
    told = EventAccumulator(str(tmp_path / "part" / "run")).Reload()
    assert len(told.Scalars("val_best/nats_per_token")) == 2
    assert len(told.Scalars("num_parameters")) == 1


def test_whatever_is_swept_no_setting_is_told_twice(text_file: Path) -> None:
    words = [f"{name}={value}" for name, value in SWEPT.items()]
    config = plain(compose_config(text_file, *words))
    single = shown_settings(config)
    assert single == Shown(single.values, ())
    assert single.values["seed"] == 3
    generator = random.Random(0)
    for _ in range(100):
        names = generator.sample([*SWEPT], generator.randint(1, len(SWEPT)))
        job = shown_settings(config, {name: SWEPT[name] for name in names})
        more = [name for name in names if name in _OTHERS]
        added = {name for name in more if SWEPT[name] != "null"} | ({OTHERS} if more else set())
        assert set(job.values) == set(single.values) | added
        assert {name: job.values[name] for name in single.values} == single.values
        assert len(job.swept) == len(names)
        assert not {"model", "data"} & {*job.swept, *job.values}


def test_what_cannot_be_a_value_is_left_out(text_file: Path) -> None:
    config = plain(compose_config(text_file))
    whole = shown_settings(config).values
    config["model"]["hidden_size"] = "many"
    config["data"]["name"] = "${oc.env:NAME}"
    config["seed"] = None
    del config["embedding"]
    found = shown_settings(json.loads(json.dumps(config))).values
    gone = {"model.hidden_size", "data.name", "seed", "embedding", "embedding.dim"}
    assert found == {name: value for name, value in whole.items() if name not in gone}
    assert gone < {*whole}


def test_frozen_vectors_are_an_option(text_file: Path) -> None:
    config = plain(compose_config(text_file))
    config["embedding"] |= {"_target_": "lmlab.models.embedding.GloveVectors", "freeze": True}
    assert shown_settings(config).values["embedding"] == "glove_frozen"
