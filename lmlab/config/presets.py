"""Presets: the files of conf/experiment, and which of them are sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lmlab.config.folders import configuration_folder

GROUP = "experiment"
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


def _folders(arguments: Sequence[str]) -> list[Path]:
    """Where presets lie: the user's own first."""
    own = [
        word.partition("=")[2] or following
        for word, following in zip(arguments, [*arguments[1:], ""], strict=True)
        if word.partition("=")[0] in ("--config-dir", "-cd")
    ]
    return [Path(folder).expanduser() / GROUP for folder in [*own, str(configuration_folder())] if folder]


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
