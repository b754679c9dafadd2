"""Runs that read a part of their texts: what is trained and evaluated, what they leave behind, and that they resume."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from conftest import compose_config, kinds, resume_run
from equal_runs import assert_equal_runs, rows
from torch import Tensor

import lmlab
from lmlab.config.settings import TrainSettings
from lmlab.data.datamodule import LanguageModelData
from lmlab.errors import UserError
from lmlab.evaluation.protocol import evaluate
from lmlab.training import run as run_module
from lmlab.training.assembly import build_data
from lmlab.training.batch_limits import limit_batches
from lmlab.training.callbacks.time_limit import TimeLimit
from lmlab.training.duration import estimated_seconds, steps_per_epoch
from lmlab.training.gradient_totals import GradientTotals
from lmlab.training.plan import steps_for_tokens, total_steps
from lmlab.training.run import train
from lmlab.training.schedulers import Cosine
from lmlab.verification.run import checks

WHOLE = ("bits_per_char", "source_nats_per_token", "excess_nats_per_token", "baselines", "by_length")
GRAMMAR = (
    "data=ndfa",
    "data.path=null",
    "data.source.num_strings=200",
    "data.source.num_held_out=400",
    "data.tokens_per_batch=200",
)


def trained(settings: TrainSettings, folder: Path, **more: Any) -> dict[str, Any]:
    folder.mkdir(parents=True)
    return train(copy.deepcopy(settings), folder, **more)


def limited(settings: TrainSettings) -> LanguageModelData:
    data = build_data(settings)
    limit_batches(settings.trainer, data)
    return data


class _Spy(pl.Callback):
    """The inputs of every training batch, by epoch, and the largest element of each gradient."""

    def __init__(self) -> None:
        self.seen: dict[int, list[Tensor]] = {}
        self.largest: list[float] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.seen.setdefault(trainer.current_epoch, []).append(batch.inputs.clone())

    def on_before_zero_grad(self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any) -> None:
        self.largest += [float(p.grad.abs().max()) for p in pl_module.parameters() if p.grad is not None]


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> _Spy:
    found, make_trainer = _Spy(), run_module.build_trainer
    monkeypatch.setattr(
        run_module, "build_trainer", lambda c, f, d, cb, *more: make_trainer(c, f, d, [found, *cb], *more)
    )
    return found


# What is trained on


def test_each_epoch_has_batches_of_its_own(text_file: Path, tmp_path: Path, spy: _Spy) -> None:
    settings = compose_config(text_file, "batching=windows", "trainer.limit_train_batches=4", "trainer.max_epochs=3")
    trained(settings, tmp_path / "run")
    whole = build_data(settings).train_loader
    expected = {epoch: [whole.batch(epoch, i).inputs for i in range(4)] for epoch in range(3)}
    assert {epoch: len(seen) for epoch, seen in spy.seen.items()} == {0: 4, 1: 4, 2: 4}
    assert all(torch.equal(a, b) for epoch in expected for a, b in zip(spy.seen[epoch], expected[epoch], strict=True))
    assert not torch.equal(spy.seen[0][0], spy.seen[1][0])


def test_overfitting_has_the_same_batches_in_every_epoch(text_file: Path, tmp_path: Path, spy: _Spy) -> None:
    settings = compose_config(text_file, "batching=windows", "trainer.overfit_batches=2", "trainer.max_epochs=3")
    summary = trained(settings, tmp_path / "run")
    assert {epoch: len(seen) for epoch, seen in spy.seen.items()} == {0: 2, 1: 2, 2: 2}
    for epoch in (1, 2):
        assert all(torch.equal(a, b) for a, b in zip(spy.seen[0], spy.seen[epoch], strict=True))
    assert summary["partial"]["train"]["repeated"] is True
    assert summary["partial"]["validation"]["batches"] == 2


def test_a_fraction_is_rounded_down_and_never_to_nothing(text_file: Path) -> None:
    settings = compose_config(text_file, "trainer.limit_train_batches=0.29", "trainer.limit_val_batches=0.5")
    whole = build_data(settings)
    found = limited(settings)
    assert len(found.train_loader) == math.floor(0.29 * len(whole.train_loader))
    assert len(found.val_dataloader()) == len(whole.val_dataloader()) // 2  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"^trainer\.limit_train_batches=0\.0001: is less than one of"):
        limited(compose_config(text_file, "trainer.limit_train_batches=0.0001"))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_steps_epochs_and_schedule_follow_the_limit(text_file: Path, tmp_path: Path, accumulate: int) -> None:
    words = ["scheduler=cosine", "trainer.limit_train_batches=5", "trainer.max_epochs=3"]
    settings = compose_config(text_file, *words, f"trainer.accumulate_grad_batches={accumulate}")
    data, per_epoch = limited(settings), math.ceil(5 / accumulate)
    assert (steps_per_epoch(settings, data), total_steps(settings, data)) == (per_epoch, 3 * per_epoch)
    whole = build_data(settings)
    times = [estimated_seconds(settings, d, 1.0, steps=total_steps(settings, d)) for d in (data, whole)]
    assert times[0] < times[1] / 3
    trained(settings, tmp_path / "run")
    found = rows(tmp_path / "run")
    assert [(int(row["step"]), float(row["epoch"])) for row in found] == [(per_epoch * n, n) for n in (1, 2, 3)]
    how = settings.scheduler
    factor = Cosine(
        total_steps=3 * per_epoch,
        steps_per_epoch=per_epoch,
        warmup_steps=how.warmup_steps,  # type: ignore[attr-defined]
        final_fraction=how.final_fraction,  # type: ignore[attr-defined]
    )
    assert float(found[-1]["lr"]) == pytest.approx(settings.optimizer.lr * factor(3 * per_epoch), rel=1e-9)


@pytest.mark.parametrize("words", [("batching=windows", "data.stride=7"), GRAMMAR, ("batching=streams",)])
@pytest.mark.parametrize("limit", ["3", "null"])
def test_a_budget_of_tokens_counts_the_batches_that_are_read(
    text_file: Path, words: tuple[str, ...], limit: str
) -> None:
    settings = compose_config(text_file, *words, f"trainer.limit_train_batches={limit}")
    loader = limited(settings).train_loader
    sizes = [int(n) for epoch in range(6) for n in loader.num_targets(epoch)]
    later = sum(sizes[: len(loader) + 2])
    for wanted in (1, sizes[0], sizes[0] + 1, later, later + 1, sum(sizes[:-1]) + 1):
        expected = next(n for n in range(1, len(sizes) + 1) if sum(sizes[:n]) >= wanted)
        assert steps_for_tokens(settings, limited(settings), wanted) == expected


@pytest.mark.parametrize("limit", ["trainer.limit_train_batches=7", "trainer.overfit_batches=7"])
@pytest.mark.parametrize("batching", ["windows", "streams"])
@pytest.mark.parametrize("batches", [3, 7, 10])  # in an epoch, at its end, in the next
def test_a_limited_run_goes_on_exactly(
    limit: str, batching: str, batches: int, text_file: Path, tmp_path: Path
) -> None:
    words = [limit, f"batching={batching}", "model.dropout=0.3", "trainer.max_epochs=3", "scheduler=cosine"]
    settings = compose_config(text_file, *words, "model=rnn")
    trained(settings, tmp_path / "whole")
    paused = trained(settings, tmp_path / "part", stop_after_tokens=batches * 100)
    assert paused["status"] == "interrupted"
    assert paused["partial"]
    resume_run(tmp_path / "part")
    assert_equal_runs(tmp_path / "part", tmp_path / "whole")


# What is evaluated


@pytest.fixture(scope="module")
def part(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("part") / "run"
    words = ["trainer.limit_val_batches=2", "trainer.limit_test_batches=3", "trainer.limit_train_batches=20"]
    trained(compose_config(text_file, *words, "evaluation.baselines=true"), folder)
    return folder


def test_figures_of_a_part_are_those_of_its_batches(part: Path) -> None:
    summary, lm = json.loads((part / "summary.json").read_text()), lmlab.load(part)
    data = build_data(lm.settings)
    for prefix, split, number in (("val", "validation", 2), ("test", "test", 3)):
        loader = data.evaluation_loader(split)
        batches = [batch for i, batch in enumerate(loader) if i < number]
        figures = evaluate(lm.model, batches)
        assert {name: summary[f"{prefix}/{name}"] for name in figures} == pytest.approx(figures, rel=1e-9)


def test_a_part_has_no_figure_that_needs_the_whole_text(part: Path, text_file: Path, tmp_path: Path) -> None:
    grammar = tmp_path / "grammar"
    trained(compose_config(text_file, *GRAMMAR, "evaluation.baselines=true", "trainer.fast_dev_run=1"), grammar)
    for folder in (part, grammar):
        summary = json.loads((folder / "summary.json").read_text())
        assert not {f"{prefix}/{name}" for prefix in ("val", "test") for name in WHOLE} & set(summary)
        assert not [row for row in rows(folder) if row.get("val/bits_per_char") or row.get("val/source_nats_per_token")]
        assert not {"baseline", "below-source", "partial"} & {*kinds(summary)}


def test_the_summary_says_what_was_limited(part: Path) -> None:
    summary = json.loads((part / "summary.json").read_text())
    whole = build_data(lmlab.load(part).settings)
    assert summary["status"] == "finished"
    assert summary["partial"] == {
        "train": {"batches": 20, "of": len(whole.train_loader), "repeated": False},
        "validation": {"batches": 2, "of": len(list(whole.val_dataloader()))},
        "test": {"batches": 3, "of": len(list(whole.test_dataloader()))},
    }


LIMITS = ("limit_train_batches=9", "limit_val_batches=1", "limit_test_batches=1", "overfit_batches=2", "fast_dev_run=1")


def test_every_limit_has_a_fingerprint_of_its_own(text_file: Path, tmp_path: Path, trained_run: Path) -> None:
    found = {}
    for number, word in enumerate((*LIMITS, "limit_train_batches=1.0", "limit_val_batches=1000")):
        words = [f"trainer.{word}", "trainer.max_epochs=1", "trainer.max_steps=2", "tokenizer.end_token=document"]
        summary = trained(compose_config(text_file, *words), tmp_path / str(number))
        found[word] = summary["fingerprint"]
        assert ("partial" in summary) == (word in LIMITS)
    whole = json.loads((trained_run / "summary.json").read_text())["fingerprint"]
    assert found["limit_train_batches=1.0"] == found["limit_val_batches=1000"] == whole
    assert len({found[word] for word in LIMITS} | {whole}) == len(LIMITS) + 1


def test_verify_compares_no_figure_of_a_part_with_the_whole(part: Path, tmp_path: Path) -> None:
    verdicts = {check.name: check.verdict for check in checks(part, "best")}
    assert "wrong" not in verdicts.values()
    assert verdicts["fingerprint"] == "ok"
    assert verdicts["validation figures"] == verdicts["test figures"] == "unknown"
    last = {check.name: check.verdict for check in checks(part, "last")}
    assert "wrong" not in last.values()
    path = part / "summary.json"
    before = path.read_text()
    changed = json.loads(before)
    del changed["partial"]
    path.write_text(json.dumps(changed))
    try:
        assert {c.name: c.verdict for c in checks(part, "best")}["fingerprint"] == "wrong"
    finally:
        path.write_text(before)


# A trial


def test_a_trial_is_an_epoch_of_a_batch_each_with_all_that_a_run_leaves(text_file: Path, tmp_path: Path) -> None:
    settings = compose_config(text_file, "trainer.fast_dev_run=true", "trainer.max_steps=50")
    summary = trained(settings, tmp_path / "run")
    assert summary["status"] == "finished"
    assert {split: limit["batches"] for split, limit in summary["partial"].items()} == dict.fromkeys(
        ("train", "validation", "test"), 1
    )
    assert [(row["step"], row["epoch"]) for row in rows(tmp_path / "run")] == [("1", "1.0")]
    there = {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()}
    assert {"best.ckpt", "last.ckpt"} <= there
    assert lmlab.load(tmp_path / "run").generate("A", length=3)
    with pytest.raises(UserError, match=r"trainer\.max_epochs=3: the run is a trial"):
        resume_run(tmp_path / "run", **{"trainer.max_epochs": 3})


# Time


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimeLimit, "time_elapsed", lambda self, stage="train": 0.0 if stage != "train" else 1e9)


@pytest.mark.usefixtures("no_time")
@pytest.mark.parametrize(("words", "steps"), [((), 1), (("trainer.min_steps=4",), 4), (("trainer.min_epochs=1",), 7)])
def test_a_run_whose_time_is_over_is_finished_where_a_step_is_complete(
    words: tuple[str, ...], steps: int, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TimeLimit, "on_fit_start", lambda *_: None)  # there is time for the first step
    accumulated = ["trainer.accumulate_grad_batches=3", "data.batch_size=24", "trainer.max_time=00:00:01:00"]
    settings = compose_config(text_file, *accumulated, *words)
    summary = trained(settings, tmp_path / "run")
    assert summary["status"] == "finished"
    assert [int(row["step"]) for row in rows(tmp_path / "run")][-1] == steps
    assert "time-limit" in kinds(summary)
    again = resume_run(tmp_path / "run")
    assert again["num_train_tokens"] == summary["num_train_tokens"]
    assert again["diagnostics"] == summary["diagnostics"]
    with pytest.raises(UserError, match=r"ended by trainer\.max_time"):
        resume_run(tmp_path / "run", **{"trainer.max_epochs": 9})


def test_time_that_is_left_changes_nothing(text_file: Path, tmp_path: Path) -> None:
    settings = compose_config(text_file, "trainer.max_time=00:10:00:00", "trainer.max_steps=4")
    assert "time-limit" not in kinds(trained(settings, tmp_path / "run"))


# Arguments that must not change a number


def test_what_only_watches_a_run_changes_no_number(text_file: Path, tmp_path: Path) -> None:
    words = ["model.dropout=0.3", "averaging=ema", "trainer.max_steps=30", "trainer.val_check_interval=10"]
    watching = ["num_sanity_val_steps=-1", "detect_anomaly=true", "enable_model_summary=true", "inference_mode=false"]
    plain_run = trained(compose_config(text_file, *words), tmp_path / "plain")
    settings = compose_config(text_file, *words, *(f"trainer.{word}" for word in watching))
    watched = trained(settings, tmp_path / "watched", profiler="simple")
    kept = [key for key in plain_run if key.startswith(("val/", "test/", "best")) or key == "fingerprint"]
    assert {key: watched[key] for key in kept} == {key: plain_run[key] for key in kept}
    assert_equal_runs(tmp_path / "watched", tmp_path / "plain")
    assert (tmp_path / "watched" / "fit-profile.txt").stat().st_size
    assert "profiler: null" in (tmp_path / "watched" / "config.yaml").read_text()


def test_clipping_by_value_limits_every_element_and_tells_the_norm_after(
    text_file: Path, tmp_path: Path, spy: _Spy
) -> None:
    words = ["trainer.gradient_clip_algorithm=value", "trainer.gradient_clip_val=1e-3", "trainer.max_steps=6"]
    trained(compose_config(text_file, *words, "trainer.precision=bf16-mixed"), tmp_path / "run")
    assert spy.largest
    assert max(spy.largest) <= 1e-3 * (1 + 1e-6)  # float32
    row = rows(tmp_path / "run")[-1]
    assert 0 < float(row["grad_norm_clipped"]) < float(row["grad_norm"])
    assert float(row["clip_fraction"]) == 1.0


def test_a_step_that_overflowed_is_not_counted_when_clipping_by_value() -> None:
    totals = GradientTotals()
    for norm, after in ((4.0, 1.0), (math.inf, math.inf), (2.0, 2.0)):
        totals.update_by_value(torch.tensor(norm), torch.tensor(after))
    assert totals.take() == (2, {"grad_norm": 3.0, "grad_norm_clipped": 1.5, "clip_fraction": 0.5})
