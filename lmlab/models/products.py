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
        packed = torch.ops.mkldnn._reorder_linear_weight(one, 64)
        sums = [float(found(one, weight, one[0], "none", [], "")) for weight in (one, packed)]
        return found if sums == [2.0, 2.0] else None
    except (AttributeError, RuntimeError):
        return None


_ONEDNN = _find() if torch.backends.mkldnn.is_available() else None  # type: ignore[no-untyped-call]


def _has_onednn(factor: Tensor) -> bool:
    return _ONEDNN is not None and factor.dtype in (torch.float32, torch.bfloat16) and factor.device.type == "cpu"


def product(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Returns inputs @ weight.T + bias, outside of autograd.

    Args:
        inputs: (M, K).
        weight: (N, K), or the transpose of a (K, N).
        bias: (N,); None for none.

    Returns:
        (M, N), of the common type of all.
    """
    if _has_onednn(inputs):
        assert _ONEDNN is not None
        result: Tensor = _ONEDNN(inputs, weight, bias, "none", [], "")
        return result
    return inputs @ weight.t() if bias is None else torch.addmm(bias, inputs, weight.t())


# Packing takes as long as 30 products with one row, which it makes hardly faster in float32, and as one with 64 rows.
_PACKED_FROM = 16
# Products of less work than this (M N K), or with few rows, go to torch's other library, because a call of oneDNN takes
# 10 microseconds more. Measured in float32 with one thread: 6 against 15 microseconds for 1 x 128 x 512, 42 against
# 51 for 1 x 512 x 1536, 25 against 25 for 16 x 128 x 512.
SMALL, _FEW_ROWS, _SMALL_OF_FEW = 2**19, 2, 2**20


class PreparedProduct:
    """Computes inputs @ weight.T + bias for many inputs, outside of autograd; valid until the weights change.

    oneDNN otherwise brings a matrix into the order that it reads with every product, which takes about a tenth of the
    time of a product with 64 rows. So it is packed once, when the first inputs of so many rows come.

    Args:
        weight: (N, K).
        bias: (N,); None for none.
        bfloat16: whether inputs and weight are rounded to bfloat16, and their product before the bias is added.
        activation: ``tanh`` or ``relu`` to apply that to the result, before it is rounded; None for none.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None = None, *, bfloat16: bool = False, activation: str | None = None
    ) -> None:
        weight = weight.detach().bfloat16() if bfloat16 else weight.detach()
        self._dtype = weight.dtype
        self._bias = None if bias is None else bias.detach()
        self._activation = activation
        self._can_be_packed = _has_onednn(weight)
        self._weight = weight if self._can_be_packed else weight.t().contiguous()
        self._packed: Tensor | None = None

    def __call__(self, inputs: Tensor) -> Tensor:
        """Returns a new tensor (M, N) of the type of the inputs (M, K)."""
        if self._dtype == inputs.dtype:
            return self._product(inputs, self._bias)
        assert self._activation is None
        result = self._product(inputs.to(self._dtype), None).to(inputs.dtype)
        return result if self._bias is None else result.add_(self._bias)

    def _product(self, inputs: Tensor, bias: Tensor | None) -> Tensor:
        if self._can_be_packed and not self._is_small(inputs.shape[0]):
            assert _ONEDNN is not None
            weight = self._weight
            if inputs.shape[0] >= _PACKED_FROM or weight.dtype == torch.bfloat16:
                if self._packed is None:
                    # For 64 rows; the same order is the fastest or nearly so for 16 to 512.
                    self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, 64)
                weight = self._packed
            result: Tensor = _ONEDNN(inputs, weight, bias, self._activation or "none", [], "")
            return result
        factor = self._weight.t() if self._can_be_packed else self._weight
        result = inputs @ factor if bias is None else torch.addmm(bias, inputs, factor)
        if self._activation is None:
            return result
        return result.tanh_() if self._activation == "tanh" else result.relu_()

    def _is_small(self, rows: int) -> bool:
        if self._dtype != torch.float32:
            return False
        elements = self._weight.numel()
        return rows * elements <= SMALL or (rows <= _FEW_ROWS and elements <= _SMALL_OF_FEW)


def transposed_product(a: Tensor, b: Tensor) -> Tensor:
    """Returns a.T @ b (N, M) of a (K, N) and b (K, M), outside of autograd, as the gradient of a matrix needs it."""
    if a.dtype != torch.float32:
        return torch.mm(a.t(), b)  # not slower in bfloat16, and nothing is copied
    # oneDNN copies its first factor where that is a transpose, so it is the smaller one.
    return product(a.t(), b.t()) if a.shape[1] <= b.shape[1] else product(b.t(), a.t()).t()
