"""Writes a complete report into a folder: one context, shown by two templates."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from lmlab.diagnostics.diagnose import of_comparison
from lmlab.files import write_text
from lmlab.metric_spec import percent
from lmlab.reporting import exports, markup, setup, tables, texts
from lmlab.reporting.figures.data import Along
from lmlab.reporting.figures.style import save
from lmlab.reporting.report_figures import FIGURES, ReportFigure, report_figures
from lmlab.reporting.verdict import Verdict, verdict
from lmlab.runs.comparison import Comparison, compare
from lmlab.runs.records import RunRecord

TABLES = {
    "results.csv": exports.results,
    "experiment_logs.csv": exports.experiment_logs,
    "history.csv": exports.history,
}
_RECORDED = {"fingerprint": "Fingerprint", "device": "Device", "precision": "Precision of training"}
MOST_FOLDERS = 200


def write_report(records: Sequence[RunRecord], folder: Path, *, along: Along, watching: bool = False) -> Verdict:
    """Writes index.html, report.md, three CSV files and the figures; replaces an earlier report.

    Args:
        records: at least one.
        folder: created if missing.
        along: the horizontal axis of learning curves.
        watching: the page says that the report will be written again as jobs end.

    Returns:
        The verdict at the head of the report.
    """
    folder.mkdir(parents=True, exist_ok=True)
    comparison = compare(records)
    figures = [_saved(figure, folder / "figures") for figure in report_figures(comparison, along=along)]
    for name in set(FIGURES) - {figure["name"] for figure in figures}:  # of an earlier report; other files are left
        for ending in (".png", ".svg"):
            (folder / "figures" / f"{name}{ending}").unlink(missing_ok=True)
    found = context(comparison) | {"figures": figures, "watching": watching, "files": ["index.html", *TABLES]}
    for name, table in TABLES.items():
        write_text(folder / name, table(comparison))
    write_text(folder / "report.md", markup.markdown(found))
    write_text(folder / "index.html", markup.html(found))
    conclusion: Verdict = found["verdict"]
    return conclusion


def _saved(figure: ReportFigure, folder: Path) -> dict[str, Any]:
    _, vector = save(figure.figure, folder, figure.name)
    data = base64.b64encode(vector.read_bytes()).decode("ascii")
    width, height = figure.figure.drawing.get_size_inches()
    # The size is that of the box which the browser reserves until the image is loaded.
    size = {"width": round(100 * width), "height": round(100 * height)}
    shown = {"name": figure.name, "title": figure.title, "caption": figure.caption, "alt": figure.figure.alt}
    return shown | size | {"data": f"data:image/svg+xml;base64,{data}"}


def context(comparison: Comparison) -> dict[str, Any]:
    """Returns what the templates show besides the figures, as plain text and frames of it.

    Args:
        comparison: of at least one run.
    """
    single, diagnostics = len(comparison.records) == 1, of_comparison(comparison)
    record = comparison.shown or comparison.records[0]
    prompts, side_by_side = texts.texts_side_by_side(comparison)
    tokens = texts.passage(record)
    prompt, predictions = texts.predictions_table(record)
    bins = [condition.runs[0] for condition in comparison.conditions] if comparison.metric else comparison.records[:1]
    all_figures = {"All figures of the settings": tables.figures_of_settings(comparison)}
    evaluations = {"Evaluations": tables.evaluation_table(record)} if len(record.history) > 1 else {}
    return {
        "title": _title(comparison),
        "made": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        "of_run": "" if single else f" of {comparison.label(record)}",
        "verdict": verdict(comparison, diagnostics),
        "total": len(comparison.records),
        "diagnostics": diagnostics,
        "results": tables.figures_of_run(record) if single else tables.results_table(comparison),
        "best": not single and comparison.best is not None,
        "note": comparison.note,
        "unfinished": tables.unfinished_table(comparison),
        "all_figures": {} if single or not comparison.conditions else all_figures,
        "of_shown": evaluations | tables.language_tables(record),
        "by_frequency": texts.frequency_table(comparison, bins),
        "prompts": prompts,
        "side_by_side": side_by_side,
        "passage": [(texts.surprise(n), token, f"{percent(math.exp(-n))}: {n:.2f} nats") for token, n in tokens],
        "legend": list(zip(texts.SURPRISE, texts.SURPRISE_WORDS, strict=True)),
        "surprising": texts.most_surprising(tokens),
        "temperatures": texts.temperature_table(record),
        "sampled": [row for row in texts.temperatures(record) if row.text],
        "prompt": texts.visible(prompt),
        "predictions": predictions,
        "architecture": setup.architecture_table(record),
        "setup": setup.setup_table(comparison),
        "methods": _methods(comparison),
        "folders": [str(record.folder) for record in comparison.records[:MOST_FOLDERS]],
    }


def _title(comparison: Comparison) -> str:
    """Returns the common name of the runs and their number."""
    names = dict.fromkeys(str(r.summary.get("name") or r.origin.parent.name) for r in comparison.records)
    name = next(iter(names)) if len(names) == 1 else f"{next(iter(names))} and others"
    return name if len(comparison.records) == 1 else f"{name}: {len(comparison.records)} runs"


def _methods(comparison: Comparison) -> list[str]:
    """Returns what all runs have recorded alike about how they were made."""
    found = []
    for name, words in _RECORDED.items():
        values = {str(record.summary[name]) for record in comparison.records if record.summary.get(name)}
        found += [f"{words}: {values.pop()}."] if len(values) == 1 else []
    versions = {str(record.table("versions")): record.table("versions") for record in comparison.records}
    if len(versions) == 1 and (known := next(iter(versions.values()))):
        found.append("Versions: " + ", ".join(f"{name} {version}" for name, version in known.items()) + ".")
    return found
