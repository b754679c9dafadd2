"""Imports of libraries without what they bring for others."""

from __future__ import annotations

import sys
from types import ModuleType


def import_torchmetrics() -> None:
    """Imports torchmetrics without scipy.signal, which takes as long as the rest of it.

    torchmetrics imports it only to give an old name back to a library of speech quality. Lightning imports
    torchmetrics, so this is called before either. scipy.signal can be imported afterwards as ever.
    """
    if {"torchmetrics", "scipy.signal"} & sys.modules.keys():
        return
    stand_in = ModuleType("scipy.signal")
    stand_in.hamming = None  # type: ignore[attr-defined]
    sys.modules["scipy.signal"] = stand_in
    try:
        import torchmetrics  # noqa: F401
    finally:
        if sys.modules.get("scipy.signal") is stand_in:
            del sys.modules["scipy.signal"]
