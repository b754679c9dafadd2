"""The diagnostics of runs made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from made_sweeps import made_job, made_run, resolved

from lmlab.reporting.comparison import compare
from lmlab.reporting.diagnostic import Diagnostic
from lmlab.reporting.diagnostics import diagnostics
from lmlab.runs.discovery import find_records


def diagnosed(folder: Path) -> dict[str, Diagnostic]:
    """The diagnostics by kind; checks what must hold for each of them."""
    found = diagnostics(compare(find_records(str(folder), output_dir=str(folder))))
    kinds = [diagnostic.kind for diagnostic in found if diagnostic.kind != "other"]
    assert len(kinds) == len(set(kinds))
    for diagnostic in found:
        assert diagnostic.text.endswith((".", "?"))
        assert diagnostic.remedy.endswith((".", "?"))
        assert "  " not in diagnostic.text
        assert "{" not in diagnostic.text
    return {diagnostic.kind: diagnostic for diagnostic in found}


def run(folder: Path, name: str = "2026-01-01", **more: Any) -> Path:
    """A run of its own."""
    return made_run(folder / name, config=resolved(), **more)


def pair(folder: Path, first: dict[str, Any], second: dict[str, Any]) -> dict[str, Diagnostic]:
    """Two models with other summaries, three seeds each."""
    for i, (model, summary) in enumerate((("gru", first), ("lstm", second))):
        for seed in range(3):
            job = made_job(folder, 3 * i + seed, [f"model={model}", f"seed={seed}"], **summary)
            assert job.exists()
    return diagnosed(folder)
