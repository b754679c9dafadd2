"""Where the configuration is found, and what the folders of runs and jobs are called."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from lmlab.errors import UserError

MAX_FOLDER_NAME = 100

# Settings whose own last word says too little as a folder name.
_SHORT_KEYS = {
    "model": "model",
    "hidden_size": "hidden",
    "num_layers": "layers",
    "sequence_length": "length",
    "batch_size": "batch",
    "max_epochs": "epochs",
    "max_steps": "steps",
    "gradient_clip_val": "clip",
    "tie_weights": "tied",
    "weight_decay": "decay",
}


def configuration_folder() -> Path:
    """The folder of YAML files: beside this package in a checkout, inside it in an installed wheel."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def new_run_folder(parent: str) -> str:
    """Makes and returns ``<parent>/<date>_<time>``, with ``_2``, ``_3``... behind it where that is taken."""
    base = Path(parent).expanduser().absolute() / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            "output_dir", parent, error.strerror or "cannot be made", "give a folder you may write to"
        ) from None
    folder, number = base, 1
    while True:
        try:
            folder.mkdir()
            return str(folder)
        except OSError as error:
            if not isinstance(error, FileExistsError):
                problem = error.strerror or "cannot be made"
                raise UserError("output_dir", parent, problem, "give a folder you may write to") from None
            number += 1
            folder = base.with_name(f"{base.name}_{number}")


def job_folder(number: int, overrides: list[str], swept: set[str]) -> str:
    """The name of a sweep's job: ``<number>_<short key>-<value>...`` of the settings that are swept.

    Letters, digits, ``.``, ``_`` and ``-`` only, at most 100 characters, so that it can be typed back as an override.
    """
    parts = [str(number)]
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if key in swept:
            last = key.split("@")[0].replace("/", ".").split(".")[-1]
            parts.append(f"{_SHORT_KEYS.get(last, last)}-{value.replace('e+', 'e')}")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", "_".join(parts))
    return name[:MAX_FOLDER_NAME].rstrip("._-")


def store_absolute_paths(config: DictConfig) -> None:
    """Files that a run reads are found again from wherever it is gone on with."""
    for part in ("data", "embedding"):
        if config[part].path:
            config[part].path = str(Path(config[part].path).expanduser().absolute())


def register_resolvers() -> None:
    """Makes a run's folder known to OmegaConf."""
    # Cached: within one configuration the same folder is meant each time.
    OmegaConf.register_new_resolver("lmlab_run_folder", new_run_folder, use_cache=True, replace=True)


def remove_if_unused(folder: str) -> None:
    """Removes a run's folder in which a refused configuration left nothing but Hydra's files and an empty log."""
    path = Path(folder)
    harmless = {".hydra", "train.log"}
    if not path.is_dir() or any(child.name not in harmless for child in path.iterdir()):
        return
    for name in ("config.yaml", "hydra.yaml", "overrides.yaml"):
        (path / ".hydra" / name).unlink(missing_ok=True)
    (path / "train.log").unlink(missing_ok=True)
    for empty in (path / ".hydra", path, path.parent):
        try:
            os.rmdir(empty)
        except OSError:
            return
