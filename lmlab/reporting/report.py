"""Writes a complete report into a folder: a page in one file, Markdown, tables and figures."""

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
from jinja2 import Environment, PackageLoader, StrictUndefined

from lmlab.diagnostics.diagnose import of_comparison
from lmlab.files import write_text
from lmlab.metric_spec import percent
from lmlab.reporting import listings, tables, texts
from lmlab.reporting.figures.data import Along
from lmlab.reporting.figures.style import save
from lmlab.reporting.report_figures import FIGURES, report_figures
from lmlab.reporting.verdict import Verdict, verdict
from lmlab.runs.comparison import Comparison, compare
from lmlab.runs.records import RunRecord

TABLES = {f"{table.__name__}.csv": table for table in (listings.results, listings.experiment_logs, listings.history)}
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
        data = base64.b64encode(save(figure, folder / "figures", name)[1].read_bytes()).decode("ascii")
        # The size is that of the box which the browser reserves until the image is loaded.
        width, height = (round(100 * inches) for inches in figure.drawing.get_size_inches())
        shown = {"name": name, "title": title, "caption": caption, "alt": figure.alt, "width": width, "height": height}
        figures.append(shown | {"data": f"data:image/svg+xml;base64,{data}"})
    for name in set(FIGURES) - {figure["name"] for figure in figures}:  # of an earlier report; other files are left
        for ending in (".png", ".svg"):
            (folder / "figures" / f"{name}{ending}").unlink(missing_ok=True)
    found = context(comparison) | {"figures": figures, "watching": watching}
    for name, table in TABLES.items():
        write_text(folder / name, table(comparison))
    write_text(folder / "report.md", markdown(found))
    write_text(folder / "index.html", html(found))
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
    of_shown = {"Evaluations": tables.evaluation_table(record)} if len(record.history) > 1 else {}
    more |= {f"{title}{of_run}": frame for title, frame in (of_shown | tables.language_tables(record)).items()}
    methods = []
    for key in (
        "fingerprint",
        "device",
        "precision",
        "versions",
    ):  # what all runs have recorded alike about how they were made
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

    def kinds(frame: pd.DataFrame) -> list[str]:
        pairs = zip(frame.columns, numeric(frame), strict=True)
        return [f"{'number' if right else ''}{' more' if name in _FOLDED else ''}" for name, right in pairs]

    loader = PackageLoader("lmlab.reporting")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    pages.filters["kinds"] = kinds
    return pages.get_template("report.html.j2").render(report, most=MOST_ROWS, texts=texts)


def markdown(report: Mapping[str, Any]) -> str:
    """Returns the report as Markdown that renders alike everywhere and is readable as plain text."""
    said, total, shown = report["verdict"], report["total"], report["tables"]
    shows, limits = ("\n".join(f"- {escaped(one)}" for one in part) for part in (said.shows, said.limitations))
    pictures = [
        f"## {escaped(figure['title'])}\n\n![{escaped(figure['title'])}](figures/{figure['name']}.png)\n\n"
        f"{escaped(figure['caption'])} {escaped(figure['alt'])}"
        for figure in report["figures"]
    ]
    blocks = [f"# {escaped(report['title'])}", f"**{escaped(said.headline)}**", _NATS_IN_WORDS, shows]
    blocks += ["## What this does not show", limits] if limits else []
    blocks += [*pictures[:1], *_tables({"Results": report["results"]}), escaped(report["comparison"].note)]
    blocks += _tables(shown["results"])
    told = [(d.level.capitalize(), d.rule.title, d.text(total), d.words("remedy")) for d in report["diagnostics"]]
    cautions = ["- **{}: {}.** {} *{}*".format(*map(escaped, words)) for words in told]
    blocks += ["## Cautions", "\n".join(cautions)] if cautions else []
    blocks += [f"## Texts {'of all settings' if total > 1 else 'along training'}"] if report["side_by_side"] else []
    for number, prompt in enumerate(report["prompts"]):
        for label, samples in report["side_by_side"]:
            if one := samples[number]:
                blocks.append(escaped(label) + (f", after “{escaped(prompt)}”:" if prompt else ":"))
                leaves = f": it leaves it at “{escaped(one.wrong[:20])}”" if one.wrong else ""
                blocks += [fenced(one.prompt + one.text + one.rest + one.wrong), escaped(one.note) + leaves]
    if report["passage"]:
        blocks += [f"## Surprise in a validation passage{escaped(report['of_run'])}", escaped(report["surprising"])]
        blocks.append(fenced("".join(token for _, token, _ in report["passage"])))
    blocks += [*_tables(shown["texts"]), *pictures[1:], *_tables(shown["figures"] | shown["setup"]), "## Files"]
    blocks.append("\n".join(f"- [{escaped(name)}]({name})" for name in ("index.html", *TABLES)))
    return "\n\n".join(filter(None, blocks)) + "\n"


def _tables(frames: Mapping[str, pd.DataFrame]) -> list[str]:
    return [f"## {escaped(title)}\n\n{markdown_table(frame)}" for title, frame in frames.items() if len(frame)]


def numeric(frame: pd.DataFrame) -> list[bool]:
    """Returns for each column whether all its cells are formatted numbers."""
    return [all(_NUMBER.fullmatch(str(cell)) for cell in frame[name]) for name in frame.columns]


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
    marks = ["--:" if right else ":--" for right in numeric(frame)]
    rows = [list(map(escaped, row)) for row in (frame.columns, *frame.head(MOST_ROWS).itertuples(index=False))]
    lines = [f"| {' | '.join(row)} |" for row in [rows[0], marks, *rows[1:]]]
    more = len(frame) - MOST_ROWS
    return "\n".join(lines) + (f"\n\n… and {more} more, see the CSV files." if more > 0 else "")


def _printable(text: str) -> str:
    """Normalises line ends and replaces control characters, which could move a terminal's cursor."""
    text = re.sub(r"\r\n?|[\x85\u2028\u2029]", "\n", text)
    return "".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t" else c for c in text)
