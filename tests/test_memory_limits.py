"""The memory that there is, from the files of a made-up machine."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from lmlab import memory_limits
from lmlab.memory_limits import TooLarge, as_bytes, available_memory, check_memory, may_have_gpu

GIB = 1 << 30


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One with 8 GiB available and 1 GiB of swap, without limits."""
    for name in ("proc", "cgroup", "dev"):
        (tmp_path / name).mkdir()
        constant = {"proc": "_PROC", "cgroup": "_CGROUP", "dev": "_DEVICES"}[name]
        monkeypatch.setattr(memory_limits, constant, tmp_path / name)
    put(tmp_path, "proc/meminfo", f"MemTotal: 99 kB\nMemAvailable: {8 << 20} kB\nSwapFree: {1 << 20} kB\n")
    put(tmp_path, "proc/self/statm", "10 5 1\n")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return tmp_path


def put(machine: Path, name: str, text: str) -> None:
    (machine / name).parent.mkdir(parents=True, exist_ok=True)
    (machine / name).write_text(text)


def test_without_limits_it_is_what_the_kernel_has(machine: Path) -> None:
    put(machine, "proc/self/cgroup", "0::/job\n")
    put(machine, "cgroup/job/memory.max", "max\n")
    put(machine, "cgroup/job/memory.current", f"{GIB}\n")
    assert available_memory() == 9 * GIB


def test_the_least_that_a_group_leaves_counts_and_its_cache_is_free(machine: Path) -> None:
    put(machine, "proc/self/cgroup", "0::/slice/job\n")
    for group, limit in (("slice", 4), ("slice/job", 6)):
        put(machine, f"cgroup/{group}/memory.max", f"{limit * GIB}\n")
        put(machine, f"cgroup/{group}/memory.current", f"{3 * GIB}\n")
        put(machine, f"cgroup/{group}/memory.stat", f"anon 1\ninactive_file {GIB}\n")
    assert available_memory() == (4 - 3 + 1 + 1) * GIB


def test_groups_of_version_1_and_containers_that_show_only_the_root(machine: Path) -> None:
    put(machine, "proc/self/cgroup", "5:cpu,memory:/docker/abc\n1:cpuset:/\n")
    put(machine, "cgroup/memory/memory.limit_in_bytes", f"{2 * GIB}\n")
    put(machine, "cgroup/memory/memory.usage_in_bytes", f"{GIB}\n")
    put(machine, "cgroup/memory/memory.stat", "total_inactive_file 0\n")
    assert available_memory() == 2 * GIB
    put(machine, "cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    assert available_memory() == 9 * GIB


def test_what_the_process_may_map_counts(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (GIB, GIB))
    assert available_memory() == GIB - 10 * resource.getpagesize()


def test_where_nothing_is_known_nothing_is_said(machine: Path) -> None:
    (machine / "proc/meminfo").unlink()
    assert available_memory() is None
    assert may_have_gpu()


def test_a_gpu_may_be_there_where_its_driver_is(machine: Path) -> None:
    assert not may_have_gpu()
    put(machine, "dev/nvidiactl", "")
    assert may_have_gpu()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say")
def test_this_machine_has_some() -> None:
    found = available_memory()
    assert found is not None
    assert found > 1 << 20


def test_bytes_are_shown_with_three_digits() -> None:
    sizes = [0, 999, 1000, 15e9, 999_600, 3.21e12, 4e20]
    assert list(map(as_bytes, sizes)) == ["0 bytes", "999 bytes", "1 kB", "15 GB", "1 MB", "3.21 TB", "400 EB"]


def test_of_the_settings_that_count_the_typed_one_is_named() -> None:
    def needed(sizes: Mapping[str, int]) -> dict[str, float]:
        return {"all": sizes["units"] * sizes["layers"] + sizes["steps"]}

    with pytest.raises(TooLarge) as refused:
        check_memory(needed, {"layers": 10, "units": 1000, "steps": 5}, 9000)
    assert str(refused.value).startswith("units=1000: needs about 10 kB")
    assert str(refused.value).endswith("; lower units")
    told = str(refused.value.naming(["steps", "layers", "seed"]))
    assert told.startswith("layers=10: needs about 10 kB")
    assert told.endswith("; lower layers or units (1,000)")
    assert str(refused.value.naming(["steps"])) == str(refused.value)
