"""Writes index.html: the report as a single page without external files."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from lmlab.metric_spec import percent
from lmlab.reporting.analysis import ending, last_samples, one_a_prompt, passage, temperatures
from lmlab.reporting.comparison import Comparison
from lmlab.reporting.diagnostic import Diagnostic
from lmlab.reporting.evaluation_table import evaluation_table
from lmlab.reporting.language_tables import language_tables
from lmlab.reporting.report_figures import MOST_SIDE_BY_SIDE, ReportFigure
from lmlab.reporting.report_tables import (
    checkpoint_table,
    figures_table,
    most_surprising,
    settings_table,
    temperature_table,
    unfinished_table,
)
from lmlab.reporting.setup_tables import architecture_table, setup_table
from lmlab.reporting.verdict import Verdict
from lmlab.runs.records import RunRecord

# CSS classes of tokens with the least probability that the model gave the token; the smaller, the darker.
SURPRISE = (
    ("s0", 0.5, "over 50%"),
    ("s1", 0.1, "10 to 50%"),
    ("s2", 0.01, "1 to 10%"),
    ("s3", 0.001, "0.1 to 1%"),
    ("s4", 0.0, "under 0.1%"),
)
# Most steps whose samples are shown.
TIMELINE = 12
# Most characters of a sample.
MOST_CHARACTERS = 2_000
MOST_FOLDERS = 200


class EmbeddedFigure(NamedTuple):
    """A figure with its SVG, as it is embedded in the page.

    Args:
        report_figure: the figure.
        svg: contents of its SVG file.
    """

    report_figure: ReportFigure
    svg: bytes


def html_report(
    comparison: Comparison,
    *,
    title: str,
    made: str,
    verdict: Verdict,
    diagnostics: Sequence[Diagnostic],
    figures: Sequence[EmbeddedFigure],
    watching: bool = False,
) -> str:
    """Returns the whole page; all text from a corpus, a sample or a setting is escaped.

    Args:
        comparison: of at least one run.
        title: of the page.
        made: date and time of the report, as text.
        verdict: on the comparison.
        diagnostics: that apply.
        figures: in the order in which they are shown.
        watching: the report will be written again as jobs end.
    """
    record = comparison.shown
    single = len(comparison.records) == 1
    results = figures_table(comparison.records[0]) if single else settings_table(comparison)
    unfinished, evaluations = unfinished_table(comparison), evaluation_table(comparison)
    environment = Environment(
        loader=PackageLoader("lmlab.reporting"), autoescape=True, undefined=StrictUndefined, trim_blocks=False
    )
    values: dict[str, Any] = {
        "title": title,
        "made": made,
        "watching": watching,
        "verdict": verdict,
        "diagnostics": diagnostics,
        "results": results,
        "best": 0 if not single and comparison.best is not None else -1,
        "note": comparison.note,
        "evaluations": evaluations,
        "language": language_tables(comparison),
        "unfinished": unfinished,
        "figures": [_figure(embedded) for embedded in figures],
        "architecture": architecture_table(comparison),
        "setup": setup_table(comparison),
        "methods": _methods(comparison),
        "folders": [str(record.folder) for record in comparison.records[:MOST_FOLDERS]],
        **_texts(comparison, record),
    }
    sections = [
        ("result", "Result", True),
        ("cautions", "Cautions", bool(diagnostics)),
        ("table", "Tables", bool(results.rows or unfinished.rows or evaluations.rows)),
        ("figures", "Figures", bool(figures)),
        ("texts", "Texts", _has_texts(values)),
        ("setup", "Setup", bool(values["architecture"].rows or values["setup"].rows)),
        ("methods", "Methods", True),
    ]
    values["sections"] = [(anchor, name) for anchor, name, there in sections if there]
    return environment.get_template("report.html.j2").render(values)


def _figure(embedded: EmbeddedFigure) -> dict[str, Any]:
    width, height = embedded.report_figure.figure.drawing.get_size_inches()
    return {
        "name": embedded.report_figure.name,
        "title": embedded.report_figure.title,
        "caption": embedded.report_figure.caption,
        "alt": embedded.report_figure.figure.alt,
        "data": f"data:image/svg+xml;base64,{base64.b64encode(embedded.svg).decode('ascii')}",
        # Size of the box that the browser reserves until the image is loaded.
        "width": round(100 * width),
        "height": round(100 * height),
    }


def _texts(comparison: Comparison, record: RunRecord | None) -> dict[str, Any]:
    single = len(comparison.records) == 1
    if record is None:
        empty = temperature_table(comparison.records[0])
        return {
            "of_run": "", "passage": [], "legend": [], "surprising": "", "temperatures": empty, "temperature_texts": [],
            "predictions": empty, "timeline": [], "side_by_side": [],
        }  # fmt: skip
    tokens = passage(record)
    return {
        "of_run": "" if single else f" of {comparison.label(record)}",
        "passage": [(_surprise(nats), token, f"{percent(math.exp(-nats))}: {nats:.2f} nats") for token, nats in tokens],
        "legend": [(name, words) for name, _, words in SURPRISE],
        "surprising": most_surprising(tokens),
        "temperatures": temperature_table(record),
        "temperature_texts": [
            {"temperature": f"{row.temperature:g}", "prompt": row.prompt, "text": row.text[:MOST_CHARACTERS]}
            for row in temperatures(record)
            if row.text
        ],
        "predictions": checkpoint_table(record),
        "timeline": _timeline(record),
        "side_by_side": [] if single else _side_by_side(comparison),
    }


def _has_texts(values: dict[str, Any]) -> bool:
    tables = values["temperatures"].rows or values["predictions"].rows
    return bool(tables or values["timeline"] or values["side_by_side"] or values["passage"])


def _surprise(nats: float) -> str:
    probability = math.exp(-nats)
    return next(name for name, least, _ in SURPRISE if probability >= least)


def _timeline(record: RunRecord) -> list[dict[str, Any]]:
    """Returns the samples of each step; if there are many steps, of some that are evenly spaced."""
    steps: dict[Any, list[dict[str, Any]]] = {}
    for sample in record.samples:
        steps.setdefault(sample.get("step"), []).append(sample)
    moments = list(steps.items())
    if len(moments) > TIMELINE:
        moments = [moments[round(i * (len(moments) - 1) / (TIMELINE - 1))] for i in range(TIMELINE)]
    return [{"when": _when(step, samples[0]), "samples": _sampled(samples)} for step, samples in moments]


def _when(step: Any, sample: dict[str, Any]) -> str:
    parts = [f"Step {step:,}" if isinstance(step, int) else "Unknown step"]
    parts += [f"temperature {sample['temperature']}"] if "temperature" in sample else []
    return ", ".join(parts)


def _sampled(samples: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    return [
        {"prompt": str(s.get("prompt") or ""), "text": str(s["text"])[:MOST_CHARACTERS], "ending": ending(s)}
        for s in samples
    ]


def _side_by_side(comparison: Comparison) -> list[dict[str, Any]]:
    """Returns the last samples of each condition, the best first."""
    runs = [(condition.label, condition.runs[0]) for condition in comparison.conditions]
    found = [
        {"label": label, "samples": _sampled(one_a_prompt(last_samples(record)))}
        for label, record in runs
        if record.samples
    ]
    return found[:MOST_SIDE_BY_SIDE]


def _methods(comparison: Comparison) -> list[str]:
    """Returns what all runs have recorded alike about how they were made."""
    found = []
    for name, words in (("fingerprint", "Fingerprint"), ("device", "Device"), ("precision", "Precision of training")):
        values = {str(record.summary[name]) for record in comparison.records if record.summary.get(name)}
        if len(values) == 1:
            found.append(f"{words}: {values.pop()}.")
    versions = {str(record.summary.get("versions")): record.summary.get("versions") for record in comparison.records}
    known = [given for given in versions.values() if isinstance(given, dict)]
    if len(versions) == 1 and known:
        found.append("Versions: " + ", ".join(f"{name} {version}" for name, version in known[0].items()) + ".")
    return found
