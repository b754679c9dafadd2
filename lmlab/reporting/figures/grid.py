"""The results of two parameters, arranged in rows and columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lmlab.reporting.figures.axes import as_numbers, number, with_half_width
from lmlab.reporting.figures.data import Result
from lmlab.reporting.figures.style import SMALL
from lmlab.reporting.figures.text import brief, shortened

# With more columns than this, rows and columns are swapped.
_MANY = 6


@dataclass(frozen=True)
class Cell:
    """The result of a pair of values.

    Args:
        row: value of the first parameter.
        column: value of the second parameter.
        value: mean over seeds; None if no run finished.
        half_width: of the confidence interval; None for a single seed.
        state: why there is no value: `failed`, `interrupted`, `not run`.
    """

    row: str
    column: str
    value: float | None
    half_width: float | None = None
    state: str = ""

    @property
    def result(self) -> Result:
        """The result without its position."""
        return Result(f"{self.row}, {self.column}", self.value, self.half_width)


@dataclass(frozen=True)
class Grid:
    """Cells arranged by their values.

    Args:
        rows: values from top to bottom.
        columns: values from left to right.
        cells: by row and column; pairs may be missing.
        row_name: the parameter of the rows.
        column_name: the parameter of the columns.
        best: row and column of the best cell.
    """

    rows: list[str]
    columns: list[str]
    cells: dict[tuple[str, str], Cell]
    row_name: str
    column_name: str
    best: tuple[str, str]

    def texts(self, digits: int, room: float) -> dict[tuple[str, str], str]:
        """Returns the text of each cell.

        Args:
            digits: decimals.
            room: inches to which words are shortened.
        """
        return {place: _cell_text(self.cells.get(place), digits, room) for place in self.places()}

    def places(self) -> list[tuple[str, str]]:
        """Returns all pairs of row and column, row by row."""
        return [(row, column) for row in self.rows for column in self.columns]

    def named_best(self) -> str:
        """Returns the best cell in words."""
        names = (self.row_name, self.column_name)
        where = " and ".join(f"{brief(n)} {brief(value)}" for n, value in zip(names, self.best, strict=True))
        cell = self.cells[self.best]
        return f"{where} with {with_half_width(cell.value or 0.0, cell.half_width)}"


def arranged(cells: Sequence[Cell], row_name: str, column_name: str, best: Cell) -> Grid:
    """Arranges the cells; if there are many columns, the parameter with more values becomes the rows.

    Args:
        cells: in any order.
        row_name: the first parameter.
        column_name: the second parameter.
        best: one of the cells.
    """
    rows, columns = _ordered([cell.row for cell in cells]), _ordered([cell.column for cell in cells])
    if len(columns) > max(_MANY, len(rows)):
        turned = {(cell.column, cell.row): cell for cell in cells}
        return Grid(columns, rows, turned, column_name, row_name, (best.column, best.row))
    return Grid(
        rows, columns, {(cell.row, cell.column): cell for cell in cells}, row_name, column_name, (best.row, best.column)
    )


def _ordered(labels: Sequence[str]) -> list[str]:
    distinct = list(dict.fromkeys(labels))
    values = as_numbers(distinct)
    return distinct if values is None else [label for _, label in sorted(zip(values, distinct, strict=True))]


def _cell_text(cell: Cell | None, digits: int, room: float) -> str:
    if cell is None or cell.value is None:
        return shortened((cell.state if cell else "") or "not run", room, SMALL)
    if cell.half_width is None:
        return number(cell.value, digits)
    return f"{number(cell.value, digits)}\n± {number(cell.half_width, digits)}"
