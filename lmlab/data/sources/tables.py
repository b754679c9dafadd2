"""The column of sentences in a table, of tab-separated (.tsv) or comma-separated (.csv) values."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lmlab.data.kinds import markup
from lmlab.errors import UserError, printable
from lmlab.runs.formatting import plural

TABLES = (".tsv", ".csv")
# A cell that is only a number: the label of a classified sentence, or the number of a row.
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
# One that is a single piece with signs that words do not have: an address, a path, a name with numbers.
_CODE = re.compile(r"\S*[\d/@\\]\S*")
_SENTENCE_NAMES = ("sentence", "text")
# Programs write the semicolon in countries whose decimal sign is the comma.
_SEPARATORS = (",", ";", "\t", "|")
# How some programs tell others the separator, in a line of its own.
_TOLD = re.compile(r"sep=(.)\n")
# A column of few different cells, each of them repeated, holds labels.
_REPEATED = 5
# Lines of which a table is told by its separators, and the share of them that have so many tabs.
_FEWEST_ROWS, _MOST = 4, 0.5
_HEAD = 20_000  # characters
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
    without such a name, the one with the most characters, columns of numbers, addresses and the like excluded. The
    first row is a heading if it has one of these names, a word where all other rows have numbers, a word that a column
    of labels does not have, or if it has single words where all other rows have sentences.

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
        is_empty = not any(row[named].strip() for row in others)
        problem = f"its column {named + 1} ({names[named]}) {'is empty' if is_empty else 'holds numbers only'}"
        raise UserError("data.path", path, problem, "call the column of sentences `sentence`")
    if not worded:
        raise UserError("data.path", path, "it has no column with words", "is it a table of sentences?")
    sizes = {i: sum(len(row[i]) for row in (others or filled)) for i in worded}
    plain = [i for i in worded if not all(_CODE.fullmatch(row[i].strip() or "0") for row in (others or filled))]
    column = max(plain or worded, key=lambda i: sizes[i]) if named is None else named
    heading = named is not None or _is_heading(first, others, column)
    headings = {i for i, row in enumerate(rows) if heading and row == first}
    cells = [row[column] if len(row) > column else "" for i, row in enumerate(rows) if i not in headings]
    found = Column(cells, [*notes, *_notes(path, first, column, len(headings))])
    second = max((i for i in worded if i != column), key=lambda i: sizes[i], default=None)
    if named is None and second is not None and sizes[second] > _COMPARABLE * sizes[column]:
        what = f"{path.name}: columns {column + 1} and {second + 1} both have words; column {column + 1} is read"
        found.warnings.append(f"{what}, the longer; call the right one `sentence` in a heading")
    return found


def _notes(path: Path, first: Sequence[str], column: int, num_headings: int) -> list[str]:
    """Returns what is read, and how often the heading stands in the table."""
    name = printable(first[column].strip(), longest=40)
    called = f" ({name})" if num_headings else ""
    others = f"; {plural(len(first) - 1, 'other column')} not read" if len(first) > 1 else ""
    told = "" if num_headings else f"; no heading, the first row is a sentence: {name}"
    notes = [f"{path.name}: sentences are column {column + 1}{called}{others}{told}"]
    if num_headings > 1:
        notes.append(f"{path.name}: {num_headings - 1:,} rows repeat the heading, and are left out")
    return notes


def _is_heading(first: Sequence[str], others: Rows, column: int) -> bool:
    """Returns whether the first row names the columns, of which `column` has the sentences."""
    if any(
        _names_column(first[i].strip(), [row[i].strip() for row in others]) for i in range(len(first)) if i != column
    ):
        return True
    words = all(cell.strip() and not _NUMBER.fullmatch(cell.strip()) and len(cell.split()) == 1 for cell in first)
    # A column of labels has those of the first row again.
    again = any(cell == row[i] for i, cell in enumerate(first) for row in others if i != column)
    return words and not again and len(others) > 1 and all(len(row[column].split()) != 1 for row in others)


def _all_numbers(cells: Iterable[str]) -> bool:
    return all(_NUMBER.fullmatch(cell.strip()) for cell in cells if cell.strip())


def _names_column(first: str, others: Sequence[str]) -> bool:
    """Returns whether the first cell of a column is of another kind than all others, which are numbers or labels."""
    if not first or not others or _NUMBER.fullmatch(first):
        return False
    if _all_numbers(others):
        return any(others)
    return first not in others and _are_labels(others)


def _tsv_rows(text: str, path: Path) -> tuple[Rows, list[str]]:
    """Returns the rows of tab-separated values, and notes.

    Quotes around a cell are part of it, as in published data, unless they are those of a program that writes tables:
    around every cell of words, or also around a doubled quote, tab or line end.
    """
    plain = _plain_rows(text)
    if max(map(len, plain)) == 1 and (found := _labelled(text, _SEPARATORS)):
        problem = f"its columns are separated by {found!r}, not by tabs"
        raise UserError("data.path", path, problem, "name it .csv (or .txt, if each line is a sentence)")
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


# How lines begin that are not a sentence alone.
_BEGINNINGS = (
    (re.compile(r'\{\s*"(?:[^"\\]|\\.)*"\s*:.*\}'), "JSON objects"),
    (re.compile(r"\(\S+ .*\)"), "parse trees"),
    (re.compile(r"__label__\S+ .*"), "labelled for fastText"),
)


def require_no_columns(text: str, path: Path) -> None:
    """Checks that plain lines are not the rows of a table or marked up, so that only a part is the sentence.

    Raises:
        UserError: most lines have the same number of tabs, all have columns of which one holds labels, or begin like
            lines of another format.
    """
    language = markup(text)
    lines = [line for line in text.split("\n") if line.strip()]
    for beginning, what in _BEGINNINGS:
        if all(beginning.fullmatch(line.strip()) for line in lines):
            raise UserError("data.path", path, f"its lines are {what}", "write the sentences alone, one a line")
    if language:
        raise UserError("data.path", path, f"is {language}, not sentences", "write the sentences alone, one a line")
    counts = Counter(line.count("\t") for line in lines)
    (tabs, number), *_ = counts.most_common(1)
    if tabs and len(lines) > 1 and number > _MOST * len(lines):
        which = "every line has" if number == len(lines) else f"{number:,} of {len(lines):,} lines have"
        problem = f"{which} {tabs + 1} columns separated by tabs"
        raise UserError("data.path", path, problem, "name it .tsv, of which the column of sentences is read")
    found = _labelled(text, _SEPARATORS)
    if found:
        problem = f"every line has columns separated by {found!r}, one of them with numbers or labels"
        raise UserError("data.path", path, problem, "name it .csv, of which the column of sentences is read")


def _labelled(text: str, separators: Sequence[str]) -> str:
    """Returns the separator with which lines are a table of sentences and numbers or labels; empty if none does it."""
    # Most texts are no table from the beginning.
    head = text if len(text) < _HEAD else text[:_HEAD].rpartition("\n")[0]
    found = (s for s in separators if _is_labelled(head, s) and (head is text or _is_labelled(text, s)))
    return next(found, "")


def _is_labelled(text: str, separator: str) -> bool:
    rows = [row for row in _quoted_rows(text, separator) or [] if any(cell.strip() for cell in row)]
    if len(rows) < _FEWEST_ROWS or len(rows[0]) < 2 or _row_of_other_length(rows) is not None:
        return False
    first, others = rows[0], rows[1:]
    columns = [[row[i].strip() for row in others] for i in range(len(first))]
    named = any(cell.strip().lower() in _SENTENCE_NAMES for cell in first)
    words = [cells for cells in columns if all(len(cell.split()) < 2 for cell in cells)]
    return named or any(_all_numbers(cells) or _are_labels(cells) for cells in words)


def _are_labels(cells: Sequence[str]) -> bool:
    """Returns whether a column has few different words, each of them repeated."""
    counts = Counter(cells)
    return min(counts.values()) > 1 and len(counts) * _REPEATED <= len(cells)


def _csv_rows(text: str, path: Path) -> Rows:
    """Returns the rows of values separated by commas, or by semicolons, tabs or bars if only these fit."""
    told = _TOLD.match(text)
    if told:
        text = text[told.end() :]
    separators = told[1] if told else _SEPARATORS
    readings = [rows for separator in separators if (rows := _quoted_rows(text, separator)) is not None]
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
