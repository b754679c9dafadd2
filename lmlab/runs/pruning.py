"""Checkpoints that a finished run does not need: which they are, and their deletion."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

from lmlab import locks
from lmlab.digests import has_digest
from lmlab.errors import UserError
from lmlab.files import stale_parts
from lmlab.runs.discovery import KEPT
from lmlab.runs.files import BEST, BEST_BEFORE_END, CHECKPOINTS, LAST, PREVIOUS
from lmlab.runs.records import RunRecord, read_record
from lmlab.runs.summary import DONE

_OWN_NAMES = (BEST, LAST, PREVIOUS, BEST_BEFORE_END)


def spare_checkpoints(record: RunRecord) -> list[Path]:
    """Returns a run's checkpoints other than best.ckpt and last.ckpt, and incomplete ones of killed processes.

    Files of other names are a user's own. There are none in a run that has not finished, because it may need them to go
    on, nor in one that lacks best.ckpt or last.ckpt. Links are not followed.
    """
    folder = record.folder / CHECKPOINTS
    if record.status not in DONE or folder.is_symlink():
        return []
    named = (path for path in folder.glob("*.ckpt") if path.name in _OWN_NAMES or KEPT.fullmatch(path.stem))
    found = {path: path.lstat() for path in (*named, *stale_parts(folder))}
    sizes = {path: status.st_size for path, status in found.items() if stat.S_ISREG(status.st_mode)}
    kept = folder / BEST, folder / LAST
    return sorted(path for path in sizes if path not in kept) if all(map(sizes.get, kept)) else []


def delete(record: RunRecord, spare: Iterable[Path]) -> int:
    """Deletes those of the checkpoints that are still spare; returns their bytes.

    Raises:
        Refused: another process works on the run.
    """
    with locks.locked(record.folder, remedy="wait for it"):
        left = set(spare).intersection(spare_checkpoints(read_record(record.folder)))
        size = sum(path.lstat().st_size for path in left)
        for path in left:
            path.unlink()
        return size


def damage(record: RunRecord) -> str:
    """Returns which of the checkpoints that a run keeps is damaged, and how; empty if none is."""
    for name in (BEST, LAST):
        try:
            has_digest(record.folder / CHECKPOINTS / name)
        except UserError as error:
            return f"{name} {error.problem}"
    return ""
