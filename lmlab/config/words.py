"""Checks the words of a command line before Hydra reads them: only here is it known which of them is at fault."""

from __future__ import annotations

import os
import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, QuotedString
from hydra.errors import HydraException

from lmlab.config import hydra_words, options, setting_names, typed
from lmlab.config.arguments import quote_free_text, text_setting
from lmlab.config.folders import check_folder_name, configuration_folder, group_options, groups
from lmlab.config.own_files import check_own_file
from lmlab.config.presets import GROUP, own_folders
from lmlab.config.setting import Setting
from lmlab.config.settings import COMMANDS, Settings, TrainSettings
from lmlab.config.slots import OPEN, SLOTS
from lmlab.config.suggestions import RESUMING, choose_one, did_you_mean, meant
from lmlab.config.values import check_value
from lmlab.errors import LARGEST_NUMBER, UserError, printable
from lmlab.output_paths import check_writable

_EXAMPLES = {
    "train": "model.hidden_size=512",
    "generate": "prompt=Once",
    "benchmark": "steps=20",
    "report": "runs=latest",
}
_NAME = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*")
_LONGEST = 100_000
_NAMES_OF_FOLDERS = ("name", "data.name", "model.name")


class _Word(NamedTuple):
    """A setting on a command line.

    Args:
        text: as typed.
        sign: ``+``, ``++``, ``~`` or empty.
        key: name of the setting or group.
        value: empty if there is none.
    """

    text: str
    sign: str
    key: str
    value: str

    @property
    def shown(self) -> str:
        """The value, for errors."""
        return printable(self.value) if self.value else '""'


def checked(words: Sequence[str], command: str, *, sweep: bool = False) -> list[str]:
    """Returns the words of a command line as Hydra takes them, options first, after checks that do not compose.

    Args:
        words: as typed, without those that name trusted packages.
        command: its name.
        sweep: whether commas and functions such as ``range(1,4)`` give several values.

    Raises:
        UserError: the first word that cannot be right, whatever else is chosen.
    """
    kind = COMMANDS[command]
    given: list[str] = []
    found_options: list[options.Given] = []
    settings: list[str] = []
    for found in options.divided(words):
        if isinstance(found, str):
            settings.append(found)
            continue
        options.check(found, command)
        found_options.append(found)
        given += found.parts
    options.check_together(found_options)
    own = own_folders(words)
    found_words = [_word(text, [*settings, ""][place + 1], command) for place, text in enumerate(settings)]
    for word in found_words:
        _check_name(word, kind)
        _check_value(word, kind, own, sweep=sweep)
        if apart := next((found.name for found in found_options if found.name in options.APART), None):
            raise UserError(word.key, word.shown, f"changes nothing of what {apart} shows", "leave it out")
    if _last_preset(found_words) == "null":  # Hydra has no word that leaves a group out
        found_words = [word for word in found_words if word.key != GROUP]
    return [*given, *quote_free_text([_as_hydra_has_it(word, kind) for word in found_words], sweep=sweep)]


def check_forms(words: Sequence[options.Given | str], command: str) -> None:
    """Checks that options are a command's and that other words have the form of settings, whatever they set.

    Raises:
        UserError: the first that is not so.
    """
    for place, word in enumerate(words):
        if isinstance(word, str):
            following = next((later for later in words[place + 1 :] if isinstance(later, str)), "")
            _word(word, following, command)
        else:
            options.check(word, command)


def _last_preset(words: Sequence[_Word]) -> str:
    return next((word.value for word in reversed(words) if word.key == GROUP), "")


def _word(text: str, following: str, command: str) -> _Word:
    """Returns a word in its parts.

    Raises:
        UserError: it is not of the form key=value.
    """
    key, equals, value = text.partition("=")
    sign = key[: len(key) - len(key.lstrip("+~"))]
    name = key[len(sign) :]
    if len(text) > _LONGEST:
        raise UserError(printable(name), None, f"has {len(text):,} characters", f"give at most {_LONGEST:,}")
    if (
        not equals
        and sign != "~"
        and name in setting_names.known_settings(COMMANDS[command])
        and not following.startswith("=")
    ):
        raise UserError(printable(name), None, "has no value", f"write {printable(name)}=...")
    if not equals and sign != "~":
        shown = printable(text) if text.strip() else f'"{printable(text)}"'
        raise UserError(shown, None, "not a setting", _remedy_without_equals(text, following, command))
    if name != name.strip():
        raise UserError(printable(name.strip()), None, "has a blank before =", "write key=value without blanks")
    if not name:
        raise UserError(
            printable(text), None, "has no name before =", f"for example {_EXAMPLES.get(command, 'run=latest')}"
        )
    if sign not in ("", "+", "++", "~"):
        raise UserError(printable(text), None, "cannot be read as a setting", f"write {printable(name)}=...")
    return _Word(text, sign, name, value)


def _remedy_without_equals(text: str, following: str, command: str) -> str:
    """Returns what was probably meant by a word without =."""
    example = f"for example {_EXAMPLES.get(command, 'run=latest')}"
    if following.startswith("="):
        return f"write it without blanks around =, {example}"
    if text.startswith(",") or text.endswith(","):
        return "write several values without blanks: key=value,value"
    if command == "train":
        group = next((group for group in groups() if text.lower() in group_options(group)), None)
        if group is not None:
            return f"did you mean {group}={text.lower()}?"
        if is_file_name(text):
            return f"for a text of your own write data=text data.path={printable(text)}"
    kind = COMMANDS[command]
    setting = meant(
        text, ["run", *setting_names.known_settings(kind), *groups()], {**RESUMING, **setting_names.other_names(kind)}
    )
    return f"write {setting}=..." if setting else f"write key=value, {example}"


def is_file_name(text: str) -> bool:
    """Returns whether a text is probably meant as a file or folder."""
    return text.endswith(".txt") or os.path.exists(text)


def _of_hydra(key: str) -> bool:
    return re.match(r"hydra([./@]|$)", key) is not None


def _check_name(word: _Word, kind: type[Settings]) -> None:
    """Checks the name of a setting or group.

    Raises:
        UserError: there is none of this name, or it cannot be added or removed.
    """
    key = word.key
    if _of_hydra(key):
        if kind is not TrainSettings:
            raise UserError(printable(key), None, "is for train", "leave it out")
        return
    of_train = groups() if kind is TrainSettings else ()
    known = [*of_train, *setting_names.known_settings(kind), *(("run", "plugins") if kind is TrainSettings else ())]
    if not _NAME.fullmatch(key) or key.partition(".")[0] not in known:
        raise _unknown(word, known, kind)
    single, of = _single_above(key, kind)
    if single:
        is_list = typing.get_origin(of) is list
        whole = f"write {single}={'[...]' if is_list else '...'}"
        raise UserError(printable(key), word.shown, f"{single} is a {'list' if is_list else 'single value'}", whole)
    if word.sign == "~":
        removable = (key.partition(".")[0] in OPEN and "." in key) or key == GROUP
        remedy = f"write {key}=null" if removable else f"leave it out, or write {key}=..."
        raise UserError(word.text, None, "settings and groups cannot be removed", remedy)
    parent, _, last = key.rpartition(".")
    followed = f"{parent.rpartition('.')[0]}.{last}"
    if parent in SLOTS and followed in known and last not in typed.MAY_DIFFER:
        raise UserError(printable(key), word.shown, f"takes its value from {followed}", f"write {followed}=...")
    if key in of_train and word.sign:
        raise UserError(word.text, None, "is a group that every run has", f"write {key}={word.value}")


def _single_above(key: str, kind: type[Settings]) -> tuple[str, Any]:
    """Returns the setting that a name is below, and its type: it has no parts, but for a list's by number."""
    for name, _, of in setting_names.names(kind):
        below = key.removeprefix(f"{name}.")
        plain = typing.get_args(of)[0] if typing.get_origin(of) is typing.Annotated else of
        has_parts = plain is Any or typing.get_origin(plain) is dict
        if below != key and not has_parts and not (typing.get_origin(plain) is list and below.isdecimal()):
            return name, plain
    return "", None


def _unknown(word: _Word, known: Sequence[str], kind: type[Settings]) -> UserError:
    """Returns the error for a name that is neither a setting's nor a group's."""
    key = word.key.partition("@")[0].replace("/", ".")
    shown = word.shown if word.value else None
    if key in known:
        return UserError(printable(word.key), shown, "no such setting", f"write {key}=...")
    elsewhere = _of_another_command(key, kind)
    others = {**RESUMING, **setting_names.other_names(kind)}
    remedies = [f"it is a setting of {elsewhere}" if elsewhere else "", did_you_mean(key, known, others)]
    tops = ", ".join(dict.fromkeys(name for name in known if "." not in name))
    remedy = "; ".join(filter(None, remedies)) or f"known here: {tops}"
    return UserError(printable(word.key), shown, "no such setting", remedy)


def _check_value(word: _Word, kind: type[Settings], own: Sequence[Path], *, sweep: bool) -> None:
    """Checks the form of a value, and the options of a group.

    Raises:
        UserError: it cannot be read, has several values, or names an option that does not exist.
    """
    parsed = _parsed(word, kind, sweep=sweep)
    if _of_hydra(word.key):
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


def _instead_of_commas(word: _Word, kind: type[Settings]) -> str:
    """Returns what else may have been meant by commas: a list, or a number with a decimal comma; empty for neither."""
    of = _type_of(word.key, kind)
    if typing.get_origin(of) is list or word.key in (*OPEN, GROUP):
        return f"; for a list write '{word.key}=[{word.shown}]'"
    if float in (of, *typing.get_args(of)) and re.fullmatch(r"[+-]?\d+,\d+", word.value):
        return f"; for a decimal point write {word.key}={word.value.replace(',', '.')}"
    return ""


def _type_of(key: str, kind: type[Settings]) -> Any:
    """Returns the type of a setting, None for a group or an unknown one."""
    return next((found for name, _, found in setting_names.names(kind) if name == key), None)


def _check_text(word: _Word, value: Any, known: Setting) -> None:
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


def _parsed(word: _Word, kind: type[Settings], *, sweep: bool) -> Override:
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


def _check_option(word: _Word, chosen: Any, own: Sequence[Path]) -> None:
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


def _as_hydra_has_it(word: _Word, kind: type[Settings]) -> str:
    """Returns a word, for which + also stands where the YAML file of the chosen option has the setting already."""
    if word.key.startswith(hydra_words.ENVIRONMENT):
        return f"++{word.key}={word.value}"
    return f"+{word.text}" if word.sign == "+" and word.key in setting_names.known_settings(kind) else word.text


def _of_another_command(name: str, kind: type[Settings]) -> str:
    """Returns the commands other than this one that have a setting, for errors; empty if none has it."""
    commands = [
        command
        for command, other in COMMANDS.items()
        if other is not kind and name in setting_names.known_settings(other)
    ]
    return " and ".join(f"python -m lmlab.{command}" for command in commands[:2])
