"""How a fault is told, and how a part is called."""

from __future__ import annotations

import inspect
import json
import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lmlab.training.random_states import random_states, restore_random_states

# How far two ways to the same number may lie apart, as a share of the largest number; half precision: `_ROUGH`.
_TOLERANCES = {torch.float64: 1e-8, torch.float32: 1e-4}
_ROUGH = 0.05
# Numbers that are all smaller than this are compared as if the largest were this.
_SMALL = 0.1
# Characters of an exception of a part that are told in ours; all of it stands in the traceback.
_LONGEST = 500


def expect(condition: object, message: str) -> None:
    """Raises unless a condition holds; an `assert` would be left out by `python -O`.

    Args:
        condition: what must be true.
        message: which promise, what was expected, what was found.

    Raises:
        AssertionError: with the message.
    """
    if not condition:
        raise AssertionError(message)


@contextmanager
def attempting(what: str) -> Iterator[None]:
    """Tells an exception that a part raises as a fault of the part; its own traceback stands above.

    Args:
        what: what was done, the subject of the sentence.

    Raises:
        AssertionError: from the part's exception.
    """
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{what} raised {described(error)}") from error


def described(error: Exception) -> str:
    """Returns an exception's class and the beginning of what it says, in one line."""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said if len(said) <= _LONGEST else said[:_LONGEST] + '...'}"


def call_with(make: Callable[..., Any], **given: Any) -> Any:
    """Calls a function of the user by keyword where it has parameters of these names, else by position.

    So that a class and a lambda may be given alike.
    """
    parameters = inspect.signature(make).parameters
    has_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if has_any or all(name in parameters for name in given):
        return make(**given)
    return make(*given.values())


def through_json(value: Any, what: str) -> Any:
    """Returns what a JSON file gives back of a value.

    Args:
        value: to be written.
        what: its name in the message.

    Raises:
        AssertionError: JSON cannot hold it.
    """
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{what} must be made of lists, dictionaries, text and plain numbers: {error}") from error


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """Seeds the global random generators; afterwards they are as before."""
    before = random_states()
    seed_everything(0)
    try:
        yield
    finally:
        restore_random_states(before)


def seed_everything(seed: int) -> None:
    """Seeds the global random generators of torch, numpy and Python."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def distance(left: Tensor, right: Tensor) -> float:
    """Returns the largest distance between the elements of two tensors of one shape; infinite where one is NaN."""
    if left.numel() == 0:
        return 0.0
    one, other = left.detach().cpu().double(), right.detach().cpu().double()
    # Infinite numbers that are equal lie 0 apart, not NaN.
    apart = torch.where(one == other, 0.0, (one - other).abs())
    return float(apart.nan_to_num(nan=math.inf).max())


def is_close(left: Tensor, right: Tensor, *, computed_in: torch.dtype | None = None) -> bool:
    """Whether two tensors of one shape are equal but for rounding.

    Args:
        left: one of them.
        right: the other.
        computed_in: the type whose rounding counts; None for that of `left`.
    """
    finite = left.detach()[torch.isfinite(left.detach())]
    largest = float(finite.abs().max()) if finite.numel() else 0.0
    tolerance = _TOLERANCES.get(computed_in or left.dtype, _ROUGH)
    return distance(left, right) <= tolerance * max(_SMALL, largest)


def shape(tensor: Tensor) -> str:
    """Returns a tensor's shape as text."""
    return str(tuple(tensor.shape))
