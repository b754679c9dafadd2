"""Checks a user's own YAML files before Hydra reads them, whose errors would name neither file nor remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf.errors import GrammarParseError
from omegaconf.grammar_parser import parse

from lmlab.config import hydra_words
from lmlab.config.folders import configuration_folder, groups
from lmlab.config.setting_names import known_settings
from lmlab.config.settings import TrainSettings
from lmlab.errors import UserError, printable

_HEADER = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)
_DEEPEST = 50
# Values in a file, those counted again that an alias repeats: a few lines of aliases stand for billions.
_MOST_VALUES = 100_000
_UNREADABLE = object()
# Whole numbers that YAML does not read as they look: 010 is 8, and 1:30 is 90.
_OTHER_BASE = re.compile(r"[-+]?(0[0-7_]+|[1-9][0-9_]*(:[0-5]?[0-9])+)")


def check_own_file(group: str, name: str, own: Sequence[Path], *, below: Sequence[Path] = ()) -> None:
    """Checks the YAML file of an option, and those of the same group that it inherits from, if they are the user's own.

    Args:
        group: of the option.
        name: of the option.
        own: the user's own folders of configuration.
        below: files that inherit from it.

    Raises:
        UserError: naming the file.
    """
    candidates = (folder / group / f"{name.removesuffix('.yaml')}.yaml" for folder in own)
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        return
    shown = printable(path)
    if path in below:
        raise UserError(shown, None, "inherits from itself", "correct its defaults")
    text, content = _read(path, shown)
    if content is _UNREADABLE:  # told with its line where all YAML files are read
        return
    if not isinstance(content, dict) or not content:
        problem = "is empty" if content is None else "does not consist of lines such as key: value"
        raise UserError(shown, None, problem, "for example defaults: [_self_], and below it key: value")
    odd = next((key for key in content if not isinstance(key, str)), None)
    if odd is not None:
        raise UserError(shown, None, f"{printable(odd)} is not the name of a setting", "remove it")
    _check_numbers(yaml.compose(text, Loader=yaml.SafeLoader), shown)
    if not below:
        _check_place(group, text, content, shown)
    for key, value in _texts(content):
        try:
            parse(value)
        except GrammarParseError:
            problem = f"{printable(key)}: {printable(value)} has a ${{...}} that cannot be read"
            raise UserError(shown, None, problem, "close or correct it") from None
    for name in _hydra_names(content.get("hydra")):
        if not hydra_words.is_usable(name):
            remedy = f"remove it; usable here: {', '.join(hydra_words.USABLE)}"
            raise UserError(shown, None, f"{printable(name)} is not used by lmlab", remedy)
    for parent in _parents(content.get("defaults", []), shown):
        check_own_file(group, parent, own, below=[*below, path])


def _read(path: Path, shown: str) -> tuple[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
        count, depth = _extent(content, {})
    except OSError as error:
        raise UserError(shown, None, error.strerror or "cannot be read", "check its permissions") from None
    except UnicodeDecodeError:
        raise UserError(shown, None, "is not UTF-8", "save it as UTF-8") from None
    except RecursionError:
        count, depth = 0, _DEEPEST + 1
    except (yaml.YAMLError, ValueError):
        return text, _UNREADABLE
    if depth > _DEEPEST:
        raise UserError(shown, None, "is nested too deeply, or contains itself", "correct it")
    if count > _MOST_VALUES:
        problem = f"has more than {_MOST_VALUES:,} values, with those that its aliases repeat"
        raise UserError(shown, None, problem, "shorten it")
    if text.startswith("\ufeff") and _HEADER.match(text[1:]):  # Hydra does not find the header behind it
        raise UserError(shown, None, "begins with a byte order mark", "save it as UTF-8 without one")
    return text, content


def _extent(value: Any, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Returns the number of values in a value and how deeply they are nested.

    Args:
        value: of a YAML file.
        known: those of its containers by identity, each of which is counted once however often it is repeated.

    Raises:
        RecursionError: it contains itself.
    """
    if not isinstance(value, dict | list):
        return 1, 0
    if id(value) not in known:
        inside = [_extent(item, known) for item in (value.values() if isinstance(value, dict) else value)]
        known[id(value)] = 1 + sum(count for count, _ in inside), 1 + max((depth for _, depth in inside), default=0)
    return known[id(value)]


def _check_numbers(node: Any, shown: str) -> None:
    """Refuses whole numbers that are not read as they look."""
    if isinstance(node, yaml.CollectionNode):
        for item in node.value:
            for inside in item if isinstance(item, tuple) else (item,):
                _check_numbers(inside, shown)
    elif node.tag == "tag:yaml.org,2002:int" and _OTHER_BASE.fullmatch(node.value):
        problem = f"YAML reads {node.value} as {yaml.safe_load(node.value)}"
        raise UserError(f"{shown}, line {node.start_mark.line + 1}", None, problem, "write the number that you mean")


def _texts(content: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yields the texts in a file with the dotted names of their settings."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _texts(value, f"{name}.{key}" if name else str(key))
    elif isinstance(content, list):
        for item in content:
            yield from _texts(item, name)
    elif isinstance(content, str):
        yield name, content


def _check_place(group: str, text: str, content: dict[str, Any], shown: str) -> None:
    """Checks that the settings of a file arrive where those of lmlab's own options of this group do."""
    lmlabs = next(iter(sorted((configuration_folder() / group).glob("[!_]*.yaml"))), None)
    own_place = group in known_settings(TrainSettings)  # others, such as experiment, set what lies elsewhere
    wanted, found = (_HEADER.search(read) for read in ("" if lmlabs is None else lmlabs.read_text("utf-8"), text))
    expected, given = (header[1] if header is not None else group for header in (wanted, found))
    if given in (expected, "_global_", "_group_") or (own_place and given == group):
        if given == group and group in content:
            raise UserError(shown, None, f"its settings stand below {group}:", "remove that line and the indentation")
        return
    if wanted is None:
        raise UserError(shown, None, f"# @package {printable(given)} moves its settings", "remove that line")
    raise UserError(shown, None, "its settings are in another place", f"begin it with the line: # @package {expected}")


def _parents(defaults: Any, shown: str) -> Iterator[str]:
    """Yields the options of the same group that a file inherits from."""
    if not isinstance(defaults, list):
        raise UserError(shown, None, "its defaults are not a list", "write defaults: [..., _self_]")
    for entry in defaults:
        if isinstance(entry, str):
            if entry != "_self_" and "/" not in entry and "@" not in entry:
                yield entry
            continue
        if not isinstance(entry, dict) or len(entry) != 1:
            raise UserError(shown, None, "an entry of its defaults is not understood", "write - override /model: gru")
        ((key, option),) = entry.items()
        name = str(key).removeprefix("optional ").removeprefix("override ").strip()
        if name in groups() or (name.startswith("/") and name[1:] in groups() and not str(key).startswith("override")):
            group = name.removeprefix("/")
            problem = f"{printable(key)} in its defaults does not choose among the options of {group}"
            raise UserError(shown, None, problem, f"write - override /{group}: {printable(option)}")


def _hydra_names(value: Any, prefix: str = "hydra") -> Iterator[str]:
    if isinstance(value, dict) and prefix != "hydra.sweeper.params":
        for key, item in value.items():
            yield from _hydra_names(item, f"{prefix}.{key}")
    elif prefix != "hydra" or value is not None:
        yield prefix
