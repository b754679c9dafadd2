"""Finds a run's folder and checkpoints."""

from __future__ import annotations

from pathlib import Path

from lmlab.errors import UserError
from lmlab.runs.discovery import LATEST, latest
from lmlab.runs.files import BEST, CHECKPOINTS, LAST, has_checkpoint


def find_run(run: str, *, output_dir: str) -> Path:
    """Returns the folder of a run.

    Args:
        run: a folder, or ``latest``: of the runs below `output_dir` that have a checkpoint, the last written to.
        output_dir: below which runs lie.

    Raises:
        UserError: there is no such folder, or it holds no run.
    """
    if run == LATEST:
        return latest(Path(output_dir), field="run", wanted=has_checkpoint)
    folder = Path(run).expanduser()
    if folder.name in (BEST, LAST):
        folder = folder.parent.parent
    if not folder.is_dir():
        problem = "no such folder" if not folder.exists() else "not a folder"
        raise UserError("run", run, problem, _remedy(Path(output_dir)))
    if not has_checkpoint(folder):
        inside = sorted(p.parent.parent for p in folder.glob(f"*/{CHECKPOINTS}/*.ckpt")) or sorted(
            p.parent.parent for p in folder.glob(f"*/*/{CHECKPOINTS}/*.ckpt")
        )
        if inside:
            raise UserError(
                "run", run, "contains runs, but is not a run", f"give one of them, for example run={inside[-1]}"
            )
        raise UserError("run", run, "is not a run (it has no checkpoints/best.ckpt)", _remedy(Path(output_dir)))
    return folder


def _remedy(output_dir: Path) -> str:
    return f"give a run's folder below {output_dir}/, or run=latest"


def checkpoint_names(folder: Path) -> list[str]:
    """Returns the names of a run's checkpoints: the kept ones by step, then best and last."""
    there = {path.stem for path in (folder / CHECKPOINTS).glob("*.ckpt")}
    return sorted(name for name in there if name.startswith("step-")) + [n for n in ("best", "last") if n in there]


def checkpoint_path(folder: Path, which: str) -> Path:
    """Returns the path of a checkpoint.

    Args:
        folder: a run's.
        which: ``best``, ``last`` or a kept checkpoint, ``step-<number>``.

    Raises:
        UserError: the run has no such checkpoint.
    """
    path = folder / CHECKPOINTS / f"{which}.ckpt"
    if not path.is_file():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.ckpt")))
        raise UserError(
            "checkpoint",
            which,
            f"{folder} has no {path.name}",
            f"it has {there}: for generate and evaluate add checkpoint={there}",
        )
    return path
