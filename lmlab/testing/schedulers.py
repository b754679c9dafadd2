"""The check of a scheduler."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lmlab.testing.assertions import expect, expect_instance, json_round_trip
from lmlab.testing.components import attempt, call_by_keyword, failures_as_assertions, same_random_numbers
from lmlab.training.schedulers import Scheduler

# Total steps and steps of an epoch: several epochs, less than one, a single step, epochs of a step.
_LENGTHS = ((60, 10), (7, 10), (1, 1), (12, 1))
_STALLED = [3.85 + 0.01 * (i % 3) for i in range(14)]
_RISING = [3.6 + 0.1 * i for i in range(14)]
# Nats per token as evaluations give them.
_EVALUATIONS = [5.0, 4.2, 3.9, 3.8, *_STALLED, 3.5, 3.4, *_RISING]


def check_scheduler(make_scheduler: Callable[..., Scheduler]) -> None:
    """Checks that a scheduler's factors are numbers that depend on the step alone, and that it can be restored.

    Args:
        make_scheduler: called with the steps of the run and of an epoch, `make_scheduler(total_steps, steps_per_epoch)`
            or by these names; for example `functools.partial(MyScheduler, gamma=0.5)`.

    Raises:
        AssertionError: names the violated requirement.
    """
    with same_random_numbers():
        for total_steps, steps_per_epoch in _LENGTHS:
            _check_factors(_make(make_scheduler, total_steps, steps_per_epoch), total_steps)
            for observed in range(len(_EVALUATIONS)):
                scheduler, other = (_make(make_scheduler, total_steps, steps_per_epoch) for _ in range(2))
                _check_restored(scheduler, other, total_steps, observed)
        _check_length(make_scheduler)


def _make(make_scheduler: Callable[..., Scheduler], total_steps: int, steps_per_epoch: int) -> Scheduler:
    with failures_as_assertions(f"making the scheduler for {total_steps} steps, {steps_per_epoch} an epoch,"):
        made: Scheduler = call_by_keyword(make_scheduler, total_steps=total_steps, steps_per_epoch=steps_per_epoch)
    expect_instance(made, Scheduler, "scheduler: must be an instance of a subclass of lmlab.Scheduler")
    return made


def _factor(scheduler: Scheduler, step: int) -> float:
    return attempt(f"the factor of step {step}", scheduler, step)


def _check_factors(scheduler: Scheduler, total_steps: int) -> None:
    where = f"of a run of {total_steps} steps"
    # And the one after the last: torch asks for the next factor after each step, the last one too.
    first = {step: _factor(scheduler, step) for step in range(total_steps + 1)}
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


def _check_restored(scheduler: Scheduler, other: Scheduler, total_steps: int, observed: int) -> None:
    """Checks that another scheduler, restored after some evaluations, gives the same factors from there on."""
    for nats in _EVALUATIONS[:observed]:
        scheduler.observe(nats)
    state = attempt("state_dict()", scheduler.state_dict)
    expect_instance(state, dict, "state_dict: must be a dictionary")
    loaded = json_round_trip(state, "state_dict: what a checkpoint keeps")
    if state:  # lmlab does not load an empty one
        attempt("load_state_dict of what state_dict gave", other.load_state_dict, loaded)
    for number, nats in enumerate(_EVALUATIONS[observed:]):
        for step in {0, total_steps // 2, total_steps}:
            expected, factor = _factor(scheduler, step), _factor(other, step)
            found = f"restored after {observed} evaluations, {number} later it gave {factor:.6g}, not {expected:.6g}"
            expect(factor == expected, f"state_dict: must have all that evaluations changed, but {found}")
        scheduler.observe(nats)
        other.observe(nats)


def _check_length(make_scheduler: Callable[..., Scheduler]) -> None:
    """Checks that a scheduler which follows the length of the run says so, for such a run cannot be made longer."""
    total_steps, steps_per_epoch = _LENGTHS[0]
    short = _make(make_scheduler, total_steps, steps_per_epoch)
    long = _make(make_scheduler, 2 * total_steps, steps_per_epoch)
    depends = short.depends_on_length
    expect(isinstance(depends, bool), f"depends_on_length: must be True or False, but is {depends!r}")
    for step in () if depends else range(total_steps):
        one, other = _factor(short, step), _factor(long, step)
        found = f"step {step} has {one:.6g} in a run of {total_steps} steps and {other:.6g} in one of {2 * total_steps}"
        expect(one == other, f"depends_on_length: must be True where factors follow the length of the run, and {found}")
