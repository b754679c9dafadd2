"""The most memory that this process has had, as each operating system tells it."""

from __future__ import annotations

import sys
from pathlib import Path


def reset_peak() -> None:
    """Starts a new measurement, where the operating system can: only Linux."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets VmHWM
    except OSError:
        return


def peak_bytes() -> int:
    """Returns the peak resident memory of this process in bytes."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        return _peak_on_windows() if sys.platform == "win32" else _peak_of_usage()


def _peak_of_usage() -> int:
    import resource  # not on Windows

    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage if sys.platform == "darwin" else usage * 1024


def _peak_on_windows() -> int:
    import ctypes

    # PROCESS_MEMORY_COUNTERS: two numbers of 32 bits, then eight sizes, of which the first is PeakWorkingSetSize.
    class Counters(ctypes.Structure):
        _fields_ = (("cb", ctypes.c_ulong), ("faults", ctypes.c_ulong), ("sizes", ctypes.c_size_t * 8))

    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    found = Counters(cb=ctypes.sizeof(Counters))
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    done = kernel.K32GetProcessMemoryInfo(process, ctypes.byref(found), found.cb)
    return int(found.sizes[0]) if done else 0
