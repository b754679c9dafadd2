"""What differs between the folder of a run that was interrupted and that of one that was not."""

from __future__ import annotations

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

# Of the clock, so never equal.
TIMING = {"seconds", "tokens_per_second", "wall_seconds", "last_seconds", "training_seconds"}
# Of the machine and the process.
MACHINE = {"peak_memory_bytes", "versions", "device"}
# A resumed run's speed is of the same order; short runs on a busy machine differ this much.
SPEED_FACTOR = 20.0

_FILES = (
    r"config\.yaml|tokenizer\.json|metrics\.csv|samples\.jsonl|summary\.json|exhibits\.json|gradients\.csv|train\.log"
    r"|events\.out\.tfevents\..*|\.hydra/(config|hydra|overrides)\.yaml"
    r"|checkpoints/(best|best-before-end|last|previous|step-\d{6,})\.ckpt|\.lmlab\.lock"
)
_SWEEP_FILES = r"results\.csv|sweep\.json|multirun\.yaml|\.lmlab\.lock"
# There in one run and not in the other without anything being lost.
_OPTIONAL = r"checkpoints/(previous|best-before-end)\.ckpt|\.lmlab\.lock|events\.out\.tfevents\..*"


def differences(expected: Path, found: Path) -> list[str]:
    """Lines that say where a finished run differs from the one it should equal; empty where nowhere.

    Args:
        expected: the folder of a run that was never interrupted.
        found: the other's.
    """
    lines = [*_files(expected, found)]
    for name in ("config.yaml", "tokenizer.json", "samples.jsonl", "exhibits.json", "gradients.csv"):
        lines += _text(expected / name, found / name)
    lines += _table(expected / "metrics.csv", found / "metrics.csv")
    lines += _summary(expected / "summary.json", found / "summary.json")
    names = sorted(path.name for path in (expected / "checkpoints").glob("*.ckpt") if path.stem != "previous")
    for name in names:
        lines += _checkpoint(expected / "checkpoints" / name, found / "checkpoints" / name)
    lines += _points(expected, found)
    log = found / "train.log"
    if log.is_file() and "Traceback" in log.read_text(encoding="utf-8", errors="replace"):
        lines.append("train.log: a traceback")
    return lines


def sweep_differences(expected: Path, found: Path) -> list[str]:
    """The same for each job of a sweep, and for what stands beside the jobs."""
    lines = []
    jobs = {path.name for path in expected.iterdir() if path.is_dir()}
    others = {path.name for path in found.iterdir() if path.is_dir()}
    lines += [f"{name}: a job that is missing" for name in sorted(jobs - others)]
    lines += [f"{name}: a folder that should not be there" for name in sorted(others - jobs)]
    for name in sorted(jobs & others):
        lines += [f"{name}: {line}" for line in differences(expected / name, found / name)]
    for path in found.iterdir():
        if path.is_file() and not re.fullmatch(_SWEEP_FILES, path.name):
            lines.append(f"{path.name}: a file that should not be there")
    return [*lines, *_table(expected / "results.csv", found / "results.csv", more=MACHINE)]


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time of change and contents of every file below a folder, by relative path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def figures(folder: Path) -> dict[str, Any]:
    """All that summary.json says, but what depends on clock and machine."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return {key: value for key, value in summary.items() if key not in TIMING | MACHINE}


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def _files(expected: Path, found: Path) -> Iterator[str]:
    ours, theirs = _names(expected), _names(found)
    for name in sorted(theirs):
        if not re.fullmatch(_FILES, name):
            yield f"{name}: a file that should not be there"
    for name in sorted(ours ^ theirs):
        if re.fullmatch(_FILES, name) and not re.fullmatch(_OPTIONAL, name):
            yield f"{name}: {'missing' if name in ours else 'only in the interrupted run'}"


def _text(expected: Path, found: Path) -> Iterator[str]:
    if not expected.is_file() or not found.is_file():
        return
    ours, theirs = (path.read_text(encoding="utf-8").splitlines() for path in (expected, found))
    if len(ours) != len(theirs):
        yield f"{expected.name}: {len(theirs)} lines instead of {len(ours)}"
    for number, (line, other) in enumerate(zip(ours, theirs, strict=False), 1):
        if line != other:
            yield f"{expected.name}: line {number} is {other[:150]!r} instead of {line[:150]!r}"
            return


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _table(expected: Path, found: Path, *, more: frozenset[str] | set[str] = frozenset()) -> Iterator[str]:
    if not expected.is_file() or not found.is_file():
        if expected.is_file():
            yield f"{expected.name}: missing"
        return
    ours, theirs = _rows(expected), _rows(found)
    if [row.get("step") for row in ours] != [row.get("step") for row in theirs]:
        steps = [[row.get("step") for row in rows] for rows in (theirs, ours)]
        yield f"{expected.name}: rows at steps {steps[0]} instead of {steps[1]}"
    for row, other in zip(ours, theirs, strict=False):
        if set(row) != set(other):
            yield f"{expected.name}: columns {sorted(set(row) ^ set(other))} in one only"
            return
        wrong = [name for name in row if name not in TIMING | more and row[name] != other[name]]
        if wrong:
            first = wrong[0]
            where = row.get("step") or row.get("job")
            wrong_value = f"{first} is {other[first]} instead of {row[first]}"
            yield f"{expected.name}: row {where}: {wrong_value} ({len(wrong)} columns)"
            break
    seconds = [float(row["seconds"]) for row in theirs if row.get("seconds")]
    if seconds != sorted(seconds) or any(value < 0 for value in seconds):
        yield f"{expected.name}: seconds go back: {seconds}"


def _summary(expected: Path, found: Path) -> Iterator[str]:
    if not found.is_file():
        return
    ours, theirs = (json.loads(path.read_text(encoding="utf-8")) for path in (expected, found))
    yield from _unequal(ours, theirs, "summary.json", skipped=TIMING | MACHINE)
    speed, other = ours.get("tokens_per_second"), theirs.get("tokens_per_second")
    if speed and not (other and speed / SPEED_FACTOR <= other <= speed * SPEED_FACTOR):
        yield f"summary.json: {other} tokens a second instead of about {speed}"
    wall = theirs.get("wall_seconds")
    if not (isinstance(wall, int | float) and wall >= 0):
        yield f"summary.json: wall_seconds is {wall}"


def _checkpoint(expected: Path, found: Path) -> Iterator[str]:
    if not found.is_file():
        return
    ours, theirs = (torch.load(path, map_location="cpu", weights_only=True) for path in (expected, found))
    # What Lightning's loops count besides, for the position is in keys of its own; names and sizes of event files.
    where = f"checkpoints/{expected.name}"
    yield from _shortened(list(_unequal(ours, theirs, where, skipped=TIMING | {"loops", "event_files"})), where)


def _shortened(lines: list[str], where: str) -> Iterator[str]:
    """One line of each part, for a weight that differs makes all others differ."""
    parts: dict[str, list[str]] = {}
    for line in lines:
        parts.setdefault(re.split(r"[.\[:]", line.removeprefix(where).lstrip("."))[0], []).append(line)
    for part in parts.values():
        yield part[0] + (f" (and {len(part) - 1} more)" if len(part) > 1 else "")


def _unequal(ours: Any, theirs: Any, where: str, *, skipped: set[str]) -> Iterator[str]:
    """One line for each leaf that differs."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in sorted(ours.keys() | theirs.keys(), key=str):
            if key in skipped:
                continue
            if key == "last_logged" and key in ours and key in theirs:  # step and seconds
                yield from _unequal(ours[key][0], theirs[key][0], f"{where}.{key}[0]", skipped=skipped)
                continue
            if key not in ours or key not in theirs:
                yield f"{where}.{key}: {'missing' if key in ours else 'only in the interrupted run'}"
            else:
                yield from _unequal(ours[key], theirs[key], f"{where}.{key}", skipped=skipped)
    elif isinstance(ours, torch.Tensor) and isinstance(theirs, torch.Tensor):
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype or not _same_bits(ours, theirs):
            yield f"{where}: other values ({_apart(ours, theirs)})"
    elif isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        if len(ours) != len(theirs):
            yield f"{where}: {len(theirs)} items instead of {len(ours)}"
        for number, (item, other) in enumerate(zip(ours, theirs, strict=False)):
            yield from _unequal(item, other, f"{where}[{number}]", skipped=skipped)
    elif type(ours) is not type(theirs) or (ours != theirs and not _both_nan(ours, theirs)):
        yield f"{where}: {theirs!r:.100} instead of {ours!r:.100}"


def _same_bits(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    return torch.equal(*(tensor.reshape(-1).contiguous().view(torch.uint8) for tensor in (ours, theirs)))


def _apart(ours: torch.Tensor, theirs: torch.Tensor) -> str:
    if ours.shape != theirs.shape:
        return f"shape {tuple(theirs.shape)} instead of {tuple(ours.shape)}"
    return f"up to {float((ours.double() - theirs.double()).abs().max()):.3g} apart"


def _both_nan(ours: Any, theirs: Any) -> bool:
    return isinstance(ours, float) and isinstance(theirs, float) and math.isnan(ours) and math.isnan(theirs)


def points(folder: Path) -> Counter[tuple[str, int, Any]]:
    """Every point in all of a run's TensorBoard files, as they are, nothing purged: tag, step and value.

    The value of a tag that tells the time is left out. What begins and ends a session of the page HPARAMS has no
    place on a curve and counts once.
    """
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    found: Counter[tuple[str, int, Any]] = Counter()
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for record in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(record)
            for value in event.summary.value:
                if value.tag.startswith("_hparams_"):
                    found[value.tag, 0, None] = 1
                elif any(value.tag.endswith(name) for name in TIMING):
                    found[value.tag, event.step, None] += 1
                elif value.HasField("simple_value"):
                    found[value.tag, event.step, value.simple_value] += 1
                else:
                    found[value.tag, event.step, value.tensor.SerializeToString()] += 1
    return found


def _points(expected: Path, found: Path) -> Iterator[str]:
    ours, theirs = points(expected), points(found)
    lost, more = ours - theirs, theirs - ours
    for what, counted in (("lost", lost), ("too many, or other values", more)):
        if counted:
            tags = Counter(tag for tag, _, _ in counted.elements())
            steps = sorted({step for _, step, _ in counted})
            yield f"TensorBoard: {counted.total()} points {what}: {_few(tags)}, at steps {_few(steps)}"


def _few(items: Sequence[Any] | Counter[str]) -> str:
    listed = [f"{tag} x{count}" for tag, count in items.most_common()] if isinstance(items, Counter) else items
    return ", ".join(map(str, listed[:4])) + (" ..." if len(listed) > 4 else "")
