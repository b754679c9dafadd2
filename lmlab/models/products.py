"""Matrix products on a CPU by oneDNN, which is up to twice as fast in float32 as the library behind `torch.mm`.

torch sends float32 products of dense tensors to MKL, which uses narrow vectors on processors that are not Intel's
(measured on an AMD EPYC with AVX-512: 0.10 against 0.20 TFLOP/s a core); oneDNN, which computes torch's LSTM and all
bfloat16, uses wide ones everywhere. torch offers its product for dense tensors to its compiler only, so it is taken
where it is found, and `torch.addmm` otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def _find() -> Callable[..., Any] | None:
    """Returns oneDNN's x @ w.T + b as a function of (x, w, b); None if this torch has it not."""
    try:
        found: Callable[..., Any] = torch.ops.mkldnn._linear_pointwise
        one = torch.ones(1, 1)
        return found if float(found(one, one, one[0], "none", [], "")) == 2.0 else None
    except (AttributeError, RuntimeError):
        return None


_ONEDNN = _find() if torch.backends.mkldnn.is_available() else None  # type: ignore[no-untyped-call]


def product(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Returns inputs @ weight.T + bias, outside of autograd.

    Args:
        inputs: (M, K).
        weight: (N, K), or the transpose of a (K, N).
        bias: (N,); None for none.

    Returns:
        (M, N), of the common type of all.
    """
    if _ONEDNN is not None and inputs.dtype in (torch.float32, torch.bfloat16) and inputs.device.type == "cpu":
        result: Tensor = _ONEDNN(inputs, weight, bias, "none", [], "")
        return result
    return inputs @ weight.t() if bias is None else torch.addmm(bias, inputs, weight.t())


def transposed_product(a: Tensor, b: Tensor) -> Tensor:
    """Returns a.T @ b (N, M) of a (K, N) and b (K, M), outside of autograd, as the gradient of a matrix needs it."""
    if a.dtype != torch.float32:
        return torch.mm(a.t(), b)  # not slower in bfloat16, and nothing is copied
    # oneDNN copies its first factor where that is a transpose, so it is the smaller one.
    return product(a.t(), b.t()) if a.shape[1] <= b.shape[1] else product(b.t(), a.t()).t()
