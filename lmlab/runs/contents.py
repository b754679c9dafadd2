"""What a run stores besides its summary: evaluations, generated texts, analysis, configuration and tokenizer."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lmlab import plain_yaml
from lmlab.errors import UserError, printable
from lmlab.files import write_text
from lmlab.metric_spec import OF_SOURCES
from lmlab.runs import files
from lmlab.runs.files import FLAG, NUMBER, TEXT, WHOLE, Damaged
from lmlab.runs.formatting import is_number
from lmlab.runs.summary import NATS

Row = dict[str, float]
TRAIN = "train/nats_per_token"  # mean over the steps since the evaluation before, with dropout on
# Means over steps: the norm before and after clipping, and the share of steps on which it was clipped.
GRADIENT_FIGURES = ("grad_norm", "grad_norm_clipped", "clip_fraction")
# Columns before and after those of the evaluation, which has one for each figure.
_FIRST = ("step", "epoch", "tokens", "seconds")
_LAST = (TRAIN, "train/perplexity", "train/error_rate", *GRADIENT_FIGURES, "tokens_per_second", "lr")
_PAIRS = [(TEXT, NUMBER)]
_EXHIBITS = {
    "passage?": {"tokens": _PAIRS},
    "temperatures?": [{"temperature": NUMBER, "prompt?": TEXT, "text?": TEXT, "num_samples?": NUMBER}],
    "predictions?": {"prompt?": TEXT, "checkpoints": [{"name": TEXT, "step?": NUMBER, "next": _PAIRS}]},
    "frequency_bands?": [{"from": NUMBER, "to?": NUMBER, "tokens": NUMBER, "nats_per_token?": NUMBER}],
}
_SAMPLE = {"text": TEXT, "prompt?": TEXT, "valid?": FLAG, **dict.fromkeys(("step?", "temperature?", "leaves?"), NUMBER)}
TOKENIZER_SCHEMA = {"format": WHOLE, "type": TEXT, "vocabulary?": [TEXT]}


def write_history(folder: Path, rows: Sequence[Row]) -> None:
    """Writes metrics.csv with the columns of all rows, in which missing figures are left empty; no rows, no file."""
    if not rows:
        (folder / files.METRICS).unlink(missing_ok=True)
        return
    text = io.StringIO()
    evaluated = [name for row in rows for name in row if name.startswith("val/")]
    columns = dict.fromkeys([*_FIRST, *evaluated, *(f"val/{name}" for name in OF_SOURCES), *_LAST])
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / files.METRICS, text.getvalue())


def read_history(folder: Path, *, ended: bool) -> list[Row] | Damaged:
    """Returns the rows of metrics.csv without empty cells; for `ended` see `read_lines`."""
    lines = files.read_lines(folder / files.METRICS, ended=ended)
    try:
        return lines if isinstance(lines, Damaged) else list(_rows(lines))
    except (ValueError, csv.Error) as error:
        return Damaged(files.METRICS, str(error))


def _rows(lines: list[str]) -> Iterator[Row]:
    """Yields the rows; raises ValueError with what is wrong with the first wrong line."""
    header, *rows = csv.reader(lines or [f"step,{NATS}"])
    for name in ("step", NATS):
        if name not in header:
            raise ValueError(f"it has no column {name}")
    for number, cells in enumerate(rows, 2):
        if len(cells) != len(header):
            raise ValueError(f"line {number} has {len(cells)} cells, not {len(header)}")
        row = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
        if wrong := [name for name in row if not is_number(row[name])]:
            raise ValueError(f"line {number}: {wrong[0]} is {printable(row[wrong[0]])}, not a number")
        yield {name: float(cell) for name, cell in row.items()}


def write_samples(folder: Path, samples: Sequence[Mapping[str, Any]]) -> None:
    """Writes samples.jsonl; no samples, no file."""
    if not samples:
        (folder / files.SAMPLES).unlink(missing_ok=True)
        return
    write_text(folder / files.SAMPLES, "".join(f"{json.dumps(sample, ensure_ascii=False)}\n" for sample in samples))


def read_samples(folder: Path, *, ended: bool) -> list[dict[str, Any]] | Damaged:
    """Returns the texts of samples.jsonl, generated during training, in order; for `ended` see `read_lines`."""
    lines = files.read_lines(folder / files.SAMPLES, ended=ended)
    if isinstance(lines, Damaged):
        return lines
    found = [files.parsed(line, _SAMPLE, files.SAMPLES, f"line {number}: ") for number, line in enumerate(lines, 1)]
    whole = [sample for sample in found if not isinstance(sample, Damaged)]
    return next((sample for sample in found if isinstance(sample, Damaged)), whole)


def write_exhibits(folder: Path, exhibits: Mapping[str, Any]) -> None:
    """Writes exhibits.json."""
    write_text(folder / files.EXHIBITS, json.dumps(exhibits, ensure_ascii=False, indent=1) + "\n")


def read_exhibits(folder: Path) -> dict[str, Any] | Damaged:
    """Returns the contents of exhibits.json: passage, temperatures, predictions and frequency bins."""
    return files.read_json(folder / files.EXHIBITS, _EXHIBITS)


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Writes config.yaml."""
    write_text(folder / files.CONFIG, plain_yaml.dump(config))


def read_config(folder: Path) -> dict[str, Any] | Damaged:
    """Returns the resolved configuration of config.yaml as plain data; empty without one."""
    if not os.path.lexists(folder / files.CONFIG):
        return {}
    try:
        found = plain_yaml.read(folder / files.CONFIG)
    except UserError as error:
        return Damaged(files.CONFIG, re.sub(r"^(is|has) ", r"it \1 ", error.problem))
    return found if isinstance(found, dict) else Damaged(files.CONFIG, "it has no settings")


def read_tokenizer(folder: Path) -> dict[str, Any] | Damaged:
    """Returns the contents of tokenizer.json; empty without one."""
    return files.read_json(folder / files.TOKENIZER, TOKENIZER_SCHEMA)
