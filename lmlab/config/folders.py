"""The location of the configuration, and the names of the folders of runs and jobs."""

from __future__ import annotations

import functools
import logging
import re
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf

from lmlab.config.settings import TrainSettings
from lmlab.errors import UserError, printable
from lmlab.files import expanded, unusable, write_text
from lmlab.output_paths import check_writable
from lmlab.runs.files import CONFIG, HYDRA, TRAIN_LOG
from lmlab.terminal import fitted

MAX_FOLDER_NAME = 100

# Folders that this process made above those of runs and sweeps.
_made: set[Path] = set()
# Short names of settings in folder names.
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
    """Returns the folder of YAML files: beside this package in a checkout, inside it in an installed wheel."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


@functools.cache
def groups() -> tuple[str, ...]:
    """Returns the groups of a training run, the data first and then in the order of train.yaml."""
    config = yaml.safe_load((configuration_folder() / "train.yaml").read_text(encoding="utf-8"))
    entries = (key for entry in config["defaults"] if isinstance(entry, dict) for key in entry)
    # Data come near the end there because they choose a tokenizer.
    return tuple(sorted((key for key in entries if not key.startswith("override ")), key=lambda key: key != "data"))


def group_options(group: str, own: Sequence[Path] = ()) -> list[str]:
    """Returns the options of a group, without the files that options inherit from.

    Args:
        group: a folder of `conf/`.
        own: the user's own folders of configuration.
    """
    paths = (path for folder in (configuration_folder(), *own) for path in (folder / group).glob("*.yaml"))
    return sorted({path.stem for path in paths if not path.name.startswith("_") and path.is_file()})


def check_folder_name(field: str, name: str) -> None:
    """Checks the name of a run, or a part of it.

    Raises:
        UserError: it does not name a folder below another.
    """
    parts = Path(name).parts
    if not parts or ".." in parts or Path(name).is_absolute():
        raise UserError(field, name, "does not name a folder below output_dir", f"for example {field}=my_run")


def new_run_folder(parent: str) -> str:
    """Creates and returns ``<parent>/<date>_<time>``, followed by ``_2``, ``_3``... if that exists."""
    base = expanded(parent).absolute() / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    missing = [place for place in base.parents if not place.exists()]
    wrong = unusable(base)
    if wrong is not None:
        raise UserError("name", wrong, "cannot be the name of a folder on Windows", "for example name=my_run")
    check_writable("output_dir", parent)
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
        _made.update(missing)
    except OSError as error:
        problem = f"cannot be created ({error.strerror})"
        raise UserError(printable(parent), None, problem, "give an output_dir that you may write to") from None
    folder, number = base, 1
    while True:
        try:
            folder.mkdir()
            return str(folder)
        except OSError as error:
            if not isinstance(error, FileExistsError):
                problem = error.strerror or "cannot be created"
                raise UserError("output_dir", parent, problem, "give a folder you may write to") from None
            number += 1
            folder = base.with_name(f"{base.name}_{number}")


def remove_empty_parents(folder: Path) -> None:
    """Removes the folders above a run or sweep that this process made for it, if nothing else is in them."""
    for place in folder.parents:
        if place not in _made:
            return
        try:
            place.rmdir()
        except FileNotFoundError:
            continue
        except OSError:  # it holds something else
            return


def job_folder(number: int, overrides: list[str], swept: set[str]) -> str:
    """Returns the name of a sweep's job: ``<number>_<short key>-<value>...`` of the settings that are swept.

    Letters, digits, ``.``, ``_`` and ``-`` only, at most 100 characters, so that it can be typed as an override.
    """
    parts = [str(number)]
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if key in swept:
            last = key.split("@")[0].replace("/", ".").split(".")[-1]
            parts.append(f"{_SHORT_KEYS.get(last, last)}-{value.replace('e+', 'e')}")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", "_".join(parts))
    return name[:MAX_FOLDER_NAME].rstrip("._-")


def store_absolute_paths(settings: TrainSettings) -> None:
    """Makes the paths of a run's files absolute, so that it can be resumed from another folder."""
    for part in (settings.data, settings.embedding, settings.data.source):
        path = getattr(part, "path", None)
        if path and isinstance(path, str):
            part.path = str(expanded(path).absolute())  # type: ignore[union-attr]


def register_resolvers() -> None:
    """Registers the OmegaConf resolver for a run's folder."""
    # Cached, because it must be the same folder throughout a configuration.
    OmegaConf.register_new_resolver("lmlab_run_folder", new_run_folder, use_cache=True, replace=True)


def write_record(folder: Path, config: DictConfig) -> None:
    """Writes Hydra's record of the command line to `.hydra/`; Hydra itself would overwrite that of another run.

    Args:
        folder: the run's.
        config: as composed, not resolved.
    """
    from hydra.core.hydra_config import HydraConfig

    settings = HydraConfig.get()
    record = folder / HYDRA
    record.mkdir(exist_ok=True)
    write_text(record / CONFIG, OmegaConf.to_yaml(config))
    write_text(record / "hydra.yaml", OmegaConf.to_yaml(OmegaConf.create({"hydra": settings})))
    write_text(record / "overrides.yaml", OmegaConf.to_yaml(settings.overrides.task))


class _Wrapping(logging.Formatter):
    """Wraps messages to the width of the terminal; in files and pipes each stays in one line, for those who search."""

    def format(self, record: logging.LogRecord) -> str:
        return fitted(super().format(record))


def log_to(folder: Path, *, terminal: bool) -> None:
    """Appends all log messages to the run's train.log, and also prints them if wanted.

    Args:
        folder: the run's.
        terminal: whether they are also printed.
    """
    file = logging.FileHandler(folder / TRAIN_LOG, encoding="utf-8", delay=True)
    file.setFormatter(logging.Formatter("[%(asctime)s][%(levelname)s] %(message)s"))
    handlers: list[logging.Handler] = [file]
    if terminal:
        shown = logging.StreamHandler(sys.stdout)
        shown.setFormatter(_Wrapping("%(message)s"))
        handlers.insert(0, shown)
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
