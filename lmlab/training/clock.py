"""Time spent training, without evaluation and samples."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """A stopwatch that callbacks pause while they do something else than train.

    It stands still until it is started, so that what a resumed run had behind it is known before that.
    """

    def __init__(self) -> None:
        self._wall = 0.0
        self._training = 0.0
        # Until when time is accounted for; None: not started.
        self._accounted: float | None = None
        self._depth = 0

    def restore(self, wall_seconds: float, training_seconds: float) -> None:
        """Takes what a resumed run had behind it."""
        self._wall, self._training = wall_seconds, training_seconds

    def start(self) -> None:
        """Begins to count, as training; also ends all pauses."""
        self._account()
        self._accounted, self._depth = time.monotonic(), 0

    def pause(self) -> None:
        """Stops the training time; pauses nest."""
        self._account()
        self._depth += 1

    def resume(self) -> None:
        """Ends a pause."""
        self._account()
        self._depth = max(0, self._depth - 1)

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
        self._account()
        return self._wall

    @property
    def training_seconds(self) -> float:
        """Since the start, without pauses."""
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
