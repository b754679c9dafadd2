"""CSV text that a spreadsheet shows as it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

# What makes a spreadsheet take a cell for a formula, also in the full width of East Asian fonts; a tab or carriage
# return before it is passed over.
_FORMULA = frozenset("=+-@＝＋－＠\t\r")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The table as CSV, each cell made safe.

    Args:
        header: names of the columns, with units.
        rows: cells as in `cell`, as many as columns.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([cell(name) for name in header])
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def cell(value: object) -> object:
    """A number as it is, nothing for None, and text that cannot be taken for a formula: an apostrophe goes before it.

    Text that is a number (``-1``, ``1e-3``) is left as it is.
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
