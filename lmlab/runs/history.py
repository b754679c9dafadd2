"""A run's metrics.csv: a row for each evaluation."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from lmlab.errors import printable
from lmlab.files import write_text
from lmlab.metric_spec import OF_SOURCES
from lmlab.runs.files import METRICS, Damaged, complete_lines, read_text
from lmlab.runs.summary import NATS

Row = dict[str, float]
# Mean over the steps since the evaluation before, with dropout on.
TRAIN = "train/nats_per_token"

# Means over steps: the norm before and after clipping, and the share of steps on which it was clipped.
GRADIENT_FIGURES = ("grad_norm", "grad_norm_clipped", "clip_fraction")
# Columns before and after those of the evaluation, which has one for each figure. `train/` figures are means since the
# row before, with dropout on.
_FIRST = ("step", "epoch", "tokens", "seconds")
_LAST = (
    TRAIN, "train/perplexity", "train/error_rate", *GRADIENT_FIGURES, "tokens_per_second", "lr",
)  # fmt: skip


def write_history(folder: Path, rows: Sequence[Row]) -> None:
    """Writes metrics.csv with the columns of all rows, in which missing figures are left empty; no rows, no file."""
    if not rows:
        (folder / METRICS).unlink(missing_ok=True)
        return
    text = io.StringIO()
    evaluated = dict.fromkeys(name for row in rows for name in row if name.startswith("val/"))
    columns = dict.fromkeys([*_FIRST, *evaluated, *(f"val/{name}" for name in OF_SOURCES), *_LAST])
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / METRICS, text.getvalue())


def read_history(folder: Path, *, ended: bool) -> list[Row] | Damaged:
    """Returns the rows of metrics.csv without empty cells.

    Args:
        folder: the run's.
        ended: see `complete_lines`.
    """
    text = read_text(folder / METRICS)
    if not isinstance(text, str):
        return [] if text is None else text
    lines = complete_lines(text, METRICS, ended=ended)
    try:
        return lines if isinstance(lines, Damaged) else list(_rows(lines))
    except (ValueError, csv.Error) as error:
        return Damaged(METRICS, str(error))


def _rows(lines: list[str]) -> Iterator[Row]:
    """Yields the rows.

    Raises:
        ValueError: what is wrong with the first wrong line.
    """
    if not lines:
        return
    header, *rows = csv.reader(lines)
    for name in ("step", NATS):
        if name not in header:
            raise ValueError(f"it has no column {name}")
    for number, cells in enumerate(rows, 2):
        if len(cells) != len(header):
            raise ValueError(f"line {number} has {len(cells)} cells, not {len(header)}")
        yield {name: _number(cell, f"line {number}: {name}") for name, cell in zip(header, cells, strict=True) if cell}


def _number(cell: str, where: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"{where} is {printable(cell)}, not a number") from None
