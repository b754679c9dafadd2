"""Sweeps: their folder, going on with one that was begun before, and what each job is to do in its own."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from omegaconf import ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lmlab.configuration.folders import job_folder, new_run_folder
from lmlab.errors import UserError
from lmlab.files import shown, write_text
from lmlab.reporting.sweeps import read_summary

RECORD = "sweep.json"
# The sweep's folder, for the jobs; also for those that a launcher starts in processes of their own.
_VARIABLE = "LMLAB_SWEEP_FOLDER"
# What a run leaves in its folder, besides Hydra's record and the log.
_RESULTS = ("summary.json", "metrics.csv", "samples.jsonl", "tokenizer.json", "config.yaml", "checkpoints")

# Kept open while this process works on the sweep: the operating system releases the lock when the process ends.
_locks: list[Any] = []


class Task(Enum):
    """What is left to do of a job."""

    NEW = "new"
    RESUME = "resume"
    DONE = "done"


def register_resolvers() -> None:
    """Makes the folders of sweeps and jobs known to OmegaConf."""
    OmegaConf.register_new_resolver("lmlab_sweep_folder", _sweep_folder, replace=True)
    OmegaConf.register_new_resolver("lmlab_job_folder", _job_folder, replace=True)


def current_sweep() -> Path | None:
    """The folder of the sweep that this process works on."""
    folder = os.environ.get(_VARIABLE)
    return Path(folder) if folder else None


def leave_sweep() -> None:
    """Forgets the sweep; the next one gets a folder of its own."""
    os.environ.pop(_VARIABLE, None)
    for lock in _locks:
        lock.close()
    _locks.clear()


def enter_sweep(folder: Path) -> None:
    """Works on the sweep in this folder.

    Raises:
        UserError: another process does.
    """
    lock = (folder / RECORD).open("rb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        remedy = "wait for it, or begin another with fresh=true"
        raise UserError("sweep", folder, "this sweep is running at the moment", remedy) from None
    _locks.append(lock)
    os.environ[_VARIABLE] = str(folder)


def remove_if_unused() -> None:
    """Removes the current sweep's folder where a refused configuration left no job in it."""
    folder = current_sweep()
    if folder is None or any(path.name not in (RECORD, "multirun.yaml") for path in folder.iterdir()):
        return
    shutil.rmtree(folder)
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def read_record(folder: Path) -> dict[str, Any] | None:
    """What a sweep was started with; None where the folder holds no sweep."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _sweep_folder(parent: str, fresh: bool, parameters: Any) -> str:
    """The folder of the sweep on the command line: the one it was begun in before, or a new one."""
    current = current_sweep()
    if current is not None:
        return str(current)
    ignored = ("fresh=", "-m", "--multirun")
    record = {"arguments": [a for a in sys.argv[1:] if not a.startswith(ignored)], "directory": os.getcwd()}
    before = None if fresh else _begun_before(Path(parent).expanduser(), record)
    folder = before or Path(new_run_folder(parent))
    if before is None:
        more = {"swept": _swept(parameters), "begun": datetime.now().isoformat(timespec="seconds")}
        write_text(folder / RECORD, json.dumps(record | more, indent=2, ensure_ascii=False) + "\n")
    enter_sweep(folder)
    announce(folder, begun_before=before is not None)
    return str(folder)


def announce(folder: Path, *, begun_before: bool) -> None:
    """Says what is about to run; Hydra then composes every job once, which takes a while where they are many."""
    total, names = num_jobs(), ", ".join(swept_settings())
    jobs_of = f" of {total} {'job' if total == 1 else 'jobs'}" if total else ""
    over = f" over {names}" if names else ""
    print(f"sweep{jobs_of}{over}, in {shown(folder)}; each job's train.log tells the rest")
    if begun_before:
        print("it was begun before: what is finished stays (fresh=true begins anew in another folder)")
    print(flush=True)


def _begun_before(parent: Path, record: dict[str, Any]) -> Path | None:
    """The latest sweep below `parent` that was started by the same words in the same place."""
    if not parent.is_dir():
        return None
    for folder in sorted(parent.iterdir(), reverse=True):
        found = read_record(folder) if folder.is_dir() else None
        if found is not None and all(found.get(key) == value for key, value in record.items()):
            return folder.absolute()
    return None


def _swept(parameters: Any) -> dict[str, int]:
    """Settings that were given several values, on the command line or in a preset, with how many they are."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    arguments = [a for a in sys.argv[1:] if "=" in a and not a.startswith("-")]
    preset = [f"{key}={value}" for key, value in parameters.items()] if isinstance(parameters, Mapping) else []
    counts: dict[str, int] = {}
    for parsed in OverridesParser.create().parse_overrides([*preset, *arguments]):
        name = str(parsed.key_or_group)
        counts.pop(name, None)  # the command line wins
        if parsed.is_sweep_override():
            try:
                counts[name] = sum(1 for _ in parsed.sweep_string_iterator())
            except (HydraException, ValueError, TypeError):  # an interval or glob(*), which only a sweeper can count
                counts[name] = 0
    return counts


def swept_settings() -> dict[str, int]:
    """The settings swept by the current sweep, and the number of values of each (0 where that is open)."""
    folder = current_sweep()
    record = read_record(folder) if folder is not None else None
    return dict(record["swept"]) if record else {}


def num_jobs() -> int | None:
    """Jobs of the current sweep; None where its sweeper decides on the way."""
    total = 1
    for count in swept_settings().values():
        total *= count
    return total or None


def _job_folder(number: int, overrides: Any) -> str:
    listed = list(overrides) if isinstance(overrides, list | ListConfig) else []
    return job_folder(number, [str(o) for o in listed], set(swept_settings()))


def prepare_job(config: dict[str, Any], folder: Path) -> tuple[Task, dict[str, Any]]:
    """What is left to do of a job, and the configuration to do it with.

    A job is done when it finished under the same configuration and its text has not been changed since. One that
    was interrupted goes on; anything else is removed and trained anew.

    Args:
        config: of the job as it is composed now, plain and resolved.
        folder: the job's own.
    """
    stored = _stored(folder)
    if stored is not None and _same(stored, config) and not _changed_since(config, folder / "config.yaml"):
        status = read_summary(folder).get("status")
        if status == "finished":
            return Task.DONE, stored
        if status != "failed" and (folder / "checkpoints" / "last.ckpt").is_file():
            return Task.RESUME, stored
    for name in _RESULTS:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path in folder.glob("events.out.tfevents.*"):
        path.unlink()
    return Task.NEW, config


def _stored(folder: Path) -> dict[str, Any] | None:
    try:
        config = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"), resolve=True)
    except (OSError, YAMLError, OmegaConfBaseException):
        return None
    return {str(key): value for key, value in config.items()} if isinstance(config, dict) else None


def _same(stored: dict[str, Any], config: dict[str, Any]) -> bool:
    """Equal, but for an embedding's size that was read from its file, for `fresh`, and for what is off and new."""
    size = stored.get("embedding", {}).get("dim")
    expected = {**config, "fresh": stored.get("fresh"), "embedding": {**config["embedding"]}}
    if expected["embedding"]["dim"] is None:
        expected["embedding"]["dim"] = size
    return _with_what_is_new(stored, expected) == expected


def _with_what_is_new(stored: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """The stored settings with those that an older lmlab did not know, where these are off now."""
    found = dict(stored)
    for key, value in config.items():
        if isinstance(value, dict) and isinstance(stored.get(key), dict):
            found[key] = _with_what_is_new(stored[key], value)
        elif key not in stored and (value is None or value is False or value == 0):
            found[key] = value
    return found


def _changed_since(config: dict[str, Any], moment: Path) -> bool:
    """Whether a file that the job reads was written, put in place or taken away after `moment` was written."""
    paths = [Path(path) for path in (config["data"]["path"], config["embedding"]["path"]) if path]
    files = [file for path in paths for file in ([path, *path.iterdir()] if path.is_dir() else [path])]
    then = moment.stat().st_mtime
    return any(_changed_at(file) > then for file in files)


def _changed_at(file: Path) -> float:
    """When its contents or its place last changed; long ago where it is gone, which reading it will tell."""
    if not file.exists():
        return 0.0
    status = file.stat()
    return max(status.st_mtime, status.st_ctime)


def write_failure(folder: Path, name: str, reason: str) -> None:
    """Leaves a summary that says why a job failed.

    Args:
        folder: the job's.
        name: the run's.
        reason: one line.
    """
    summary = {**read_summary(folder), "status": "failed", "name": name, "error": reason}
    write_text(folder / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
