"""The check of an optimizer."""

from __future__ import annotations

import inspect
import io
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from lmlab.testing.assertions import distance, expect
from lmlab.testing.components import attempt, failures_as_assertions, same_random_numbers, seed_everything

_STEPS = 200
_HALF = 6
_SWING = 2
_START = [torch.full((3, 4), 3.0), torch.full((4,), 3.0)]


class _Problem:
    """A quadratic problem: a matrix and a vector start at 3, the minimum is at 1.

    A third parameter never gets a gradient, as that of a part of a model that a batch does not use.

    Args:
        kind: the optimizer's class.
        keywords: of its constructor.
        start: initial values of matrix and vector.
        swings: whether the minimum goes to 5 and back every few steps, so that gradients change their signs.
        steps: steps made before.
    """

    def __init__(
        self,
        kind: type[Optimizer],
        keywords: dict[str, Any],
        start: list[Tensor] = _START,
        *,
        swings: bool = False,
        steps: int = 0,
    ) -> None:
        # Imported here: Lightning takes seconds.
        from lmlab.training.assembly import decay_groups

        self.parameters = [Parameter(value.clone()) for value in start]
        self.unused = Parameter(torch.full((2, 2), 3.0))
        self.swings, self.steps = swings, steps
        groups = decay_groups([*self.parameters, self.unused], keywords.get("weight_decay", 0.0))
        kernels: dict[str, Any] = _kernels(kind, keywords)
        with failures_as_assertions("constructor: with parameter groups (a list of dictionaries) as params it"):
            self.optimizer = kind(params=groups, **keywords, **kernels)
        rate = max((float(group.get("lr", 0)) for group in self.optimizer.param_groups), default=0)
        # Curvature for which one plain gradient step at this learning rate halves the distance to the minimum.
        self.curvature = 0.5 / rate if rate > 0.5 else 1.0

    def loss(self) -> Tensor:
        minimum = 5.0 if self.swings and self.steps // _SWING % 2 else 1.0
        squares = [(parameter - minimum).square().sum() for parameter in self.parameters]
        return self.curvature / 2 * torch.stack(squares).sum()

    def step(self) -> bool:
        """Makes a step as Lightning does; returns whether the optimizer called the closure."""
        called = []

        @torch.enable_grad()
        def closure() -> Any:
            called.append(True)
            self.optimizer.zero_grad()
            loss = self.loss()
            torch.autograd.backward(loss)
            return loss

        attempt("step(closure=...)", self.optimizer.step, closure=closure)
        self.steps += 1
        return bool(called)

    def values(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.parameters]


def check_optimizer(optimizer_class: type[Optimizer], **keywords: Any) -> None:
    """Checks that an optimizer can be made as lmlab makes it, decreases a quadratic loss, and can be restored.

    Args:
        optimizer_class: a subclass of `torch.optim.Optimizer`.
        keywords: of its constructor, but `params`.

    Raises:
        AssertionError: names the violated requirement.
    """
    is_optimizer = isinstance(optimizer_class, type) and issubclass(optimizer_class, Optimizer)
    expect(is_optimizer, f"optimizer: must be a subclass of torch.optim.Optimizer, but is {optimizer_class!r}")
    parameters = inspect.signature(optimizer_class).parameters
    expect("params" in parameters, "constructor: must take the parameters by the keyword params")
    with same_random_numbers():
        _check_groups(_Problem(optimizer_class, keywords))
        _check_descent(_Problem(optimizer_class, keywords))
        _check_rate(_Problem(optimizer_class, keywords))
        _check_restored(optimizer_class, keywords)


def _kernels(optimizer_class: type[Optimizer], keywords: dict[str, Any]) -> dict[str, bool]:
    """The keyword by which lmlab asks for few kernels, where the constructor has one."""
    parameters = inspect.signature(optimizer_class).parameters
    asked = [name for name in ("fused", "foreach") if name in parameters]
    return {} if not asked or {"fused", "foreach"} & keywords.keys() else {asked[0]: True}


def _check_groups(problem: _Problem) -> None:
    groups = problem.optimizer.param_groups
    held = {id(parameter) for group in groups for parameter in group["params"]}
    same = held == set(map(id, [*problem.parameters, problem.unused]))
    expect(same, "param_groups: must hold exactly the parameters that were given")
    without = [number for number, group in enumerate(groups) if "lr" not in group]
    expect(not without, f"param_groups: each must have its lr, which a schedule changes, but {without} have none")


def _check_descent(problem: _Problem) -> None:
    before, values = float(problem.loss().detach()), problem.values()
    expect(problem.step(), "step: must call the closure, in which Lightning computes the loss, but did not")
    for _ in range(_STEPS - 1):
        problem.step()
    after = float(problem.loss().detach())
    found = f"in {_STEPS} steps it went from {before:.4g} to {after:.4g}"
    expect(after < before, f"step: must decrease a quadratic loss, but {found}")
    kept = [tuple(old.shape) for old, new in zip(values, problem.values(), strict=True) if torch.equal(old, new)]
    expect(not kept, f"step: must change the parameters of every group, but not those of shape {kept}")


def _check_rate(problem: _Problem) -> None:
    """Checks that each step follows the learning rate in the groups, which a schedule changes, down to 0."""
    problem.step()
    for group in problem.optimizer.param_groups:
        group["lr"] = 0.0 * group["lr"]
    before = problem.values()
    problem.step()
    same = all(map(torch.equal, before, problem.values()))
    expect(same, "step: must follow the lr of param_groups, but with lr 0 it changes parameters")


def _check_restored(optimizer_class: type[Optimizer], keywords: dict[str, Any]) -> None:
    """Checks that a new optimizer with the state of another makes exactly the same steps."""
    problem = _Problem(optimizer_class, keywords, swings=True)
    for _ in range(_HALF):
        problem.step()
    file = io.BytesIO()
    with failures_as_assertions("state_dict: reading it from a checkpoint (tensors and plain containers only)"):
        torch.save(problem.optimizer.state_dict(), file)
        file.seek(0)
        state = torch.load(file, weights_only=True)
    other = _Problem(optimizer_class, keywords, problem.values(), swings=True, steps=_HALF)
    attempt("load_state_dict of what state_dict gave", other.optimizer.load_state_dict, state)
    ends = []
    for each in (problem, other):
        seed_everything(1)
        for _ in range(_HALF):
            each.step()
        ends.append(each.values())
    message = f"state_dict: a restored optimizer must continue with identical results, but {_HALF} steps later differs"
    expect(all(map(torch.equal, *ends)), f"{message} (largest difference {max(map(distance, *ends)):.2g})")
