"""Checks the value in a word of a command line, as far as that is possible without composing."""

from __future__ import annotations

import os
import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, QuotedString
from hydra.errors import HydraException

from lmlab.config import hydra_words, setting_names
from lmlab.config.arguments import quote_free_text, text_setting
from lmlab.config.folders import check_folder_name, configuration_folder, group_options, groups
from lmlab.config.own_files import check_own_file
from lmlab.config.presets import GROUP
from lmlab.config.setting import Setting
from lmlab.config.settings import Settings, TrainSettings
from lmlab.config.slots import OPEN
from lmlab.config.suggestions import choose_one
from lmlab.config.values import check_value
from lmlab.config.word_forms import Word, is_file_name, is_hydras
from lmlab.errors import LARGEST_NUMBER, UserError, printable
from lmlab.output_paths import check_writable

_NAMES_OF_FOLDERS = ("name", "data.name", "model.name")


def check_word_value(word: Word, kind: type[Settings], own: Sequence[Path], *, sweep: bool) -> None:
    """Checks the form of a value, and the options of a group.

    Raises:
        UserError: it cannot be read, has several values, or names an option that does not exist.
    """
    parsed = _parsed(word, kind, sweep=sweep)
    if is_hydras(word.key):
        hydra_words.check(word.key, word.sign, parsed, word.shown, sweep=sweep)
        return
    value: Any = parsed._value
    if parsed.is_sweep_override() and not sweep:
        if kind is not TrainSettings:
            raise UserError(word.key, word.shown, "has several values", f"give one{_instead_of_commas(word, kind)}")
        problem = "has several values, but this is a single run"
        raise UserError(word.key, word.shown, problem, f"for a sweep add -m{_instead_of_commas(word, kind)}")
    if kind is TrainSettings and word.key in groups():
        if not isinstance(value, Glob):
            for item in value.list if isinstance(value, ChoiceSweep) else [value]:
                _check_option(word, item, own)
        return
    if isinstance(value, ChoiceSweep) and typing.get_origin(_type_of(word.key, kind)) is list:
        for item in value.list:
            if not isinstance(item, list):
                problem = f"{printable(item)} is not a list"
                raise UserError(
                    word.key, word.shown, problem, f"write '{word.key}=[{word.shown}]', in a sweep [..],[..]"
                )
    numbers = [text.strip() for text in word.value.strip("[] ").split(",") if text.strip()]
    if kind is TrainSettings and isinstance(value, list) and numbers and _is_number(_type_of(word.key, kind)):
        how = "write " if sweep or len(numbers) == 1 else "give one, or for a sweep write -m "
        remedy = f"{how}{word.key}={printable(','.join(numbers))}"
        raise UserError(word.key, word.shown, "is a list, where one number belongs", remedy)
    known = text_setting(word.key)
    if known is not None:
        for item in value.list if isinstance(value, ChoiceSweep) else [value]:
            _check_text(word, item, known)
    if isinstance(value, Glob):
        raise UserError(word.key, word.shown, "glob chooses among the options of a group", "give values with commas")
    inside = [name for name in setting_names.known_settings(kind) if name.rpartition(".")[0] == word.key]
    if inside and value is not None and not isinstance(value, dict):
        remedy = f"write one of its settings: {', '.join(f'{name}=...' for name in inside[:8])}"
        raise UserError(word.key, word.shown, "is a group of settings", remedy)


def _instead_of_commas(word: Word, kind: type[Settings]) -> str:
    """Returns what else may have been meant by commas: a list, or a number with a decimal comma; empty for neither."""
    of = _type_of(word.key, kind)
    takes_list = any(typing.get_origin(kind) is list for kind in (of, *typing.get_args(of)))
    if takes_list or word.key in (*OPEN, GROUP):
        return f"; for a list write '{word.key}=[{word.shown}]'"
    if float in (of, *typing.get_args(of)) and re.fullmatch(r"[+-]?\d+,\d+", word.value):
        return f"; for a decimal point write {word.key}={word.value.replace(',', '.')}"
    return ""


def _type_of(key: str, kind: type[Settings]) -> Any:
    """Returns the type of a setting, None for a group or an unknown one."""
    return next((found for name, _, found in setting_names.names(kind) if name == key), None)


def _is_number(of: Any) -> bool:
    """Returns whether a setting of a type is a number, and no list."""
    kinds = () if typing.get_origin(of) is list else (of, *typing.get_args(of))
    return bool({int, float} & set(kinds)) and not any(typing.get_origin(found) is list for found in kinds)


def _check_text(word: Word, value: Any, known: Setting) -> None:
    """Checks a text before Hydra composes, which makes folders of some.

    Raises:
        UserError: it is empty, too long or not a text.
    """
    text = value.text if isinstance(value, QuotedString) else value
    if not isinstance(text, str):  # null, or a list
        return
    text = text.replace("\\${", "${") if isinstance(value, QuotedString) else text
    check_value(text, str, known, name=word.key, convert=True)
    if "${" in text and (word.key == "output_dir" or not (known.free or known.is_path)):
        raise UserError(
            word.key, printable(text), "has ${...}, which is not replaced in a text", "write the text itself"
        )
    if word.key == "output_dir":
        check_writable(word.key, text)
    if word.key in _NAMES_OF_FOLDERS:
        check_folder_name(word.key, text)


def _parsed(word: Word, kind: type[Settings], *, sweep: bool) -> Override:
    """Returns a word as Hydra reads it.

    Raises:
        UserError: it cannot be read.
    """
    (quoted,) = quote_free_text([word.text], sweep=sweep)
    try:
        return OverridesParser.create().parse_override(quoted)
    except (HydraException, RecursionError, ValueError, ArithmeticError):
        for opening, closing in ("[]", "{}", "()"):
            if word.value.count(opening) != word.value.count(closing):
                missing = closing if word.value.count(opening) > word.value.count(closing) else opening
                raise UserError(word.key, word.shown, f"lacks a {missing}", "add it, or quote the value") from None
        if re.search(r"^\s*,|,\s*,|,\s*$", word.value):
            remedy = "leave out the comma that has no value beside it"
            raise UserError(word.key, word.shown, "cannot be read as a value", remedy) from None
        for name, known, of in setting_names.names(kind):
            in_brackets = typing.get_origin(of) is list and word.value.startswith("[")
            is_text = typing.get_origin(of) is not list and str in (of, *typing.get_args(of))
            if name == word.key and not in_brackets and not is_text:
                number: Any = LARGEST_NUMBER if word.value.lstrip("+-").isdecimal() else word.value
                check_value(number, of, known, name=name, convert=True)
        quoted = f"\"{word.key}='{printable(word.value)}'\""
        raise UserError(word.key, word.shown, "cannot be read as a value", f"put it in quotes: {quoted}") from None


def _check_option(word: Word, chosen: Any, own: Sequence[Path]) -> None:
    """Checks a choice among the options of a group.

    Raises:
        UserError: there is no such option, or several where one is chosen.
    """
    group = word.key
    found = group_options(group, own)
    if isinstance(chosen, list):
        if group not in OPEN and group != GROUP:
            example = ",".join(map(str, chosen))
            remedy = f"choose one; for a sweep write -m {group}={printable(example)}"
            raise UserError(group, word.shown, "takes one option", remedy)
        for item in chosen:
            _check_option(word, item, own)
        return
    if chosen is None and group == GROUP and word.value == "null":
        return
    if chosen is None:
        if group == GROUP:
            raise UserError(group, word.shown, "null is no preset", "leave null out, or the whole word")
        raise UserError(group, "null", "a run needs it", f"choose one of {', '.join(found)}")
    name = chosen.text if isinstance(chosen, QuotedString) else str(chosen)
    if any((folder / group / f"{name}.yml").is_file() for folder in own):
        raise UserError(group, printable(name), "its file ends in .yml", f"rename it to {printable(name)}.yaml")
    folders = [folder / group for folder in (*own, configuration_folder())]
    odd = next((path for folder in own if os.path.lexists(path := folder / group / f"{name}.yaml")), None)
    if odd is not None and not odd.is_file():
        raise UserError(group, printable(name), f"{printable(odd)} is not a file", "replace it by a YAML file")
    if isinstance(chosen, dict) or not _is_option(name, folders):
        if group == "data" and is_file_name(name):
            raise UserError(group, printable(name), "no such option", f"write data=text data.path={printable(name)}")
        hint = "" if own else "your own options need --config-dir"
        shown = printable(name) if name else '""'
        remedy = "; ".join(filter(None, [choose_one(group, name, found), hint]))
        raise UserError(group, shown, "no such option", remedy)
    check_own_file(group, name, own)


def _is_option(name: str, folders: Sequence[Path]) -> bool:
    parts = Path(name).parts
    if not name or Path(name).is_absolute() or ".." in parts or any(part.startswith("_") for part in parts):
        return False
    return any((folder / f"{name}.yaml").is_file() for folder in folders)
