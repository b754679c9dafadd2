"""Imports of libraries without what they bring for others."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


def import_torchmetrics() -> None:
    """Imports torchmetrics without scipy.signal and matplotlib, which take longer than the rest of it.

    It imports the first only to give an old name back to a library of speech quality, and the second to plot metrics,
    which is imported when that is asked for. Lightning imports torchmetrics, so this is called before either. Both
    libraries can be imported afterwards as ever.
    """
    if "torchmetrics" in sys.modules:
        return
    with _without_signal(), _without_matplotlib():
        import torchmetrics  # noqa: F401


@contextmanager
def _without_signal() -> Iterator[None]:
    if "scipy.signal" in sys.modules:
        yield
        return
    stand_in = ModuleType("scipy.signal")
    stand_in.hamming = None  # type: ignore[attr-defined]
    sys.modules["scipy.signal"] = stand_in
    try:
        yield
    finally:
        if sys.modules.get("scipy.signal") is stand_in:
            del sys.modules["scipy.signal"]


class _WhenUsed(ModuleType):
    """A module that is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def _without_matplotlib() -> Iterator[None]:
    if "matplotlib" in sys.modules:
        yield
        return
    from lightning_utilities.core import imports

    known = imports.RequirementCache

    class Requirement(known):  # type: ignore[valid-type, misc]
        missing = True

        def __bool__(self) -> bool:
            return not (self.missing and getattr(self, "requirement", "") == "matplotlib") and super().__bool__()

    imports.RequirementCache = Requirement  # type: ignore[misc]
    try:
        yield
    finally:
        imports.RequirementCache = known  # type: ignore[misc]
        Requirement.missing = False
    # The functions of torchmetrics that plot find it by these names.
    plot = importlib.import_module("torchmetrics.utilities.plot")
    plot.matplotlib, plot.plt = _WhenUsed("matplotlib"), _WhenUsed("matplotlib.pyplot")  # type: ignore[attr-defined]
