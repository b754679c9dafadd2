"""Measures the time spent on training, without evaluation and samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Clock:
    """A stopwatch that callbacks pause while they do something other than training.

    It does not run until it is started, so that the times of a resumed run can be restored before.

    Args:
        wait: called before each pause. On a GPU it must wait for the device, whose queued training steps would
            otherwise be computed, and counted, during the pause.
    """

    def __init__(self, wait: Callable[[], None] = lambda: None) -> None:
        self._wait = wait
        self._wall = 0.0
        self._training = 0.0
        # The moment up to which time has been counted; None if not started.
        self._accounted: float | None = None
        self._depth = 0

    def restore(self, wall_seconds: float, training_seconds: float) -> None:
        """Sets the times that a resumed run had reached before."""
        self._wall, self._training = wall_seconds, training_seconds

    def start(self) -> None:
        """Starts counting time, all of it as training; also ends all pauses."""
        self._account()
        self._accounted, self._depth = time.monotonic(), 0

    def pause(self) -> None:
        """Pauses the training time; pauses can be nested."""
        if self._depth == 0:
            self._wait()
        self._account()
        self._depth += 1

    def resume(self) -> None:
        """Ends the innermost pause."""
        self._account()
        self._depth = max(0, self._depth - 1)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pauses the training time during a `with` block."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    @property
    def wall_seconds(self) -> float:
        """Seconds since the start, pauses included."""
        self._account()
        return self._wall

    @property
    def training_seconds(self) -> float:
        """Seconds since the start, without pauses."""
        self._account()
        return self._training

    def _account(self) -> None:
        if self._accounted is None:
            return
        now = time.monotonic()
        self._wall += now - self._accounted
        if self._depth == 0:
            self._training += now - self._accounted
        self._accounted = now
