"""Reads a sweep's folder: its jobs, and how many it will have."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from lmlab import plain_yaml
from lmlab.errors import UserError
from lmlab.runs.files import HYDRA, SWEEP

# Name of a job's folder: its number, then its settings.
JOB = re.compile(r"(\d+)(_|$)")
# Maximum number of bytes of a record, because it may come from others.
MAX_RECORD = 1_000_000


def read_overrides(folder: Path) -> dict[str, str]:
    """Reads the overrides that a job was started with, from Hydra's record."""
    try:
        listed = plain_yaml.read(folder / HYDRA / "overrides.yaml")
    except UserError:
        return {}
    return overrides_as_settings(listed) if isinstance(listed, list) else {}


def overrides_as_settings(overrides: Sequence[object]) -> dict[str, str]:
    """Returns `key=value` words as a mapping, without the quotes that Hydra puts around values."""
    pairs = (str(override).lstrip("+~").partition("=") for override in overrides)
    return {key: _unquoted(value) for key, _, value in pairs}


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == "'" else value


def jobs_left(sweep: Path, folders: Collection[Path]) -> int:
    """Counts the jobs of a sweep that have not been started; 0 if only some of the started ones were selected.

    Args:
        sweep: its folder.
        folders: of the runs that were selected for the report.
    """
    begun = job_folders(sweep)
    return max(0, (planned_jobs(sweep) or 0) - len(begun)) if begun <= set(folders) else 0


def job_folders(sweep: Path) -> set[Path]:
    """Returns the folders of the jobs that have been started."""
    return {path for path in sweep.iterdir() if JOB.match(path.name) and path.is_dir()}


def planned_jobs(sweep: Path) -> int | None:
    """Returns how many jobs a sweep will have; None if unknown."""
    try:
        counts = (read_sweep(sweep) or {})["swept"].values()
        return math.prod(map(int, counts)) or None  # 0 if the sweeper decides while it runs
    except (UserError, ValueError, LookupError, TypeError, AttributeError):
        return None


def read_sweep(folder: Path) -> dict[str, Any] | None:
    """Returns the record of how a sweep was started; None if the folder contains no sweep.

    Raises:
        UserError: it is too large for a record.
    """
    try:
        path = folder / SWEEP
        if path.stat().st_size > MAX_RECORD:
            raise UserError("run", path, "is not a record of a sweep", "start the sweep again")
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
