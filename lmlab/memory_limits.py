"""The memory that there is, and the refusal of what needs more; without torch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from lmlab.errors import UserError

# Bytes by the part that needs them, such as {"weights": 10**9}.
Parts = Mapping[str, float]

_PROC = Path("/proc")
_CGROUP = Path("/sys/fs/cgroup")
_DEVICES = Path("/dev")
# More than this is how the kernel writes that there is no limit.
_NO_LIMIT = 1 << 60


class TooLarge(UserError):
    """What needs more memory than there is.

    Args:
        sizes: the settings that count, by name, those that count most first.
        problem: how much is needed and how much is there.
        typed: names of the settings on the command line: one of these is named if it counts.
    """

    def __init__(self, sizes: Mapping[str, int], problem: str, typed: Collection[str] = ()) -> None:
        self.sizes = sizes
        most = next(iter(sizes))
        named = next((name for name in sizes if name in typed), most)
        others = f" or {most} ({sizes[most]:,})" if most != named else ""
        super().__init__(named, sizes[named], problem, f"lower {named}{others}")

    def naming(self, typed: Collection[str]) -> TooLarge:
        """Returns the error of a command line on which these settings are."""
        return TooLarge(self.sizes, self.problem, typed)


def check_memory(
    needed: Callable[[Mapping[str, int]], Parts],
    sizes: Mapping[str, int],
    there: int | None,
    *,
    where: str = "memory",
) -> None:
    """Refuses what needs more memory than there is.

    Args:
        needed: returns a lower bound of the bytes of each part, for values of the settings.
        sizes: the values, by the names of the settings.
        there: bytes; None if unknown, which refuses nothing.
        where: the kind of memory, for the error.

    Raises:
        TooLarge: it needs more; names the setting that counts most.
    """
    parts = needed(sizes)
    total = sum(parts.values())
    if there is None or total <= there:
        return
    # What halving a setting would save, if that is anything to speak of.
    halved = {n: total - sum(needed({**sizes, n: value // 2}).values()) for n, value in sizes.items() if value > 1}
    counting = [name for name in halved if halved[name] > total / 10] or list(halved)
    # Of two, rather the larger: layers by the thousand, not units by the hundred.
    counting.sort(key=lambda name: -halved[name] * math.log(sizes[name]))
    largest = sorted((size, name) for name, size in parts.items() if size)[::-1]
    listed = ", ".join(f"{name} {as_bytes(size)}" for size, name in largest)
    problem = f"needs about {as_bytes(total)} of {where} ({listed}), {as_bytes(there)} are there"
    raise TooLarge({name: sizes[name] for name in counting}, problem)


def as_bytes(size: float) -> str:
    """Formats a number of bytes with three digits: `3.21 TB`."""
    for name in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if size < 999.5:
            return f"{size:.3g} {name}"
        size /= 1000
    return f"{size:.3g} EB"


def available_memory() -> int | None:
    """Returns the bytes that this process can still get on this machine, swap included; None if that is unknown.

    The least of what the kernel says is available, what the control groups (containers, batch systems) leave and what
    the process may still map.
    """
    free, swap = _meminfo("MemAvailable"), _meminfo("SwapFree") or 0
    with_swap = [None if free is None else free + swap, *(left + swap for left in _left_by_groups())]
    limits = [limit for limit in (*with_swap, _left_to_map()) if limit is not None]
    return max(0, min(limits)) if limits else None


def may_have_gpu() -> bool:
    """Returns whether there may be a GPU; False only where there is certainly none."""
    if not (_PROC / "meminfo").is_file():  # not Linux
        return True
    return any((_DEVICES / name).exists() for name in ("nvidiactl", "nvidia0", "dxg", "kfd"))


def _meminfo(name: str) -> int | None:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB$", (_PROC / "meminfo").read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return None if found is None else int(found[1]) * 1024


def _left_by_groups() -> Iterator[int]:
    """Yields what the limit of each control group above this process leaves."""
    try:
        lines = (_PROC / "self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, names = _CGROUP, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root, names = _CGROUP / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        folder = root / path.strip("/")
        while folder == root or root in folder.parents:  # in a container, only the root may be visible
            left = _left_in(folder, *names)
            if left is not None:
                yield left
            folder = folder.parent


def _left_in(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """Returns what a control group leaves, with the file cache that the kernel can drop; None without a limit."""
    try:
        most = int((folder / limit).read_text(encoding="ascii"))
        used = int((folder / usage).read_text(encoding="ascii"))
        found = re.search(rf"^{reclaimable} (\d+)$", (folder / "memory.stat").read_text(encoding="ascii"), re.MULTILINE)
    except (OSError, ValueError):  # no such group here, or "max"
        return None
    return None if most >= _NO_LIMIT else most - used + (int(found[1]) if found else 0)


def _left_to_map() -> int | None:
    """Returns how many bytes the process may still map (`ulimit -v`); None without a limit."""
    try:
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        pages = int((_PROC / "self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError, ValueError):
        return None
    return None if most == resource.RLIM_INFINITY or most >= _NO_LIMIT else most - pages * resource.getpagesize()
