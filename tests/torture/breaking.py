"""Breaking a run again and again until it is finished, and what was wrong on the way."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from command_server import Ended, Server

from torture.compare import differences, snapshot, sweep_differences
from torture.faults import FAILING, SIGNALS, Fault
from torture.place import Place

# After so many breaks a last child goes on without.
MOST_BREAKS = 7


@dataclass(frozen=True)
class Reference:
    """A run or sweep that was never interrupted.

    Args:
        folder: its own.
        arguments: what it was started with.
        counts: of the calls that it made, by kind.
    """

    folder: Path
    arguments: list[str]
    counts: dict[str, int]


@dataclass
class Chain:
    """A run that was broken several times.

    Args:
        faults: that struck, in order.
        findings: what was wrong.
        children: how many processes it took.
    """

    faults: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    children: int = 0


def run_reference(server: Server, arguments: Sequence[str], root: Path, *, calls: bool = True) -> Reference:
    """An uninterrupted run with its calls counted.

    Raises:
        AssertionError: it does not finish.
    """
    place = Place(root)
    ended = place.run(server, *arguments, count=True, calls=calls)
    assert ended.status == 0, f"{' '.join(arguments)}\n{ended.out}\n{ended.err}"
    (folder,) = runs_in(place)
    return Reference(folder, list(arguments), ended.counts)


def runs_in(place: Place) -> list[Path]:
    """The folders of runs or sweeps, as `outputs/<name>/<time>`."""
    return sorted(path for path in place.work.glob("outputs/*/*") if path.is_dir())


def draw(counts: dict[str, int], generator: random.Random, *, part: float = 1.0) -> Fault:
    """A fault at a call that a whole run makes.

    Args:
        counts: of a whole run.
        generator: seeded.
        part: of the run, about, that is still to come.
    """
    kind = generator.choice(sorted(kind for kind, count in counts.items() if count))
    most = max(1, round(counts[kind] * part))
    # The end of a run is short and has the most to lose: a quarter of the faults are there.
    at = (
        generator.randint(max(1, most - most // 8 - 2), most)
        if generator.random() < 0.25
        else generator.randint(1, most)
    )
    actions = ["KILL", "KILL", "INT", "TERM", "HUP"] + (["ENOSPC", "ENOSPC", "EIO"] if kind in FAILING else [])
    action = generator.choice(actions)
    again = None
    if action != "KILL" and generator.random() < 0.4:
        again = generator.choice((0, 1, 2, 5, 20, 100))
    return Fault(kind, at, action, again)


def complaints(ended: Ended, fault: Fault | None) -> list[str]:
    """What is wrong with how a command ended."""
    found = []
    if ended.status is None:
        return [f"did not end in time: {_last(ended.err, 12)}"]
    if "Traceback" in ended.err or "Traceback" in ended.out:
        found.append(f"a traceback: {_last(ended.err, 4)}")
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    if any("(unexpected;" in line for line in errors):
        found.append(f"an error that nobody expected: {errors}")
    if fault is None or ended.struck is None:
        return found + ([] if ended.status == 0 else [f"exit {ended.status} without a fault: {_last(ended.err, 3)}"])
    if fault.action == "KILL":
        return found + ([] if ended.status == -9 else [f"exit {ended.status} after a kill"])
    if fault.action in SIGNALS:
        expected = 128 + SIGNALS[fault.action]
        if ended.status != expected:
            found.append(f"exit {ended.status} instead of {expected}: {_last(ended.err or ended.out, 3)}")
        elif "interrupted" not in (ended.out + ended.err).lower() and "stopped" not in (ended.out + ended.err).lower():
            found.append(f"a signal without a line that says so: {_last(ended.out + ended.err, 3)}")
        return found
    if ended.status == 1 and len(errors) != 1:
        found.append(f"exit 1 with {len(errors)} error lines: {_last(ended.err, 4)}")
    elif ended.status not in (0, 1):
        found.append(f"exit {ended.status} after {fault.action}: {_last(ended.err, 3)}")
    return found


def false_promises(ended: Ended, folder: Path | None) -> list[str]:
    """Lines that say how to go on where there is nothing to go on with, or that deny what was under way."""
    told = ended.out + ended.err
    if folder is None and re.search(r"train run=\S+", told):
        return [f"it says how to go on, but there is no run: {_last(told, 2)}"]
    trained = folder is not None and any(folder.rglob("last.ckpt"))
    if trained and "nothing of value was under way" in told:
        return ["it says that nothing of value was under way, but there is a checkpoint"]
    return []


def break_until_finished(
    server: Server,
    reference: Reference,
    root: Path,
    generator: random.Random,
    *,
    breaks: int = MOST_BREAKS,
    faults: Sequence[Fault] = (),
    part: float = 1.0,
) -> Chain:
    """Breaks a run at drawn calls, resumes it, and compares it with the reference.

    Args:
        server: makes the children.
        reference: the same run, never interrupted.
        root: an empty folder.
        generator: draws the faults.
        breaks: at most.
        faults: these instead of drawn ones.
        part: of the run in which the first fault is.
    """
    place, chain = Place(root), Chain()
    is_sweep = "-m" in reference.arguments
    planned = list(faults) or [
        draw(reference.counts, generator, part=part / (1 + i / 2)) for i in range(generator.randint(1, breaks))
    ]
    for fault in [*planned, None]:
        folder = _to_go_on_with(place, chain)
        before = _finished(folder)
        arguments = reference.arguments if folder is None else [f"run={folder}"]
        ended = place.run(server, *arguments, fault=fault)
        chain.children += 1
        if ended.struck is not None:
            chain.faults.append(ended.struck)
        here = _to_go_on_with(place, chain)
        problems = complaints(ended, fault) + false_promises(ended, here)
        if folder is not None and not is_sweep and before is None and "is finished" in ended.err:
            problems = []
        chain.findings += [f"after {fault}: {problem}" for problem in problems]
        chain.findings += _touched(folder, before)
        if here is not None and (_is_done(here, is_sweep) or ended.status is None):
            break
    folder = _to_go_on_with(place, chain)
    if folder is None or not _is_done(folder, is_sweep):
        chain.findings.append("never finished")
    else:
        compare = sweep_differences if is_sweep else differences
        chain.findings += compare(reference.folder, folder)
    chain.findings += place.strays()
    return chain


def _to_go_on_with(place: Place, chain: Chain) -> Path | None:
    """The run's folder; one from before there was anything to go on with is removed, as a person would."""
    folders = runs_in(place)
    if len(folders) > 1:
        chain.findings.append(f"{len(folders)} folders instead of one: {[folder.name for folder in folders]}")
    if not folders:
        return None
    folder = folders[-1]
    begun = (folder / "config.yaml").is_file() or (folder / "sweep.json").is_file() or any(folder.rglob("*.ckpt"))
    if not begun:
        shutil.rmtree(folder)
        return None
    return folder


def status_of(folder: Path) -> str | None:
    """What summary.json says."""
    try:
        return str(json.loads((folder / "summary.json").read_text(encoding="utf-8")).get("status"))
    except (OSError, ValueError):
        return None


def _is_done(folder: Path, is_sweep: bool) -> bool:
    if not is_sweep:
        return status_of(folder) == "finished"
    jobs = [path for path in folder.iterdir() if path.is_dir()]
    return len(jobs) == 3 and all(status_of(job) == "finished" for job in jobs) and (folder / "results.csv").is_file()


Snapshots = dict[Path, dict[str, tuple[int, bytes]]]


def _finished(folder: Path | None) -> Snapshots | None:
    """Of a sweep: its finished jobs, file by file."""
    if folder is None or not (folder / "sweep.json").is_file():
        return None
    jobs = [path for path in folder.iterdir() if path.is_dir() and status_of(path) == "finished"]
    return {job: snapshot(job) for job in jobs}


def _touched(folder: Path | None, before: Snapshots | None) -> list[str]:
    found = []
    for job, files in (before or {}).items():
        now = snapshot(job)
        touched = sorted(name for name in files.keys() | now.keys() if files.get(name) != now.get(name))
        if touched:
            found.append(f"{job.name}: a finished job was touched: {', '.join(touched[:6])}")
    return found


def _last(text: str, lines: int) -> str:
    return " | ".join(text.strip().splitlines()[-lines:])[-600:]
