"""TensorBoard's files of a run, written at once and cut back to a checkpoint when the run goes on."""

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


class RunLogger(TensorBoardLogger):
    """Lightning's TensorBoard logger on a writer without a thread of its own, into the run's own folder.

    The usual writer hands each point to a thread: what that has not written yet is lost with a killed process, and
    once a full disk has ended the thread, the training waits for it for ever.

    Args:
        folder: the run's.
        purge_from: tells a TensorBoard that is looking on to forget what it has read from this step on; None nothing.
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
            OSError: the disk is full; Lightning would call it a figure of an unsupported kind.
        """
        try:
            super().log_metrics(metrics, step)
        except ValueError as error:
            if isinstance(error.__cause__, OSError):
                raise error.__cause__ from None
            raise

    def save(self) -> None:
        """Writes no hparams.yaml: config.yaml has the settings."""


class _Writer(SummaryWriter):
    """All of torch's methods to add points, and our files below them."""

    file_writer: Any
    all_writers: Any

    def _get_file_writer(self) -> Any:
        if self.file_writer is None:
            self.file_writer = _FileWriter(self.log_dir)
            self.all_writers = {self.log_dir: self.file_writer}
        return self.file_writer


class _FileWriter(FileWriter):
    def __init__(self, log_dir: str) -> None:
        # Not the parent's, which would start a thread.
        self.event_writer = _EventWriter(Path(log_dir))

    def get_logdir(self) -> str:
        """The run's folder."""
        return str(self.event_writer.folder)


class _EventWriter:
    """Appends events to a file of its own, one system call each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: Any = None

    def add_event(self, event: Event) -> None:
        """Writes an event; the first one makes the file."""
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
        """Nothing is held back."""

    def reopen(self) -> None:
        """The next event opens a file."""

    def close(self) -> None:
        """Closes the file; a later event opens another."""
        if self._file is not None:
            self._file.close()
            self._file = None


class _Collected:
    """What a RecordWriter writes, in one piece."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each of the run's event files, for a checkpoint."""
    return {path.name: path.stat().st_size for path in sorted(folder.glob(PATTERN))}


def cut_back(folder: Path, to: dict[str, int] | None) -> None:
    """Takes away what was written after a checkpoint, for the run that goes on writes it again.

    Args:
        folder: the run's.
        to: the sizes at the checkpoint; files that were not there then are removed. None, of a checkpoint of an older
            lmlab, leaves all.
    """
    if to is None:
        return
    for path in folder.glob(PATTERN):
        size = to.get(path.name)
        if size is None:
            path.unlink()
        elif path.stat().st_size > size:
            os.truncate(path, size)
