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
from lmlab.config import typed
from lmlab.config.compose import compose_settings
from lmlab.config.folders import job_folder, new_run_folder, remove_empty_parents
from lmlab.config.plugins import PluginError
from lmlab.config.presets import search_path
from lmlab.config.setting import Setting, check_value
from lmlab.config.settings import TrainSettings
from lmlab.errors import UserError, printable
from lmlab.files import shown, write_text
from lmlab.locks import lock
from lmlab.runs.files import MULTIRUN, SWEEP
from lmlab.runs.records import read_sweep

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
        UserError: another process works on it.
    """
    _locks.append(lock(folder, "sweep", "wait for it, or start another with fresh=true"))
    os.environ[_VARIABLE] = str(folder)


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
    before = None if fresh else _started_earlier(Path(parent).expanduser(), record)
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
    """Prints what is about to run; Hydra then composes every job once, which takes a while if there are many."""
    total, names = num_jobs(), ", ".join(swept_settings())
    jobs_of = f" of {total} {'job' if total == 1 else 'jobs'}" if total else ""
    over = f" over {names}" if names else ""
    print(f"sweep{jobs_of}{over}, in {shown(folder)}; details are in each job's train.log")
    if started_earlier:
        print("it was started earlier: finished jobs are kept (fresh=true starts again in a new folder)")
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


def check_types(arguments: Sequence[str]) -> None:
    """Checks before the first job of a sweep that each value on the command line has its setting's type.

    A value out of range is not detected here; it makes only its own jobs fail.

    Args:
        arguments: settings on the command line, quoted for Hydra.

    Raises:
        UserError: a value has the wrong type; names setting and value.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ChoiceSweep, QuotedString
    from hydra.errors import HydraException

    kinds = {name: kind for name, _, kind in typed.names(TrainSettings)}
    for argument in arguments:
        try:
            parsed = OverridesParser.create().parse_override(argument)
        except HydraException:  # reported when Hydra reads it
            continue
        values, kind = parsed.value(), kinds.get(str(parsed.key_or_group))
        if kind is None or not isinstance(values, ChoiceSweep):
            continue
        for value in values.list:
            text = value.text if isinstance(value, QuotedString) else value
            if not (isinstance(text, str) and "${" in text):
                check_value(text, kind, Setting(""), name=str(parsed.key_or_group), convert=True)


def check_trust(settings: Sequence[str], own: Sequence[Path]) -> None:
    """Checks before a sweep begins that its parts of users' own packages are trusted.

    The first values of all swept settings are composed, and each option of a swept group with them.

    Args:
        settings: on the command line, quoted for Hydra.
        own: the user's own folders of configuration, without which no such part can be chosen.

    Raises:
        PluginError: a package is not trusted, or cannot be used.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    values: dict[str, list[str]] = {}
    for word in settings:
        key = word.partition("=")[0]
        try:
            parsed = OverridesParser.create().parse_override(word)
            swept = list(parsed.sweep_string_iterator()) if parsed.is_sweep_override() else []
        except (HydraException, ValueError, TypeError):  # reported when Hydra reads it
            continue
        values[key] = [f"{key}={value}" for value in swept] or [word]
    first = {key: words[0] for key, words in values.items()}
    for key, words in values.items():
        for word in words if "." not in key else words[:1]:
            try:
                compose_settings("train", TrainSettings, [*(first | {key: word}).values(), *search_path(own)])
            except PluginError:
                raise
            except UserError:  # reported for each job
                continue


def _swept(parameters: Any) -> dict[str, int]:
    """Returns the settings with several values, on the command line or in a preset, and the number of values."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    arguments = [a for a in sys.argv[1:] if "=" in a and not a.startswith("-")]
    preset = [f"{key}={value}" for key, value in parameters.items()] if isinstance(parameters, Mapping) else []
    counts: dict[str, int] = {}
    for parsed in OverridesParser.create().parse_overrides([*preset, *arguments]):
        name = str(parsed.key_or_group)
        counts.pop(name, None)  # the command line overrides the preset
        if parsed.is_sweep_override():
            try:
                counts[name] = sum(1 for _ in parsed.sweep_string_iterator())
            except (HydraException, ValueError, TypeError):  # an interval or glob(*): only a sweeper can count
                counts[name] = 0
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
