"""CSV text that spreadsheets display without interpreting it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

# First characters that make a spreadsheet interpret a cell as a formula, also in the full width of East Asian fonts.
# A tab or carriage return before them is ignored by spreadsheets.
_FORMULA = frozenset("=+-@＝＋－＠\t\r")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a table as CSV, each cell made safe.

    Args:
        header: names of the columns, with units.
        rows: values for `cell`, as many as columns.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([cell(name) for name in header])
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def cell(value: object) -> object:
    """Returns a value as a safe cell.

    Numbers stay as they are, None becomes an empty string, and text that looks like a formula gets an apostrophe before
    it. Text that is a number (``-1``, ``1e-3``) is left unchanged.
    """
    if value is None:
        return ""
    if not isinstance(value, str) or value[:1] not in _FORMULA:
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
