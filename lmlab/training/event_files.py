"""TensorBoard's event files of a run: written without delay, and truncated to a checkpoint when the run is resumed."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # type: ignore[import-untyped]
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.writer import FileWriter

PATTERN = "events.out.tfevents.*"
# TensorBoard orders groups of curves by name and opens the first two. So these stand behind `train/` and `val/`.
_VITALS = ("epoch", "lr", "num_parameters", "tokens_per_second", "clip_fraction", "grad_norm", "grad_norm_clipped")


class RunLogger(TensorBoardLogger):
    """Lightning's TensorBoard logger with a writer that uses no thread, writing into the run's own folder.

    The usual writer passes each point to a thread: points that the thread has not yet written are lost if the process
    is killed, and once a full disk has ended the thread, the training waits for it forever.

    Args:
        folder: the run's folder.
        purge_from: the step from which on a running TensorBoard discards what it has read; None to discard nothing.
    """

    def __init__(self, folder: Path, *, purge_from: int | None = None) -> None:
        super().__init__(save_dir=str(folder), name="", version="")
        self._experiment = _Writer(log_dir=str(folder))
        if purge_from is not None:
            restarted = Event(session_log=SessionLog(status=SessionLog.START))
            self._experiment._get_file_writer().add_event(restarted, step=purge_from)

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Writes figures.

        Raises:
            OSError: the disk is full; Lightning would report it as a figure of an unsupported type.
        """
        try:
            super().log_metrics({tag_of(name): value for name, value in metrics.items()}, step)
        except ValueError as error:
            if isinstance(error.__cause__, OSError):
                raise error.__cause__ from None
            raise

    def save(self) -> None:
        """Does nothing: no hparams.yaml is written, because config.yaml has the settings."""


def tag_of(name: str) -> str:
    """Returns the tag of a figure, by which TensorBoard groups the curves."""
    return f"vitals/{name}" if name in _VITALS or name.startswith("grad_norm/") else name


class _Writer(SummaryWriter):
    """torch's writer with all its methods to add points, but with lmlab's own files."""

    file_writer: Any
    all_writers: Any

    def _get_file_writer(self) -> Any:
        if self.file_writer is None:
            self.file_writer = _FileWriter(self.log_dir)
            self.all_writers = {self.log_dir: self.file_writer}
        return self.file_writer


class _FileWriter(FileWriter):
    def __init__(self, log_dir: str) -> None:
        # Does not call the parent's constructor, which would start a thread.
        self.event_writer = _EventWriter(Path(log_dir))

    def get_logdir(self) -> str:
        """Returns the run's folder."""
        return str(self.event_writer.folder)


class _EventWriter:
    """Appends events to a file, with one system call per event."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: Any = None

    def add_event(self, event: Event) -> None:
        """Writes an event; the first one creates the file."""
        if self._file is None:
            now = time.time()
            name = f"events.out.tfevents.{now:.6f}.{socket.gethostname()}.{os.getpid()}"
            self._file = (self.folder / name).open("ab", buffering=0)
            self._write(Event(wall_time=now, file_version="brain.Event:2"))
        self._write(event)

    def _write(self, event: Event) -> None:
        record = _Collected()
        RecordWriter(record).write(event.SerializeToString())
        try:
            written = self._file.write(record.data)
        except OSError as error:
            error.filename = self._file.name
            raise
        if written != len(record.data):
            raise OSError(28, "No space left on device", self._file.name)

    def flush(self) -> None:
        """Does nothing, because nothing is buffered."""

    def reopen(self) -> None:
        """Does nothing, because the next event opens a file."""

    def close(self) -> None:
        """Closes the file; a later event opens another."""
        if self._file is not None:
            self._file.close()
            self._file = None


class _Collected:
    """Collects everything that a RecordWriter writes in one piece."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


def sizes(folder: Path) -> dict[str, int]:
    """Returns the size in bytes of each of the run's event files, for a checkpoint."""
    return {path.name: path.stat().st_size for path in sorted(folder.glob(PATTERN))}


def cut_back(folder: Path, to: dict[str, int] | None) -> None:
    """Removes what was written after a checkpoint, because the resumed run writes it again.

    Args:
        folder: the run's folder.
        to: the sizes at the checkpoint; files that did not exist then are removed. None, from a checkpoint of an older
            lmlab, removes nothing.
    """
    if to is None:
        return
    for path in folder.glob(PATTERN):
        size = to.get(path.name)
        if size is None:
            path.unlink()
        elif path.stat().st_size > size:
            os.truncate(path, size)
