"""Writes a complete report into a folder: one context, shown by two templates, with tables and figures."""

from __future__ import annotations

import base64
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from lmlab.diagnostics.diagnose import of_comparison
from lmlab.files import write_text
from lmlab.metric_spec import percent
from lmlab.output_paths import FIGURES as FIGURES_FOLDER
from lmlab.output_paths import PAGE, REPORT_MARK
from lmlab.reporting import listings, tables, texts
from lmlab.reporting.figures.data import Along
from lmlab.reporting.figures.style import save
from lmlab.reporting.report_figures import FIGURES, report_figures
from lmlab.reporting.verdict import Verdict, verdict
from lmlab.runs.comparison import Comparison, compare
from lmlab.runs.records import RunRecord

TABLES = {
    f"{table.__name__}.csv": table
    for table in (listings.results, listings.experiment_logs, listings.experiment_logs_columns, listings.history)
}
MOST_ROWS = 40  # of a table; the CSV files have all
# Columns of the results that a phone leaves out; they are in the table of all figures.
_FOLDED = ("place", "test perplexity", "is that real?", "remarks")
_NATS_IN_WORDS = (
    "Nats per token: how surprised the model is by a token on average; lower is better. Perplexity is e to the power "
    "of that:\nas if it had to choose among so many equally likely tokens."
)
# What Markdown or HTML could take for markup, anywhere or only at the beginning of a line. An underscore inside a word
# is none. Some renderers accept a backslash only before some characters; all accept entities.
_MARKUP = re.compile(r"[\\`*\[\]<>|~$&]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|@|(?<=www)\.")
_AT_THE_BEGINNING = re.compile(r"(\d*)([#=]|[+-](?=[ -]|$)|(?<=\d)[.)](?= |$))")
# Stands for the line ends of a text while empty lines around it are removed; no printable text has it.
_LINE_END = "\x00"
# A formatted number, or a missing one; columns of them are aligned to the right.
_NUMBER = re.compile(r"[–∞]|[+-]?[\d.,]+(e[+-]?\d+)?[%kMG]?( ± .*)?( \(best\))?|the best|inf")


def write_report(records: Sequence[RunRecord], folder: Path, *, along: Along, watching: bool = False) -> Verdict:
    """Writes index.html, report.md, three CSV files and the figures, instead of an earlier report; returns the verdict.

    There is at least one record. If `watching`, the page says that the report will be written again as jobs end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    comparison = compare(records)
    figures = []
    for name, title, caption, figure in report_figures(comparison, along=along):
        data = base64.b64encode(save(figure, folder / FIGURES_FOLDER, name)[1].read_bytes()).decode("ascii")
        # The size is that of the box which the browser reserves until the image is loaded.
        width, height = (round(100 * inches) for inches in figure.drawing.get_size_inches())
        shown = {"name": name, "title": title, "caption": caption, "alt": figure.alt, "width": width, "height": height}
        figures.append(shown | {"data": f"data:image/svg+xml;base64,{data}"})
    earlier = {*FIGURES, *(path.stem for path in (folder / FIGURES_FOLDER).glob("metric_*"))}  # other files are left
    for name in earlier - {figure["name"] for figure in figures}:
        for ending in (".png", ".svg"):
            (folder / FIGURES_FOLDER / f"{name}{ending}").unlink(missing_ok=True)
    found = context(comparison) | {"figures": figures, "watching": watching}
    write_text(folder / PAGE, html(found))  # first, for it marks the folder as a report's
    for name, table in TABLES.items():
        write_text(folder / name, table(comparison))
    write_text(folder / "report.md", markdown(found))
    return cast(Verdict, found["verdict"])


def context(comparison: Comparison) -> dict[str, Any]:
    """Returns what a report of at least one run shows besides the figures, as plain text and frames of it."""
    total, diagnostics = len(comparison.records), of_comparison(comparison)
    single, record = total == 1, comparison.shown or comparison.records[0]
    of_run = "" if single else f" of {comparison.label(record)}"
    name, *others = dict.fromkeys(str(r.summary.get("name") or r.origin.parent.name) for r in comparison.records)
    prompts, side_by_side = texts.texts_side_by_side(comparison)
    tokens = texts.passage(record)
    surprising = texts.most_surprising(tokens)
    prompt, predictions = texts.predictions_table(record)
    after = f"What comes after “{texts.visible(prompt)}”, along training{of_run}"
    bins = [condition.runs[0] for condition in comparison.conditions] if comparison.metric else comparison.records[:1]
    more = {} if single else {"All figures of the settings": tables.figures_of_settings(comparison)}
    more |= {"Nats of the first tokens behind a prompt, alone and in running text": tables.prompts_table(comparison)}
    of_shown = {"Evaluations": tables.evaluation_table(record)} if len(record.history) > 1 else {}
    more |= {f"{title}{of_run}": frame for title, frame in (of_shown | tables.language_tables(record)).items()}
    methods = []
    for key in ("fingerprint", "device", "precision", "versions"):  # that all have recorded alike
        known = [run.summary[key] for run in comparison.records if run.summary.get(key)]
        if known and all(one == known[0] for one in known):
            told = ", ".join(f"{k} {v}" for k, v in known[0].items()) if key == "versions" else known[0]
            methods.append(f"{'Precision of training' if key == 'precision' else key.capitalize()}: {told}.")
    shown = {
        "results": {"Runs without a result": tables.unfinished_table(comparison)},
        "texts": {f"Samples by temperature{of_run}": texts.temperature_table(record), after: predictions},
        "figures": more | {"Loss by how often a word occurs (nats per token)": texts.frequency_table(comparison, bins)},
        "setup": {
            f"Layers{of_run}": tables.architecture_table(record),
            "Settings and cost" if single else "Settings that all runs share": tables.setup_table(comparison),
        },
    }
    return {
        "title": f"{name}{' and others' if others else ''}{'' if single else f': {total} runs'}",
        "made": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        "of_run": of_run,
        "verdict": verdict(comparison, diagnostics),
        "nats_in_words": _NATS_IN_WORDS,
        "total": total,
        "diagnostics": diagnostics,
        "results": tables.figures_of_run(record) if single else tables.results_table(comparison),
        "comparison": comparison,
        "tables": {part: {title: f for title, f in found.items() if len(f)} for part, found in shown.items()},
        "prompts": prompts,
        "side_by_side": side_by_side,
        "passage": [(texts.surprise(n), token, f"{percent(math.exp(-n))}: {n:.2f} nats") for token, n in tokens],
        "surprising": surprising and f"Least expected, with the probability it had: {surprising}.",
        "temperatures": texts.temperatures(record),
        "methods": methods,
    }


def html(report: Mapping[str, Any]) -> str:
    """Returns the page; all text from a corpus, a sample or a setting is escaped."""
    return _template("report.html.j2", autoescape=True).render(report, mark=REPORT_MARK, most=MOST_ROWS, texts=texts)


def markdown(report: Mapping[str, Any]) -> str:
    """Returns the report as Markdown that renders alike everywhere and is readable as plain text."""
    text = _template("report.md.j2").render(report, files=[PAGE, *TABLES])
    return re.sub(r"\n{3,}", "\n\n", text).strip().replace(_LINE_END, "\n") + "\n"


def _template(name: str, *, autoescape: bool = False) -> Template:
    found = Environment(loader=PackageLoader("lmlab.reporting"), autoescape=autoescape, undefined=StrictUndefined)
    found.trim_blocks = found.lstrip_blocks = True
    found.filters |= {"kinds": _kinds, "line": escaped, "table": markdown_table}
    found.filters["fenced"] = lambda text: fenced(text).replace("\n", _LINE_END)
    return found.get_template(name)


def _kinds(frame: pd.DataFrame) -> list[str]:
    """Returns the CSS classes of each column: one of formatted numbers is a `number`."""
    numbers = {name for name in frame.columns if all(_NUMBER.fullmatch(str(cell)) for cell in frame[name])}
    return [f"{'number' if n in numbers else ''}{' more' if n in _FOLDED else ''}" for n in frame.columns]


def escaped(text: object) -> str:
    """Returns the text on one line, with all markup escaped and unprintable characters replaced."""
    line = " ".join(_printable(str(text)).split())
    marked = _AT_THE_BEGINNING.match(line)
    begins = f"{marked[1]}&#{ord(marked[2])};" if marked else ""
    line = line[marked.end() if marked else 0 :]
    return begins + _MARKUP.sub(lambda found: f"\\{found[0]}" if found[0] in "\\`*[]_" else f"&#{ord(found[0])};", line)


def fenced(text: str) -> str:
    """Returns the text unchanged as a block of code, with a fence that is longer than any in it."""
    shown = _printable(text)
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", shown)), default=0))
    return f"{fence}text\n{shown}\n{fence}"


def markdown_table(frame: pd.DataFrame) -> str:
    """Returns a frame as a table, with columns of numbers aligned to the right."""
    marks = ["--:" if "number" in kind else ":--" for kind in _kinds(frame)]
    rows = [list(map(escaped, row)) for row in (frame.columns, *frame.head(MOST_ROWS).itertuples(index=False))]
    lines = [f"| {' | '.join(row)} |" for row in [rows[0], marks, *rows[1:]]]
    more = len(frame) - MOST_ROWS
    return "\n".join(lines) + (f"\n\n… and {more} more, see the CSV files." if more > 0 else "")


def _printable(text: str) -> str:
    """Normalises line ends and replaces control characters, which could move a terminal's cursor."""
    text = re.sub(r"\r\n?|[\x85\u2028\u2029]", "\n", text)
    return "".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t" else c for c in text)
