"""What summary.json says besides figures: parts, versions, device, memory."""

from __future__ import annotations

import platform
import re
from importlib import metadata
from typing import Any

import torch

from lmlab import memory
from lmlab.config.settings import PartSettings
from lmlab.config.typed import plain
from lmlab.runs.contents import Row
from lmlab.version import own_version

# Usual names for parts whose class names differ from them.
_SHORT = {"exponential_moving_average": "ema", "triggered_average": "triggered averaging"}
_PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "omegaconf", "torchmetrics", "numpy")


def best_figures(best: Row) -> dict[str, float]:
    """Returns the validation figures of the best evaluation with its epoch and step."""
    figures = {key: value for key, value in best.items() if key.startswith("val/")}
    return figures | {"best_epoch": best["epoch"], "best_step": best["step"]}


def part_name(part: PartSettings) -> str | None:
    """Returns the name of a part, from its class: `OneCycle` is `one_cycle`; None if it is switched off."""
    if part.target is None:
        return None
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", part.class_name).lower()
    return _SHORT.get(words, words)


def part_settings(part: PartSettings) -> dict[str, Any] | None:
    """Returns name and settings of a part, for the summary; None for a part that is switched off."""
    if part.target is None:
        return None
    return {"name": part_name(part), **{key: value for key, value in plain(part).items() if key != "_target_"}}


def versions() -> dict[str, str]:
    """Returns the versions of Python, lmlab and the packages that affect the numbers."""
    found = {"python": platform.python_version(), "lmlab": own_version()}
    return found | {name: metadata.version(name) for name in _PACKAGES}


def device_name(device: torch.device) -> str:
    """Returns the name of the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({torch.get_num_threads()} threads)"


def reset_peak_memory(device: torch.device) -> None:
    """Starts a new measurement of peak memory, so that a job of a sweep does not include the job before it.

    That of a process begins with reading the text.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_bytes(device: torch.device) -> int:
    """Returns the peak memory: allocated on the GPU, or resident in the process on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return memory.peak_bytes()
