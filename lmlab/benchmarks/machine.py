"""The machine that was measured, in words and numbers."""

from __future__ import annotations

import os
import platform
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from lmlab.device import has_bfloat16_units
from lmlab.memory_limits import available_memory
from lmlab.version import own_version


def describe_machine(device: torch.device, *, precision: str) -> dict[str, Any]:
    """Returns what the speed of a machine depends on, as plain data.

    Args:
        device: that was measured.
        precision: of the steps of training.
    """
    load: tuple[float, ...] | None = None
    if hasattr(os, "getloadavg"):  # not on Windows
        load = os.getloadavg()
    memory = available_memory()
    return {
        "cpu": _cpu(),
        "cores": _usable_cores(),
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "bfloat16_units": has_bfloat16_units(),
        "memory_available_gb": None if memory is None else round(memory / 1e9, 1),
        # Of the last minute, before the measurements: above 0, something else was running.
        "load": None if load is None else round(load[0], 2),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "precision": precision,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "lmlab": own_version(),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def machine_sentence(machine: dict[str, Any]) -> str:
    """Returns the description in one line."""
    on = f"{machine['gpu']}; " if machine["gpu"] else ""
    units = {True: ", bfloat16 units", False: "", None: ""}[machine["bfloat16_units"]]
    cores = f"{machine['cores']} core{'s' * (machine['cores'] != 1)}"
    cpu = f"{machine['cpu']}, {cores}, {machine['threads']} threads ({machine['capability']}{units})"
    load = "" if machine["load"] is None else f", load {machine['load']:g} before"
    return f"{on}{cpu}, torch {machine['torch']}{load}"


def _cpu() -> str:
    """Returns the name of the processor, as far as the system tells it."""
    try:
        known = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        known = ""
    found = re.search(r"^model name\s*:\s*(.+)$", known, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
