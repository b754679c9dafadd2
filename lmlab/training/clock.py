"""Time spent training, without evaluation and samples."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """A stopwatch that callbacks pause while they do something else than train."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._paused = 0.0
        self._depth = 0
        self._pause_begun = 0.0

    def restart(self, wall_seconds: float = 0.0, training_seconds: float = 0.0) -> None:
        """Begins when training starts, with what a resumed run had behind it."""
        self._begun, self._depth = time.monotonic() - wall_seconds, 0
        self._paused = wall_seconds - training_seconds

    def pause(self) -> None:
        """Stops the training time; pauses nest."""
        if self._depth == 0:
            self._pause_begun = time.monotonic()
        self._depth += 1

    def resume(self) -> None:
        """Ends a pause."""
        if self._depth == 0:
            return
        self._depth -= 1
        if self._depth == 0:
            self._paused += time.monotonic() - self._pause_begun

    @contextmanager
    def paused(self) -> Iterator[None]:
        """A pause for the length of a block."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    @property
    def wall_seconds(self) -> float:
        """Since the start, all in."""
        return time.monotonic() - self._begun

    @property
    def training_seconds(self) -> float:
        """Since the start, without pauses."""
        current = time.monotonic() - self._pause_begun if self._depth else 0.0
        return self.wall_seconds - self._paused - current
