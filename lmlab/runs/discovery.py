"""Finds the runs that `runs=` and `run=` name, their checkpoints, and what of them takes space and can be spared."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import yaml

from lmlab import locks
from lmlab.command_lines import for_shell
from lmlab.errors import UserError
from lmlab.files import expanded, shown
from lmlab.runs import files
from lmlab.runs.files import BEST, CHECKPOINTS, LAST, has_checkpoint
from lmlab.runs.records import JOB, RunRecord, read_record, read_sweep

LATEST = "latest"
# Where runs are unless another folder is given.
OUTPUTS = "outputs"
# Levels below a given folder: output_dir/<name>/<sweep>/<job>, and two more for names that contain slashes.
DEEPEST = 5
# Name of a checkpoint that was kept on the way.
KEPT = re.compile(r"step-\d+")
# A folder with any of these is a run's; a configuration alone does not make it one.
_MARKS = frozenset({files.SUMMARY, files.METRICS, files.HYDRA, files.SAMPLES})
_SWEEP_MARKS = frozenset({files.SWEEP, files.MULTIRUN})


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
        for folder in _meant(entry, expanded(output_dir)):
            folders.setdefault(os.path.realpath(folder), folder)
    found = list(folders.values())
    return [read_record(folder, label=label) for folder, label in zip(found, unique_labels(found), strict=True)]


def unique_labels(folders: Sequence[Path]) -> list[str]:
    """Returns the last parts of each path, as many as are needed to make it unique."""
    paths = [folder.absolute().parts for folder in folders]
    counts = Counter(path[i:] for path in paths for i in range(len(path)))
    unique = ([path[i:] for i in range(len(path)) if counts[path[i:]] == 1] or [path] for path in paths)
    return [Path(*ends[-1]).as_posix() for ends in unique]


def _entries(runs: str | Sequence[str]) -> list[str]:
    """Splits `runs` into entries, at commas unless the whole is the path of an existing file or folder."""
    if not isinstance(runs, str):
        given = [entry for run in runs for entry in _entries(str(run))]
    elif runs.startswith("[") and runs.endswith("]") and not _paths(runs):
        given = [runs]  # brackets may also be a character class in a glob
        with suppress(yaml.YAMLError):
            listed: list[object] = yaml.safe_load(runs)
            given = [runs] if any(isinstance(item, list | dict) for item in listed) else [*map(str, listed)]
    else:
        given = [runs] if _paths(runs) else runs.split(",")
    given = [entry.strip() for entry in given if entry.strip()]
    if not given:
        raise UserError("runs", runs, "names no run", "give a run's or a sweep's folder, or runs=latest")
    return given


def _paths(entry: str) -> list[Path]:
    """Returns the existing paths that a path or glob stands for."""
    path = os.path.expanduser(entry)
    return [Path(path)] if os.path.exists(path) else sorted(map(Path, glob.glob(path)), key=_in_order)


def _meant(entry: str, output_dir: Path) -> list[Path]:
    paths = _paths(entry)
    if entry == LATEST and not paths:
        newest = latest(output_dir)
        return _runs_at(newest.parent) if _SWEEP_MARKS & _names(newest.parent) else [newest]
    found = [folder for path in paths for folder in _runs_at(path)]
    if not found:
        problem = "no path matches" if glob.has_magic(entry) else "no such folder"
        if paths:
            problem = "holds no run (a folder with a summary.json, metrics.csv or .hydra in it)"
        remedy = f"give a run's or a sweep's folder below {shown(output_dir)}/, several with commas, or runs=latest"
        raise UserError("runs", entry, problem, remedy)
    return found


def _runs_at(path: Path) -> list[Path]:
    """Returns the runs at or below a folder; for a file, the run or sweep that it belongs to."""
    if path.is_dir():
        return sorted(_below(path, DEEPEST, set()), key=_in_order)
    for folder in list(path.absolute().parents)[:2]:
        if (_MARKS | _SWEEP_MARKS) & _names(folder):
            return _runs_at(folder)
    return []


def _below(folder: Path, depth: int, seen: set[str]) -> Iterator[Path]:
    """Yields all runs at most `depth` folders down; does not look for runs inside a run."""
    real, names = os.path.realpath(folder), _names(folder)
    if real in seen:
        return
    seen.add(real)
    if _MARKS & names or {files.CONFIG, files.TOKENIZER} <= names or has_checkpoint(folder):
        yield folder
        return
    for name in sorted(names):
        inside = folder / name
        if name.startswith(".") or not os.path.isdir(inside):  # False also for what may not be looked at
            continue
        if _SWEEP_MARKS & names and JOB.match(name):
            yield inside  # even if the job has written nothing yet
        elif depth > 0:
            yield from _below(inside, depth - 1, seen)


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def latest(output_dir: Path, *, field: str = "runs", wanted: Callable[[Path], bool] = lambda folder: True) -> Path:
    """Returns the wanted run that was last written to; `field` is the setting that asks for it, for the error.

    Raises:
        UserError: there is none.
    """
    if not output_dir.exists() and output_dir != Path(OUTPUTS):
        raise UserError("output_dir", shown(output_dir), "no such folder", "check the path, or leave it out")
    found = [run for run in _runs_at(output_dir) if wanted(run)] if output_dir.is_dir() else []
    if not found:
        raise UserError(field, LATEST, f"no runs below {shown(output_dir)}", "train one first: python -m lmlab.train")
    return max(found, key=written)


def written(folder: Path) -> float:
    """Returns when a run last wrote a file or checkpoint; locks and other subfolders, as of a report, do not count."""
    times = [0.0]
    for file in (place / name for place in (folder, folder / CHECKPOINTS) for name in _names(place) - {locks.NAME}):
        with suppress(OSError):  # deleted in the meantime
            status = file.stat()
            if not stat.S_ISDIR(status.st_mode):
                times.append(status.st_mtime)
    return max(times)


def _in_order(path: Path) -> list[list[tuple[int, str]]]:
    """Returns a sort key that puts `2_x` before `10_x` and sorts dates."""
    split = [re.split(r"(\d+)", part) for part in path.parts]
    return [[(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces] for pieces in split]


def find_run(run: str, *, output_dir: str, checkpoint: str | None = None) -> Path:
    """Returns the folder of a run.

    Args:
        run: a folder, a checkpoint in it, or ``latest``: of the runs below `output_dir` that have a checkpoint, the
            last written to.
        output_dir: below which runs lie.
        checkpoint: the one that is used; None for any.

    Raises:
        UserError: there is no such folder, it holds no run, or `run` is another checkpoint.
    """
    if run == LATEST:
        return latest(expanded(output_dir), field="run", wanted=has_checkpoint)
    if not run:
        raise UserError("run", '""', "names no folder", f"give a run's folder below {Path(output_dir)}/, or run=latest")
    folder = expanded(run)
    if folder.name in (BEST, LAST) or (checkpoint is not None and folder.suffix == ".ckpt" and folder.is_file()):
        which, folder = folder.stem, folder.parent.parent
        if which not in ("best", "last") and not KEPT.fullmatch(which):
            names = checkpoint_names(folder)
            remedy = f"give a run's folder below {Path(output_dir)}/, or run=latest"
            if names:
                there = "best" if "best" in names else names[-1]
                remedy = f"write {for_shell([f'run={folder}', f'checkpoint={there}'])}"
            raise UserError("run", run, "is no checkpoint of a run's", remedy)
        if checkpoint not in (None, which):
            remedy = f"write {for_shell([f'run={folder}', f'checkpoint={which}'])}"
            raise UserError("run", run, f"is a checkpoint, but checkpoint={checkpoint} would be used", remedy)
    if has_checkpoint(folder):
        return folder
    remedy = f"give a run's folder below {Path(output_dir)}/, or run=latest"
    checkpoints = (sorted(folder.glob(f"{above}/{CHECKPOINTS}/*.ckpt")) for above in ("*", "*/*"))
    if inside := next(filter(None, checkpoints), None):
        remedy = f"give one of them, for example {for_shell([f'run={inside[-1].parent.parent}'])}"
        damaged = os.path.lexists(folder / files.SWEEP) and read_sweep(folder) is None
        problem = "contains runs, but is not a run" + (", and its sweep.json is damaged" if damaged else "")
        raise UserError("run", run, problem, remedy)
    problem = "is not a run (it has no checkpoints/best.ckpt)" if folder.is_dir() else "not a folder"
    raise UserError("run", run, problem if folder.exists() else "no such folder", remedy)


def named_checkpoint(run: str) -> str | None:
    """Returns the name of the checkpoint whose path `run` is; None if it is a folder or ``latest``."""
    path = expanded(run)
    return path.stem if path.suffix == ".ckpt" and not path.is_dir() else None


def checkpoint_names(folder: Path) -> list[str]:
    """Returns the names of a run's checkpoints: the kept ones by step, then best and last."""
    there = {path.stem for path in (folder / CHECKPOINTS).glob("*.ckpt")}
    return sorted(filter(KEPT.fullmatch, there)) + [n for n in ("best", "last") if n in there]


def checkpoint_path(folder: Path, which: str) -> Path:
    """Returns the path of a run's checkpoint: ``best``, ``last`` or a kept one, ``step-<number>``.

    Raises:
        UserError: the run has no such checkpoint.
    """
    path = folder / CHECKPOINTS / f"{which}.ckpt"
    if not path.is_file():
        there = sorted(p.stem for p in path.parent.glob("*.ckpt") if p.is_file())
        same = [name for name in there if name.partition("-")[2].lstrip("0") == which.partition("-")[2].lstrip("0")]
        remedy = f"it has {', '.join(there)}: for example checkpoint={[*same, *there][0]}" if there else ""
        problem = f"{path.name} is not a file" if os.path.lexists(path) else f"has no {path.name}"
        raise UserError("checkpoint", which, f"{shown(folder)}: {problem}", remedy or "train the run again")
    return path


def num_bytes(folder: Path) -> int:
    """Returns the size of all files in a folder; of links only that of the link, and of a file with two names once."""
    sizes = {}
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # deleted in the meantime
                status = os.lstat(os.path.join(place, name))
                sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())
