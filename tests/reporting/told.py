"""The cautions of runs made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from made_sweeps import made_job, made_run, resolved

from lmlab.reporting.caution import Caution
from lmlab.reporting.cautions import cautions
from lmlab.reporting.comparison import compare
from lmlab.reporting.discovery import find_records


def said(folder: Path) -> dict[str, Caution]:
    """By their kinds; what holds for all of them is checked."""
    found = cautions(compare(find_records(str(folder), output_dir=str(folder))))
    kinds = [caution.kind for caution in found if caution.kind != "other"]
    assert len(kinds) == len(set(kinds))
    for caution in found:
        assert caution.text.endswith((".", "?"))
        assert caution.remedy.endswith((".", "?"))
        assert "  " not in caution.text
        assert "{" not in caution.text
    return {caution.kind: caution for caution in found}


def run(folder: Path, name: str = "2026-01-01", **more: Any) -> Path:
    """A run of its own."""
    return made_run(folder / name, config=resolved(), **more)


def pair(folder: Path, first: dict[str, Any], second: dict[str, Any]) -> dict[str, Caution]:
    """Two models with other summaries, three seeds each."""
    for i, (model, summary) in enumerate((("gru", first), ("lstm", second))):
        for seed in range(3):
            job = made_job(folder, 3 * i + seed, [f"model={model}", f"seed={seed}"], **summary)
            assert job.exists()
    return said(folder)
