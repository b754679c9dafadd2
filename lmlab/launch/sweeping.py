"""Sweeps: their folder, and going on with one that was begun before."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock
from omegaconf import ListConfig, OmegaConf

from lmlab import locks
from lmlab.config import typed
from lmlab.config.folders import job_folder, new_run_folder
from lmlab.config.setting import Setting, check_value
from lmlab.config.settings import TrainSettings
from lmlab.errors import Diverged, UserError, printable
from lmlab.files import shown, write_text
from lmlab.locks import lock
from lmlab.reporting.sweeps import read_summary

RECORD = "sweep.json"
# Bytes of it, and values of a setting that is swept: a record may be a stranger's.
MAX_RECORD, MAX_VALUES = 1_000_000, 100_000
# The sweep's folder, for the jobs; also for those that a launcher starts in processes of their own.
_VARIABLE = "LMLAB_SWEEP_FOLDER"

# Kept while this process works on the sweep: the operating system releases the lock when the process ends.
_locks: list[FileLock] = []
# Sweeps' folders that this process made, and may remove again.
_made: set[Path] = set()


# Words of the command line that made packages trusted; Hydra never sees them, but they are what was typed.
_plugins: list[str] = []


def remember_plugins(words: Sequence[str]) -> None:
    """Keeps the words that make packages trusted, for the record of a sweep: there they say what to type again."""
    _plugins[:] = words


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
    for taken in _locks:
        taken.release()
    _locks.clear()


def enter_sweep(folder: Path) -> None:
    """Works on the sweep in this folder.

    Raises:
        UserError: another process does.
    """
    _locks.append(lock(folder, "sweep", "wait for it, or begin another with fresh=true"))
    os.environ[_VARIABLE] = str(folder)


def remove_if_unused() -> None:
    """Removes the current sweep's folder where this process made it and a refused configuration left no job in it."""
    folder = current_sweep()
    harmless = (RECORD, "multirun.yaml", locks.NAME)
    if folder is None or folder not in _made or any(path.name not in harmless for path in folder.iterdir()):
        return
    shutil.rmtree(folder)
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def read_record(folder: Path) -> dict[str, Any] | None:
    """What a sweep was started with; None where the folder holds no sweep."""
    try:
        path = folder / RECORD
        if path.stat().st_size > MAX_RECORD:
            raise UserError("run", path, "is no record of a sweep", "start the sweep again")
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _sweep_folder(parent: str, fresh: bool, parameters: Any) -> str:
    """The folder of the sweep on the command line: the one it was begun in before, or a new one."""
    current = current_sweep()
    if current is not None:
        if _locks:  # not in a worker of a launcher, which has no command line
            _check_swept(current, _swept(parameters))
        return str(current)
    ignored = ("fresh=", "stop_after_tokens=", "-m", "--multirun")
    words = [*_plugins, *(a for a in sys.argv[1:] if not a.startswith(ignored))]
    record = {"arguments": words, "directory": os.getcwd()}
    before = None if fresh else _begun_before(Path(parent).expanduser(), record)
    folder = before or Path(new_run_folder(parent))
    if before is None:
        more = {"swept": _swept(parameters), "begun": datetime.now().isoformat(timespec="seconds")}
        write_text(folder / RECORD, json.dumps(record | more, indent=2, ensure_ascii=False) + "\n")
        _made.add(folder)
    enter_sweep(folder)
    announce(folder, begun_before=before is not None)
    return str(folder)


def _check_swept(folder: Path, swept: dict[str, int]) -> None:
    """Refuses a record whose grid is not that of its words: jobs would be numbered and named by another.

    Raises:
        UserError: it is not.
    """
    record = read_record(folder)
    if record is None or record.get("swept") != swept:
        problem = "its list of what is swept does not follow from its arguments"
        raise UserError("run", folder / RECORD, problem, "restore it, or start the sweep again")


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


def check_types(arguments: Sequence[str]) -> None:
    """Refuses a sweep before its first job where a value on the command line is not of its setting's type.

    A value out of range fails its own jobs only.

    Args:
        arguments: settings of the command line, quoted for Hydra.

    Raises:
        UserError: naming setting and value.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ChoiceSweep, QuotedString
    from hydra.errors import HydraException

    kinds = {name: kind for name, _, kind in typed.names(TrainSettings)}
    for argument in arguments:
        try:
            parsed = OverridesParser.create().parse_override(argument)
        except HydraException:  # told when Hydra reads it
            continue
        values, kind = parsed.value(), kinds.get(str(parsed.key_or_group))
        if kind is None or not isinstance(values, ChoiceSweep):
            continue
        for value in values.list:
            text = value.text if isinstance(value, QuotedString) else value
            if not (isinstance(text, str) and "${" in text):
                check_value(text, kind, Setting(""), name=str(parsed.key_or_group), convert=True)


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
    swept = record.get("swept") if record else None
    if not isinstance(swept, dict):
        return {}
    return {printable(name): count for name, count in swept.items() if type(count) is int and 0 <= count <= MAX_VALUES}


def num_jobs() -> int | None:
    """Jobs of the current sweep; None where its sweeper decides on the way."""
    total = 1
    for count in swept_settings().values():
        total *= count
    return total or None


def _job_folder(number: int, overrides: Any) -> str:
    listed = list(overrides) if isinstance(overrides, list | ListConfig) else []
    return job_folder(number, [str(o) for o in listed], set(swept_settings()))


def write_failure(folder: Path, name: str, error: BaseException, reason: str) -> None:
    """Leaves a summary that says why a run failed.

    Args:
        folder: the run's.
        name: the run's.
        error: that ended it.
        reason: the same in one line.
    """
    # What was known of an earlier end stays, but for what speaks of it as an end.
    before = {key: value for key, value in read_summary(folder).items() if key != "diverged"}
    summary = {**before, "status": "failed", "name": name, "error": reason}
    if isinstance(error, Diverged):
        summary["diverged"] = True
    write_text(folder / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
