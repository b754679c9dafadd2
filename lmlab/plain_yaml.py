"""Reads and writes YAML of plain containers; safe for untrusted files: sizes are limited and no code is executed."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, ClassVar, cast

import yaml

from lmlab.errors import UserError

MAX_BYTES = 2**20
MAX_DEPTH = 50
# Maximum number of keys, values and brackets; a configuration has about 300.
MAX_EVENTS = 100_000
# Maximum length of a number, because Python's time to read one grows with the square of its length.
MAX_DIGITS = 400

_TAG = "tag:yaml.org,2002:"
# YAML 1.1 reads 1e-3 as a string, but OmegaConf, which wrote older files, as a number.
_FLOAT = re.compile(
    r"""(?:[-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*[eE][-+]?[0-9]+
    |\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)
# All other strings are written in double quotes, in which every character can be represented.
_UNQUOTED = re.compile(r"[A-Za-z0-9_/.](?:[A-Za-z0-9_/. +-]*[A-Za-z0-9_/.])?")
_SURROGATE = re.compile(r"[\ud800-\udfff]")

# The C loader is six times as fast and gives the same results.
_SAFE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SAFE_LOADER):  # type: ignore[misc]
    """Reads plain values like OmegaConf's loader, and nothing else."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in found if tag.removeprefix(_TAG) in ("bool", "int", "float", "null")]
        for first, found in _SAFE_LOADER.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Returns the mapping, whose keys must be different strings."""
        keys = set()
        for key, _ in node.value:
            if key.tag != f"{_TAG}str":
                raise yaml.constructor.ConstructorError(None, None, "has a key that is not a string", key.start_mark)
            if key.value in keys:
                raise yaml.constructor.ConstructorError(None, None, "has a key twice", key.start_mark)
            keys.add(key.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """Returns a number, whose length is limited."""
        if len(node.value) > MAX_DIGITS:
            raise yaml.constructor.ConstructorError(None, None, "has an endless number", node.start_mark)
        construct = self.construct_yaml_int if node.tag == f"{_TAG}int" else self.construct_yaml_float
        number: int | float = construct(node)
        return number

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """Returns a string, which must be encodable as UTF-8."""
        text: str = self.construct_scalar(node)
        if _SURROGATE.search(text):
            raise yaml.constructor.ConstructorError(None, None, "has half a character", node.start_mark)
        return text


_Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))
for _name in ("int", "float"):
    _Loader.add_constructor(f"{_TAG}{_name}", _Loader.construct_number)
_Loader.add_constructor(f"{_TAG}str", _Loader.construct_text)


class _Dumper(yaml.SafeDumper):
    """Writes repeated objects in full each time, and quotes every string that could be read as another type."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(f"{_TAG}str", text, style=None if _UNQUOTED.fullmatch(text) else '"')


_Dumper.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))
_Dumper.add_representer(str, _represent_text)


def read(path: Path) -> Any:
    """Returns the plain value in a file: None, bool, int, float, str, lists and dicts (with string keys) of these.

    Args:
        path: a file of at most 1 MiB in UTF-8.

    Raises:
        UserError: the file cannot be read, or contains anything but one such value.
    """
    text = _text(path)
    try:
        _check_events(text)
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise _damaged(path, f"{error.problem}{where}") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        raise _damaged(path, "is not YAML") from None
    except RecursionError:
        raise _damaged(path, "is nested too deeply") from None


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():  # reading a pipe could wait forever
            raise _damaged(path, "is not a file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _damaged(path, error.strerror or "cannot be read") from None
    except ValueError:  # a file name that contains NUL
        raise _damaged(path, "is not a file name") from None
    if len(content) > MAX_BYTES:
        raise _damaged(path, "is larger than 1 MiB")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise _damaged(path, "is not UTF-8") from None


def _damaged(path: Path, problem: str) -> UserError:
    return UserError("run", path, problem, "restore the file, or train again")


def _check_events(text: str) -> None:
    """Checks before objects are built: no anchors, aliases or tags, limited depth and number of values.

    Raises:
        yaml.MarkedYAMLError: with the first problem and its position.
    """
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_SAFE_LOADER)):
        problem = ""
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            problem = "has an anchor or alias, which lmlab never writes"
        elif getattr(event, "tag", None) is not None:
            problem = "has a tag, which lmlab never writes"
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            problem = "is nested too deeply"
        if number > MAX_EVENTS:
            problem = "has too many values"
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=cast(Any, event.start_mark))


def dump(value: Any) -> str:
    """Returns a value as YAML, with keys in their order; `read` returns an equal value from it.

    Args:
        value: a plain value, nested at most 50 containers deep.

    Raises:
        UserError: a string that cannot be encoded, such as a path with undecodable bytes.
        TypeError: a value that is not plain.
    """
    _check_plain(value, "", 0)
    return yaml.dump(
        value, Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=math.inf
    )


def _check_plain(value: Any, name: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TypeError(f"{name}: nested too deeply")
    if type(value) is str and _SURROGATE.search(value):
        raise UserError(name, ascii(value), "has bytes that are not UTF-8", "rename the file or folder")
    if type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise TypeError(f"{name}: the key {key!r} is not a string")
            _check_plain(key, name, depth)
            _check_plain(item, f"{name}.{key}" if name else key, depth + 1)
    elif type(value) is list:
        for item in value:
            _check_plain(item, name, depth + 1)
    elif value is not None and type(value) not in (bool, int, float, str):
        raise TypeError(f"{name}: {type(value).__name__} is not plain")
