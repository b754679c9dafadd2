"""YAML of plain containers, read from folders that may come from anybody: bounded, and nothing in it is ever run."""

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
# Of keys, values and brackets; a configuration has some three hundred.
MAX_EVENTS = 100_000
# Python needs a time that grows with the square of their length to read numbers.
MAX_DIGITS = 400

_TAG = "tag:yaml.org,2002:"
# YAML 1.1 reads 1e-3 as a string; OmegaConf, which wrote the older files, as a number.
_FLOAT = re.compile(
    r"""(?:[-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*[eE][-+]?[0-9]+
    |\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)
# Everything else is written in double quotes, where every character has one spelling.
_UNQUOTED = re.compile(r"[A-Za-z0-9_/.](?:[A-Za-z0-9_/. +-]*[A-Za-z0-9_/.])?")
_SURROGATE = re.compile(r"[\ud800-\udfff]")

# The C loader is six times as fast and reads the same.
_SAFE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SAFE_LOADER):  # type: ignore[misc]
    """Reads what OmegaConf's loader reads, of plain values only."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in found if tag.removeprefix(_TAG) in ("bool", "int", "float", "null")]
        for first, found in _SAFE_LOADER.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping, whose keys must be strings and differ."""
        keys = set()
        for key, _ in node.value:
            if key.tag != f"{_TAG}str":
                raise yaml.constructor.ConstructorError(None, None, "has a key that is no string", key.start_mark)
            if key.value in keys:
                raise yaml.constructor.ConstructorError(None, None, "has a key twice", key.start_mark)
            keys.add(key.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """A number of bearable length."""
        if len(node.value) > MAX_DIGITS:
            raise yaml.constructor.ConstructorError(None, None, "has an endless number", node.start_mark)
        construct = self.construct_yaml_int if node.tag == f"{_TAG}int" else self.construct_yaml_float
        number: int | float = construct(node)
        return number

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """A string that can be written as UTF-8 again."""
        text: str = self.construct_scalar(node)
        if _SURROGATE.search(text):
            raise yaml.constructor.ConstructorError(None, None, "has half a character", node.start_mark)
        return text


_Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))
for _name in ("int", "float"):
    _Loader.add_constructor(f"{_TAG}{_name}", _Loader.construct_number)
_Loader.add_constructor(f"{_TAG}str", _Loader.construct_text)


class _Dumper(yaml.SafeDumper):
    """Writes equal objects out each time, and quotes whatever any reader could take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(f"{_TAG}str", text, style=None if _UNQUOTED.fullmatch(text) else '"')


_Dumper.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))
_Dumper.add_representer(str, _represent_text)


def read(path: Path) -> Any:
    """The plain value in a file: None, bool, int, float, str, and lists and dicts (with strings as keys) of these.

    Args:
        path: a file of at most 1 MiB in UTF-8.

    Raises:
        UserError: it cannot be read, or holds anything but one such value.
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
        raise _damaged(path, "is no YAML") from None
    except RecursionError:
        raise _damaged(path, "is nested too deeply") from None


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for, without end
            raise _damaged(path, "is no file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _damaged(path, error.strerror or "cannot be read") from None
    except ValueError:  # a name with a NUL in it
        raise _damaged(path, "is no name of a file") from None
    if len(content) > MAX_BYTES:
        raise _damaged(path, "is larger than 1 MiB")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise _damaged(path, "is not UTF-8") from None


def _damaged(path: Path, problem: str) -> UserError:
    return UserError("run", path, problem, "restore the file, or train again")


def _check_events(text: str) -> None:
    """Refuses what takes long or means more than it says, before anything is built from it."""
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
    """The value as YAML that `read` gives back equal, keys in their order.

    Args:
        value: plain, at most 50 containers deep.

    Raises:
        UserError: a string with bytes that are no text, as a path may have them.
        TypeError: anything that is not plain.
    """
    _check_plain(value, "", 0)
    return yaml.dump(
        value, Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=math.inf
    )


def _check_plain(value: Any, name: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TypeError(f"{name}: nested too deeply")
    if type(value) is str and _SURROGATE.search(value):
        raise UserError(name, ascii(value), "has bytes that are no UTF-8", "rename the file or folder")
    if type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise TypeError(f"{name}: the key {key!r} is no string")
            _check_plain(key, name, depth)
            _check_plain(item, f"{name}.{key}" if name else key, depth + 1)
    elif type(value) is list:
        for item in value:
            _check_plain(item, name, depth + 1)
    elif value is not None and type(value) not in (bool, int, float, str):
        raise TypeError(f"{name}: {type(value).__name__} is not plain")
