"""Large texts: time and memory from a file to the first batch of training, in a process of its own."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from lmlab.benchmarks.measurement import Measurement
from lmlab.benchmarks.processes import run_python
from lmlab.data.random_text import write_random_text
from lmlab.errors import UserError
from lmlab.memory import peak_bytes

PART = "large_text"
_FILE = "text.txt"
_CODE = "import sys; from lmlab.benchmarks.large_text import read_whole; read_whole(sys.argv[1])"


def read_whole(tokenizer: str) -> None:
    """Reads the text in the current folder as a run does, up to the first batch; prints seconds and memory as JSON.

    Args:
        tokenizer: an option of the group.
    """
    from lmlab.config.compose import train_settings
    from lmlab.training.assembly import build_data

    settings = train_settings(["data=text", f"data.path={_FILE}", f"tokenizer={tokenizer}"])
    begun, own_begun = time.perf_counter(), os.times().user
    try:
        data = build_data(settings)
        next(iter(data.train_loader))
    except UserError as error:
        print(json.dumps({"error": str(error)}))
        return
    taken, own = time.perf_counter() - begun, os.times().user - own_begun
    print(json.dumps({"seconds": taken, "own_seconds": own, "bytes": peak_bytes()}))


def measure_large_text(*, gigabytes: Sequence[float], tokenizer: str, folder: Path | None) -> Iterator[Measurement]:
    """Yields seconds per gigabyte and the peak memory, for made texts, each read once.

    A long text's ids are written to the disk, which takes the system longer the fuller its cache is; so the processor's
    seconds without those that the system took are given too.

    Args:
        gigabytes: sizes of the texts (10^9 bytes).
        tokenizer: an option of the group.
        folder: for the text and its ids, which are removed afterwards; None for the system's temporary folder.

    Raises:
        UserError: the memory cannot hold a text.
    """
    for size in gigabytes:
        with tempfile.TemporaryDirectory(dir=folder, prefix="lmlab_benchmark_") as place:
            write_random_text(Path(place) / _FILE, num_bytes=round(size * 1e9), seed=0)
            with (Path(place) / _FILE).open("r+b") as file:
                os.fsync(file.fileno())  # so that the disk is not busy with it later
            found = json.loads(run_python(["-c", _CODE, tokenizer], Path(place)))
        if "error" in found:
            raise UserError("large_text.gigabytes", f"{size:g}", found["error"], "give a smaller size")
        case = f"{size:g} GB by {tokenizer}"
        memory = found["bytes"] / 1e9
        for name, key in (("time", "seconds"), ("without the system's", "own_seconds")):
            yield Measurement(part=PART, case=f"{case}, {name}", unit="s/GB", value=found[key] / size, repetitions=1)
        yield Measurement(part=PART, case=f"{case}, peak memory", unit="GB", value=memory, repetitions=1)
