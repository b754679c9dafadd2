"""The disk space of runs, and the checkpoints that a finished run can do without."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from lmlab.files import stale_parts
from lmlab.locks import locked
from lmlab.runs.files import BEST, CHECKPOINTS, LAST
from lmlab.runs.records import RunRecord, read_record
from lmlab.runs.summary import DONE


def num_bytes(folder: Path) -> int:
    """Returns the size of all files in a folder; of links only that of the link, and of a file with two names once."""
    sizes = {}
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(place, name))
            except OSError:  # deleted in the meantime
                continue
            sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def spare_checkpoints(record: RunRecord) -> list[Path]:
    """Returns a run's checkpoints other than best.ckpt and last.ckpt, and incomplete ones of killed processes.

    There are none in a run that has not finished, because it may need them to go on, nor in one that lacks best.ckpt or
    last.ckpt. Links are not followed.
    """
    folder = record.folder / CHECKPOINTS
    if record.status not in DONE or folder.is_symlink() or not all(map(_is_kept, (folder / BEST, folder / LAST))):
        return []
    spare = (path for path in folder.glob("*.ckpt") if path.name not in (BEST, LAST))
    return sorted(path for path in (*spare, *stale_parts(folder)) if stat.S_ISREG(path.lstat().st_mode))


def _is_kept(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size > 0


def delete(record: RunRecord, files: Iterable[Path]) -> int:
    """Deletes those of the files that are still spare; returns their bytes.

    Raises:
        Refused: another process works on the run.
    """
    with locked(record.folder, remedy="wait for it"):
        return sum(_deleted(set(files).intersection(spare_checkpoints(read_record(record.folder)))))


def _deleted(files: Iterable[Path]) -> Iterator[int]:
    for path in files:
        size = path.lstat().st_size
        path.unlink()
        yield size
