"""Fills the templates: a page in one file, and Markdown that renders alike everywhere and is readable as plain text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

# What Markdown or HTML could take for markup, anywhere or only at the beginning of a line. An underscore inside a word
# is none. Some renderers accept a backslash only before some characters; all accept entities.
_MARKUP = re.compile(r"[\\`*\[\]<>|~$&]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|@|(?<=www)\.")
_AT_THE_BEGINNING = re.compile(r"(\d*)([#=]|[+-](?=[ -]|$)|(?<=\d)[.)](?= |$))")
_BACKSLASH = frozenset("\\`*[]_")
# A formatted number, or a missing one; columns of them are aligned to the right.
_NUMBER = re.compile(r"[–∞]|[+-]?[\d.,]+(e[+-]?\d+)?[%kMG]?( ± .*)?( \(best\))?|the best|inf")
# Most rows of a table; the CSV files have all.
MOST_ROWS = 40


def html(context: Mapping[str, Any]) -> str:
    """Returns the page; all text from a corpus, a sample or a setting is escaped."""
    environment = Environment(
        loader=PackageLoader("lmlab.reporting"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["numeric"] = numeric
    return environment.get_template("report.html.j2").render(context, most=MOST_ROWS)


def markdown(context: Mapping[str, Any]) -> str:
    """Returns the report as Markdown."""
    environment = Environment(
        loader=PackageLoader("lmlab.reporting"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"line": escaped, "fenced": fenced, "table": markdown_table}
    text = environment.get_template("report.md.j2").render(context)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def numeric(frame: pd.DataFrame) -> list[bool]:
    """Returns for each column whether all its cells are formatted numbers."""
    return [all(_NUMBER.fullmatch(str(cell)) for cell in frame[name]) for name in frame.columns]


def escaped(text: object) -> str:
    """Returns the text on one line, with all markup escaped and unprintable characters replaced."""
    line = " ".join(_printable(str(text)).split())
    marked = _AT_THE_BEGINNING.match(line)
    if marked is None:
        return _MARKUP.sub(_inert, line)
    return f"{marked[1]}{_entity(marked[2])}{_MARKUP.sub(_inert, line[marked.end() :])}"


def _inert(found: re.Match[str]) -> str:
    return f"\\{found[0]}" if found[0] in _BACKSLASH else _entity(found[0])


def _entity(character: str) -> str:
    return f"&#{ord(character)};"


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
