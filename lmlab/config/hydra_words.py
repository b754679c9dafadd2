"""The words of Hydra's own configuration that mean something in lmlab; what would have no effect is refused."""

from __future__ import annotations

import importlib.util
from typing import Any

from hydra.core.override_parser.types import Override, QuotedString

from lmlab.config.presets import MODE
from lmlab.config.setting import Setting
from lmlab.config.values import check_value
from lmlab.errors import UserError, printable
from lmlab.files import expanded
from lmlab.output_paths import check_writable

SEARCH_PATH = "hydra.searchpath"
_MODES = ("RUN", "MULTIRUN")
_RUN_FOLDER = "hydra.run.dir"
_BY_OUTPUT_DIR = "choose its place by output_dir=... and name=..."
_GROUPS = ("hydra/launcher", "hydra/sweeper")
# Settings of plug-ins, and what a launcher's workers find in their environment.
ENVIRONMENT = "hydra.job.env_set."
_OPEN = ("hydra.launcher.", "hydra.sweeper.", ENVIRONMENT)
USABLE = (_RUN_FOLDER, MODE, SEARCH_PATH, "hydra.verbose", *_GROUPS, *(f"{name}<name>" for name in _OPEN))


def is_usable(key: str) -> bool:
    """Returns whether a setting or group of Hydra's means something here."""
    return key in USABLE or (key.startswith(_OPEN) and not key.endswith("."))


def check(key: str, sign: str, parsed: Override, shown: str, *, sweep: bool) -> None:
    """Checks a word that begins with hydra.

    Args:
        key: its name.
        sign: ``+``, ``++``, ``~`` or empty.
        parsed: as Hydra reads it.
        shown: its value, for errors.
        sweep: whether several runs are started.

    Raises:
        UserError: it has no effect here, or its value cannot be right.
    """
    name = printable(key)
    if sign == "~":
        raise UserError(f"~{name}", None, "Hydra's settings cannot be removed", "leave it out")
    is_open = key.startswith(_OPEN)
    if key == "hydra.sweep.dir":
        raise UserError(name, shown, "a sweep names its folder itself, so that it can be resumed", _BY_OUTPUT_DIR)
    if not is_usable(key):
        remedy = f"leave it out; usable here: {', '.join(USABLE)}"
        raise UserError(name, shown, "is not used by lmlab", remedy)
    if sign and not is_open:
        raise UserError(f"{sign}{name}", shown, "is there already", f"write {name}=...")
    if key.startswith(("hydra/launcher", "hydra/sweeper", "hydra.launcher.", "hydra.sweeper.")) and not sweep:
        raise UserError(name, shown, "is for sweeps, and this is a single run", "add -m, or leave it out")
    value: Any = parsed._value
    value = value.text if isinstance(value, QuotedString) else value
    if key.startswith("hydra.sweeper.params.") and parsed.is_sweep_override():
        setting = key.removeprefix("hydra.sweeper.params.")
        raise UserError(name, shown, "belongs to a file", f"write -m {printable(setting)}={shown}")
    if parsed.is_sweep_override():
        raise UserError(name, shown, "has several values, but Hydra's own settings take one", "give one")
    if key.endswith("._target_"):
        raise UserError(name, shown, "a plug-in is chosen by its group", f"write {'/'.join(key.split('.')[:2])}=...")
    _check_value(name, value, shown, sweep=sweep)


def _check_value(name: str, value: Any, shown: str, *, sweep: bool) -> None:
    """Checks a single value, by the name of its setting."""
    if name in _GROUPS and not isinstance(value, str):
        raise UserError(name, shown, "takes one option", f"for example {name}=basic")
    if name == _RUN_FOLDER:
        if sweep:
            raise UserError(name, shown, "has no effect on a sweep", _BY_OUTPUT_DIR)
        check_value(value, str, Setting("", is_path=True), name=name, convert=True)
        if "${" not in str(value):
            check_writable(name, str(value))
    if name == MODE and value not in _MODES:
        raise UserError(name, shown, "no such option", f"choose one of {', '.join(_MODES)}")
    if name == MODE and sweep != (value == "MULTIRUN"):
        raise UserError(name, shown, "contradicts -m", "leave one of them out")
    if name == "hydra.verbose":
        check_value(value, bool, Setting(""), name=name, convert=True)
    if name == SEARCH_PATH:
        _check_search_path(value, shown)


def _check_search_path(value: Any, shown: str) -> None:
    if not isinstance(value, list):
        raise UserError(SEARCH_PATH, shown, "is not a list", f"write '{SEARCH_PATH}=[{shown}]'")
    for entry in (item.text if isinstance(item, QuotedString) else str(item) for item in value):
        kind, marked, place = entry.partition("://")
        if not marked or kind == "file":
            folder = expanded(place if marked else entry)
            if not folder.is_dir():
                raise UserError(SEARCH_PATH, shown, f"{printable(folder)} is no folder", "check the path")
            continue
        if kind != "pkg":
            raise UserError(SEARCH_PATH, shown, f"{kind}:// cannot be searched", "use file:// or pkg://")
        package = place.partition("/")[0].partition(".")[0]
        if not package.isidentifier() or importlib.util.find_spec(package) is None:
            raise UserError(SEARCH_PATH, shown, f"there is no package {printable(package)}", "check the name")
