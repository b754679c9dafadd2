"""A command whose only result is its output does not work for hours where that goes nowhere."""

from __future__ import annotations

import sys

import pytest

from lmlab import terminal
from lmlab.config.command import composed_command
from lmlab.config.settings import PredictSettings


@pytest.mark.parametrize("output_is_all", [True, False])
def test_nothing_is_worked_out_for_an_output_that_is_closed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], output_is_all: bool
) -> None:
    monkeypatch.setattr(sys, "argv", ["lmlab.predict"])
    monkeypatch.setattr(terminal, "_closed", [OSError(9, "is closed", terminal.OUTPUT)])
    worked: list[PredictSettings] = []
    with pytest.raises(SystemExit) as end:
        composed_command(
            "predict", PredictSettings, bool, worked.append, if_interrupted="", output_is_all=output_is_all
        )
    assert (end.value.code, len(worked)) == ((1, 0) if output_is_all else (0, 1))
    assert capsys.readouterr().err.startswith("error: standard output: is closed; " if output_is_all else "")
