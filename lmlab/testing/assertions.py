"""Assertions and error messages shared by all checks."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

# Largest difference that counts as rounding, relative to the largest number; half precision: `_HALF_TOLERANCE`.
_TOLERANCES = {torch.float64: 1e-8, torch.float32: 1e-4}
_HALF_TOLERANCE = 0.05
# Numbers that are all smaller than this are compared as if the largest were this.
_SMALL = 0.1


def expect(condition: object, message: str) -> None:
    """Raises AssertionError with the message unless the condition holds; `python -O` would remove an `assert`."""
    if not condition:
        raise AssertionError(message)


def expect_instance(value: object, expected: type | tuple[type, ...], requirement: str) -> None:
    """Raises AssertionError with the requirement and the class found, unless the value is of an expected class."""
    expect(isinstance(value, expected), f"{requirement}, not {type(value).__name__}")


def expect_equal(found: object, expected: object, what: str) -> None:
    """Raises AssertionError with both values unless they are equal."""
    expect(found == expected, f"{what} must be {expected}, but is {found}")


def expect_tensor(
    value: object, what: str, *, size: Sequence[int] | None = None, dtype: torch.dtype | None = None
) -> None:
    """Raises AssertionError unless the value is a tensor, of a shape and a type where these are given."""
    expected = "a tensor" if size is None else f"a tensor {tuple(size)}"
    expected += "" if dtype is None else f" of {dtype}"
    if not isinstance(value, Tensor):
        raise AssertionError(f"{what} must be {expected}, not {type(value).__name__}")
    is_right = (size is None or value.shape == tuple(size)) and dtype in (None, value.dtype)
    expect(is_right, f"{what} must be {expected}, but is {shape(value)} of {value.dtype}")


def expect_close(found: Tensor, expected: Tensor, message: str, *, computed_in: torch.dtype | None = None) -> None:
    """Raises AssertionError with the message and the largest difference, unless `is_close`."""
    same = is_close(found, expected, computed_in=computed_in)
    expect(same, f"{message} (largest difference {distance(found, expected):.2g})")


def json_round_trip(value: Any, what: str) -> Any:
    """Returns a value as a JSON file would give it back; raises AssertionError where JSON cannot hold it."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{what} must be made of lists, dictionaries, text and plain numbers: {error}") from error


def distance(left: Tensor, right: Tensor) -> float:
    """Returns the largest difference between two tensors of the same shape; infinite where one is NaN."""
    if left.numel() == 0:
        return 0.0
    one, other = left.detach().cpu().double(), right.detach().cpu().double()
    # Equal infinite numbers differ by 0, not by NaN.
    difference = torch.where(one == other, 0.0, (one - other).abs())
    return float(difference.nan_to_num(nan=math.inf).max())


def is_close(left: Tensor, right: Tensor, *, computed_in: torch.dtype | None = None) -> bool:
    """Whether two tensors of the same shape are equal up to rounding.

    Args:
        left: whose largest finite number scales the tolerance.
        right: of the same shape.
        computed_in: the type whose rounding counts; None: that of `left`.
    """
    finite = left.detach()[torch.isfinite(left.detach())]
    largest = float(finite.abs().max()) if finite.numel() else 0.0
    tolerance = _TOLERANCES.get(computed_in or left.dtype, _HALF_TOLERANCE)
    return distance(left, right) <= tolerance * max(_SMALL, largest)


def shape(tensor: Tensor) -> str:
    """Returns a tensor's shape as text."""
    return str(tuple(tensor.shape))
