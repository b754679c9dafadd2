"""The checks of optimizers and schedulers: what passes, and for each requirement a part that violates it."""

from __future__ import annotations

import math
import random
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from lmlab.testing import check_optimizer, check_scheduler
from lmlab.training.schedulers import Constant, Cosine, Exponential, OneCycle, Plateau, Scheduler, Step

# Optimizers


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Adagrad", "SGD"])
def test_the_optimizers_that_lmlab_offers_pass(name: str, weight_decay: float) -> None:
    check_optimizer(getattr(torch.optim, name), lr=3e-3, weight_decay=weight_decay)


@pytest.mark.parametrize("keywords", [{"lr": 1.0}, {"lr": 1.0, "momentum": 0.9, "nesterov": True}, {"lr": 30.0}])
def test_large_rates_pass(keywords: dict[str, Any]) -> None:
    check_optimizer(torch.optim.SGD, **keywords)


class Heavy(Optimizer):
    """Gradient descent with momentum; others violate one requirement each."""

    def __init__(self, params: Any, *, lr: float = 0.1, momentum: float = 0.5) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": 0.0})

    def step(self, closure: Any = None) -> Any:
        loss = None if closure is None else closure()
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self.move(parameter, group)
        return loss

    def move(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        velocity = state.get("velocity", torch.zeros_like(parameter)).mul(group["momentum"]).add(parameter.grad)
        state["velocity"] = velocity
        parameter.sub_(group["lr"] * velocity)


def test_an_optimizer_of_ones_own_passes() -> None:
    check_optimizer(Heavy)
    check_optimizer(Heavy, lr=0.01, momentum=0.9)


def test_random_numbers_go_on_after_an_optimizer() -> None:
    torch.manual_seed(5)
    drawn = torch.rand(())
    torch.manual_seed(5)
    check_optimizer(Heavy)
    assert torch.rand(()) == drawn


class OtherKeyword(Heavy):
    def __init__(self, weights):
        super().__init__(weights)


class FirstGroupOnly(Heavy):
    """Wants parameters, not groups."""

    def __init__(self, params, *, lr=0.1):
        super().__init__([parameter for parameter in params if parameter.requires_grad], lr=lr)


class NoClosure(Heavy):
    def step(self, closure=None):
        return super().step()


class Climbs(Heavy):
    def move(self, parameter, group):
        parameter.add_(group["lr"] * parameter.grad)


class MatricesOnly(Heavy):
    def move(self, parameter, group):
        if parameter.ndim == 2:
            super().move(parameter, group)


class DropsParameters(Heavy):
    def __init__(self, params):
        super().__init__(params)
        self.param_groups[0]["params"].pop()


class NoRate(Heavy):
    def __init__(self, params):
        super().__init__(params)
        del self.param_groups[0]["lr"]


class HiddenState(Heavy):
    """Its velocities are not among its state."""

    def __init__(self, params):
        super().__init__(params)
        self.velocities = {}

    def move(self, parameter, group):
        velocity = 0.5 * self.velocities.get(id(parameter), 0) + parameter.grad
        self.velocities[id(parameter)] = velocity
        parameter.sub_(group["lr"] * velocity)


class ObjectInState(Heavy):
    def move(self, parameter, group):
        super().move(parameter, group)
        self.state[parameter]["noise"] = random.Random(0)


class SignsOfAHiddenMean(Heavy):
    """Its steps show what it forgot only where gradients change their signs."""

    def __init__(self, params):
        super().__init__(params)
        self.means = {}

    def move(self, parameter, group):
        mean = 0.9 * self.means.get(id(parameter), 0) + 0.1 * parameter.grad
        self.means[id(parameter)] = mean
        parameter.sub_(group["lr"] * mean.sign())


class RateOfItsOwn(Heavy):
    def move(self, parameter, group):
        super().move(parameter, {**group, "lr": 0.1})


class NeedsEveryGradient(Heavy):
    def step(self, closure=None):
        loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.data.sub_(group["lr"] * parameter.grad)
        return loss


class ClosureByAnotherName(Heavy):
    def step(self, compute=None):
        return super().step(compute)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (SignsOfAHiddenMean, "a restored optimizer must continue with identical results, but 6 steps later differs"),
        (RateOfItsOwn, "step: must follow the lr of param_groups, but with lr 0 it changes parameters"),
        (NeedsEveryGradient, r"step\(closure=\.\.\.\) raised TypeError"),
        (ClosureByAnotherName, r"step\(closure=\.\.\.\) raised TypeError: .*'closure'"),
        (OtherKeyword, "constructor: must take the parameters by the keyword params"),
        (FirstGroupOnly, r"constructor: with parameter groups .* raised AttributeError"),
        (NoClosure, "step: must call the closure, in which Lightning computes the loss, but did not"),
        (Climbs, "step: must decrease a quadratic loss, but in 200 steps it went from"),
        (MatricesOnly, r"step: must change the parameters of every group, but not those of shape \[\(4,\)\]"),
        (DropsParameters, "param_groups: must hold exactly the parameters that were given"),
        (NoRate, r"param_groups: each must have its lr, which a schedule changes, but \[0\] have none"),
        (HiddenState, "a restored optimizer must continue with identical results, but 6 steps later differs"),
        (ObjectInState, "tensors and plain containers only.* raised UnpicklingError"),
        (nn.Linear, r"must be a subclass of torch\.optim\.Optimizer, but is"),
    ],
)  # fmt: skip
def test_a_fault_of_an_optimizer_is_named(kind, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_optimizer(kind)


# Schedulers


@pytest.mark.parametrize(
    "make_scheduler",
    [
        Constant,
        partial(Cosine, warmup_steps=4, final_fraction=0.1),
        partial(Cosine, warmup_steps=0, final_fraction=0.0),
        partial(OneCycle, rise_fraction=0.3, initial_divisor=25.0, final_divisor=1e4),
        partial(Exponential, gamma=0.9, start_epoch=1),
        partial(Step, epochs=[1, 2.5], gamma=0.1),
        partial(Plateau, gamma=0.5, patience=2, min_improvement=0.0, min_fraction=0.01),
        partial(Plateau, gamma=0.5, patience=0, min_improvement=0.05, min_fraction=0.0),
    ],
)
def test_lmlabs_schedulers_pass(make_scheduler) -> None:
    check_scheduler(make_scheduler)


def test_a_scheduler_may_be_made_by_position() -> None:
    check_scheduler(
        lambda steps, epoch: Cosine(total_steps=steps, steps_per_epoch=epoch, warmup_steps=2, final_fraction=0)
    )


class Halving(Scheduler):
    """Halved whenever an evaluation is worse than the one before; others violate one requirement each."""

    def __init__(self, *, total_steps: int, steps_per_epoch: int) -> None:
        self.total_steps = total_steps
        self.factor = 1.0
        self.last = math.inf

    def __call__(self, step: int) -> float:
        return self.factor

    def observe(self, nats_per_token: float) -> None:
        if nats_per_token > self.last:
            self.factor /= 2
        self.last = nats_per_token

    def state_dict(self) -> dict[str, Any]:
        return {"factor": self.factor, "last": self.last}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.factor, self.last = state["factor"], state["last"]


def test_a_scheduler_of_ones_own_passes() -> None:
    check_scheduler(Halving)


class Forgets(Halving):
    def state_dict(self):
        return {}


class ForgetsTheLast(Halving):
    def state_dict(self):
        return {"factor": self.factor}

    def load_state_dict(self, state):
        self.factor = state["factor"]


class KeepsATensor(Halving):
    def state_dict(self):
        return {"factor": torch.tensor(self.factor)}


class ListState(Halving):
    def state_dict(self):
        return [self.factor]


class PerhapsByLength(Halving):
    depends_on_length = None


class CannotBeRestored(Halving):
    def load_state_dict(self, state):
        raise KeyError("best")


class Negative(Halving):
    def __call__(self, step):
        return 1 - 2 * step / self.total_steps


class DividesByZero(Halving):
    def __call__(self, step):
        return 1 / (self.total_steps - step)


class GrowsWithoutEnd(Halving):
    def observe(self, nats_per_token):
        self.factor *= 1e300


class Tensors(Halving):
    def __call__(self, step):
        return torch.tensor(1.0)


class CountsCalls(Halving):
    calls = 0

    def __call__(self, step):
        self.calls += 1
        return 0.99**self.calls


class Random(Halving):
    def __call__(self, step):
        return random.random()


class Untold(Halving):
    """Follows the length of the run, and does not say so."""

    def __call__(self, step):
        return max(0.0, 1 - step / self.total_steps)


class Told(Untold):
    depends_on_length = True


def test_a_scheduler_that_says_that_it_follows_the_run_passes() -> None:
    check_scheduler(Told)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Forgets, r"state_dict: must have all that evaluations changed, but restored after \d+ evaluations"),
        (ForgetsTheLast, r"state_dict: must have all that evaluations changed, but restored after \d+ evaluations"),
        (KeepsATensor, "state_dict: what a checkpoint keeps must be made of lists, dictionaries"),
        (ListState, "state_dict: must be a dictionary, not list"),
        (PerhapsByLength, "depends_on_length: must be True or False, but is None"),
        (CannotBeRestored, "load_state_dict of what state_dict gave raised KeyError: 'best'"),
        (Negative, "factor: must be a finite number of 0 or more, but that of step 31 of a run of 60 steps is -0.03"),
        (DividesByZero, "the factor of step 60 raised ZeroDivisionError"),
        (GrowsWithoutEnd, "factor: must be a finite number .* step 0 .* after 2 evaluations is inf"),
        (Tensors, r"factor: must be a finite number of 0 or more, but that of step 0 .* is tensor\(1\.\)"),
        (CountsCalls, "factor: must depend on the step and on evaluations alone, but step 60 .* another order"),
        (Random, "factor: must depend on the step and on evaluations alone"),
        (Untold, "depends_on_length: must be True where factors follow the length of the run, and step 1 has 0.98"),
        (lambda total_steps, steps_per_epoch: (lambda step: 1.0), "a subclass of lmlab.Scheduler, not function"),
    ],
)  # fmt: skip
def test_a_fault_of_a_scheduler_is_named(kind, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_scheduler(kind)
