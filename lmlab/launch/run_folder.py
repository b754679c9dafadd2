"""Determines what remains to be done in a run's folder before anything in it is changed."""

from __future__ import annotations

import os
import shutil
import stat
from enum import Enum
from pathlib import Path
from typing import Any

from lmlab import locks, plain_yaml
from lmlab.changes import PAUSE, differences
from lmlab.config import plugins, registry, stored
from lmlab.config.folders import remove_empty_parents
from lmlab.config.settings import TrainSettings
from lmlab.config.typed import plain, targets
from lmlab.errors import Refused
from lmlab.files import remove_parts, shown
from lmlab.runs.files import (
    BEST,
    CHECKPOINTS,
    CONFIG,
    EXHIBITS,
    GRADIENTS,
    HYDRA,
    LOG,
    METRICS,
    SAMPLES,
    SUMMARY,
    TOKENIZER,
    TRAIN_LOG,
    can_be_resumed,
)  # fmt: skip
from lmlab.runs.summary import read_summary

# Files and folders that a run writes, besides its configuration, Hydra's record and the log.
_RESULTS = (SUMMARY, METRICS, SAMPLES, GRADIENTS, LOG, EXHIBITS, TOKENIZER, CHECKPOINTS)


class Task(Enum):
    """What remains to be done for a run."""

    NEW = "new"
    RESUME = "resume"
    DONE = "done"


def check_no_links(folder: Path) -> None:
    """Checks that a run's folder contains no links, through which files elsewhere would be overwritten.

    Args:
        folder: the run's folder; need not exist yet.

    Raises:
        Refused: it is a link, or contains a link or anything else that is neither a file nor a folder.
    """
    if folder.is_symlink():
        raise Refused("run", shown(folder), "is a symbolic link", "give the folder that it points to")
    for place in (folder, folder / CHECKPOINTS, folder / HYDRA):
        for path in place.iterdir() if place.is_dir() else ():
            mode = path.lstat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                kind = "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"
                raise Refused("run", shown(path), f"is {kind}, and a run writes only into its own folder", "remove it")


def remaining_task(folder: Path, settings: TrainSettings) -> Task:
    """Returns what remains to be done in the folder of a run with this configuration.

    Nothing of value is ever removed: if the folder contains a different run that is finished or can be resumed, it
    is refused.

    Args:
        folder: the run's folder; may be new or empty.
        settings: the settings composed now.

    Raises:
        Refused: the folder contains a run of another configuration or text, or one that diverged.
    """
    check_no_links(folder)
    summary = read_summary(folder)
    finished = summary.get("status") == "finished"
    resumable = can_be_resumed(folder)
    if not finished and not resumable and not (folder / CHECKPOINTS / BEST).is_file():
        return Task.NEW
    path = folder / CONFIG
    differing = _differing(stored.checked(plain_yaml.read(path), where=path), plain(settings))
    if differing is not None:
        _refuse(folder, f"contains a run with different settings ({differing})")
    if summary.get("diverged"):
        _refuse(folder, f"contains a run that diverged and would diverge again: {summary.get('error')}")
    if finished:
        _check_texts(folder, settings, summary)
        recorded = summary.get("plugins")
        if isinstance(recorded, dict):
            try:
                plugins.check_unchanged(recorded, targets(settings), field="run", value=shown(folder))
            except plugins.PluginError as error:
                _refuse(folder, f"contains a run that {error.problem}")
        return Task.DONE
    # A run that was killed before its first last.ckpt may have a best.ckpt, which will be overwritten.
    return Task.RESUME if resumable else Task.NEW


def clear(folder: Path) -> None:
    """Removes the files of a run that is started again, and incomplete files of killed processes.

    config.yaml stays until it is replaced, so that a run that is killed in between can be started again.

    Args:
        folder: the folder of a run that has nothing of value.
    """
    for name in _RESULTS:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path in folder.glob("events.out.tfevents.*"):
        path.unlink()
    tidy(folder)


def tidy(folder: Path) -> None:
    """Removes incomplete files of killed processes from a run's folder."""
    for place in (folder, folder / CHECKPOINTS, folder / HYDRA):
        remove_parts(place)


def _refuse(folder: Path, problem: str) -> None:
    remedy = "give another folder, or fresh=true for a sweep (a new folder; this one is not changed)"
    raise Refused("run", shown(folder), problem, remedy)


def _differing(found: dict[str, Any], config: dict[str, Any]) -> str | None:
    """Describes the first setting that differs; returns None if there is none.

    An embedding's size that was read from its file does not count as different, nor do `fresh` and the setting for
    pausing the run.
    """
    expected = {**config, "fresh": found["fresh"], "embedding": {**config["embedding"]}}
    expected[PAUSE] = found[PAUSE]
    if expected["embedding"]["dim"] is None:
        expected["embedding"]["dim"] = found["embedding"]["dim"]
    first = next(differences(found, expected), None)
    return None if first is None else f"{first[0]} was {first[1]!r} and is {first[2]!r}"


def _check_texts(folder: Path, settings: TrainSettings, summary: dict[str, Any]) -> None:
    """Checks that the text of a finished run has not changed; it is read only if its files are newer than the run.

    Raises:
        Refused: text or vectors have changed.
    """
    moment = folder / CONFIG
    vectors = settings.embedding.path
    if vectors and _changed_since([Path(vectors)], moment):
        _refuse(folder, "contains a run whose vector file was modified later")
    path = settings.data.path
    if not path or not _changed_since(_files(Path(path)), moment):
        return
    from lmlab.data.cache import text_sha256

    corpus = registry.build("data.source", settings.data.source).load()
    names = {"train": "train_fingerprint", "validation": "text_fingerprint", "test": "test_fingerprint"}
    for split, name in names.items():
        # An older lmlab stored no SHA-256 of the test text.
        if name in summary and (split not in corpus.splits or summary[name] != text_sha256(corpus.texts(split))):
            _refuse(folder, f"contains a run whose {split} text has changed since")


def _files(path: Path) -> list[Path]:
    return [path, *path.iterdir()] if path.is_dir() else [path]


def _changed_since(files: list[Path], moment: Path) -> bool:
    """Returns whether a file was written or moved into place after `moment` was written.

    Args:
        files: files and folders; a folder changes if a file is added or removed.
        moment: a file.
    """
    then = moment.stat().st_mtime
    return any(_changed_at(file) > then for file in files)


def _changed_at(file: Path) -> float:
    """Returns the time when a file's contents or place last changed.

    Returns 0 for a missing file; reading it later raises an error.
    """
    if not file.exists():
        return 0.0
    status = file.stat()
    return max(status.st_mtime, status.st_ctime)


def remove_if_unused(folder: Path) -> None:
    """Removes a run's folder if it contains only records of the command, because its configuration was refused."""
    harmless = {HYDRA, TRAIN_LOG, CONFIG, locks.NAME}
    if not folder.is_dir() or any(child.name not in harmless for child in folder.iterdir()):
        return
    for name in (CONFIG, "hydra.yaml", "overrides.yaml"):
        (folder / HYDRA / name).unlink(missing_ok=True)
    for name in (TRAIN_LOG, CONFIG, locks.NAME):
        (folder / name).unlink(missing_ok=True)
    for empty in (folder / HYDRA, folder, folder.parent):
        try:
            os.rmdir(empty)
        except FileNotFoundError:  # refused before a record was written
            continue
        except OSError:
            return
    remove_empty_parents(folder)
