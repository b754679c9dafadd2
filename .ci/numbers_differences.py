"""What differs between two folders of runs; each function yields lines, with the base's value first."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

# What may differ, and why. Everything else must be equal, and a key or column on one side only is a difference.
IGNORED_COLUMNS = {
    "seconds": "of the clock",
    "tokens_per_second": "of the clock",
}
IGNORED_KEYS = {
    "wall_seconds": "of the clock",
    "tokens_per_second": "of the clock",
    "peak_memory_bytes": "of the process",
    "versions": "of the installed packages, and the same interpreter runs both sides",
    "warnings": "sentences; `diagnostics` took their place after the base 6e8c8da",
}
# Keys of summary.json that a base lacks; ignored only where the base has none.
_NEWER_FIGURES = {
    f"{split}/{name}": "a figure that the base did not have"
    for split in ("val", "test")
    for name in ("top_5_accuracy", "calibration_error")
}
# Likewise columns of metrics.csv.
NEWER_COLUMNS = {**_NEWER_FIGURES, "val/unk_rate": "in the base's summary.json only"}
NEWER_KEYS = {
    **_NEWER_FIGURES,
    "metrics": "specifications of the figures, kept since the base 6e8c8da",
    "test_fingerprint": "of the test text, kept since the base 6e8c8da",
    "format": "version of the summary's contents, kept since the base 6e8c8da",
    "stopped_by": "the callback that ended the run, kept since the base 6e8c8da",
    "diagnostics": "what is wrong with the run, as data",
    "val/streams": "nats of the worst and the middle stream, kept since the base 6e8c8da",
    "test/streams": "nats of the worst and the middle stream, kept since the base 6e8c8da",
}
# Likewise of its table of samples.
NEWER_SAMPLE_FIGURES = {"uniformity": "a figure that the base did not have"}
# Likewise of a line of samples.jsonl.
NEWER_SAMPLE_KEYS = {
    "valid": "of samples of formal languages, kept since the base 6e8c8da",
    "leaves": "of samples of formal languages, kept since the base 6e8c8da",
}
CHECKPOINTS = ("best.ckpt", "last.ckpt")


def folder_differences(base: Path, work: Path) -> Iterator[str]:
    """Between the folders of two finished runs."""
    compared: dict[str, Callable[..., Iterator[str]]] = {
        "metrics.csv": _table_differences,
        "gradients.csv": _table_differences,
        "samples.jsonl": _sample_differences,
        "exhibits.json": _json_differences,
        "summary.json": _summary_differences,
        "tokenizer.json": _line_differences,
    }
    names = {path.name for folder in (base, work) for path in (folder / "checkpoints").glob("step-*.ckpt")}
    compared |= {f"checkpoints/{name}": _weight_differences for name in (*CHECKPOINTS, *sorted(names))}
    for name, differences in compared.items():
        missing = [side for side, folder in (("base", base), ("work", work)) if not (folder / name).is_file()]
        if name == "gradients.csv" and len(missing) == 2:  # written on request only
            continue
        if missing:
            yield f"{name} missing in {' and '.join(missing)}"
            continue
        try:
            yield from differences(base / name, work / name, where=name)
        except Exception as error:  # a file that cannot be read is a difference
            yield f"{name} cannot be compared: {type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _table_differences(base: Path, work: Path, *, where: str) -> Iterator[str]:
    tables = []
    for path in (base, work):
        with path.open(encoding="utf-8", newline="") as file:
            tables.append(list(csv.DictReader(file)))
    rows, other_rows = tables
    columns, other_columns = ([*table[0]] if table else [] for table in tables)
    newer = [name for name in other_columns if name in NEWER_COLUMNS and name not in columns]
    if columns != [name for name in other_columns if name not in newer]:
        yield f"{where} columns {sorted(set(columns) ^ set(other_columns)) or 'in another order'}"
        return
    if not rows or len(rows) != len(other_rows):
        yield f"{where} has {len(rows)} and {len(other_rows)} rows"
    for number, (row, other) in enumerate(zip(rows, other_rows, strict=False), 1):
        for name in columns:
            if row[name] != other[name] and name not in IGNORED_COLUMNS:
                yield f"{where} row {number} {name} {row[name]} and {other[name]}"


def _line_differences(base: Path, work: Path, *, where: str) -> Iterator[str]:
    yield from _written_differences(*(path.read_bytes().decode("utf-8") for path in (base, work)), where=where)


def _sample_differences(base: Path, work: Path, *, where: str) -> Iterator[str]:
    text, other = (path.read_bytes().decode("utf-8") for path in (base, work))
    newer = NEWER_SAMPLE_KEYS.keys() - {key for line in text.split("\n")[:-1] for key in json.loads(line)}
    samples = [json.loads(line) for line in other.split("\n")[:-1]]
    if any(newer & sample.keys() for sample in samples):
        kept = ({key: value for key, value in sample.items() if key not in newer} for sample in samples)
        other = "".join(f"{json.dumps(sample, ensure_ascii=False)}\n" for sample in kept)
    yield from _written_differences(text, other, where=where)


def _written_differences(base: str, work: str, *, where: str) -> Iterator[str]:
    yield from text_differences(base, work, where=f"{where} line")
    if not base:
        yield f"{where} is empty"


def without_newer(figures: dict[str, Any]) -> dict[str, Any]:
    """A result of `lmlab.evaluate` without figures that the base did not have."""
    return {name: value for name, value in figures.items() if f"val/{name}" not in _NEWER_FIGURES}


def as_table(printed: str) -> str:
    """What `lmlab.evaluate` prints, names and values separated by one space, without figures the base did not have."""
    lines = (line.split(maxsplit=1) for line in printed.splitlines())
    return "".join(f"{' '.join(line)}\n" for line in lines if f"val/{line[0]}" not in _NEWER_FIGURES)


def text_differences(base: str, work: str, *, where: str) -> Iterator[str]:
    """The first line in which two texts differ.

    Args:
        base: the one.
        work: the other.
        where: what the line's number is put behind.
    """
    lines, other_lines = base.splitlines(keepends=True), work.splitlines(keepends=True)
    for number, (line, other) in enumerate(zip(lines, other_lines, strict=False), 1):
        if line != other:
            same = next((i for i, pair in enumerate(zip(line, other, strict=False)) if pair[0] != pair[1]), len(line))
            place = max(0, same - 20)
            yield f"{where} {number} from character {place} {line[place:][:60]!r} and {other[place:][:60]!r}"
            return
    if len(lines) != len(other_lines):
        yield f"{where}s: {len(lines)} and {len(other_lines)}"


def read_json(path: Path) -> Any:
    """What a JSON file says."""
    return json.loads(path.read_text(encoding="utf-8"))


def _json_differences(base: Path, work: Path, *, where: str) -> Iterator[str]:
    found = list(value_differences(read_json(base), read_json(work), where=where))
    if not found and base.read_bytes() != work.read_bytes():
        found = [f"{where} has equal values, written otherwise"]
    yield from found


def _summary_differences(base: Path, work: Path, *, where: str) -> Iterator[str]:
    summary, other = read_json(base), read_json(work)
    ignored = IGNORED_KEYS.keys() | {key for key in NEWER_KEYS if key not in summary}
    figures = [{key: value for key, value in found.items() if key not in ignored} for found in (summary, other)]
    samples, others = (found.get("samples") or {} for found in figures)
    for name in NEWER_SAMPLE_FIGURES.keys() - samples.keys():
        others.pop(name, None)
    yield from value_differences(*figures, where=where)
    if summary.get("status") != "finished":
        yield f"{where} status {summary.get('status')!r} of the base's"


def value_differences(base: Any, work: Any, *, where: str) -> Iterator[str]:
    """A line for each leaf of two JSON values that differs, infinities, NaN and the sign of 0 told apart.

    Args:
        base: the one.
        work: the other.
        where: name of the value.
    """
    if isinstance(base, dict) and isinstance(work, dict):
        for key in [*base, *(key for key in work if key not in base)]:
            if key not in base or key not in work:
                yield f"{where} {key} only in {'base' if key in base else 'work'}"
            else:
                yield from value_differences(base[key], work[key], where=f"{where} {key}")
    elif isinstance(base, list) and isinstance(work, list):
        if len(base) != len(work):
            yield f"{where} has {len(base)} and {len(work)} items"
        for number, (item, other) in enumerate(zip(base, work, strict=False), 1):
            yield from value_differences(item, other, where=f"{where} {number}")
    elif repr(base) != repr(work):
        yield f"{where} {base!r:.100} and {work!r:.100}"


def _weight_differences(base: Path, work: Path, *, where: str) -> Iterator[str]:
    saved = [torch.load(path, map_location="cpu", weights_only=True) for path in (base, work)]
    weights, other = (checkpoint["state_dict"] for checkpoint in saved)
    if list(weights) != list(other) or not weights:
        yield f"{where} weights {sorted(set(weights) ^ set(other)) or 'none, or in another order'}"
    for name in (name for name in weights if name in other):
        first, second = weights[name], other[name]
        if first.dtype != second.dtype or first.shape != second.shape:
            yield f"{where} {name} {first.dtype} {list(first.shape)} and {second.dtype} {list(second.shape)}"
        elif not torch.equal(*(tensor.reshape(-1).contiguous().view(torch.uint8) for tensor in (first, second))):
            yield f"{where} {name} up to {float((first.double() - second.double()).abs().max()):.3g} apart"
