"""The disk space of runs, and the checkpoints that a finished run can do without."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
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
            with suppress(OSError):  # deleted in the meantime
                status = os.lstat(os.path.join(place, name))
                sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def spare_checkpoints(record: RunRecord) -> list[Path]:
    """Returns a run's checkpoints other than best.ckpt and last.ckpt, and incomplete ones of killed processes.

    There are none in a run that has not finished, because it may need them to go on, nor in one that lacks best.ckpt or
    last.ckpt. Links are not followed.
    """
    folder = record.folder / CHECKPOINTS
    if record.status not in DONE or folder.is_symlink():
        return []
    files = {path: path.lstat() for path in (*folder.glob("*.ckpt"), *stale_parts(folder))}
    sizes = {path: status.st_size for path, status in files.items() if stat.S_ISREG(status.st_mode)}
    kept = folder / BEST, folder / LAST
    return sorted(path for path in sizes if path not in kept) if all(map(sizes.get, kept)) else []


def delete(record: RunRecord, files: Iterable[Path]) -> int:
    """Deletes those of the files that are still spare; returns their bytes.

    Raises:
        Refused: another process works on the run.
    """
    with locked(record.folder, remedy="wait for it"):
        spare = set(files).intersection(spare_checkpoints(read_record(record.folder)))
        size = sum(path.lstat().st_size for path in spare)
        for path in spare:
            path.unlink()
        return size
