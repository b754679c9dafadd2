"""The ceiling: how fast this machine multiplies matrices, which bounds the speed of every layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from lmlab.benchmarks.measurement import Measurement, rate
from lmlab.models.products import product
from lmlab.timing import in_turn

PART = "ceiling"


def measure_ceiling(
    *, size: int, dtypes: Sequence[torch.dtype], repetitions: int, device: torch.device
) -> Iterator[Measurement]:
    """Yields the speed of a product of two square matrices: lmlab's own against that of `torch.mm`.

    Args:
        size: N, rows and columns; a product takes 2 N^3 operations.
        dtypes: types of the matrices.
        repetitions: number of timed products of each.
        device: on which they are.
    """
    for dtype in dtypes:
        a, b = torch.randn(2, size, size, device=device).to(dtype)

        def lmlabs(a: torch.Tensor = a, b: torch.Tensor = b) -> torch.Tensor:
            return product(a, b)

        def torchs(a: torch.Tensor = a, b: torch.Tensor = b) -> torch.Tensor:
            return torch.mm(a, b)

        units = 2 * size**3 / 1e9
        timing = in_turn(lmlabs, torchs, repetitions=repetitions, units=units, device=device, warm_up=3)
        name = str(dtype).removeprefix("torch.")
        yield rate(PART, f"{size} x {size}, {name}", "GFLOP/s", timing, "torch.mm")
