"""The check of a scheduler."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lmlab.testing.assertions import expect, json_round_trip
from lmlab.testing.components import call_by_keyword, failures_as_assertions, same_random_numbers
from lmlab.training.schedulers import Scheduler

# Total steps and steps of an epoch: several epochs, less than one, a single step, epochs of a step.
_LENGTHS = ((60, 10), (7, 10), (1, 1), (12, 1))
# Nats a token as evaluations give them: falling, stalling for long, falling once more, rising.
_EVALUATIONS = [
    5.0,
    4.2,
    3.9,
    3.8,
    *[3.85 + 0.01 * (i % 3) for i in range(14)],
    3.5,
    3.4,
    *[3.6 + 0.1 * i for i in range(14)],
]


def check_scheduler(make_scheduler: Callable[..., Scheduler]) -> None:
    """Checks that a scheduler's factors are numbers that depend on the step alone, and that it can be restored.

    Args:
        make_scheduler: called with the steps of the run and of an epoch, `make_scheduler(total_steps, steps_per_epoch)`
            or by these names; for example `functools.partial(MyScheduler, gamma=0.5)`.

    Raises:
        AssertionError: says which promise is broken.
    """
    with same_random_numbers():
        for total_steps, steps_per_epoch in _LENGTHS:
            make = _maker(make_scheduler, total_steps, steps_per_epoch)
            _check_factors(make(), total_steps)
            _check_restored(make, total_steps)
        _check_length(make_scheduler)


def _maker(make_scheduler: Callable[..., Scheduler], total_steps: int, steps_per_epoch: int) -> Callable[[], Scheduler]:
    def make() -> Scheduler:
        with failures_as_assertions(f"making the scheduler for {total_steps} steps, {steps_per_epoch} an epoch,"):
            made: Scheduler = call_by_keyword(make_scheduler, total_steps=total_steps, steps_per_epoch=steps_per_epoch)
        message = f"must be made from a subclass of lmlab.Scheduler, but is {type(made).__name__}"
        expect(isinstance(made, Scheduler), f"scheduler: {message}")
        return made

    return make


def _factor(scheduler: Scheduler, step: int) -> float:
    with failures_as_assertions(f"the factor of step {step}"):
        return scheduler(step)


def _steps(total_steps: int) -> range:
    """Every step and the one behind the last: torch asks for the next factor after each, the last one too."""
    return range(total_steps + 1)


def _check_factors(scheduler: Scheduler, total_steps: int) -> None:
    where = f"of a run of {total_steps} steps"
    first = {step: _factor(scheduler, step) for step in _steps(total_steps)}
    for step, factor in first.items():
        _check_number(factor, f"step {step} {where}")
    for step in reversed(first):
        again = _factor(scheduler, step)
        found = f"step {step} {where} had {first[step]:.6g} and then, asked for in another order, {again:.6g}"
        expect(again == first[step], f"factor: must depend on the step and on evaluations alone, but {found}")
    for number, nats in enumerate(_EVALUATIONS, 1):
        scheduler.observe(nats)
        _check_number(_factor(scheduler, 0), f"step 0 {where} after {number} evaluations")


def _check_number(factor: Any, where: str) -> None:
    is_number = isinstance(factor, int | float) and math.isfinite(factor) and factor >= 0
    expect(is_number, f"factor: must be a finite number of 0 or more, but that of {where} is {factor!r}")


def _check_restored(make: Callable[[], Scheduler], total_steps: int) -> None:
    """Restored after every number of evaluations, it gives the same factors from there on."""
    for taken in range(len(_EVALUATIONS)):
        scheduler = make()
        for nats in _EVALUATIONS[:taken]:
            scheduler.observe(nats)
        with failures_as_assertions("state_dict()"):
            state = scheduler.state_dict()
        expect(isinstance(state, dict), f"state_dict: must be a dictionary, but is {type(state).__name__}")
        read = json_round_trip(state, "state_dict: what a checkpoint keeps")
        restored = make()
        if state:  # lmlab does not load an empty one
            with failures_as_assertions("load_state_dict of what state_dict gave"):
                restored.load_state_dict(read)
        for number in range(len(_EVALUATIONS) - taken):
            if number:
                nats = _EVALUATIONS[taken + number - 1]
                scheduler.observe(nats)
                restored.observe(nats)
            for step in {0, total_steps // 2, total_steps}:
                expected, found = _factor(scheduler, step), _factor(restored, step)
                message = (
                    f"restored after {taken} evaluations, {number} later the factor is {found:.6g}, not {expected:.6g}"
                )
                expect(found == expected, f"state_dict: must have all that evaluations changed, but {message}")


def _check_length(make_scheduler: Callable[..., Scheduler]) -> None:
    """That one which follows the length of the run says so, for such a run cannot be made longer."""
    total_steps, steps_per_epoch = _LENGTHS[0]
    short = _maker(make_scheduler, total_steps, steps_per_epoch)()
    long = _maker(make_scheduler, 2 * total_steps, steps_per_epoch)()
    depends = short.depends_on_length
    expect(isinstance(depends, bool), f"depends_on_length: must be True or False, but is {depends!r}")
    differs = next((step for step in range(total_steps) if _factor(short, step) != _factor(long, step)), None)
    if differs is None or depends:
        return
    one, other = _factor(short, differs), _factor(long, differs)
    found = f"step {differs} has {one:.6g} in a run of {total_steps} steps and {other:.6g} in one of {2 * total_steps}"
    raise AssertionError(f"depends_on_length: must be True where factors follow the length of the run, and {found}")
