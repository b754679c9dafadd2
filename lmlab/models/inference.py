"""Contexts for using a trained model: exact float32, no dropout, no gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch


def uses_autocast(device_type: str) -> bool:
    """Returns whether autocast is enabled; False for devices that have none, such as ``meta``."""
    return torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type)


@contextmanager
def exact_float32(device: torch.device) -> Iterator[None]:
    """Disables autocast, gradients, and TF32 in matrix products and cuDNN's recurrent layers (on there by default)."""
    # Each setting separately, because torch refuses to read its older switches once one of these has been set.
    backends: Any = torch.backends
    switches = (backends.cuda.matmul, backends.cudnn.rnn, backends.mkldnn.matmul, backends.mkldnn.rnn)
    before = [switch.fp32_precision for switch in switches]
    for switch in switches:
        switch.fp32_precision = "ieee"
    try:
        off = torch.autocast(device.type, enabled=False) if uses_autocast(device.type) else nullcontext()
        with torch.no_grad(), off:
            yield
    finally:
        for switch, precision in zip(switches, before, strict=True):
            switch.fp32_precision = precision


@contextmanager
def evaluation_mode(model: torch.nn.Module) -> Iterator[None]:
    """Puts the model into evaluation mode, and back into training mode afterwards if it was in it."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
