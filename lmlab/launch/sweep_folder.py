"""Finds or creates the folder of a sweep, and its record, from which a sweep is resumed."""

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
from lmlab.command_lines import for_shell
from lmlab.config.folders import job_folder, new_run_folder, remove_empty_parents
from lmlab.errors import UserError, printable
from lmlab.files import expanded, shown, write_text
from lmlab.locks import lock
from lmlab.runs.files import MULTIRUN, RESULTS, SWEEP
from lmlab.runs.records import read_sweep
from lmlab.terminal import fitted

# Maximum number of values of a swept setting, because a record may come from others.
MAX_VALUES = 100_000
# Environment variable with the sweep's folder, also for jobs that a launcher starts in other processes.
_VARIABLE = "LMLAB_SWEEP_FOLDER"

# Held while this process works on the sweep; the operating system releases the lock when the process ends.
_locks: list[FileLock] = []
# Folders of sweeps that this process created, and may remove.
_made: set[Path] = set()


# Arguments that name trusted packages. They are not passed to Hydra, but they are part of the command.
_plugins: list[str] = []


def remember_plugins(words: Sequence[str]) -> None:
    """Stores the arguments that name trusted packages, for the sweep's record, which says what to type again."""
    _plugins[:] = words


def typed_plugins() -> list[str]:
    """Returns the arguments that name trusted packages."""
    return list(_plugins)


def register_resolvers() -> None:
    """Registers OmegaConf resolvers for the folders of sweeps and jobs."""
    OmegaConf.register_new_resolver("lmlab_sweep_folder", _sweep_folder, replace=True)
    OmegaConf.register_new_resolver("lmlab_job_folder", _job_folder, replace=True)


def current_sweep() -> Path | None:
    """Returns the folder of the sweep that this process works on; None if there is none."""
    folder = os.environ.get(_VARIABLE)
    return Path(folder) if folder else None


def leave_sweep() -> None:
    """Forgets the sweep; the next one gets its own folder."""
    os.environ.pop(_VARIABLE, None)
    for taken in _locks:
        taken.release()
    _locks.clear()


def enter_sweep(folder: Path) -> None:
    """Locks a sweep's folder and makes it the current sweep of this process.

    Raises:
        UserError: another process works on it, or something is in the place of a file that the sweep writes.
    """
    _check_own_files(folder)
    _locks.append(lock(folder, "sweep", "wait for it, or start another with fresh=true"))
    os.environ[_VARIABLE] = str(folder)


def _check_own_files(folder: Path) -> None:
    """Checks that what a sweep writes into its folder are files there: through a link a file elsewhere would be lost.

    Raises:
        UserError: one of them is a link, a folder, or anything else that is no file.
    """
    for path in (folder / name for name in (SWEEP, MULTIRUN, RESULTS, locks.NAME)):
        if path.is_symlink() or (path.exists() and not path.is_file()):
            kind = "a symbolic link" if path.is_symlink() else "a folder" if path.is_dir() else "not a regular file"
            raise UserError("run", shown(path), f"is {kind}, and the sweep writes a file there", "move it away")


def remove_if_unused() -> None:
    """Removes the current sweep's folder if this process created it and it has no job (a refused configuration)."""
    folder = current_sweep()
    harmless = (SWEEP, MULTIRUN, locks.NAME)
    if folder is None or folder not in _made or any(path.name not in harmless for path in folder.iterdir()):
        return
    shutil.rmtree(folder)
    remove_empty_parents(folder)


def _sweep_folder(parent: str, fresh: bool, parameters: Any) -> str:
    """Returns the folder of the sweep on the command line: the one in which it was started earlier, or a new one."""
    current = current_sweep()
    if current is not None:
        if _locks:  # not in a launcher's worker process, which does not have the command line
            _check_swept(current, _swept(parameters))
        return str(current)
    ignored = ("fresh=", "stop_after_tokens=", "-m", "--multirun")
    words = [*_plugins, *(a for a in sys.argv[1:] if not a.startswith(ignored))]
    record = {"arguments": words, "directory": os.getcwd()}
    before = None if fresh else _started_earlier(expanded(parent), record)
    folder = before or Path(new_run_folder(parent))
    if before is None:
        more = {"swept": _swept(parameters), "begun": datetime.now().isoformat(timespec="seconds")}
        write_text(folder / SWEEP, json.dumps(record | more, indent=2, ensure_ascii=False) + "\n")
        _made.add(folder)
    enter_sweep(folder)
    announce(folder, started_earlier=before is not None)
    return str(folder)


def _check_swept(folder: Path, swept: dict[str, int]) -> None:
    """Checks that the record's grid agrees with its arguments, because the numbers and names of jobs depend on it.

    Raises:
        UserError: it does not.
    """
    record = read_sweep(folder)
    if record is None or record.get("swept") != swept:
        problem = "its sweep parameters do not match its arguments"
        raise UserError("run", folder / SWEEP, problem, "restore it, or start the sweep again")


def announce(folder: Path, *, started_earlier: bool) -> None:
    """Prints what is about to run."""
    total, names = num_jobs(), ", ".join(swept_settings())
    jobs_of = f" of {total} {'job' if total == 1 else 'jobs'}" if total else ""
    over = f" over {names}" if names else ""
    print(fitted(f"sweep{jobs_of}{over}, in {for_shell([shown(folder)])}; details are in each job's train.log"))
    if started_earlier:
        print(fitted("it was started earlier: finished jobs are kept (fresh=true starts again in a new folder)"))
    print(flush=True)


def _started_earlier(parent: Path, record: dict[str, Any]) -> Path | None:
    """Returns the latest sweep below `parent` that was started with the same arguments in the same folder."""
    if not parent.is_dir():
        return None
    for folder in sorted(parent.iterdir(), reverse=True):
        found = read_sweep(folder) if folder.is_dir() else None
        if found is not None and all(found.get(key) == value for key, value in record.items()):
            return folder.absolute()
    return None


def _swept(parameters: Any) -> dict[str, int]:
    """Returns the settings with several values, on the command line or in a preset, and the number of values."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ChoiceSweep, RangeSweep

    from lmlab.launch.grid import range_length

    arguments = [a for a in sys.argv[1:] if "=" in a and not a.startswith("-")]
    preset = [f"{key}={value}" for key, value in parameters.items()] if isinstance(parameters, Mapping) else []
    counts: dict[str, int] = {}
    for parsed in OverridesParser.create().parse_overrides([*preset, *arguments]):
        name = str(parsed.key_or_group)
        counts.pop(name, None)  # the command line overrides the preset
        if parsed.is_sweep_override():
            value = parsed.value()
            listed = len(value.list) if isinstance(value, ChoiceSweep) else 0
            # 0 for an interval or glob(*): only a sweeper can count.
            counts[name] = (range_length(value) or 0) if isinstance(value, RangeSweep) else listed
    return counts


def swept_settings() -> dict[str, int]:
    """Returns the settings swept by the current sweep, and the number of values of each (0 if it is unknown)."""
    folder = current_sweep()
    record = read_sweep(folder) if folder is not None else None
    swept = record.get("swept") if record else None
    if not isinstance(swept, dict):
        return {}
    return {printable(name): count for name, count in swept.items() if type(count) is int and 0 <= count <= MAX_VALUES}


def num_jobs() -> int | None:
    """Returns the number of jobs of the current sweep; None if its sweeper determines it as it runs."""
    total = 1
    for count in swept_settings().values():
        total *= count
    return total or None


def _job_folder(number: int, overrides: Any) -> str:
    listed = list(overrides) if isinstance(overrides, list | ListConfig) else []
    return job_folder(number, [str(o) for o in listed], set(swept_settings()))
