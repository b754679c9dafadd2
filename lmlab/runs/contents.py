"""What a run stores besides its figures: generated texts, the analysis of its best model, configuration, tokenizer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lmlab import plain_yaml
from lmlab.errors import UserError
from lmlab.files import write_text
from lmlab.runs.files import (
    CONFIG,
    EXHIBITS,
    FLAG,
    NUMBER,
    SAMPLES,
    TEXT,
    TOKENIZER,
    WHOLE,
    Damaged,
    Schema,
    complete_lines,
    parsed,
    read_json,
    read_text,
)  # fmt: skip

_SAMPLE: Schema = {
    "text": TEXT, "prompt?": TEXT, "step?": NUMBER, "temperature?": NUMBER, "valid?": FLAG, "leaves?": NUMBER
}  # fmt: skip
_PAIRS: Schema = [(TEXT, NUMBER)]
_EXHIBITS: Schema = {
    "passage?": {"tokens": _PAIRS},
    "temperatures?": [{"temperature": NUMBER, "prompt?": TEXT, "text?": TEXT, "num_samples?": NUMBER}],
    "predictions?": {"prompt?": TEXT, "checkpoints": [{"name": TEXT, "step?": NUMBER, "next": _PAIRS}]},
    "frequency_bands?": [{"from": NUMBER, "to?": NUMBER, "tokens": NUMBER, "nats_per_token?": NUMBER}],
}
TOKENIZER_SCHEMA: Schema = {"format": WHOLE, "type": TEXT, "vocabulary?": [TEXT]}


def read_samples(folder: Path, *, ended: bool) -> list[dict[str, Any]] | Damaged:
    """Returns the texts of samples.jsonl, which were generated during training, in order.

    Args:
        folder: the run's.
        ended: see `complete_lines`.
    """
    text = read_text(folder / SAMPLES)
    if not isinstance(text, str):
        return [] if text is None else text
    lines = complete_lines(text, SAMPLES, ended=ended)
    if isinstance(lines, Damaged):
        return lines
    found = [parsed(line, _SAMPLE, SAMPLES, number) for number, line in enumerate(lines, 1)]
    return next((sample for sample in found if isinstance(sample, Damaged)), found)


def write_samples(folder: Path, samples: Sequence[Mapping[str, Any]]) -> None:
    """Writes samples.jsonl; no samples, no file."""
    if samples:
        write_text(folder / SAMPLES, "".join(f"{json.dumps(sample, ensure_ascii=False)}\n" for sample in samples))
    else:
        (folder / SAMPLES).unlink(missing_ok=True)


def read_exhibits(folder: Path) -> dict[str, Any] | Damaged:
    """Returns the contents of exhibits.json: passage, temperatures, predictions and frequency bins."""
    found: dict[str, Any] | Damaged | None = read_json(folder / EXHIBITS, _EXHIBITS)
    return {} if found is None else found


def write_exhibits(folder: Path, exhibits: Mapping[str, Any]) -> None:
    """Writes exhibits.json."""
    write_text(folder / EXHIBITS, json.dumps(exhibits, ensure_ascii=False, indent=1) + "\n")


def read_config(folder: Path) -> dict[str, Any] | Damaged:
    """Returns the resolved configuration of config.yaml as plain data; empty without one."""
    if not (folder / CONFIG).exists():
        return {}
    try:
        found = plain_yaml.read(folder / CONFIG)
    except UserError as error:
        return Damaged(CONFIG, re.sub(r"^(is|has) ", r"it \1 ", error.problem))
    return found if isinstance(found, dict) else Damaged(CONFIG, "it has no settings")


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Writes config.yaml."""
    write_text(folder / CONFIG, plain_yaml.dump(config))


def read_tokenizer(folder: Path) -> dict[str, Any] | Damaged:
    """Returns the contents of tokenizer.json; empty without one."""
    found: dict[str, Any] | Damaged | None = read_json(folder / TOKENIZER, TOKENIZER_SCHEMA)
    return {} if found is None else found
