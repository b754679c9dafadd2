"""How a model does on each of the streams that an evaluation reads side by side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from lmlab.models.decoder import TokenStatistics

# With fewer streams there is no middle to compare the worst with; the mean over fewer tokens is mostly chance.
LEAST_STREAMS, LEAST_TOKENS = 3, 100


class StreamTotals:
    """Sums over an evaluation of running text, stream by stream."""

    def __init__(self) -> None:
        self._sums: torch.Tensor | None = None  # (2, S) float64: nats and counted tokens

    def update(self, statistics: TokenStatistics, *, num_streams: int) -> None:
        """Adds a batch.

        Args:
            statistics: of its targets, row by row.
            num_streams: its rows.
        """
        parts = [statistics.nats, statistics.mask]
        sums = torch.stack([part.view(num_streams, -1).sum(dim=1, dtype=torch.float64) for part in parts])
        self._sums = sums if self._sums is None else self._sums + sums

    def table(self) -> dict[str, Any] | None:
        """Returns how many streams there are, and nats per token of the middle and the worst; None if that says little.

        Of an even number, the middle is the mean of two.
        """
        if self._sums is None:
            return None
        nats, counts = self._sums.cpu().numpy()
        if len(counts) < LEAST_STREAMS or counts.min() < LEAST_TOKENS or not math.isfinite(nats.sum()):
            return None
        means = nats / counts
        median, worst = float(np.median(means)), float(means.max())
        return {"count": len(means), "median_nats_per_token": median, "worst_nats_per_token": worst}
