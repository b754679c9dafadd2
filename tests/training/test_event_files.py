"""TensorBoard's files: written at once, readable by TensorBoard, and cut back to a checkpoint."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lmlab.training import event_files
from lmlab.training.event_files import RunLogger, cut_back, sizes


def points(folder: Path, tag: str = "loss") -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in EventAccumulator(str(folder)).Reload().Scalars(tag)]


def test_points_are_on_disk_before_anything_is_flushed(tmp_path: Path) -> None:
    logger = RunLogger(tmp_path)
    for step in range(5):
        logger.log_metrics({"loss": step / 2}, step)
        assert points(tmp_path) == [(s, s / 2) for s in range(step + 1)]
    assert not list(tmp_path.glob("*.yaml"))
    logger.save()
    assert [path.name for path in tmp_path.iterdir()] == list(sizes(tmp_path))


def test_what_came_after_a_checkpoint_is_cut(tmp_path: Path) -> None:
    logger = RunLogger(tmp_path)
    for step in (1, 2):
        logger.log_metrics({"loss": float(step)}, step)
    at_checkpoint = sizes(tmp_path)
    for step in (3, 4):
        logger.log_metrics({"loss": -1.0}, step)
    logger.finalize("success")
    logger.log_metrics({"loss": -2.0}, 5)  # in a file of its own
    assert len(sizes(tmp_path)) == 2
    cut_back(tmp_path, at_checkpoint)
    assert sizes(tmp_path) == at_checkpoint
    again = RunLogger(tmp_path, purge_from=3)
    for step in (3, 4, 5):
        again.log_metrics({"loss": float(step)}, step)
    assert points(tmp_path) == [(step, float(step)) for step in range(1, 6)]


def test_a_tensorboard_that_looks_on_forgets_what_is_written_again(tmp_path: Path) -> None:
    watching = EventAccumulator(str(tmp_path))
    first = RunLogger(tmp_path)
    for step in (1, 2, 3):
        first.log_metrics({"loss": -float(step)}, step)
    watching.Reload()
    cut_back(tmp_path, sizes(tmp_path))
    RunLogger(tmp_path, purge_from=2).log_metrics({"loss": 2.0}, 2)
    watching.Reload()
    assert [(event.step, event.value) for event in watching.Scalars("loss")] == [(1, -1.0), (2, 2.0)]


def test_a_checkpoint_of_an_older_lmlab_cuts_nothing(tmp_path: Path) -> None:
    RunLogger(tmp_path).log_metrics({"loss": 1.0}, 1)
    before = sizes(tmp_path)
    cut_back(tmp_path, None)
    assert sizes(tmp_path) == before


class _Full:
    name = "events.out.tfevents.x"

    def __init__(self, takes: int) -> None:
        self.takes = takes

    def write(self, data: bytes) -> int:
        if self.takes == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return min(len(data), self.takes)


@pytest.mark.parametrize("takes", [0, 3])
def test_a_full_disk_is_an_error_that_names_the_file(takes: int, tmp_path: Path) -> None:
    writer: Any = event_files._EventWriter(tmp_path)
    writer._file = _Full(takes)
    with pytest.raises(OSError, match="No space left") as caught:
        writer.add_event(event_files.Event(step=1))
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == _Full.name
    logger = RunLogger(tmp_path)
    logger.experiment._get_file_writer().event_writer = writer
    with pytest.raises(OSError, match="No space left"):
        logger.log_metrics({"loss": 1.0}, 1)
