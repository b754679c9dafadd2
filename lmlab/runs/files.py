"""The files of a run's or sweep's folder: their names, and how each is read and validated as a whole."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lmlab.errors import printable

SUMMARY, METRICS, SAMPLES, EXHIBITS = "summary.json", "metrics.csv", "samples.jsonl", "exhibits.json"
CONFIG, TOKENIZER, GRADIENTS, LOG = "config.yaml", "tokenizer.json", "gradients.csv", "log.csv"
HYDRA, TRAIN_LOG = ".hydra", "train.log"
SWEEP, MULTIRUN, RESULTS = "sweep.json", "multirun.yaml", "results.csv"
CHECKPOINTS = "checkpoints"
BEST, LAST, PREVIOUS = "best.ckpt", "last.ckpt", "previous.ckpt"
# The best weights before the last evaluation, if that evaluation, made after the end of training, is the best.
BEST_BEFORE_END = "best-before-end.ckpt"

_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Damaged:
    """A file that is there and cannot be used.

    Args:
        file: its name.
        problem: what is wrong with it, in a few words.
    """

    file: str
    problem: str

    @property
    def words(self) -> str:
        """The problem in one line, without the file's name."""
        return f"is damaged: {printable(self.problem, longest=200)}"

    def __str__(self) -> str:
        return f"{self.file} {self.words}"


class Kind(NamedTuple):
    """Plain values of some types.

    Args:
        words: what such a value is called.
        types: its types; a bool is no number.
    """

    words: str
    types: tuple[type, ...]


TEXT, FLAG = Kind("text", (str,)), Kind("true or false", (bool,))
NUMBER, WHOLE = Kind("a number", (int, float)), Kind("a whole number", (int,))
OBJECT = Kind("an object", (dict,))
# A kind; a list of one schema for all items; a tuple of schemas for a list of just these; or entries by name, where a
# name that ends with `?` may be missing or null, and all other names are free.
Schema = Kind | list[Any] | tuple[Any, ...] | Mapping[str, Any]


def fault(value: object, schema: Schema, where: str = "") -> str:
    """Returns the first difference of a value from a schema, in words; empty if there is none.

    Args:
        value: as JSON has it.
        schema: what it should be.
        where: the value's name in its file, for the words.
    """
    name = where or "it"
    if isinstance(schema, Kind):
        fits = isinstance(value, schema.types) and (not isinstance(value, bool) or bool in schema.types)
        return "" if fits else f"{name} is not {schema.words}"
    if isinstance(schema, Mapping):
        if not isinstance(value, dict):
            return f"{name} is not an object"
        found = (_entry_fault(value, key, inner, where) for key, inner in schema.items())
    elif not isinstance(value, list):
        return f"{name} is not a list"
    else:
        if isinstance(schema, tuple) and len(schema) != len(value):
            return f"{name} does not have {len(schema)} items"
        each = schema if isinstance(schema, tuple) else [schema[0]] * len(value)
        found = (fault(item, inner, f"{where}[{i}]") for i, (item, inner) in enumerate(zip(value, each, strict=True)))
    return next(filter(None, found), "")


def _entry_fault(value: Mapping[str, Any], key: str, schema: Schema, where: str) -> str:
    name = key.removesuffix("?")
    full = f"{where}.{name}" if where else name
    if value.get(name) is None and name != key:
        return ""
    return fault(value[name], schema, full) if name in value else f"{full} is missing"


def read_text(path: Path) -> str | Damaged | None:
    """Returns a file's text; None if there is no such file."""
    try:
        if path.exists() and not path.is_file():  # reading from a named pipe would block forever
            return Damaged(path.name, "it is not a file")
        # Written texts may have lone surrogates, which UTF-8 does not.
        return path.read_bytes().decode("utf-8", errors="surrogatepass")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return Damaged(path.name, "it is not UTF-8")
    except OSError as error:
        return Damaged(path.name, error.strerror or "it cannot be read")


def read_json(path: Path, schema: Schema) -> Any:
    """Returns the value of a JSON file that fits a schema, or `Damaged`; None if there is no such file."""
    text = read_text(path)
    return parsed(text, schema, path.name) if isinstance(text, str) else text


def parsed(text: str, schema: Schema, file: str, line: int | None = None) -> Any:
    """Returns the value of a JSON text that fits a schema, or `Damaged`.

    Args:
        text: JSON.
        schema: what it should be.
        file: the file's name.
        line: the number of the line that the text is; None for the whole file.
    """
    try:
        value = without_surrogates(json.loads(text))
        problem = fault(value, schema)
    except (ValueError, RecursionError):
        problem = "it is not JSON"
    if problem:
        return Damaged(file, problem if line is None else f"line {line}: {problem}")
    return value


def complete_lines(text: str, file: str, *, ended: bool) -> list[str] | Damaged:
    """Returns the lines of a text without a last one that lacks its line end, because it is still being written.

    Args:
        text: of the file.
        file: its name.
        ended: whether nobody writes it any more, so that such a line, or none at all, is damage.
    """
    *lines, rest = text.split("\n")
    if ended and (rest or not lines):
        return Damaged(file, "its last line is incomplete" if rest else "it is empty")
    return lines


def without_surrogates(value: Any) -> Any:
    """Replaces lone surrogates, which JSON can contain and UTF-8 cannot, in all strings of a plain value."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(str(key)): without_surrogates(item) for key, item in value.items()}
    return value


def has_checkpoint(folder: Path) -> bool:
    """Returns whether a folder is a run that can be loaded."""
    return _has(folder, (BEST, LAST))


def can_be_resumed(folder: Path) -> bool:
    """Returns whether a run has a checkpoint to go on from."""
    return _has(folder, (LAST, PREVIOUS))


def _has(folder: Path, names: Sequence[str]) -> bool:
    return any((folder / CHECKPOINTS / name).is_file() for name in names)
