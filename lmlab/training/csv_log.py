"""log.csv of a run: what the loggers are given, on disk at once, and cut back to a checkpoint on resuming."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger
from torch import Tensor

from lmlab.errors import UserError
from lmlab.files import write_text
from lmlab.runs.files import LOG

_Row = dict[str, str]


class RunCSVLogger(CSVLogger):
    """Lightning's CSV logger with one file in the run's own folder, to which each row is appended at once.

    Lightning's collects rows in memory, which are lost if the process is killed, and deletes an earlier file.

    Args:
        folder: the run's folder.
        num_rows: rows of an earlier part of the run to keep; 0 to begin a file.
    """

    def __init__(self, folder: Path, *, num_rows: int = 0) -> None:
        super().__init__(save_dir=str(folder), name="", version="")
        self._experiment: Any = _File(folder / LOG, num_rows=num_rows)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Writes a row."""
        self._experiment.log_metrics(metrics, self._experiment.num_rows if step is None else step)

    def log_hyperparams(self, params: Any = None) -> None:
        """Does nothing: no hparams.yaml is written, because config.yaml has the settings."""

    def state_dict(self) -> dict[str, Any]:
        """Returns the number of rows so far."""
        return {"num_rows": self._experiment.num_rows}


class _File:
    """Takes the place of Lightning's writer."""

    def __init__(self, path: Path, *, num_rows: int) -> None:
        self.path = path
        kept = _read(path)[:num_rows]
        # Columns in which only dropped rows have values come again when those rows do.
        self.columns = list(dict.fromkeys(name for row in kept for name in row))
        self.num_rows = len(kept)
        self._rewrite(kept)

    def log_metrics(self, metrics: Mapping[str, Any], step: int) -> None:
        """Appends a row."""
        row = {
            "step": step,
            **{name: value.item() if isinstance(value, Tensor) else value for name, value in metrics.items()},
        }
        new = [name for name in row if name not in self.columns]
        if new:
            kept = _read(self.path)
            self.columns += new
            self._rewrite(kept)
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(_lines([row], self.columns))
        self.num_rows += 1

    def save(self) -> None:
        """Does nothing, because nothing is collected."""

    def _rewrite(self, rows: Sequence[_Row]) -> None:
        if self.columns:
            write_text(self.path, _lines([dict(zip(self.columns, self.columns, strict=True)), *rows], self.columns))
        else:
            self.path.unlink(missing_ok=True)


def _read(path: Path) -> list[_Row]:
    """Returns the rows of a file, each with the columns in which it has a value."""
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [{k: v for k, v in row.items() if k and v} for row in csv.DictReader(file)]
    except (ValueError, csv.Error):
        raise UserError("run", path, "is damaged", "restore it, or remove it") from None


def _lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, columns, lineterminator="\n").writerows(rows)
    return text.getvalue()
