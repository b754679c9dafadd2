"""How this process's memory is kept, and the most of it that there has been, as each operating system tells it."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

# Parameters of mallopt, from glibc's malloc.h, each with the values to try; older versions refuse more than 32 MiB.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = (-1, (2**31 - 1,)), (-3, (2**30, 2**25))


def keep_freed_memory() -> None:
    """Tells the allocator to use freed memory again rather than to give it back to the system; only glibc is asked.

    A training step allocates and frees the same hundreds of megabytes each time. Given back, every page of it has to be
    zeroed anew: measured on 2 cores, a step of an LSTM with 10,000 words took 1.3 times as long.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    for parameter, values in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
        any(mallopt(parameter, value) for value in values)


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
    # PROCESS_MEMORY_COUNTERS: two numbers of 32 bits, then eight sizes, of which the first is PeakWorkingSetSize.
    class Counters(ctypes.Structure):
        _fields_ = (("cb", ctypes.c_ulong), ("faults", ctypes.c_ulong), ("sizes", ctypes.c_size_t * 8))

    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    found = Counters(cb=ctypes.sizeof(Counters))
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    done = kernel.K32GetProcessMemoryInfo(process, ctypes.byref(found), found.cb)
    return int(found.sizes[0]) if done else 0
