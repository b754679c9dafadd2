"""What the log of a run says is wrong with it, and that its summary says it in the end."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from conftest import compose_config, kinds

from lmlab.diagnostics.diagnose import as_stored, of_run
from lmlab.diagnostics.rules import noted
from lmlab.runs.records import RunInTraining, read_record
from lmlab.runs.summary import Summary
from lmlab.training.callbacks.alarms import Alarms
from lmlab.training.run import train

Rows = list[dict[str, float]]
TRAINING: Any = SimpleNamespace(sanity_checking=False)


def rows(*pairs: tuple[float, float]) -> Rows:
    return [
        {"step": 10.0 * i, "epoch": float(i), "train/nats_per_token": training, "val/nats_per_token": validation}
        for i, (training, validation) in enumerate(pairs, 1)
    ]


class Told:
    """What the callback logs of evaluations that come one after the other."""

    def __init__(self, caplog: pytest.LogCaptureFixture, **known: Any) -> None:
        self.caplog = caplog
        self.rows: Rows = []
        summary = Summary(status="unfinished", **known)
        self.alarms = Alarms(record=lambda: RunInTraining(Path("nowhere"), "run", summary, self.rows, {}))

    def start(self) -> list[str]:
        self.caplog.clear()
        self.alarms.on_train_start(TRAINING, cast(Any, None))
        return self.caplog.messages

    def evaluation(self, *evaluations: tuple[float, float]) -> list[str]:
        self.caplog.clear()
        self.rows = rows(*evaluations)
        self.alarms.on_validation_end(TRAINING, cast(Any, None))
        return self.caplog.messages


def test_each_kind_is_told_when_it_first_shows_and_once(caplog: pytest.LogCaptureFixture) -> None:
    told = Told(caplog)
    first, second = (3.0, 3.1), (2.5, 2.9)
    assert told.evaluation(first, second) == []
    (overfitting,) = told.evaluation(first, second, (2.0, 3.2))
    assert overfitting.startswith("warning: Overfitting: Validation rose from 2.9000 nats per token")
    assert told.evaluation(first, second, (2.0, 3.3)) == []
    (failed,) = told.evaluation(first, second, (2.6, 3.3))
    assert failed.startswith("warning: Failed optimisation: ")
    assert told.evaluation(first, second, (2.0, 3.3)) == []


def test_notes_are_told_before_training_and_not_with_an_evaluation(caplog: pytest.LogCaptureFixture) -> None:
    known = [noted("other", text="the one"), noted("other", text="the other"), noted("leak", share=0.5)]
    told = Told(caplog, diagnostics=as_stored(known), vector_coverage=0.5)
    said = told.start()
    assert len(said) == 4
    for words in ("The one.", "The other.", "Validation text in the training text", "50.0% of the vocabulary"):
        assert len([line for line in said if words in line]) == 1
    assert told.evaluation((3.0, 3.1), (2.9, 3.105)) == []  # the last epoch is a little worse: a note


def test_nothing_is_told_while_lightning_only_tries_the_evaluation(caplog: pytest.LogCaptureFixture) -> None:
    told = Told(caplog, diagnostics=as_stored([noted("leak", share=0.5)]))
    told.alarms.on_validation_end(cast(Any, SimpleNamespace(sanity_checking=True)), cast(Any, None))
    assert caplog.messages == []
    assert len(told.start()) == 1


def test_a_diverged_run_is_not_called_overfitted(caplog: pytest.LogCaptureFixture) -> None:
    (said,) = Told(caplog, vocabulary_size=60).evaluation((5.0, 4.0), (4.0, 600.0), (700.0, 900.0))
    assert said.startswith("warning: Diverged: ")
    assert "guessing has 4.0943" in said


@pytest.mark.parametrize("alarms", [True, False])
def test_the_summary_has_what_the_folder_shows_with_and_without_the_callback(
    alarms: bool, text_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="lmlab")
    # Much too large steps, clipped to nothing; and no model beats counting after an epoch of that.
    more = ["trainer.gradient_clip_val=1e-4", "evaluation.baselines=true", "data.batch_size=4000"]
    if not alarms:
        more.append("callbacks.alarms=null")
    summary = train(compose_config(text_file, "optimizer.lr=0.5", *more), tmp_path)
    assert "clipping" in kinds(summary)
    assert {"baseline", "collapse"} & {*kinds(summary)}
    record = read_record(tmp_path)
    assert record.summary["diagnostics"] == summary["diagnostics"]
    assert as_stored(of_run(record)) == summary["diagnostics"]
    # The clip and the baselines are told in the end, the data and curves while it trains.
    told = [line for line in caplog.messages if line.startswith("warning: ")]
    assert not any("Clipped" in line or "counting" in line for line in told)
    assert any("shorter than one batch" in line for line in told) == alarms
    assert "other" in kinds(summary)
    (result,) = [message for message in caplog.messages if "best epoch" in message]
    for found in summary["diagnostics"]:
        assert f"\n{found['level']:<11} {found['text']}\n" in result
