"""lmlab's sweeper and what its jobs return."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from lmlab.launch import sweeper
from lmlab.launch.sweeper import GridSweeper


def test_the_error_of_a_job_is_raised_without_a_line_of_hydras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = JobReturn(status=JobStatus.FAILED, overrides=["seed=0"], _return_value=OSError(21, "Is a directory"))
    monkeypatch.setattr(sweeper, "check_jobs", lambda *_, **__: None)
    monkeypatch.setattr(sweeper.Grid, "parse", lambda *_: SimpleNamespace(jobs=lambda: [["seed=0"]], swept=["seed"]))
    made: Any = GridSweeper({}, None)
    made.hydra_context = SimpleNamespace(config_loader=None)
    made.config = OmegaConf.create({"hydra": {"launcher": {"_target_": ""}, "sweep": {"dir": str(tmp_path)}}})
    made.launcher = SimpleNamespace(launch=lambda *_, **__: [failed])
    with pytest.raises(OSError, match="Is a directory"):
        made.sweep([])
    assert capsys.readouterr().err == ""
