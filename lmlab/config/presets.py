"""Presets: the files of conf/experiment, and which of them are sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from lmlab.config.folders import configuration_folder
from lmlab.errors import UserError

GROUP = "experiment"
# Hydra's option for a folder of the user's own.
CONFIG_DIR = ("--config-dir", "-cd")
# Hydra's options that show something instead of running anything.
_INSTEAD = ("--cfg", "-c", "--info", "-i", "--help", "-h", "--hydra-help", "--shell-completion", "-sc", "--version")


def asks_for_a_sweep(arguments: Sequence[str]) -> bool:
    """Whether the words of a command line mean several runs: by -m, or by a preset that is a sweep."""
    if any(word in ("-m", "--multirun") for word in arguments):
        return True
    if any(word.partition("=")[0] in _INSTEAD for word in arguments):
        return False
    chosen = [word.partition("=")[2] for word in arguments if word.lstrip("+").startswith(f"{GROUP}=")]
    return bool(chosen) and _is_sweep(chosen[-1], _folders(arguments))


def own_folders(arguments: Sequence[str]) -> list[Path]:
    """Returns the user's own folders of configuration on a command line."""
    found = [
        word.partition("=")[2] or following
        for word, following in pairwise([*arguments, ""])
        if word.partition("=")[0] in CONFIG_DIR
    ]
    for word in arguments:
        key, _, value = word.partition("=")
        if key.lstrip("+") == "hydra.searchpath":
            entries = (entry.strip(" '\"") for entry in value.strip(" []").split(","))
            found += [entry.removeprefix("file://") for entry in entries if not entry.startswith("pkg://")]
    return [Path(folder).expanduser() for folder in found if folder]


def search_path(folders: Sequence[Path]) -> list[str]:
    """Returns the override that makes Hydra look into the user's own folders; none where there are no folders."""
    listed = ",".join(f"file://{folder.absolute()}" for folder in folders)
    return [f"hydra.searchpath=[{listed}]"] if listed else []


def check_own_folders(arguments: Sequence[str]) -> None:
    """Refuses a user's own file with the name of one of lmlab's: Hydra would take lmlab's and say nothing.

    Raises:
        UserError: naming the file; or a folder that is not there.
    """
    for folder in own_folders(arguments):
        if not folder.is_dir():
            raise UserError("--config-dir", folder, "no such folder", "check the path")
        for path in sorted(folder.rglob("*.y*ml")):
            name = path.relative_to(folder)
            if (configuration_folder() / name).exists():
                remedy = f"give it another name, and choose it by that: {name.parent}=my_{name.stem}"
                raise UserError("--config-dir", path, f"lmlab has a {name} of its own, which would be taken", remedy)


def _folders(arguments: Sequence[str]) -> list[Path]:
    """Where presets lie: the user's own first."""
    return [folder / GROUP for folder in [*own_folders(arguments), configuration_folder()]]


def _is_sweep(name: str, folders: Sequence[Path], depth: int = 0) -> bool:
    """Whether the preset, or one that it is made from, says so; a preset that cannot be read is Hydra's to refuse."""
    path = next((folder / f"{name}.yaml" for folder in folders if (folder / f"{name}.yaml").is_file()), None)
    if path is None or depth > 10:
        return False
    try:
        preset: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    if not isinstance(preset, dict):
        return False
    own = preset.get("hydra")
    mode = own.get("mode") if isinstance(own, dict) else None
    if mode is not None:
        return str(mode).rpartition(".")[2] == "MULTIRUN"
    parents = [entry for entry in preset.get("defaults") or [] if isinstance(entry, str) and entry != "_self_"]
    return any(_is_sweep(parent, folders, depth + 1) for parent in parents)
