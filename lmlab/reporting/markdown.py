"""Writes ``report.md``: the report as Markdown that renders alike everywhere and is readable as plain text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lmlab.reporting.analysis import ending, last_samples, one_a_prompt, passage
from lmlab.reporting.comparison import Comparison
from lmlab.reporting.diagnostic import Diagnostic
from lmlab.reporting.evaluation_table import evaluation_table
from lmlab.reporting.language_tables import language_tables
from lmlab.reporting.report_tables import (
    Table,
    checkpoint_table,
    figures_table,
    frequency_bin_table,
    most_surprising,
    settings_table,
    temperature_table,
    unfinished_table,
)
from lmlab.reporting.setup_tables import architecture_table, setup_table
from lmlab.reporting.verdict import Verdict
from lmlab.runs.records import RunRecord

# Most rows of a table; the CSV files have all.
MOST_ROWS = 40
# Most conditions whose samples are shown, samples of each, and characters of a sample.
MOST_RUNS = 12
MOST_SAMPLES = 10
MOST_CHARACTERS = 1_000
# Most steps of a single run, before its last one, of which a sample is shown.
TIMELINE = 6

# What Markdown or HTML could take for markup, anywhere or only at the beginning of a line. An underscore inside a word
# is none. Some renderers accept a backslash only before some characters; all accept entities.
_MARKUP = re.compile(r"[\\`*\[\]<>|~$&]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|@|(?<=www)\.")
_AT_THE_BEGINNING = re.compile(r"[#=]|[+-](?=[ -]|$)|(?<=\d)[.)](?= |$)")
_BACKSLASH = frozenset("\\`*[]_")
_LEVELS = {"alarm": "Alarm", "warning": "Warning", "note": "Note"}


class Linked(NamedTuple):
    """A figure of the report.

    Args:
        path: of its file, relative to the report.
        title: a few words.
        description: what it shows, also for readers who cannot see it.
    """

    path: str
    title: str
    description: str


def markdown_report(
    comparison: Comparison,
    *,
    title: str,
    verdict: Verdict,
    diagnostics: Sequence[Diagnostic],
    figures: Sequence[Linked] = (),
    files: Sequence[str] = (),
) -> str:
    """Returns the whole report.

    Args:
        comparison: of at least one run.
        title: of the report.
        verdict: on the comparison.
        diagnostics: that apply.
        figures: in the order in which they are shown.
        files: other files of the report to link to, relative to it.
    """
    parts = [f"# {escaped(title)}", f"**{escaped(verdict.headline)}**"]
    parts += _bullets("What it shows", verdict.shows)
    parts += _bullets("What it does not show", verdict.limitations)
    parts += _diagnostics(diagnostics)
    parts += _tables(comparison)
    parts += [part for figure in figures for part in _figure(figure)]
    parts += markdown_table(frequency_bin_table(comparison))
    shown = comparison.shown
    if shown is not None:
        of = f" of {comparison.label(shown)}" if len(comparison.records) > 1 else ""
        parts += _passage(shown, of)
        for table in (temperature_table(shown), checkpoint_table(shown)):
            parts += markdown_table(table, heading=f"{table.title}{of}")
    parts += _samples(comparison)
    parts += markdown_table(architecture_table(comparison)) + markdown_table(setup_table(comparison))
    if files:
        parts += ["## Files", "\n".join(f"- {_link(name, name)}" for name in files)]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Returns the text on one line, with all markup escaped and unprintable characters replaced."""
    line = " ".join(_printable(text).split())
    begins = re.match(r"\d*", line)
    assert begins is not None
    marked = _AT_THE_BEGINNING.match(line, begins.end())
    if marked is not None:
        return f"{line[: begins.end()]}{_entity(marked[0])}{_MARKUP.sub(_inert, line[marked.end() :])}"
    return _MARKUP.sub(_inert, line)


def _inert(found: re.Match[str]) -> str:
    return f"\\{found[0]}" if found[0] in _BACKSLASH else _entity(found[0])


def _entity(character: str) -> str:
    return f"&#{ord(character)};"


def fenced(text: str) -> str:
    """Returns the text unchanged as a block of code, with a fence that is longer than any in it."""
    shown = _printable(text)
    longest = max(map(len, re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{shown}\n{fence}"


def markdown_table(table: Table, *, heading: str = "", most: int = MOST_ROWS) -> list[str]:
    """Returns heading and table; empty for a table without rows.

    Args:
        table: columns of numbers are aligned to the right.
        heading: instead of the table's own.
        most: number of rows that are shown; a line says how many more there are.
    """
    if not table.rows:
        return []
    marks = [":--" if i < table.words else "--:" for i in range(len(table.header))]
    lines = [_row(map(escaped, table.header)), _row(marks)]
    lines += [_row(map(escaped, row)) for row in table.rows[:most]]
    more = len(table.rows) - most
    rest = [f"… and {more} more, see results.csv."] if more > 0 else []
    return [f"## {escaped(heading or table.title)}", "\n".join(lines), *rest]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _printable(text: str) -> str:
    """Normalises line ends and replaces control characters, which could move a terminal's cursor."""
    text = re.sub(r"\r\n?|[\x85\u2028\u2029]", "\n", text)
    return "".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t" else c for c in text)


def _bullets(heading: str, sentences: Sequence[str]) -> list[str]:
    if not sentences:
        return []
    return [f"## {heading}", "\n".join(f"- {escaped(sentence)}" for sentence in sentences)]


def _diagnostics(diagnostics: Sequence[Diagnostic]) -> list[str]:
    if not diagnostics:
        return []
    lines = [
        f"- **{_LEVELS[c.level]}: {escaped(c.title)}.** {escaped(c.text)} *{escaped(c.remedy)}*" for c in diagnostics
    ]
    return ["## Before you believe it", "\n".join(lines)]


def _tables(comparison: Comparison) -> list[str]:
    parts = []
    if len(comparison.records) > 1:
        parts += markdown_table(settings_table(comparison))
    else:
        parts += markdown_table(figures_table(comparison.records[0]))
    parts += [escaped(comparison.note)] if comparison.note else []
    for table in (evaluation_table(comparison), *language_tables(comparison)):
        parts += markdown_table(table)
    return [*parts, *markdown_table(unfinished_table(comparison))]


def _figure(figure: Linked) -> list[str]:
    image = f"!{_link(figure.title, figure.path)}"  # the description follows, so it need not be read twice
    return [f"## {escaped(figure.title)}", image, escaped(figure.description)]


def _link(text: str, path: str) -> str:
    """Returns a link with its address in angle brackets, so that it may contain spaces and brackets."""
    address = re.sub(r"[<>\\\n]", lambda found: f"%{ord(found[0]):02X}", path)
    return f"[{escaped(text)}](<{address}>)"


def _passage(record: RunRecord, of: str) -> list[str]:
    """Returns a passage of the validation text and its most surprising tokens."""
    tokens = passage(record)
    if not tokens:
        return []
    text = "".join(token for token, _ in tokens)
    surprising = most_surprising(tokens)
    least = [escaped(f"Least expected, with the probability it had: {surprising}.")] if surprising else []
    return [f"## {escaped(f'Surprise in a validation passage{of}')}", *least, fenced(text)]


def _samples(comparison: Comparison) -> list[str]:
    """Returns the samples of a single run along its training, or the last samples of each condition, the best first."""
    parts = []
    if len(comparison.records) == 1:
        (record,) = comparison.records
        last = last_samples(record)
        by_step = {sample.get("step"): sample for sample in reversed(record.samples)}  # the first of each step
        before = [by_step[step] for step in reversed(by_step) if not last or step != last[0].get("step")]
        if len(before) > TIMELINE:
            before = [before[round(i * (len(before) - 1) / (TIMELINE - 1))] for i in range(TIMELINE)]
        parts += [part for sample in [*before, *last[:MOST_SAMPLES]] for part in _sample([], sample)]
    else:
        records = [condition.runs[0] for condition in comparison.conditions] or list(comparison.records)
        with_samples = [record for record in records if record.samples]
        for record in with_samples[:MOST_RUNS]:
            for sample in one_a_prompt(last_samples(record))[:MOST_SAMPLES]:
                parts += _sample([comparison.label(record)], sample)
        more = len(with_samples) - MOST_RUNS
        parts += [f"Samples of {more} more settings are in their folders."] if more > 0 else []
    return ["## Samples", *parts] if parts else []


def _sample(of: list[str], sample: dict[str, object]) -> list[str]:
    parts = [*of, f"step {sample.get('step', '?')}", f"temperature {sample.get('temperature', '?')}"]
    parts += [f"sampling seed {sample['seed']}"] if "seed" in sample else []
    prompt = str(sample.get("prompt") or "")
    parts.append(f"prompt “{prompt}”" if prompt else "no prompt")
    parts += [ended] if (ended := ending(sample)) else []
    text = str(sample["text"])
    cut = text[:MOST_CHARACTERS] + ("…" if len(text) > MOST_CHARACTERS else "")
    return [f"{escaped(', '.join(parts))}:", fenced(prompt + cut)]
