"""Training time is what is left of the whole time without pauses."""

from __future__ import annotations

import pytest

from lmlab.training import clock as clock_module
from lmlab.training.clock import Clock


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [100.0]
    monkeypatch.setattr(clock_module.time, "monotonic", lambda: time[0])
    return time


def test_a_clock_stands_still_until_it_is_started(now: list[float]) -> None:
    clock = Clock()
    clock.restore(7.0, 5.0)
    now[0] += 50
    assert (clock.wall_seconds, clock.training_seconds) == (7.0, 5.0)
    clock.start()
    now[0] += 2
    assert (clock.wall_seconds, clock.training_seconds) == (9.0, 7.0)


def test_pauses_nest_and_are_no_training(now: list[float]) -> None:
    clock = Clock()
    clock.start()
    now[0] += 1
    with clock.paused():
        now[0] += 10
        with clock.paused():
            now[0] += 100
        now[0] += 1000
        assert clock.training_seconds == 1
    now[0] += 2
    clock.resume()  # one too many changes nothing
    now[0] += 3
    assert clock.training_seconds == 6
    assert clock.wall_seconds == 1116


def test_starting_again_ends_all_pauses_and_loses_no_time(now: list[float]) -> None:
    clock = Clock()
    clock.start()
    clock.pause()
    clock.pause()
    now[0] += 4
    clock.start()
    now[0] += 1
    assert clock.training_seconds == 1
    assert clock.wall_seconds == 5


def test_what_the_device_still_has_to_do_counts_as_training(now: list[float]) -> None:
    def wait() -> None:
        now[0] += 3

    clock = Clock(wait)
    clock.start()
    now[0] += 1
    with clock.paused():
        now[0] += 10
        with clock.paused():  # nothing is left to be waited for
            pass
    assert (clock.wall_seconds, clock.training_seconds) == (14.0, 4.0)
