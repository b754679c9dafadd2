"""Start-up: seconds until help, a list, an error or the first step of training."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from lmlab.benchmarks.measurement import Measurement, duration
from lmlab.benchmarks.processes import run_python
from lmlab.data.random_text import write_random_text
from lmlab.timing import in_turn

PART = "startup"
_COMMANDS = (
    ("lmlab.train --help", ["-m", "lmlab.train", "--help"], 0),
    ("lmlab.list", ["-m", "lmlab.list"], 0),
    ("an error in a setting", ["-m", "lmlab.train", "model.hidden_size=-1"], 1),
)
_LIBRARIES = "import torch, pytorch_lightning"
# The command, ended by the first step of its optimizer.
_FIRST_STEP = """
import lmlab, os, runpy, sys
from torch.optim.optimizer import register_optimizer_step_post_hook
register_optimizer_step_post_hook(lambda *_: os._exit(0))
runpy.run_module("lmlab.train", run_name="__main__", alter_sys=True)
sys.exit(1)
"""
_TEXT = ("data=text", "data.path=text.txt")


def measure_startup(*, repetitions: int, warm_up: int = 1, text_bytes: int = 1_000_000) -> Iterator[Measurement]:
    """Yields the seconds of whole processes.

    Args:
        repetitions: number of timed processes of each kind.
        warm_up: number of processes of each kind before, since which the system has their files in memory.
        text_bytes: size of the text that is trained on.
    """
    how: dict[str, Any] = {"repetitions": repetitions, "warm_up": warm_up, "units": 1, "device": torch.device("cpu")}
    with tempfile.TemporaryDirectory(prefix="lmlab_benchmark_") as place:
        folder = Path(place)
        for name, arguments, status in _COMMANDS:
            timing = in_turn(_process(arguments, folder, status), None, **how)
            yield duration(PART, name, timing)
        write_random_text(folder / "text.txt", num_bytes=text_bytes, seed=0)
        timing = in_turn(_process(["-c", _FIRST_STEP, *_TEXT], folder), _process(["-c", _LIBRARIES], folder), **how)
        yield duration(PART, "the first step of lmlab.train", timing, "torch, Lightning")


def _process(arguments: Sequence[str], folder: Path, status: int = 0) -> Callable[[], str]:
    return lambda: run_python(arguments, folder, status=status)
