"""Imports that leave something out must leave everything as it would have been."""

from __future__ import annotations

import subprocess
import sys

AFTER = """
import sys
from lmlab.lean_imports import import_torchmetrics
import_torchmetrics()
assert not {"scipy.signal", "matplotlib"} & sys.modules.keys()
import torchmetrics
assert float(torchmetrics.MeanMetric()(2.0)) == 2
import scipy.signal
assert scipy.signal.__file__
assert len(scipy.signal.windows.hamming(5)) == 5
metric = torchmetrics.MeanMetric()
metric.update(1.0)
figure, axes = metric.plot()
assert axes.lines
"""
BEFORE = """
import matplotlib.pyplot
import scipy.signal
from lmlab.lean_imports import import_torchmetrics
import_torchmetrics()
assert len(scipy.signal.windows.hamming(5)) == 5
from torchmetrics.utilities import plot
assert plot.plt is matplotlib.pyplot
"""


def test_what_was_left_out_can_still_be_imported_and_what_was_imported_stays() -> None:
    for code in (AFTER, BEFORE):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
