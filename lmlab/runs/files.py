"""The files of a run's or sweep's folder: their names, and how each is read and validated as a whole."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lmlab.errors import printable
from lmlab.memory_limits import as_bytes, available_memory

SUMMARY, METRICS, SAMPLES, EXHIBITS = "summary.json", "metrics.csv", "samples.jsonl", "exhibits.json"
CONFIG, TOKENIZER, GRADIENTS, LOG = "config.yaml", "tokenizer.json", "gradients.csv", "log.csv"
HYDRA, TRAIN_LOG = ".hydra", "train.log"
SWEEP, MULTIRUN, RESULTS = "sweep.json", "multirun.yaml", "results.csv"
CHECKPOINTS = "checkpoints"
# Bytes of memory for a byte of JSON: the bytes, the text, and the objects made of it.
_MEMORY_PER_BYTE = 6
BEST, LAST, PREVIOUS = "best.ckpt", "last.ckpt", "previous.ckpt"
# The best weights before the last evaluation, if that evaluation, made after the end of training, is the best.
BEST_BEFORE_END = "best-before-end.ckpt"


class Damaged(NamedTuple):
    """A file that is there and cannot be used: its name, and what is wrong with it in a few words."""

    file: str
    problem: str

    @property
    def words(self) -> str:
        """The problem in one line, without the file's name."""
        return f"is damaged: {printable(self.problem, longest=200)}"

    def __str__(self) -> str:
        return f"{self.file} {self.words}"


class Kind(NamedTuple):
    """Plain values of some types, of which a bool is no number, and what such a value is called."""

    words: str
    types: tuple[type, ...]


TEXT, FLAG = Kind("text", (str,)), Kind("true or false", (bool,))
NUMBER, WHOLE = Kind("a number", (int, float)), Kind("a whole number", (int,))
OBJECT, _LIST = Kind("an object", (dict,)), Kind("a list", (list,))
# A kind; a list of one schema for all items; a tuple of schemas for a list of just these; or entries by name, where a
# name that ends with `?` may be missing or null, and all other names are free.
Schema = Kind | list[Any] | tuple[Any, ...] | Mapping[str, Any]


def fault(value: Any, schema: Schema, where: str = "") -> str:
    """Returns the first difference of JSON's value, called `where`, from a schema in words; empty if there is none."""
    kind = schema if isinstance(schema, Kind) else OBJECT if isinstance(schema, Mapping) else _LIST
    fits = isinstance(value, kind.types) and (not isinstance(value, bool) or bool in kind.types)
    if not fits or (type(value) is int and abs(value) > sys.float_info.max):  # no figure is, and no formula takes it
        return f"{where or 'it'} is not {kind.words}"
    if isinstance(schema, Kind):
        return ""
    if isinstance(schema, Mapping):
        found = (_entry_fault(value, key, inner, f"{where}." if where else "") for key, inner in schema.items())
    elif isinstance(schema, tuple) and len(schema) != len(value):
        return f"{where or 'it'} does not have {len(schema)} items"
    else:
        each = schema if isinstance(schema, tuple) else schema * len(value)
        found = (fault(item, inner, f"{where}[{i}]") for i, (item, inner) in enumerate(zip(value, each, strict=True)))
    return next(filter(None, found), "")


def _entry_fault(value: Mapping[str, Any], key: str, schema: Schema, prefix: str) -> str:
    name = key.removesuffix("?")
    if name not in value or (value[name] is None and name != key):
        return f"{prefix}{name} is missing" if name == key else ""
    return fault(value[name], schema, prefix + name)


def read_text(path: Path) -> str | Damaged | None:
    """Returns a file's text; None if there is no such file."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading from a named pipe would block forever
            return Damaged(path.name, "it is not a file")
        available = available_memory()
        if available is not None and status.st_size * _MEMORY_PER_BYTE > available:
            return Damaged(path.name, f"it has {as_bytes(status.st_size)}, more than the memory can hold")
        # Written texts may have lone surrogates, which UTF-8 does not.
        return path.read_bytes().decode("utf-8", errors="surrogatepass")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return Damaged(path.name, "it is not UTF-8")
    except OSError as error:
        return Damaged(path.name, error.strerror or "it cannot be read")
    except MemoryError:
        return Damaged(path.name, "it is larger than the memory can hold")


def read_json(path: Path, schema: Schema) -> dict[str, Any] | Damaged:
    """Returns the object in a JSON file, which must fit a schema; empty if there is no such file."""
    text = read_text(path)
    return parsed(text, schema, path.name) if isinstance(text, str) else {} if text is None else text


def parsed(text: str, schema: Schema, file: str, where: str = "") -> dict[str, Any] | Damaged:
    """Returns the object that JSON stands for, which must fit a schema; `where` in the file it is begins the words."""
    try:
        value: dict[str, Any] = without_surrogates(json.loads(text))
        problem = fault(value, schema)
    except (ValueError, RecursionError):
        problem = "it is not JSON"
    return Damaged(file, f"{where}{problem}") if problem else value


def read_lines(path: Path, *, ended: bool) -> list[str] | Damaged:
    """Returns the lines of a file without a last one that lacks its line end, because it is still being written.

    Args:
        path: of the file; without it there are no lines.
        ended: whether nobody writes it any more, so that such a line, or none at all, is damage.
    """
    text = read_text(path)
    if not isinstance(text, str):
        return [] if text is None else text
    *lines, rest = text.split("\n")
    if ended and (rest or not lines):
        return Damaged(path.name, "its last line is incomplete" if rest else "it is empty")
    return lines


def without_surrogates(value: Any) -> Any:
    """Replaces lone surrogates, which JSON can contain and UTF-8 cannot, in all strings of a plain value."""
    if isinstance(value, str):
        return re.sub(r"[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(str(key)): without_surrogates(item) for key, item in value.items()}
    return value


def has_checkpoint(folder: Path, names: Sequence[str] = (BEST, LAST)) -> bool:
    """Returns whether a run has one of these checkpoints; by default, whether it can be loaded."""
    # Unlike Path.is_file, this is no error where the folder may not be looked at.
    return any(os.path.isfile(folder / CHECKPOINTS / name) for name in names)


def can_be_resumed(folder: Path) -> bool:
    """Returns whether a run has a checkpoint to go on from."""
    return has_checkpoint(folder, (LAST, PREVIOUS))
