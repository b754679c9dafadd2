"""Components under check: how they are called, copied and seeded."""

from __future__ import annotations

import copy
import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from lmlab.random_states import random_states, restore_random_states

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)
# Characters of a component's exception that our message quotes; the traceback has all of them.
_LONGEST = 500


@contextmanager
def failures_as_assertions(action: str) -> Iterator[None]:
    """Re-raises an exception of the component as AssertionError, chained to the original.

    Args:
        action: what was done, the subject of the sentence.
    """
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{action} raised {described(error)}") from error


def attempt(action: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function of the component, see `failures_as_assertions`."""
    with failures_as_assertions(action):
        return function(*args, **kwargs)


def described(error: Exception) -> str:
    """Returns an exception's class and the beginning of its message, in one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message if len(message) <= _LONGEST else message[:_LONGEST] + '...'}"


def call_by_keyword(make: Callable[..., Any], **given: Any) -> Any:
    """Calls a user's function by keyword if its parameters have these names, else by position, so that lambdas work."""
    parameters = inspect.signature(make).parameters
    has_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if has_any or all(name in parameters for name in given):
        return make(**given)
    return make(*given.values())


def copied(module: M) -> M:
    """Returns a deep copy, as lmlab makes one to time a batch; raises AssertionError where there can be none."""
    return attempt("copy.deepcopy, which lmlab makes to time a batch,", copy.deepcopy, module)


@torch.no_grad()
def evaluation_copy(module: M) -> M:
    """Returns a copy in evaluation mode without gradients, so that checks leave the module as it is.

    Trainable parameters that are all zero get small random values: a layer that begins at zero hides every fault
    before it.
    """
    other = copied(module).eval()
    for parameter in other.parameters():
        parameter.grad = None
        if parameter.requires_grad and parameter.is_floating_point() and not bool(parameter.any()):
            parameter.normal_(std=0.1)
    return other


def seed_everything(seed: int) -> None:
    """Seeds the global random generators of torch, numpy and Python."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """Seeds the global random generators, and restores their states afterwards."""
    before = random_states()
    seed_everything(0)
    try:
        yield
    finally:
        restore_random_states(before)


def dtype_and_device(module: nn.Module) -> tuple[torch.dtype, torch.device]:
    """Returns those of the first floating-point parameter or buffer; torch's default dtype and the CPU without any."""
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.is_floating_point():
            return tensor.dtype, tensor.device
    return torch.get_default_dtype(), torch.device("cpu")


def infer_size(module: nn.Module, keyword: str, run: Callable[[Tensor], object]) -> int:
    """Returns the size of a module's inputs: its attribute of that name, else the first likely size that it accepts.

    Args:
        module: whose parameters may show the size.
        keyword: the attribute's name, and the argument by which the user can give the size instead.
        run: runs the module on inputs (2, 3, size).

    Raises:
        AssertionError: no size is accepted.
    """
    own = getattr(module, keyword, None)
    if isinstance(own, int):
        return own
    dtype, device = dtype_and_device(module)
    failure: Exception | None = None
    sizes = _likely_sizes(module)
    for size in sizes:
        try:
            run(torch.randn(2, 3, size, dtype=dtype, device=device))
        except Exception as error:  # whatever a module raises on inputs that do not fit
            failure = error
        else:
            return size
    listed = ", ".join(map(str, sizes)) or "there are none"
    last = f"; the last one raised {described(failure)}" if failure else ""
    found = f"{type(module).__name__} has no such attribute and accepts none of the sizes found in it ({listed}{last})"
    raise AssertionError(f"{keyword}: {found}; pass {keyword}=...") from failure


def _likely_sizes(module: nn.Module) -> list[int]:
    """The first input size of a layer, then all dimensions of parameters."""
    of_layers = [getattr(part, name, None) for part in module.modules() for name in ("input_size", "in_features")]
    sizes = [size for size in of_layers if isinstance(size, int)][:1]
    sizes += [size for parameter in module.parameters() for size in parameter.shape]
    # A size of 1 comes last: torch broadcasts such a dimension to any other.
    return sorted(dict.fromkeys(sizes), key=lambda size: size == 1)
