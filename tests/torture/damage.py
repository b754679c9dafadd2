"""Damaged and edited files: a run answers with the same figures, or with one line, and never with others."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from command_server import Ended, Server

from torture.compare import MACHINE, TIMING, differences
from torture.place import Place

# Below a run's folder, or below the cache.
FILES = (
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
    "checkpoints/previous.ckpt",
    "config.yaml",
    "tokenizer.json",
    "metrics.csv",
    "samples.jsonl",
    "summary.json",
    "tokens",
)
# Long enough to be cached here, as texts of millions of characters are in earnest.
CACHED_FROM = 1


@dataclass(frozen=True)
class Damage:
    """One thing done to a run before a command reads it.

    Args:
        file: one of `FILES`.
        what: its name in `KINDS`.
        seed: where, for those that draw it.
    """

    file: str
    what: str
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.what} ({self.seed}) {self.file}"


def _flip(path: Path, generator: random.Random) -> None:
    data = bytearray(path.read_bytes())
    if data:
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    path.write_bytes(bytes(data))


def _truncate(path: Path, generator: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: generator.randrange(len(data))] if data else b"")


def _empty(path: Path, generator: random.Random) -> None:
    path.write_bytes(b"")


def _delete(path: Path, generator: random.Random) -> None:
    path.unlink()


def _other_rate(path: Path, generator: random.Random) -> None:
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["optimizer"]["lr"] *= 2
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def _permute_vocabulary(path: Path, generator: random.Random) -> None:
    """Two entries that are not special change places, wherever the vocabulary stands as a list."""
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    lists = [value for value in _lists(tokenizer) if len(value) > 8 and all(isinstance(v, str) for v in value)]
    for found in lists:
        found[5], found[7] = found[7], found[5]
    path.write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")


def _lists(value: Any) -> Iterator[list[Any]]:
    if isinstance(value, list):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _lists(child)


def _other_ids(path: Path, generator: random.Random) -> None:
    """Some ids of a cached array become others of the same range."""
    ids = np.load(path)
    places = np.random.default_rng(generator.randrange(1000)).choice(len(ids), size=max(1, len(ids) // 10))
    ids[places] = ids[places[::-1]]
    np.save(path, ids)


KINDS: dict[str, Callable[[Path, random.Random], None]] = {
    "flip": _flip,
    "truncate": _truncate,
    "empty": _empty,
    "delete": _delete,
    "other rate": _other_rate,
    "permute": _permute_vocabulary,
    "other ids": _other_ids,
}


def all_damages(*, flips: int = 3) -> list[Damage]:
    """Every kind of damage to every file, and the edits."""
    found = [Damage(file, "flip", seed) for file in FILES for seed in range(flips)]
    found += [Damage(file, what) for file in FILES for what in ("truncate", "empty", "delete")]
    return [
        *found,
        Damage("config.yaml", "other rate"),
        Damage("tokenizer.json", "permute"),
        Damage("tokens", "other ids"),
    ]


@dataclass(frozen=True)
class Undamaged:
    """A run and what commands make of it while it is whole.

    Args:
        place: whose `work` holds it.
        folder: the run's.
        going_on: arguments that go on with it, without `run=`.
        gone_on: the folder of a copy that has gone on.
        figures: what evaluating gives, by checkpoint.
    """

    place: Place
    folder: Path
    going_on: list[str]
    gone_on: Path
    figures: dict[str, dict[str, Any]]


def prepare(server: Server, place: Place, folder: Path, going_on: Sequence[str], root: Path) -> Undamaged:
    """What the commands give as long as nothing is damaged.

    Raises:
        AssertionError: a command fails.
    """
    copy, there = _copy(place, folder, root / "whole")
    figures = {}
    for checkpoint in ("best", "last"):
        if (there / "checkpoints" / f"{checkpoint}.ckpt").is_file():
            ended = evaluate(server, copy, there, checkpoint)
            assert ended.status == 0, ended.err
            figures[checkpoint] = _result(copy)
    ended = copy.run(server, f"run={there}", *going_on, cached_from=CACHED_FROM)
    assert ended.status == 0, ended.err
    return Undamaged(place, folder, list(going_on), there, figures)


def evaluate(server: Server, place: Place, folder: Path, checkpoint: str) -> Ended:
    """`lmlab.evaluate` in a child."""
    arguments = [f"run={folder}", f"checkpoint={checkpoint}", "split=validation", "output=outputs/result.json"]
    return place.run(server, *arguments, "baselines=false", command="evaluate", cached_from=CACHED_FROM)


def try_damage(server: Server, whole: Undamaged, damage: Damage, root: Path) -> list[str]:
    """Damages copies of a run and lets `evaluate` and `train run=` read them; what was wrong with their answers."""
    found = []
    for checkpoint, figures in whole.figures.items():
        place, folder = _damaged_copy(whole, damage, root / checkpoint)
        ended = evaluate(server, place, folder, checkpoint)
        other = _differing(figures, _result(place)) if ended.status == 0 else []
        found += [f"{damage}: evaluate {checkpoint}: {line}" for line in [*_answer(ended), *other]]
    place, folder = _damaged_copy(whole, damage, root / "going_on")
    ended = place.run(server, f"run={folder}", *whole.going_on, cached_from=CACHED_FROM)
    other = differences(whole.gone_on, folder) if ended.status == 0 else []
    found += [f"{damage}: train run=: {line}" for line in [*_answer(ended), *other, *place.strays()]]
    shutil.rmtree(root)
    return found


def _answer(ended: Ended) -> list[str]:
    """What is wrong with an answer, figures aside."""
    if "Traceback" in ended.err + ended.out:
        return [f"a traceback: {ended.err.strip().splitlines()[-1]}"]
    if ended.status == 0:
        return []
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    if ended.status != 1 or len(errors) != 1:
        return [f"exit {ended.status} with {len(errors)} error lines: {ended.err[-300:]!r}"]
    return [f"an error that nobody expected: {errors[0]}"] if "(unexpected;" in errors[0] else []


def _result(place: Place) -> dict[str, Any]:
    result = json.loads((place.work / "outputs" / "result.json").read_text(encoding="utf-8"))
    return {key: value for key, value in result.items() if key not in TIMING | MACHINE | {"run"}}


def _differing(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    names = [key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)]
    return [f"exit 0 with {name} {found.get(name)} instead of {expected.get(name)}" for name in sorted(names)]


def _copy(place: Place, folder: Path, root: Path) -> tuple[Place, Path]:
    """The place of a run copied with its cache; times of change stay."""
    shutil.copytree(place.root, root)
    return Place(root), root / folder.relative_to(place.root)


def _damaged_copy(whole: Undamaged, damage: Damage, root: Path) -> tuple[Place, Path]:
    place, folder = _copy(whole.place, whole.folder, root)
    generator = random.Random(f"{damage.file} {damage.what} {damage.seed}")
    inside = sorted((root / "cache").rglob("*.npy")) if damage.file == "tokens" else [folder / damage.file]
    for path in inside:
        if path.is_file():
            KINDS[damage.what](path, generator)
    return place, folder
