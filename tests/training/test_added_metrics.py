"""A metric of a user's package: by configuration alone it is in every file, table and report of a run."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import SMALL, compose_config, resume_run
from equal_runs import rows
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import lmlab
from lmlab.config import plugins
from lmlab.config.plugins import Untrusted
from lmlab.errors import UserError
from lmlab.evaluation.protocol import nats_by_token
from lmlab.reporting.listings import results, sweep_table
from lmlab.reporting.tables import figures_of_run, results_table
from lmlab.runs.comparison import compare
from lmlab.runs.records import read_jobs, read_record
from lmlab.training.run import train

MODULE = """
import random

import numpy
import torch
import torchmetrics

import lmlab


class Brier(torchmetrics.Metric):
    full_state_update = False
    spec = lmlab.MetricSpec("brier", "share", ".3f", "lower", "mean of (1 - p)^power", "Brier score")
    fields = ()

    def __init__(self, *, power: float = 2.0) -> None:
        super().__init__()
        self.power = power
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, statistics):
        torch.rand(2)
        missed = (1 - (-statistics.nats.double()).exp()) ** self.power
        self.total += torch.where(statistics.mask, missed, 0.0).sum()
        self.count += statistics.mask.sum()

    def compute(self):
        return self.total / self.count


class Weighted(Brier):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))


class Draws(Brier):
    def __init__(self):
        super().__init__()
        torch.rand(3), numpy.random.rand(), random.random()


class Fails(Brier):
    def update(self, statistics):
        raise ValueError("no such thing")


class FailsLate(Brier):
    def compute(self):
        return self.total / self.weight_of_all


class NoSpec(torchmetrics.Metric):
    def update(self, statistics): ...
    def compute(self): ...


class NoSuchField(Brier):
    fields = ("entropy",)


class NoMetric:
    spec = Brier.spec


class Shaped(Brier):
    def compute(self):
        return torch.ones(2)
"""


@pytest.fixture(autouse=True)
def _package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "my_metrics.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with plugins.trusting("my_metrics"):
        yield


def brier(name: str = "Brier", figure: str = "brier", **more: Any) -> str:
    keywords = "".join(f", {key}: {value}" for key, value in more.items())
    return f"+metrics.{figure}={{_target_: my_metrics.{name}{keywords}}}"


def run(folder: Path, text_file: Path, *words: str) -> dict[str, Any]:
    folder.mkdir(parents=True)
    return train(compose_config(text_file, *SMALL, *words), folder)


def test_it_is_in_every_file_and_right(text_file: Path, tmp_path: Path) -> None:
    summary = run(tmp_path / "run", text_file, brier(), brier(figure="linear", power=1.0))
    lm = lmlab.load(tmp_path / "run")
    data = lmlab.build_data(lm.settings, tokenizer=lm.tokenizer)
    for split, prefix in (("validation", "val"), ("test", "test")):
        missed = 1 - nats_by_token(lm.model, data.evaluation_loader(split)).double().neg().exp()
        assert summary[f"{prefix}/brier"] == pytest.approx(float(missed.square().mean()), rel=1e-9)
        assert summary[f"{prefix}/linear"] == pytest.approx(float(missed.mean()), rel=1e-9)
    assert summary["metrics"]["brier"]["label"] == "Brier score"
    best = next(row for row in rows(tmp_path / "run") if row["step"] == str(summary["best_step"]))
    assert float(best["val/brier"]) == summary["val/brier"]
    events = EventAccumulator(str(tmp_path / "run"))
    events.Reload()
    assert events.Scalars("val/brier")[-1].value == pytest.approx(float(rows(tmp_path / "run")[-1]["val/brier"]))
    assert events.Scalars("val_best/brier")[-1].value == pytest.approx(summary["val/brier"])
    text = data.corpus.texts("test")
    assert lm.evaluate(text)["brier"] == pytest.approx(summary["test/brier"])


@pytest.mark.parametrize("name", ["Weighted", "Draws"])
def test_it_changes_nothing_else(name: str, text_file: Path, tmp_path: Path) -> None:
    """Not by the random numbers it draws, nor by parameters of its own, which are not trained."""
    plain = run(tmp_path / "plain", text_file, "model.dropout=0.3")
    with_it = run(tmp_path / "with", text_file, "model.dropout=0.3", brier(name))
    same = [key for key in plain if key.startswith(("val/", "test/")) or key == "num_parameters"]
    assert {key: with_it[key] for key in same} == {key: plain[key] for key in same}


def test_a_resumed_run_has_it_too(text_file: Path, tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", text_file, brier())
    paused = tmp_path / "paused"
    paused.mkdir()
    train(compose_config(text_file, *SMALL, brier()), paused, stop_after_tokens=600)
    assert resume_run(paused)["val/brier"] == whole["val/brier"]


def test_tables_and_reports_need_no_trust(text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = tmp_path / "sweep"
    for number, rate in enumerate(("1e-3", "1e-2")):
        folder = sweep / f"{number}_lr"
        run(folder, text_file, brier(), f"optimizer.lr={rate}")
        (folder / ".hydra").mkdir()
        (folder / ".hydra" / "overrides.yaml").write_text(f"- optimizer.lr={rate}\n")
    monkeypatch.setattr(plugins, "trusted_package", lambda target: None)
    (tmp_path / "my_metrics.py").unlink()
    comparison = compare(read_jobs(sweep))
    record = comparison.records[0]
    value = record.summary["val/brier"]
    assert any(f"{value:.3f}" in line.split() for line in sweep_table(comparison))
    assert "Brier score" in sweep_table(comparison)[0]
    listed = list(csv.DictReader(results(comparison).splitlines()))
    assert {float(row["val/brier"]) for row in listed} == {job.summary["val/brier"] for job in comparison.records}
    row = ["Brier score (share)", f"{value:.3f}", f"{record.summary['test/brier']:.3f}"]
    assert row in figures_of_run(record).to_numpy().tolist()
    assert "validation Brier score (share)" in results_table(comparison)


def test_a_run_with_it_is_not_loaded_without_trust(text_file: Path, tmp_path: Path) -> None:
    run(tmp_path / "run", text_file, brier())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugins, "trusted_package", lambda target: None)
        with pytest.raises(Untrusted, match=r"metrics\.brier\._target_=my_metrics\.Brier"):
            lmlab.load(tmp_path / "run")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([brier("NoSpec")], r"metrics\.brier=NoSpec: has no specification; give the class an attribute spec"),
        ([brier("NoSuchField")], r"metrics\.brier=.*: its fields have 'entropy'; the optional .* wrong, rank"),
        ([brier("NoMetric")], r"metrics\.brier\._target_=.*: is not a subclass of torchmetrics\.Metric"),
        ([brier("Shaped")], r"metrics\.brier: its compute returns a tensor of shape \(2,\)"),
        ([brier("Fails")], r"metrics\.brier=.*my_metrics.*: failed with ValueError: no such thing"),
        ([brier("FailsLate")], r"metrics\.brier=.*: failed with AttributeError: .*weight_of_all"),
        ([brier(figure="perplexity")], r"metrics\.perplexity: is the name of one of lmlab's own figures"),
        ([brier(figure="source_nats_per_token")], r"is the name of one of lmlab's own figures"),
        ([brier(pover=3)], r"metrics\.brier\.pover=3: no such setting"),
        (["+metrics.x={_target_: torchmetrics.MeanMetric}"], r"metrics\.x\._target_=.*: is not a class allowed"),
        (["+metrics.x={_target_: lmlab.evaluation.metrics.TopKAccuracy, k: 0}"], r"metrics\.x: .* k must be 1 or more"),
    ],
)
def test_what_cannot_be_is_named(words: list[str], message: str, text_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        run(tmp_path / "run", text_file, *words)


def test_another_k(text_file: Path, tmp_path: Path) -> None:
    target = "lmlab.evaluation.metrics.TopKAccuracy"
    summary = run(tmp_path / "run", text_file, f"+metrics.top_1={{_target_: {target}, k: 1}}")
    assert summary["val/top_1"] == pytest.approx(1 - summary["val/error_rate"])
    assert summary["metrics"]["top_1"]["label"] == "top-1 accuracy (top_1)"


def test_a_damaged_specification_is_shown_plainly(text_file: Path, tmp_path: Path) -> None:
    run(tmp_path / "run", text_file, brier())
    path = tmp_path / "run" / "summary.json"
    summary = json.loads(path.read_text())
    for damage in ({"format": "99999f"}, {"format": 3}, "x", None, {"unit": ["\x1b[31m"]}, {"label": "\x1b[31mred"}):
        path.write_text(json.dumps(summary | {"metrics": {"brier": damage, "nats_per_token": {}}}))
        table = figures_of_run(read_record(tmp_path / "run"))
        assert "\x1b" not in str(table.to_dict())
        assert len(table) == 2
    path.write_text(json.dumps(summary | {"metrics": [1]}))
    assert read_record(tmp_path / "run").status == "damaged"
