"""Presets: the files of conf/experiment, and which of them are sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lmlab.config.arguments import quote
from lmlab.config.folders import configuration_folder
from lmlab.config.options import CONFIG_DIR, OPTIONS, divided
from lmlab.errors import UserError, printable
from lmlab.files import expanded

GROUP = "experiment"
MODE = "hydra.mode"


def asks_for_a_sweep(arguments: Sequence[str]) -> bool:
    """Returns whether a command line starts several runs: by -m, or by a preset that is a sweep."""
    given = {word.name for word in divided(arguments) if not isinstance(word, str)}
    if "--multirun" in given or f"{MODE}=MULTIRUN" in arguments:
        return True
    if f"{MODE}=RUN" in arguments:
        return False
    if any(option.shows and option.name in given for option in OPTIONS):
        return False
    chosen = [word.partition("=")[2] for word in arguments if word.lstrip("+").startswith(f"{GROUP}=")]
    return bool(chosen) and _is_sweep(chosen[-1], _folders(arguments))


def own_folders(arguments: Sequence[str]) -> list[Path]:
    """Returns the user's own folders of configuration on a command line."""
    found = [word.value or "" for word in divided(arguments) if not isinstance(word, str) and word.name in CONFIG_DIR]
    for word in arguments:
        key = word.partition("=")[0]
        if key.lstrip("+") == "hydra.searchpath":
            found += [entry.removeprefix("file://") for entry in _entries(word) if not entry.startswith("pkg://")]
    return [expanded(folder) for folder in found if folder]


def _entries(word: str) -> list[str]:
    """Returns the entries of a search path; empty if it cannot be read, which is told when the words are checked."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        value = OverridesParser.create().parse_override(word).value()
    except (HydraException, ValueError):
        return []
    return [str(entry) for entry in value] if isinstance(value, list) else []


def search_path(folders: Sequence[Path]) -> list[str]:
    """Returns the override that makes Hydra search the user's own folders; empty if there are no folders."""
    listed = ",".join(quote(f"file://{folder.absolute()}") for folder in folders)
    return [f"hydra.searchpath=[{listed}]"] if listed else []


def check_own_folders(arguments: Sequence[str]) -> None:
    """Refuses a user's own file with the name of one of lmlab's, because Hydra would silently use lmlab's.

    Raises:
        UserError: such a file, or a folder that does not exist.
    """
    given = [word for word in divided(arguments) if not isinstance(word, str) and word.name in CONFIG_DIR]
    of_option = [expanded(word.value or "") for word in given]
    if len(given) > 1:
        remedy = "add the others by hydra.searchpath=[file:///absolute/path]"
        raise UserError("--config-dir", None, "is given more than once, but Hydra takes one folder", remedy)
    for folder in own_folders(arguments):
        if not folder.is_dir():
            if folder not in of_option:  # of a search path, whose own check names it
                continue
            problem = "is not a folder" if folder.exists() else "no such folder"
            raise UserError("--config-dir", printable(folder), problem, "check the path")
        for path in sorted(folder.rglob("*.y*ml")):
            name = path.relative_to(folder)
            if (configuration_folder() / name).exists():
                remedy = "remove it: a folder of your own has options of groups, such as model/my_model.yaml"
                if name.parent != Path():
                    remedy = f"rename it, and choose it by its new name: {name.parent}=my_{name.stem}"
                problem = f"lmlab has its own {name}, which Hydra would use instead"
                raise UserError("--config-dir", path, problem, remedy)


def _folders(arguments: Sequence[str]) -> list[Path]:
    """The folders of presets, the user's own first."""
    return [folder / GROUP for folder in [*own_folders(arguments), configuration_folder()]]


def _is_sweep(name: str, folders: Sequence[Path], depth: int = 0) -> bool:
    """Returns whether the preset or a preset that it inherits from is a sweep; Hydra refuses unreadable presets."""
    path = next((folder / f"{name}.yaml" for folder in folders if (folder / f"{name}.yaml").is_file()), None)
    if path is None or depth > 10:
        return False
    try:
        preset: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return False
    if not isinstance(preset, dict):
        return False
    own = preset.get("hydra")
    mode = own.get("mode") if isinstance(own, dict) else None
    if mode is not None:
        return str(mode).rpartition(".")[2] == "MULTIRUN"
    parents = [entry for entry in preset.get("defaults") or [] if isinstance(entry, str) and entry != "_self_"]
    return any(_is_sweep(parent, folders, depth + 1) for parent in parents)
