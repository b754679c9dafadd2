"""Modules under check: left as they were, and their sizes found out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from lmlab.testing.expecting import attempting, described, same_random_numbers

M = TypeVar("M", bound=nn.Module)


@contextmanager
def left_as_it_was(module: nn.Module) -> Iterator[None]:
    """Within, a module is in evaluation mode and has no gradients, and random numbers are the same every time.

    Trainable parameters that are all zero have small random values meanwhile: a layer that begins at zero hides every
    fault before it. Afterwards parameters, buffers, gradients and modes are as before.
    """
    owners = [
        (owner, name, buffer) for owner in module.modules() for name, buffer in owner.named_buffers(recurse=False)
    ]
    tensors = [*module.parameters(), *(buffer for _, _, buffer in owners)]
    values = [tensor.detach().clone() for tensor in tensors]
    gradients = [(parameter, parameter.grad) for parameter in module.parameters()]
    modes = [(part, part.training) for part in module.modules()]
    with same_random_numbers():
        try:
            module.eval()
            for parameter, _ in gradients:
                parameter.grad = None
                _fill_zeros(parameter)
            yield
        finally:
            for part, training in modes:
                part.training = training
            for parameter, gradient in gradients:
                parameter.grad = gradient
            for owner, name, buffer in owners:
                setattr(owner, name, buffer)
            with torch.no_grad():
                for tensor, value in zip(tensors, values, strict=True):
                    tensor.copy_(value)


@torch.no_grad()
def _fill_zeros(parameter: nn.Parameter) -> None:
    if parameter.requires_grad and parameter.is_floating_point() and not bool(parameter.any()):
        parameter.normal_(std=0.1)


def kind_of(module: nn.Module) -> tuple[torch.dtype, torch.device]:
    """Returns type and device of a module's first floating-point parameter or buffer; those of torch without any."""
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.is_floating_point():
            return tensor.dtype, tensor.device
    return torch.get_default_dtype(), torch.device("cpu")


def find_size(module: nn.Module, keyword: str, attempt: Callable[[int], object]) -> int:
    """Returns the size of what a module takes.

    Its attribute of that name says it, or the first of its submodules that has a size of inputs, or one of the sizes of
    its parameters; the last two where the module then accepts inputs of that size.

    Args:
        module: to be called.
        keyword: the attribute's name, and the argument by which the size can be given instead.
        attempt: calls the module with a size.

    Raises:
        AssertionError: no size is accepted.
    """
    own = getattr(module, keyword, None)
    if isinstance(own, int):
        return own
    failure: Exception | None = None
    tried = _likely_sizes(module)
    for size in tried:
        try:
            attempt(size)
        except Exception as error:  # whatever a module raises on inputs that do not fit
            failure = error
        else:
            return size
    listed = ", ".join(map(str, tried)) or "there are none"
    said = f"; the last one raised {described(failure)}" if failure else ""
    found = f"{type(module).__name__} has no such attribute, and takes none of the sizes found in it ({listed}{said})"
    raise AssertionError(f"{keyword}: {found}; pass {keyword}=...") from failure


def copied(module: M) -> M:
    """Returns a deep copy, as lmlab makes one to time a batch; raises AssertionError where there can be none."""
    with attempting("copy.deepcopy, which lmlab makes to time a batch,"):
        return copy.deepcopy(module)


def _likely_sizes(module: nn.Module) -> list[int]:
    of_layers = [getattr(part, name, None) for part in module.modules() for name in ("input_size", "in_features")]
    sizes = [size for size in of_layers if isinstance(size, int)][:1]
    sizes += [size for parameter in module.parameters() for size in parameter.shape]
    # A size of 1 comes last: torch repeats such a dimension to whatever it meets.
    return sorted(dict.fromkeys(sizes), key=lambda size: size == 1)
