"""Help and documentation of settings, made from their one place."""

from __future__ import annotations

import dataclasses
import re
import textwrap
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from lmlab.config.compose import compose_settings, train_settings
from lmlab.config.folders import group_options
from lmlab.config.setting import Range, Setting, known_of
from lmlab.config.settings import (
    BenchmarkSettings,
    EvaluateSettings,
    GenerateSettings,
    PredictSettings,
    ReportSettings,
    Settings,
    TrainSettings,
    VerifySettings,
)
from lmlab.config.typed import names

_COLUMN, _WIDTH = 44, 118
_USAGE = """usage: python -m lmlab.train [key=value ...]        one run
       python -m lmlab.train -m key=a,b [...]       a sweep over every combination
       python -m lmlab.train run=outputs/...        go on with an interrupted run or sweep
       python -m lmlab.train --config-dir my_conf plugins=[my_models] ...   with parts of your own

Parts to choose (python -m lmlab.list says what each is):
{parts}

For example:
  python -m lmlab.train data=text data.path=my_book.txt model=gru model.hidden_size=512
  python -m lmlab.train -m model=gru,lstm optimizer.lr=1e-3,3e-3

Every setting of the parts chosen, with its value (--help model=gru optimizer=sgd shows it for others; --hydra-help for
Hydra's own options):

{settings}"""
COMMANDS: dict[str, type[Settings]] = {
    "generate": GenerateSettings,
    "evaluate": EvaluateSettings,
    "predict": PredictSettings,
    "verify": VerifySettings,
    "report": ReportSettings,
    "benchmark": BenchmarkSettings,
}
_HEAD = """# Settings

Every setting with its default (where the default choice has it), type, range and meaning. Made by
`python -m lmlab.list settings`; `python -m lmlab.train --help` shows the same for what is chosen.
A part of your own has the keywords of its class as settings: [extending.md](extending.md)."""
_TABLE = ("| setting | default | type | range | meaning |", "|---|---|---|---|---|")


def described(settings: Settings, prefix: str = "") -> Iterator[tuple[str, Any, Any, Setting]]:
    """Yields dotted name, value, type and what is known of each setting; a part's class comes under its own name."""
    hints = typing.get_type_hints(type(settings), include_extras=True)
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Settings):
            yield from described(value, f"{prefix}{field.name}.")
        elif field.name != "target":
            yield f"{prefix}{field.name}", value, hints[field.name], known_of(field)


def help_lines(settings: Settings, prefix: str = "") -> Iterator[str]:
    """Yields a line or more for each setting: its value, what it is, and its range.

    Args:
        settings: with the values that are shown.
        prefix: of their names.
    """
    for name, value, kind, known in described(settings, prefix):
        left = f"  {name}={as_typed(value)}"
        lines = textwrap.wrap(" ".join(filter(None, (known.help, bounds(known, kind)))), _WIDTH - _COLUMN) or [""]
        if len(left) >= _COLUMN:
            yield left
            left = ""
        yield f"{left:<{_COLUMN}}{lines[0]}".rstrip()
        yield from (" " * _COLUMN + line for line in lines[1:])


def train_help(arguments: Sequence[str] = ()) -> str:
    """Returns the help text of `lmlab.train`: the parts to choose, and every setting of those that are chosen.

    Args:
        arguments: overrides.

    Raises:
        UserError: the first override that is wrong.
    """
    groups = ("data", "tokenizer", "batching", "embedding", "model", "optimizer", "scheduler", "averaging", "trainer")
    parts = [f"  {group}={'|'.join(group_options(group))}" for group in (*groups, "logger", "experiment")]
    wrapped = [_wrapped(part) for part in parts]
    settings = train_settings(arguments)
    return _USAGE.format(parts="\n".join(wrapped), settings="\n".join(help_lines(settings)))


def _wrapped(choices: str) -> str:
    """A list of choices, broken behind one of them where it is too long."""
    lines, line = [], ""
    for word in re.split(r"(?<=\|)", choices):
        if len(line) + len(word) > _WIDTH:
            lines.append(line)
            line = " " * 6
        line += word
    return "\n".join([*lines, line])


def markdown() -> Iterator[str]:
    """Yields docs/settings.md: a table of every setting of every command, by group."""
    yield from _HEAD.splitlines()
    defaults = {name: as_typed(value) for name, value, *_ in described(train_settings())}
    rows = list(names(TrainSettings))
    groups = dict.fromkeys(_group(name) for name, *_ in rows)
    for group in groups:
        yield from ("", f"## {group or 'The run'}", "", *_TABLE)
        for name, known, kind in rows:
            if _group(name) == group:
                yield _row(name, defaults.get(name, ""), known, kind)
    for command, kind in COMMANDS.items():
        yield from ("", f"## python -m lmlab.{command}", "", *_TABLE)
        for name, value, hint, known in described(compose_settings(command, kind, [])):
            yield _row(name, as_typed(value), known, hint)


def _group(name: str) -> str:
    """What a setting is listed under: its first word; what stands below a choice of its own, by that."""
    first, _, rest = name.partition(".")
    if not rest:
        return ""
    for deeper in ("source", "batching"):
        if rest.startswith(f"{deeper}."):
            return f"{first}.{deeper}"
    return first


def _row(name: str, default: str, known: Setting, kind: Any) -> str:
    cells = (f"`{name}`", f"`{default}`" if default else "", kind_of(kind), bounds(known).strip("()"), known.help)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def bounds(known: Setting, kind: Any = None) -> str:
    """Returns range or choices in brackets; empty for none.

    Args:
        known: of a setting.
        kind: its type, which may be annotated with a range.
    """
    for item in typing.get_args(kind) if typing.get_origin(kind) is typing.Annotated else ():
        if isinstance(item, Range):
            return f"({item})"
    if known.choices is not None:
        return f"({', '.join(known.choices)})"
    return f"({known.range})" if known.range is not None else ""


def as_typed(value: Any) -> str:
    """Returns a value as it is typed on a command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(as_typed, value))}]"
    if isinstance(value, float):
        return f"{value:g}"
    return '""' if value == "" else str(value).replace("\n", "\\n")


def kind_of(kind: Any) -> str:
    """Returns a type in words."""
    if typing.get_origin(kind) is typing.Annotated:
        return kind_of(typing.get_args(kind)[0])
    arguments = [kind_of(item) for item in typing.get_args(kind)]
    if typing.get_origin(kind) is list:
        return f"list of {arguments[0]}"
    if arguments:
        return " or ".join(arguments)
    return {int: "int", float: "float", bool: "bool", str: "text", type(None): "null"}.get(kind, "any")
