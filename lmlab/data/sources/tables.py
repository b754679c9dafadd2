"""The column of sentences in a table, of tab-separated (.tsv) or comma-separated (.csv) values."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lmlab.errors import UserError, printable

TABLES = (".tsv", ".csv")
# A cell that is only a number: the label of a classified sentence, or the number of a row.
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_SENTENCE_NAMES = ("sentence", "text")
# Programs write the semicolon in countries whose decimal sign is the comma.
_SEPARATORS = (",", ";", "\t")
# A column of few different cells, each of them repeated, holds labels.
_REPEATED = 5
# A second column with words is mentioned if it has this share of the longer one's characters.
_COMPARABLE = 0.5

Rows = list[list[str]]


@dataclass
class Column:
    """The sentences of a table.

    Args:
        cells: a cell of each row without the heading, with "" for empty rows.
        notes: which column it is, and what is not read.
        warnings: why it may be the wrong one.
    """

    cells: list[str]
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def is_table(path: Path) -> bool:
    """Returns whether a file is a table by its name."""
    return path.suffix.lower() in TABLES


def sentence_column(text: str, path: Path) -> Column:
    """Returns the column of sentences of a table.

    All rows must have the same number of cells. The column is the one that the first row calls `sentence` or `text`;
    without such a name, the one with the most characters, columns of numbers excluded. The first row is a heading if it
    has one of these names, a word where all other rows have numbers, or a word that a column of labels does not have.

    Args:
        text: contents of the file.
        path: the file; its suffix says how it is separated.

    Raises:
        UserError: rows of different length, quotes that are not closed, or no column with words.
    """
    rows, notes = (_csv_rows(text, path), []) if path.suffix.lower() == ".csv" else _tsv_rows(text, path)
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    if not filled:
        raise UserError("data.path", path, "holds no sentence", "give a file with one a line")
    first, others = filled[0], filled[1:]
    names = [cell.strip().lower() for cell in first]
    named = next((names.index(name) for name in _SENTENCE_NAMES if name in names), None)
    worded = [i for i in range(len(first)) if not _all_numbers(row[i] for row in (others or filled))]
    if named is not None and others and named not in worded:
        problem = f"its column {named + 1} ({names[named]}) holds numbers only"
        raise UserError("data.path", path, problem, "call the column of sentences `sentence`")
    if not worded:
        raise UserError("data.path", path, "it has no column with words", "is it a table of sentences?")
    sizes = {i: sum(len(row[i]) for row in (others or filled)) for i in worded}
    column = max(worded, key=lambda i: sizes[i]) if named is None else named
    heading = named is not None or any(
        _names_column(first[i].strip(), [row[i].strip() for row in others]) for i in range(len(first)) if i != column
    )
    cells = [row[column] if len(row) > column else "" for row in rows]
    if heading:
        del cells[next(i for i, row in enumerate(rows) if row is first)]
    found = Column(cells, notes)
    if len(first) > 1:
        found.notes.append(_note(path, first, column, heading))
    second = max((i for i in worded if i != column), key=lambda i: sizes[i], default=None)
    if named is None and second is not None and sizes[second] > _COMPARABLE * sizes[column]:
        what = f"{path.name}: columns {column + 1} and {second + 1} both have words; column {column + 1} is read"
        found.warnings.append(f"{what}, the longer; call the right one `sentence` in a heading")
    return found


def _note(path: Path, first: Sequence[str], column: int, heading: bool) -> str:
    called = f" ({printable(first[column].strip(), longest=40)})" if heading else ""
    told = "" if heading else "; no heading"
    return f"{path.name}: sentences are column {column + 1}{called}; {len(first) - 1} other columns not read{told}"


def _all_numbers(cells: Iterable[str]) -> bool:
    return all(_NUMBER.fullmatch(cell.strip()) for cell in cells if cell.strip())


def _names_column(first: str, others: Sequence[str]) -> bool:
    """Returns whether the first cell of a column is of another kind than all others, which are numbers or labels."""
    if not first or not others or _NUMBER.fullmatch(first):
        return False
    if _all_numbers(others):
        return any(others)
    counts = Counter(others)
    return first not in counts and min(counts.values()) > 1 and len(counts) * _REPEATED <= len(others)


def _tsv_rows(text: str, path: Path) -> tuple[Rows, list[str]]:
    """Returns the rows of tab-separated values, and notes.

    Quotes around a cell are part of it, as in published data, unless they are those of a program that writes tables:
    around every cell of words, or also around a doubled quote, tab or line end.
    """
    plain = _plain_rows(text)
    quoted = _quoted_rows(text, "\t") if '"' in text else None
    if quoted is None or _row_of_other_length(quoted) is not None:
        return _checked(plain, path), []
    words = [cell for row in plain for cell in row if cell.strip() and not _NUMBER.fullmatch(cell.strip())]
    everywhere = all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in words)
    doubled = any(cell[0] == '"' and '""' in cell[1:-1] for cell in words)
    if not (everywhere or doubled) and _row_of_other_length(plain) is None:
        return plain, []
    return quoted, [f"{path.name}: the quotation marks around cells are not part of the sentences"]


def _plain_rows(text: str) -> Rows:
    return [line.split("\t") for line in text.removesuffix("\n").split("\n")]


def require_no_columns(text: str, path: Path) -> None:
    """Checks that plain lines are not the rows of a table or JSON objects, of which only a part is the sentence.

    Raises:
        UserError: every line has the same number of tabs, or the first is a JSON object.
    """
    rows = [row for row in _plain_rows(text) if any(row)]
    if len(rows) > 1 and len(rows[0]) > 1 and _row_of_other_length(rows) is None:
        problem = f"every line has {len(rows[0])} columns separated by tabs"
        raise UserError("data.path", path, problem, "name it .tsv, of which the column of sentences is read")
    first = rows[0][0].strip() if rows else ""
    if first.startswith("{") and first.endswith("}"):
        try:
            json.loads(first)
        except ValueError:
            return
        raise UserError("data.path", path, "its lines are JSON objects", "write the sentences alone, one a line")


def _csv_rows(text: str, path: Path) -> Rows:
    """Returns the rows of values separated by commas, or by semicolons or tabs if only these fit."""
    readings = [rows for separator in _SEPARATORS if (rows := _quoted_rows(text, separator)) is not None]
    if not readings:
        problem = "a quotation mark is not closed, has text after it, or encloses more than 131,072 characters"
        raise UserError("data.path", path, problem, 'quote cells like "this ""word"" here"')
    for rows in readings:
        if _row_of_other_length(rows) is None and max(map(len, rows)) > 1:
            return rows
    return _checked(readings[0], path)


def _quoted_rows(text: str, separator: str) -> Rows | None:
    """Returns the rows of a table with quoted cells; None if a quotation mark is not closed or stands elsewhere."""
    try:
        return list(csv.reader(io.StringIO(text, newline="\n"), delimiter=separator, strict=True))
    except csv.Error:
        return None


def _row_of_other_length(rows: Rows) -> int | None:
    """Returns the index of the first row that has another number of cells than the first; empty rows do not count."""
    filled = [(i, len(row)) for i, row in enumerate(rows) if any(cell.strip() for cell in row)]
    return next((i for i, length in filled if length != filled[0][1]), None)


def _checked(rows: Rows, path: Path) -> Rows:
    wrong = _row_of_other_length(rows)
    if wrong is None:
        return rows
    expected = len(next(row for row in rows if any(cell.strip() for cell in row)))
    problem = f"row {wrong + 1} has {len(rows[wrong])} columns where the first has {expected}"
    remedy = "give all rows, the heading too, the same columns; in a .csv quote cells that contain the separator"
    raise UserError("data.path", path, problem, remedy)
