"""What Lightning and users' classes say while a run trains: it reaches the log, but for what does not apply."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from conftest import SMALL, compose_config, resume_run
from pytorch_lightning.utilities import rank_zero_warn

import lmlab
from lmlab.training.lightning_messages import forwarded
from lmlab.training.run import train

SOURCE = """
import warnings
import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_warn

class Warns(pl.Callback):
    def on_train_batch_end(self, trainer, *_):
        with warnings.catch_warnings():  # after which Python forgets what it has told
            pass
        warnings.warn("my batches\\nare odd", UserWarning)
    def on_train_end(self, trainer, *_):
        rank_zero_warn("through Lightning")
"""


@pytest.fixture
def words(text_file: Path, tmp_path: Path) -> list[str]:
    return ["data=text", f"data.path={text_file}", *SMALL, "trainer.max_epochs=1", f"output_dir={tmp_path / 'outputs'}"]


@pytest.fixture
def own_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "warning_part.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "+callbacks.mine={_target_: warning_part.Warns}"
    sys.modules.pop("warning_part", None)


def state() -> Any:
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    handlers = [(logger.level, list(logger.handlers), logger.propagate) for logger in loggers]
    return handlers, warnings.showwarning, list(warnings.filters)


def warnings_in(folder: Path) -> list[str]:
    lines = (folder / "train.log").read_text(encoding="utf-8").splitlines()
    return [line.partition("[WARNING] ")[2] for line in lines if "[WARNING] " in line]


def test_a_warning_of_a_users_class_is_one_line_once_a_run(
    words: list[str], own_class: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # Python itself would tell of the second run's no more
        before = state()
        run = lmlab.fit([*words, own_class], plugins="warning_part")
        assert state() == before
        mine = [line for line in warnings_in(run.folder) if "odd" in line or "through" in line]
        assert mine == ["warning: my batches are odd", "warning: through Lightning"]
        printed = capfd.readouterr()
        assert [printed.out.splitlines().count(line) for line in mine] == [1, 1]
        assert printed.err == ""


def test_a_warning_of_lightnings_is_one_line(words: list[str]) -> None:
    missing = "{_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: nothing, strict: false, verbose: true}"
    (line,) = warnings_in(lmlab.fit([*words, f"+callbacks.stop={missing}"]).folder)
    assert line.startswith("warning: Early stopping conditioned on metric `nothing` which is not available.")


def test_what_a_callback_of_lightnings_reports_is_in_the_log(words: list[str]) -> None:
    run = lmlab.fit([*words, "+callbacks.time={_target_: pytorch_lightning.callbacks.Timer, duration: {seconds: 0}}"])
    assert "Time limit reached" in (run.folder / "train.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "override",
    [
        "averaging=ema",
        "batching=windows",
        "trainer.accumulate_grad_batches=3",
        "trainer.log_every_n_steps=1000",
        "trainer.max_steps=7",
        "trainer.precision=bf16-mixed",
        "trainer.val_check_interval=50",
        "+callbacks.rate={_target_: pytorch_lightning.callbacks.LearningRateMonitor}",
    ],
)
def test_an_ordinary_run_that_pauses_and_goes_on_says_nothing_of_lightnings(
    override: str, text_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    train(compose_config(text_file, override, "trainer.max_epochs=1"), tmp_path, stop_after_tokens=500)
    resume_run(tmp_path)
    assert any(record.name.startswith("lmlab.") for record in caplog.records)
    foreign = ("lmlab.training.lightning_messages", "pytorch_lightning", "lightning_fabric", "py.warnings")
    assert [record.getMessage() for record in caplog.records if record.name.startswith(foreign)] == []


def test_after_an_error_all_is_as_before_and_a_plain_trainer_warns_as_ever() -> None:
    before = state()
    with pytest.raises(ValueError, match="broken"), forwarded():
        raise ValueError("broken")
    assert state() == before
    with pytest.warns(UserWarning, match="smaller than the logging interval"):
        rank_zero_warn("The number of training batches (3) is smaller than the logging interval Trainer(...)")


def test_a_users_own_filters_hold(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="known")
        warnings.filterwarnings("error", message="fatal")
        with forwarded():
            warnings.warn("known", stacklevel=1)
            with pytest.raises(UserWarning, match="fatal"):
                warnings.warn("fatal", stacklevel=1)
    assert not caplog.records
