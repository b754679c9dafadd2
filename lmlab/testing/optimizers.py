"""The check of an optimizer."""

from __future__ import annotations

import inspect
import io
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from lmlab.testing.assertions import expect
from lmlab.testing.components import failures_as_assertions, same_random_numbers, seed_everything

_STEPS = 200
_HALF = 6


class _Task:
    """Two parameters, a matrix and a vector, on their way from 3 to 1 down a quadratic loss.

    Args:
        optimizer_class: of the optimizer.
        keywords: of its constructor.
        values: of the parameters; None: 3.
    """

    def __init__(
        self, optimizer_class: type[Optimizer], keywords: dict[str, Any], values: list[Tensor] | None = None
    ) -> None:
        start = [torch.full((3, 4), 3.0), torch.full((4,), 3.0)] if values is None else values
        self.parameters = [Parameter(value.detach().clone()) for value in start]
        groups = _groups(self.parameters, keywords)
        kernels: dict[str, Any] = _kernels(optimizer_class, keywords)
        with failures_as_assertions(
            "constructor: with parameter groups (a list of dictionaries), which lmlab passes, it"
        ):
            self.optimizer = optimizer_class(params=groups, **keywords, **kernels)
        rates = [float(group.get("lr", 0)) for group in self.optimizer.param_groups]
        # The steepest slope on which plain gradient descent with this rate gets down halfway with a step.
        self.curvature = 0.5 / max(rates) if max(rates, default=0) > 0.5 else 1.0

    def loss(self) -> Tensor:
        """The loss as it is now."""
        squares = [(parameter - 1).square().sum() for parameter in self.parameters]
        return self.curvature / 2 * torch.stack(squares).sum()

    def step(self) -> bool:
        """A step as Lightning does it; whether the optimizer asked for the loss."""
        called = []

        @torch.enable_grad()
        def closure() -> Any:
            called.append(True)
            self.optimizer.zero_grad()
            loss = self.loss()
            torch.autograd.backward(loss)
            return loss

        with failures_as_assertions("step(closure)"):
            self.optimizer.step(closure)
        return bool(called)

    def values(self) -> list[Tensor]:
        """Copies of the parameters."""
        return [parameter.detach().clone() for parameter in self.parameters]


def check_optimizer(optimizer_class: type[Optimizer], **keywords: Any) -> None:
    """Checks that an optimizer can be made as lmlab makes it, gets down a quadratic loss, and can be restored.

    Args:
        optimizer_class: a subclass of `torch.optim.Optimizer`.
        keywords: of its constructor, but `params`.

    Raises:
        AssertionError: says which promise is broken.
    """
    is_optimizer = isinstance(optimizer_class, type) and issubclass(optimizer_class, Optimizer)
    expect(is_optimizer, f"optimizer: must be a subclass of torch.optim.Optimizer, but is {optimizer_class!r}")
    parameters = inspect.signature(optimizer_class).parameters
    expect("params" in parameters, "constructor: must take the parameters by the keyword params")
    with same_random_numbers():
        _check_groups(_Task(optimizer_class, keywords))
        _check_descent(_Task(optimizer_class, keywords))
        _check_restored(optimizer_class, keywords)


def _groups(parameters: list[Parameter], keywords: dict[str, Any]) -> list[dict[str, Any]]:
    """As lmlab makes them: vectors in a group of their own where matrices decay."""
    # Imported here: Lightning takes seconds.
    from lmlab.training.assembly import decay_groups

    return decay_groups(parameters, keywords.get("weight_decay", 0.0))


def _kernels(optimizer_class: type[Optimizer], keywords: dict[str, Any]) -> dict[str, bool]:
    """The keyword by which lmlab asks for few kernels, where the constructor has one."""
    parameters = inspect.signature(optimizer_class).parameters
    asked = [name for name in ("fused", "foreach") if name in parameters]
    return {} if not asked or {"fused", "foreach"} & keywords.keys() else {asked[0]: True}


def _check_groups(task: _Task) -> None:
    groups = task.optimizer.param_groups
    held = {id(parameter) for group in groups for parameter in group["params"]}
    expect(held == {id(p) for p in task.parameters}, "param_groups: must hold exactly the parameters that were given")
    without = [number for number, group in enumerate(groups) if "lr" not in group]
    expect(
        not without, f"param_groups: each must have its lr, which a schedule changes, but groups {without} have none"
    )


def _check_descent(task: _Task) -> None:
    before, values = float(task.loss().detach()), task.values()
    expect(task.step(), "step: must call the closure, in which Lightning computes the loss, but did not")
    for _ in range(_STEPS - 1):
        task.step()
    after = float(task.loss().detach())
    message = f"in {_STEPS} steps it went from {before:.4g} to {after:.4g}"
    expect(after < before, f"step: must get down a quadratic loss, but {message}")
    still = [tuple(old.shape) for old, new in zip(values, task.values(), strict=True) if torch.equal(old, new)]
    expect(
        not still, f"step: must change the parameters of every group, but those of shape {still} stayed as they were"
    )


def _check_restored(optimizer_class: type[Optimizer], keywords: dict[str, Any]) -> None:
    """That a new optimizer with the state of another makes exactly the same steps."""
    task = _Task(optimizer_class, keywords)
    for _ in range(_HALF):
        task.step()
    file = io.BytesIO()
    with failures_as_assertions(
        "saving state_dict() in a checkpoint (tensors and plain containers only) and loading it"
    ):
        torch.save(task.optimizer.state_dict(), file)
        file.seek(0)
        state = torch.load(file, weights_only=True)
    other = _Task(optimizer_class, keywords, task.values())
    with failures_as_assertions("load_state_dict of what state_dict gave"):
        other.optimizer.load_state_dict(state)
    ends = []
    for each in (task, other):
        seed_everything(1)
        for _ in range(_HALF):
            each.step()
        ends.append(each.values())
    apart = max(float((one - two).abs().max()) for one, two in zip(*ends, strict=True))
    message = f"after {_HALF} steps, saving and {_HALF} more the parameters differ by up to {apart:.2g}"
    expect(apart == 0, f"state_dict: a restored optimizer must go on exactly, but {message}")
