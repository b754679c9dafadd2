"""The form of the words of a command line: a name, a sign before it and a value behind =."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from lmlab.config import setting_names
from lmlab.config.folders import group_options, groups
from lmlab.config.settings import COMMANDS
from lmlab.config.suggestions import RESUMING, meant
from lmlab.errors import UserError, printable

_EXAMPLES = {
    "train": "model.hidden_size=512",
    "generate": "prompt=Once",
    "benchmark": "steps=20",
    "report": "runs=latest",
}
_LONGEST = 100_000


class Word(NamedTuple):
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


def read_word(text: str, command: str, *, before: str, behind: str) -> Word:
    """Returns a word in its parts.

    Args:
        text: as typed.
        command: of the command line.
        before: the word before it; empty for none.
        behind: the word behind it; empty for none.

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
        and not behind.startswith("=")
    ):
        raise UserError(printable(name), None, "has no value", f"write {printable(name)}=...")
    if not equals and sign != "~":
        shown = printable(text) if text.strip() else f'"{printable(text)}"'
        raise UserError(shown, None, "not a setting", _remedy_without_equals(text, command, before, behind))
    if name != name.strip():
        raise UserError(printable(name.strip()), None, "has a blank before =", "write key=value without blanks")
    if not name:
        raise UserError(
            printable(text), None, "has no name before =", f"for example {_EXAMPLES.get(command, 'run=latest')}"
        )
    if sign not in ("", "+", "++", "~"):
        raise UserError(printable(text), None, "cannot be read as a setting", f"write {printable(name)}=...")
    return Word(text, sign, name, value)


def _remedy_without_equals(text: str, command: str, before: str, behind: str) -> str:
    """Returns what was probably meant by a word without =."""
    example = f"for example {_EXAMPLES.get(command, 'run=latest')}"
    if behind.startswith("="):
        return f"write it without blanks around =, {example}"
    if text.startswith(",") or text.endswith(",") or before.endswith(","):
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


def is_hydras(key: str) -> bool:
    """Returns whether a name is that of one of Hydra's own settings or groups."""
    return re.match(r"hydra([./@]|$)", key) is not None
