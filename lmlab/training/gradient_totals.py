"""Norms of the gradients of all steps, summed on the device."""

from __future__ import annotations

import torch
from torch import Tensor


class GradientTotals(torch.nn.Module):
    """Gradient norms before and after clipping, summed on the device.

    Buffers: `norm_sum`, `clipped_norm_sum`, `num_clipped` and `num_steps` since the loggers were last written to, and
    `all_clipped`, `all_steps` over the whole run.
    """

    _NAMES = ("norm_sum", "clipped_norm_sum", "num_clipped", "num_steps", "all_clipped", "all_steps")
    _RECENT = _NAMES[:4]
    norm_sum: Tensor
    clipped_norm_sum: Tensor
    num_clipped: Tensor
    num_steps: Tensor
    all_clipped: Tensor
    all_steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in self._NAMES:
            self.register_buffer(name, torch.zeros(()), persistent=False)

    def update(self, norm: Tensor, clip: float | None) -> None:
        """Adds a step.

        Args:
            norm: norm before clipping; scalar.
            clip: the largest norm allowed; None if gradients are not clipped.
        """
        # With float16 a step may overflow; the loss scaler then skips it, and it is not counted here either.
        finite = torch.isfinite(norm)
        norm = torch.where(finite, norm, 0.0)
        # In place: assigning to a module's attribute, even the same tensor, goes through all that a module registers.
        self.norm_sum.add_(norm)
        self.clipped_norm_sum.add_(norm if clip is None else norm.clamp(max=clip))
        self.num_steps.add_(finite)
        self.all_steps.add_(finite)
        if clip is not None:
            clipped = norm > clip
            self.num_clipped.add_(clipped)
            self.all_clipped.add_(clipped)

    def update_by_value(self, norm: Tensor, after: Tensor) -> None:
        """Adds a step whose gradient was clipped element by element.

        Args:
            norm: norm before clipping; scalar.
            after: norm after clipping; scalar.
        """
        finite = torch.isfinite(norm)  # as in `update`
        clipped = finite & (after < norm)
        self.norm_sum.add_(torch.where(finite, norm, 0.0))
        self.clipped_norm_sum.add_(torch.where(finite, after, 0.0))
        for total in (self.num_steps, self.all_steps):
            total.add_(finite)
        for total in (self.num_clipped, self.all_clipped):
            total.add_(clipped)

    def take(self) -> tuple[int, dict[str, float]]:
        """Returns and resets the totals since the last call.

        Returns:
            The number of steps, and their mean norms and share of clipped steps; 0 and empty if there was no step.
        """
        steps = int(self.num_steps)
        if steps == 0:
            return 0, {}
        figures = {
            "grad_norm": float(self.norm_sum) / steps,
            "grad_norm_clipped": float(self.clipped_norm_sum) / steps,
            "clip_fraction": float(self.num_clipped) / steps,
        }
        for name in self._RECENT:
            getattr(self, name).zero_()
        return steps, figures

    @property
    def clip_fraction(self) -> float:
        """Share of clipped steps over the whole run."""
        return float(self.all_clipped) / max(1.0, float(self.all_steps))
