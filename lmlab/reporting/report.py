"""Writes a complete report into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from lmlab.files import write_text
from lmlab.reporting import exports
from lmlab.reporting.comparison import Comparison, compare
from lmlab.reporting.diagnostics import diagnostics
from lmlab.reporting.figures.axes import Along
from lmlab.reporting.figures.saving import save
from lmlab.reporting.html import EmbeddedFigure, html_report
from lmlab.reporting.markdown import Linked, markdown_report
from lmlab.reporting.report_figures import FIGURES, ReportFigure, report_figures
from lmlab.reporting.verdict import Verdict, verdict
from lmlab.runs.records import RunRecord

TABLES = ("results.csv", "experiment_logs.csv", "history.csv")


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
    conclusion, problems = verdict(comparison), diagnostics(comparison)
    title = report_title(comparison)
    figures = report_figures(comparison, along=along)
    embedded = [_saved(figure, folder / "figures") for figure in figures]
    _remove_others(folder / "figures", {figure.name for figure in figures})
    made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    html = html_report(
        comparison,
        title=title,
        made=made,
        verdict=conclusion,
        diagnostics=problems,
        figures=embedded,
        watching=watching,
    )
    linked = [Linked(f"figures/{one.name}.png", one.title, f"{one.caption} {one.figure.alt}") for one in figures]
    text = markdown_report(
        comparison, title=title, verdict=conclusion, diagnostics=problems, figures=linked, files=("index.html", *TABLES)
    )
    contents = (exports.results(comparison), exports.experiment_logs(comparison), exports.history(comparison))
    for name, content in zip(TABLES, contents, strict=True):
        write_text(folder / name, content)
    write_text(folder / "report.md", text)
    write_text(folder / "index.html", html)
    return conclusion


def report_title(comparison: Comparison) -> str:
    """Returns the common name of the runs and their number."""
    names = list(
        dict.fromkeys(str(record.summary.get("name") or record.origin.parent.name) for record in comparison.records)
    )
    what = names[0] if len(names) == 1 else f"{names[0]} and others"
    count = len(comparison.records)
    return what if count == 1 else f"{what}: {count} runs"


def _saved(report_figure: ReportFigure, folder: Path) -> EmbeddedFigure:
    _, vector = save(report_figure.figure, folder, report_figure.name)
    return EmbeddedFigure(report_figure, vector.read_bytes())


def _remove_others(folder: Path, names: set[str]) -> None:
    """Deletes figures of an earlier report that this one does not have; other files are left alone."""
    for name in set(FIGURES) - names:
        for ending in (".png", ".svg"):
            (folder / f"{name}{ending}").unlink(missing_ok=True)
