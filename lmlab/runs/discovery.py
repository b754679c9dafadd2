"""Finds the runs that `runs=` names."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import yaml

from lmlab import locks
from lmlab.errors import UserError
from lmlab.files import shown
from lmlab.runs.files import (
    CHECKPOINTS,
    CONFIG,
    HYDRA,
    METRICS,
    MULTIRUN,
    SAMPLES,
    SUMMARY,
    SWEEP,
    TOKENIZER,
    has_checkpoint,
)  # fmt: skip
from lmlab.runs.records import RunRecord, read_record
from lmlab.runs.sweeps import JOB

LATEST = "latest"
# Levels below a given folder: output_dir/<name>/<sweep>/<job>, and two more for names that contain slashes.
DEEPEST = 5
# A folder with any of these is a run's; a configuration alone does not make it one.
_MARKS = frozenset({SUMMARY, METRICS, HYDRA, SAMPLES})
_SWEEP_MARKS = frozenset({SWEEP, MULTIRUN})


def find_records(runs: str | Sequence[str], *, output_dir: str) -> list[RunRecord]:
    """Returns the named runs, each once, in the order of the entries; the runs of one folder by number or date.

    Args:
        runs: ``latest`` (the run or sweep below `output_dir` that was last written to), the folder of a run or sweep, a
            folder above several runs, a glob, or several of these: as a list, separated by commas, or as YAML.
        output_dir: below which runs lie.

    Raises:
        UserError: an entry that names no run.
    """
    folders: dict[str, Path] = {}
    for entry in _entries(runs):
        for folder in _meant(entry, Path(output_dir).expanduser()):
            folders.setdefault(os.path.realpath(folder), folder)
    found = list(folders.values())
    return [read_record(folder, label=label) for folder, label in zip(found, unique_labels(found), strict=True)]


def unique_labels(folders: Sequence[Path]) -> list[str]:
    """Returns the last parts of each path, as many as are needed to make it unique."""
    parts = [folder.absolute().parts for folder in folders]
    used = [1] * len(parts)
    while True:
        labels = [Path(*path[-count:]).as_posix() for path, count in zip(parts, used, strict=True)]
        counts: dict[str, int] = {}
        for label in labels:
            counts[label] = counts.get(label, 0) + 1
        longer = [i for i, label in enumerate(labels) if counts[label] > 1 and used[i] < len(parts[i])]
        if not longer:
            return labels
        for i in longer:
            used[i] += 1


def _entries(runs: str | Sequence[str]) -> list[str]:
    """Splits `runs` into entries, at commas unless the whole is the path of an existing file or folder."""
    if not isinstance(runs, str):
        given = [entry for run in runs for entry in _entries(str(run))]
    elif _matches(runs):
        given = [runs]
    elif runs.startswith("[") and runs.endswith("]"):
        given = _yaml_list(runs)
    else:
        given = runs.split(",")
    given = [entry.strip() for entry in given if entry.strip()]
    if not given:
        raise UserError("runs", runs, "names no run", "give a run's or a sweep's folder, or runs=latest")
    return given


def _matches(path: str) -> bool:
    path = os.path.expanduser(path)
    return os.path.exists(path) or (glob.has_magic(path) and bool(glob.glob(path)))


def _yaml_list(text: str) -> list[str]:
    try:
        listed = yaml.safe_load(text)
    except yaml.YAMLError:
        listed = None
    # Brackets may also be a character class in a glob.
    if not isinstance(listed, list) or any(isinstance(item, list | dict) for item in listed):
        return [text]
    return [str(item) for item in listed]


def _meant(entry: str, output_dir: Path) -> list[Path]:
    if entry == LATEST and not Path(entry).exists():
        return _latest(output_dir)
    path = Path(entry).expanduser()
    paths = [path] if path.exists() else sorted(map(Path, glob.glob(str(path))), key=_in_order)
    remedy = f"give a run's or a sweep's folder below {shown(output_dir)}/, several with commas, or runs=latest"
    if not paths:
        problem = "no path matches" if glob.has_magic(entry) else "no such folder"
        raise UserError("runs", entry, problem, remedy)
    found = [folder for path in paths for folder in _runs_at(path)]
    if not found:
        problem = "holds no run (a folder with a summary.json, metrics.csv or .hydra in it)"
        raise UserError("runs", entry, problem, remedy)
    return found


def _runs_at(path: Path) -> list[Path]:
    """Returns the runs at or below a folder; for a file, the run or sweep that it belongs to."""
    if path.is_dir():
        return sorted(_below(path, DEEPEST, set()), key=_in_order)
    for folder in list(path.absolute().parents)[:2]:
        names = _names(folder)
        if _MARKS & names:
            return [folder]
        if is_sweep(folder):
            return _runs_at(folder)
    return []


def _below(folder: Path, depth: int, seen: set[str]) -> Iterator[Path]:
    """Yields all runs at most `depth` folders down; does not look for runs inside a run."""
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    names = _names(folder)
    if _is_run(folder, names):
        yield folder
        return
    in_sweep = bool(_SWEEP_MARKS & names)
    for name in sorted(names):
        inside = folder / name
        if name.startswith(".") or not inside.is_dir():
            continue
        if in_sweep and JOB.match(name):
            yield inside  # even if the job has written nothing yet
        elif depth > 0:
            yield from _below(inside, depth - 1, seen)


def _is_run(folder: Path, names: set[str]) -> bool:
    return bool(_MARKS & names) or {CONFIG, TOKENIZER} <= names or (CHECKPOINTS in names and has_checkpoint(folder))


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def _latest(output_dir: Path) -> list[Path]:
    """Returns the latest run below `output_dir`, or its whole sweep if it is a job of one."""
    newest = latest(output_dir)
    return _runs_at(newest.parent) if is_sweep(newest.parent) else [newest]


def latest(output_dir: Path, *, field: str = "runs", wanted: Callable[[Path], bool] = lambda folder: True) -> Path:
    """Returns the run that was last written to.

    Args:
        output_dir: below which runs lie.
        field: the setting that asks for it, for the error.
        wanted: which runs count.

    Raises:
        UserError: there is none.
    """
    found = [run for run in _runs_at(output_dir) if wanted(run)] if output_dir.is_dir() else []
    if not found:
        raise UserError(field, LATEST, f"no runs below {shown(output_dir)}", "train one first: python -m lmlab.train")
    return max(found, key=written)


def is_sweep(folder: Path) -> bool:
    """Returns whether a folder is a sweep's."""
    return bool(_SWEEP_MARKS & _names(folder))


def written(folder: Path) -> float:
    """Returns when a run last wrote a file or checkpoint; other files in subfolders, such as a report's, do not count.

    Locking a folder does not count either.
    """
    files = [place / name for place in (folder, folder / CHECKPOINTS) for name in _names(place) if name != locks.NAME]
    return max((_changed(file) for file in files if not file.is_dir()), default=0.0)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _in_order(path: Path) -> list[list[tuple[int, str]]]:
    """Returns a sort key that puts `2_x` before `10_x` and sorts dates."""
    return [list(_pieces(part)) for part in path.parts]


def _pieces(name: str) -> Iterable[tuple[int, str]]:
    return ((int(piece), "") if piece.isdecimal() else (-1, piece) for piece in re.split(r"(\d+)", name))
