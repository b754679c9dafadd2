"""The device a run takes place on."""

from __future__ import annotations

import torch

from lmlab.errors import UserError


def choose_device(accelerator: str) -> torch.device:
    """``cpu``, ``gpu``, or ``auto`` for a GPU where there is one.

    Raises:
        UserError: a GPU was asked for and there is none.
    """
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise UserError("trainer", "gpu", "PyTorch sees no CUDA GPU here", "use trainer=cpu or trainer=auto")
    use_gpu = accelerator in ("gpu", "auto") and torch.cuda.is_available()
    return torch.device("cuda", torch.cuda.current_device()) if use_gpu else torch.device("cpu")
