"""Chooses the device and the precision of a run."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch

from lmlab.errors import UserError


def choose_precision(precision: str, device: torch.device, *, field: str = "trainer.precision") -> str:
    """Returns the fastest one for ``auto``: 16-mixed on a GPU, bf16-mixed on a CPU with units for it, or 32-true.

    Args:
        precision: the trainer's setting; anything but ``auto`` is returned unchanged.
        device: the device of training.
        field: the setting that has it.

    Raises:
        UserError: a precision that would silently be replaced by another on this device.
    """
    if precision == "auto":
        if device.type == "cuda":
            return "16-mixed"
        return "bf16-mixed" if has_bfloat16_units() else "32-true"
    check_precision(precision, device, field=field)
    return precision


def has_bfloat16_units() -> bool | None:
    """Returns whether this CPU has units for bfloat16; None if that is unknown (on systems other than Linux)."""
    try:
        known = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return re.search(r"\b(avx512_bf16|amx_bf16|bf16)\b", known) is not None


def check_precision(precision: str, device: torch.device, *, field: str = "trainer.precision") -> None:
    """Checks that the device does not silently compute in another precision.

    Raises:
        UserError: float16 on a CPU, which has no loss scaling there, or bfloat16 on a GPU, where cuDNN's recurrent
            layers would run in float16 without it.
    """
    if precision == "16-mixed" and device.type == "cpu":
        raise UserError(field, precision, "is for GPUs", "use bf16-mixed or 32-true on a CPU")
    if precision == "bf16-mixed" and device.type == "cuda":
        problem = "recurrent layers would run in float16 without loss scaling on a GPU"
        raise UserError(field, precision, problem, "use 16-mixed or 32-true on a GPU")


def choose_device(accelerator: str, *, field: str = "trainer.accelerator") -> torch.device:
    """Returns the device for ``cpu``, ``gpu``, or ``auto`` (a GPU if there is one).

    Args:
        accelerator: the word.
        field: the setting or argument that has it.

    Raises:
        UserError: another word, or a GPU was asked for, but there is none.
    """
    if accelerator not in ("auto", "cpu", "gpu"):
        raise UserError(field, accelerator, "no such option", "choose one of auto, cpu, gpu")
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise UserError(field, "gpu", "PyTorch sees no CUDA GPU here", f"use {field}=cpu or {field}=auto")
    use_gpu = accelerator in ("gpu", "auto") and torch.cuda.is_available()
    return torch.device("cuda", torch.cuda.current_device()) if use_gpu else torch.device("cpu")


def free_memory(device: torch.device) -> int:
    """Returns the bytes of a GPU that this process can still use, its own unused reserve included."""
    free, _ = torch.cuda.mem_get_info(device)
    return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))


def synchronize(device: torch.device) -> None:
    """Waits until the device has done all that was asked of it; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def allow_deterministic_kernels(device: torch.device) -> None:
    """Sets the environment variable that cuBLAS needs for `trainer.deterministic`; to be called before its first use.

    Source: NVIDIA's cuBLAS documentation, section Results Reproducibility.
    """
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def slow_bfloat16(precision: str, device: torch.device) -> bool:
    """Returns whether bfloat16 is used and slower than float32: on a CPU without units for it (known on Linux only).

    Args:
        precision: the setting of training or generation.
        device: the model's device.
    """
    return precision.startswith("bf16") and device.type == "cpu" and has_bfloat16_units() is False
