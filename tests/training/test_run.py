"""A whole run: what it leaves behind, that its numbers agree with each other, and that it can go on exactly."""

from __future__ import annotations

import copy
import csv
import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from conftest import DIVERGING, SMALL, compose_config, kinds, made_up_text, resume_run

import lmlab
from lmlab.config.compose import compose_settings
from lmlab.config.settings import EvaluateSettings
from lmlab.errors import InterruptedRun, UserError
from lmlab.evaluate import evaluate
from lmlab.runs.summary import read_summary
from lmlab.training import run as run_module
from lmlab.training.run import train


def read_rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "metrics.csv").open()))


def read_samples(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]


def weights(folder: Path, which: str = "last") -> dict[str, torch.Tensor]:
    loaded = torch.load(folder / "checkpoints" / f"{which}.ckpt", weights_only=True)
    state: dict[str, torch.Tensor] = loaded["state_dict"]
    return state


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_a_run_leaves_everything_behind(trained_run: Path) -> None:
    there = {path.name for path in trained_run.iterdir()}
    assert {"config.yaml", "tokenizer.json", "metrics.csv", "samples.jsonl", "summary.json", "checkpoints"} <= there
    assert any(name.startswith("events.out.tfevents") for name in there)
    assert {path.name for path in (trained_run / "checkpoints").iterdir()} == {
        "best.ckpt",
        "last.ckpt",
        "previous.ckpt",
    }


def test_the_summary_has_every_promised_figure(trained_run: Path) -> None:
    summary = json.loads((trained_run / "summary.json").read_text())
    figures = ["nats_per_token", "perplexity", "bits_per_char", "error_rate", "unk_rate", "num_tokens"]
    promised = {f"{split}/{figure}" for split in ("val", "test") for figure in figures}
    promised |= {"best_epoch", "best_step", "num_parameters", "num_train_tokens", "tokens_per_second", "wall_seconds"}
    promised |= {"peak_memory_bytes", "vocabulary_size", "fingerprint", "train_fingerprint", "device", "precision"}
    assert promised | {"versions", "diagnostics"} <= summary.keys()
    assert summary["val/perplexity"] == pytest.approx(math.exp(summary["val/nats_per_token"]), rel=1e-12)
    assert summary["num_train_tokens"] == int(read_rows(trained_run)[-1]["tokens"])
    assert sum(part["parameters"] for part in summary["architecture"]) == summary["num_parameters"]


def test_the_summary_is_the_best_row_and_the_best_checkpoint(trained_run: Path) -> None:
    summary = json.loads((trained_run / "summary.json").read_text())
    best = min(read_rows(trained_run), key=lambda row: float(row["val/nats_per_token"]))
    assert float(best["val/nats_per_token"]) == summary["val/nats_per_token"]
    assert int(best["step"]) == summary["best_step"]
    lm = lmlab.load(trained_run)
    text = lm.settings.data.path
    documents = Path(text).read_text()
    a, b = (int(share * len(documents) + 1e-9) for share in (0.8, 0.9))
    while documents[a - 1].isalnum() and documents[a].isalnum():
        a += 1
    while documents[b - 1].isalnum() and documents[b].isalnum():
        b += 1
    again = lm.evaluate(documents[a:b])
    assert again["nats_per_token"] == pytest.approx(summary["val/nats_per_token"], rel=1e-9)
    assert again["bits_per_char"] == pytest.approx(summary["val/bits_per_char"], rel=1e-9)
    tested = lm.evaluate(documents[b:])
    assert tested["perplexity"] == pytest.approx(summary["test/perplexity"], rel=1e-9)


def test_training_learns(trained_run: Path) -> None:
    summary = json.loads((trained_run / "summary.json").read_text())
    assert summary["val/perplexity"] < 0.6 * summary["vocabulary_size"]


def test_samples_continue_their_prompt_and_say_how_they_ended(trained_run: Path) -> None:
    samples = read_samples(trained_run)
    assert [sample["epoch"] for sample in samples] == [1, 2]
    assert set(samples[0]) == {
        "step", "epoch", "prompt", "text", "temperature", "top_k", "top_p", "seed", "stop_reason",
    }  # fmt: skip
    lm = lmlab.load(trained_run, checkpoint="last")
    last = samples[-1]
    assert lm.generate(last["prompt"], length=30, temperature=last["temperature"], seed=last["seed"]) == last["text"]
    assert all((s["stop_reason"] == "length" and len(s["text"]) == 30) or s["stop_reason"] == "end" for s in samples)


def test_sampling_and_evaluation_change_no_weight(text_file: Path, tmp_path: Path) -> None:
    with_samples, without = tmp_path / "with", tmp_path / "without"
    for folder, overrides in (
        (with_samples, ["callbacks.sample_text.every_n_steps=3", "trainer.val_check_interval=7"]),
        (without, ["callbacks.sample_text.every_n_epochs=null", "logger=none"]),
    ):
        folder.mkdir()
        train(compose_config(text_file, "trainer.max_epochs=1", "model.dropout=0.3", *overrides), folder)
    assert len(read_samples(with_samples)) > 10
    assert len(read_rows(with_samples)) > 5
    assert not (without / "samples.jsonl").exists()
    assert same(weights(with_samples), weights(without))


def test_the_seed_decides_the_weights(text_file: Path, tmp_path: Path) -> None:
    folders = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        folder = tmp_path / name
        folder.mkdir()
        train(compose_config(text_file, "trainer.max_steps=5", f"seed={seed}"), folder)
        folders.append(folder)
    a, b, c = (weights(folder) for folder in folders)
    assert same(a, b)
    assert not same(a, c)


class _SignalAt(pl.Callback):
    """Sends this process a signal at one step, as a person would."""

    def __init__(self, step: int, number: int) -> None:
        self.step, self.number = step, number

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("step", [3, 58, 97])  # in the first epoch, in its last step, in the second epoch
@pytest.mark.parametrize(
    ("number", "evaluation"),
    [
        (signal.SIGINT, "check_val_every_n_epoch=1"),
        (signal.SIGTERM, "check_val_every_n_epoch=1"),
        (signal.SIGINT, "val_check_interval=4"),
    ],
)
def test_an_interrupted_run_goes_on_exactly(
    step: int, number: int, evaluation: str, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropouts = ["model.dropout=0.3", "model.weight_dropout=0.4"]
    config = compose_config(text_file, *dropouts, "data.batch_size=8", "model=gru", f"trainer.{evaluation}")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    train(copy.deepcopy(config), whole)
    make_trainer = run_module.build_trainer
    spy = _SignalAt(step, number)
    monkeypatch.setattr(
        run_module, "build_trainer", lambda c, f, d, cb, *more: make_trainer(c, f, d, [spy, *cb], *more)
    )
    with pytest.raises(InterruptedRun) as stop:
        train(copy.deepcopy(config), parts)
    assert stop.value.signal_number == number
    assert json.loads((parts / "summary.json").read_text())["status"] == "interrupted"
    monkeypatch.setattr(run_module, "build_trainer", make_trainer)
    summary = resume_run(parts)
    assert summary["status"] == "finished"
    assert same(weights(whole), weights(parts))
    assert same(weights(whole, "best"), weights(parts, "best"))
    timeless = [{k: v for k, v in row.items() if k not in ("seconds", "tokens_per_second")} for row in read_rows(whole)]
    resumed = [{k: v for k, v in row.items() if k not in ("seconds", "tokens_per_second")} for row in read_rows(parts)]
    for expected, found in zip(timeless, resumed, strict=True):
        assert {k for k, v in found.items() if v} == {k for k, v in expected.items() if v}
        assert {k: float(v) for k, v in found.items() if v} == pytest.approx(
            {k: float(v) for k, v in expected.items() if v}, rel=1e-6
        )
    assert read_samples(parts) == read_samples(whole)


class _StatusSeen(pl.Callback):
    """What a report that is made now would say of the run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: set[str] = set()

    def on_train_batch_start(self, *_: Any) -> None:
        self.seen.add(json.loads((self.folder / "summary.json").read_text())["status"])


def test_a_finished_run_that_goes_on_is_not_finished(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = compose_config(text_file, "trainer.max_steps=3")
    train(copy.deepcopy(config), tmp_path)
    spy, make_trainer = _StatusSeen(tmp_path), run_module.build_trainer
    monkeypatch.setattr(
        run_module, "build_trainer", lambda c, f, d, cb, *more: make_trainer(c, f, d, [*cb, spy], *more)
    )
    assert resume_run(tmp_path, **{"trainer.max_steps": 5})["status"] == "finished"
    assert spy.seen == {"unfinished"}
    assert json.loads((tmp_path / "summary.json").read_text())["status"] == "finished"


def test_a_run_does_not_go_on_with_another_text(text_file: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(text_file.read_text())
    folder = tmp_path / "run"
    folder.mkdir()
    config = compose_config(text, "trainer.max_epochs=1")
    train(copy.deepcopy(config), folder)
    text.write_text("Changed. " + text_file.read_text())
    with pytest.raises(UserError, match="its train text has changed"):
        resume_run(folder, **{"trainer.max_epochs": 2})
    assert json.loads((folder / "summary.json").read_text())["status"] == "finished"


def test_a_run_that_ends_between_evaluations_is_evaluated_where_it_ends(text_file: Path, tmp_path: Path) -> None:
    train(compose_config(text_file, "trainer.max_steps=10"), tmp_path)
    assert [int(row["step"]) for row in read_rows(tmp_path)] == [10]


def test_the_gradients_norm_before_clipping_and_the_clipped_share_are_kept(text_file: Path, tmp_path: Path) -> None:
    train(compose_config(text_file, "trainer.max_epochs=1", "trainer.gradient_clip_val=1e-4"), tmp_path)
    row = read_rows(tmp_path)[0]
    assert float(row["clip_fraction"]) == 1.0
    assert float(row["grad_norm"]) > 1e-2
    (clipping,) = [d for d in read_summary(tmp_path)["diagnostics"] if d["kind"] == "clipping"]
    assert clipping["values"] == {"share": 1.0}


def test_prompts_have_seeds_of_their_own(text_file: Path, tmp_path: Path) -> None:
    overrides = ["callbacks.sample_text.prompts=[anna,ben]", "callbacks.sample_text.num_samples=2"]
    train(compose_config(text_file, "trainer.max_epochs=1", *overrides, "callbacks.sample_text.seed=5"), tmp_path)
    found = [(sample["prompt"], sample["seed"]) for sample in read_samples(tmp_path)]
    assert found == [("anna", 5), ("anna", 6), ("ben", 7), ("ben", 8)]


def test_divergence_ends_with_one_line(text_file: Path, tmp_path: Path) -> None:
    config = compose_config(text_file, *DIVERGING)
    with pytest.raises(UserError, match=r"diverged.*lower optimizer\.lr"):
        train(config, tmp_path)


def test_accumulating_two_half_batches_is_one_step_of_half_as_many(text_file: Path, tmp_path: Path) -> None:
    summary = train(compose_config(text_file, "trainer.accumulate_grad_batches=2", "trainer.max_epochs=1"), tmp_path)
    batches = math.ceil(math.ceil(len(text_file.read_text()) * 0.8 / 4) / 25)
    assert summary["best_step"] == pytest.approx(batches / 2, abs=1)


@pytest.mark.parametrize("model", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("tokenizer", [["char"], ["word"], ["bpe", "tokenizer.vocabulary_size=300"]])
def test_every_model_trains_on_characters_and_words(
    model: str, tokenizer: list[str], text_file: Path, tmp_path: Path
) -> None:
    parts = [f"model={model}", f"tokenizer={tokenizer[0]}", *tokenizer[1:]]
    overrides = [*parts, "model.num_layers=2", "trainer.max_steps=20"]
    summary = train(compose_config(text_file, *overrides), tmp_path)
    assert summary["val/nats_per_token"] < math.log(summary["vocabulary_size"])


@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_vectors_stay_and_tuned_ones_move(freeze: bool, text_file: Path, tmp_path: Path) -> None:
    glove = tmp_path / "glove.txt"
    glove.write_text("anna 1 2 3\nben 2 1 4\ncat 0 1 0\n. 1 1 1\n")
    overrides = ["tokenizer=word", "embedding=glove", f"embedding.path={glove}", f"embedding.freeze={freeze}"]
    config = compose_config(text_file, *overrides, "embedding.dim=null", "trainer.max_steps=5")
    folder = tmp_path / "run"
    folder.mkdir()
    summary = train(config, folder)
    assert "glove-coverage" in kinds(summary)
    lm = lmlab.load(folder)
    anna = lm.model.embedding.weight[list(lm.tokenizer.vocabulary).index("anna")].tolist()
    assert (anna == [1.0, 2.0, 3.0]) == freeze
    glove.unlink()  # not needed again, and what is known of it is not forgotten
    again = resume_run(folder, **{"trainer.max_steps": 7})
    assert again["vector_coverage"] == summary["vector_coverage"] > 0
    assert "glove-coverage" in kinds(again)


def test_a_small_text_is_shrunk_to_fit_and_said(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("A short text of a few words, not more than that. " * 3)
    summary = train(compose_config(text, "data.batch_size=64", "data.sequence_length=100"), tmp_path)
    assert any("shorter than one batch" in found["text"] for found in summary["diagnostics"])


def test_unknown_words_of_an_evaluated_text_are_told(
    trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "other.txt"
    for content, told in (("Ω" * 300, True), ("Anna sees Ben. " * 50, False)):
        text.write_text(content, encoding="utf-8")
        evaluate(compose_settings("evaluate", EvaluateSettings, [f"run={trained_run}", f"data.path={text}"]))
        assert ("warning: Unknown words: 99.7%" in capsys.readouterr().err) == told


def test_a_text_that_has_changed_is_not_evaluated_as_the_runs(tmp_path: Path) -> None:
    text = tmp_path / "book.txt"
    text.write_text(made_up_text(300), encoding="utf-8")
    folder = tmp_path / "run"
    folder.mkdir()
    train(compose_config(text, *SMALL), folder)
    settings = compose_settings("evaluate", EvaluateSettings, [f"run={folder}", "split=test"])
    assert evaluate(settings)["nats_per_token"] > 0
    text.write_text(made_up_text(300, seed=9), encoding="utf-8")
    with pytest.raises(UserError, match=r"split=test: its text is another than the run was made with; .*data\.path="):
        evaluate(settings)
    settings.data.path, settings.split = str(text), None
    assert evaluate(settings)["nats_per_token"] > 0
    text.write_text("a")
    with pytest.raises(UserError, match=r"^data\.path=.*book\.txt: has 1 token, nothing to predict"):
        evaluate(settings)
