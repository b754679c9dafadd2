"""Breaks runs at chosen calls. The sample runs with every suite; `pytest -m torture -n 0` goes on for ten minutes.

`LMLAB_TORTURE_SECONDS` sets the time, `LMLAB_TORTURE_SEED` repeats a run's faults; both are printed. With `-n 2` the
chains of both workers are different ones.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from command_server import Server

from torture.breaking import Chain, Reference, break_until_finished, run_reference, runs_in, status_of
from torture.cases import CASES, OPTIONS, Case, overrides, pairwise
from torture.compare import differences
from torture.damage import CACHED_FROM, Damage, Undamaged, all_damages, prepare, try_damage
from torture.faults import Fault
from torture.place import Place

# Of the whole covering, those that together have every option.
SAMPLE = (3, 4, 6, 9, 16, 26, 28, 29)
SWEPT = "model.hidden_size=4,6,8"

SHORT = {name: values[0] for name, values in OPTIONS.items()} | {"tokenizer": "word", "minutes": "0.0001"}


def test_every_two_options_meet() -> None:
    met = {frozenset((a, b)) for case in CASES for a in case.items() for b in case.items() if a != b}
    names = list(OPTIONS)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            for x in OPTIONS[first]:
                for y in OPTIONS[second]:
                    impossible = {(first, x), (second, y)} == {("model", "lstm"), ("precision", "bf16-mixed")}
                    assert (frozenset(((first, x), (second, y))) in met) != impossible
    assert pairwise(OPTIONS) == CASES
    sampled = {item for number in SAMPLE for item in CASES[number].items()}
    assert {(name, value) for name, values in OPTIONS.items() for value in values} <= sampled


@pytest.mark.parametrize("number", SAMPLE)
def test_a_run_that_is_broken_ends_as_if_it_had_not_been(
    number: int, server: Server, texts: Path, tmp_path: Path
) -> None:
    reference = run_reference(server, overrides(CASES[number], texts), tmp_path / "whole")
    chain = break_until_finished(server, reference, tmp_path / "broken", random.Random(number), breaks=3)
    if not chain.faults:  # one of the last calls was drawn, whose number differs by a few from run to run
        chain = break_until_finished(server, reference, tmp_path / "again", random.Random(number), breaks=3, part=0.9)
    assert chain.faults
    assert not chain.findings, _told(chain, CASES[number])


def test_a_sweep_that_is_broken_ends_as_if_it_had_not_been(server: Server, texts: Path, tmp_path: Path) -> None:
    arguments = [*overrides(SHORT, texts), "trainer.max_steps=5", "-m", SWEPT]
    reference = run_reference(server, arguments, tmp_path / "whole", calls=False)
    hooks = reference.counts["hooks"]
    faults = [Fault("hooks", hooks * 5 // 10, "KILL"), Fault("hooks", hooks * 3 // 10, "TERM")]
    chain = break_until_finished(server, reference, tmp_path / "broken", random.Random(0), faults=faults)
    assert len(chain.faults) == 2
    assert not chain.findings, _told(chain, SHORT)


@pytest.fixture(scope="module")
def whole(server: Server, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """A run of `SHORT`."""
    return run_reference(server, overrides(SHORT, texts), tmp_path_factory.mktemp("whole"), calls=False)


@pytest.mark.parametrize("stdout", ["full", "closed", "pipe"])
def test_nobody_reads_what_a_run_says(stdout: str, server: Server, whole: Reference, tmp_path: Path) -> None:
    place = Place(tmp_path / "unread")
    ended = place.run(server, *whole.arguments, stdout=stdout)
    assert ended.status is not None
    assert "Traceback" not in ended.err
    (folder,) = runs_in(place)
    if status_of(folder) != "finished":
        assert place.run(server, f"run={folder}").status == 0
    found = differences(whole.folder, folder)
    assert not found, "\n".join(found)


def _other_weight(folder: Path) -> None:
    path = folder / "checkpoints" / "best.ckpt"
    saved = torch.load(path, weights_only=True)
    next(iter(saved["state_dict"].values())).view(-1)[0] += 1e-7
    torch.save(saved, path)


def _lost_row(folder: Path) -> None:
    path = folder / "metrics.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def _doubled_points(folder: Path) -> None:
    (path,) = folder.glob("events.out.tfevents.*")
    shutil.copy(path, f"{path}.copy")


def _lost_points(folder: Path) -> None:
    (path,) = folder.glob("events.out.tfevents.*")
    path.write_bytes(path.read_bytes()[:-200])


def _doubled_sample(folder: Path) -> None:
    path = folder / "samples.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines(keepends=True)[-1])


def _absurd_speed(folder: Path) -> None:
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    path.write_text(json.dumps(summary | {"tokens_per_second": 100 * summary["tokens_per_second"]}))


def _part_left(folder: Path) -> None:
    (folder / "checkpoints" / ".last.ckpt.1.part").touch()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_other_weight, "checkpoints/best.ckpt.state_dict"),
        (_lost_row, "metrics.csv: rows at steps"),
        (_doubled_points, "points too many"),
        (_lost_points, "points lost"),
        (_doubled_sample, "samples.jsonl: 3 lines instead of 2"),
        (_absurd_speed, "tokens a second instead of about"),
        (_part_left, ".last.ckpt.1.part: a file that should not be there"),
    ],
)
def test_a_comparison_sees_what_was_changed(
    change: Callable[[Path], None], told: str, whole: Reference, tmp_path: Path
) -> None:
    shutil.copytree(whole.folder, tmp_path / "run")
    assert differences(whole.folder, tmp_path / "run") == []
    change(tmp_path / "run")
    found = differences(whole.folder, tmp_path / "run")
    assert any(told in line for line in found), found


@pytest.fixture(scope="module")
def wholes(server: Server, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Undamaged]:
    """A finished run that goes on for an epoch, and an interrupted one."""
    arguments = overrides(SHORT, texts)
    found = {}
    for name, fault, going_on in (
        ("finished", None, ["trainer.max_epochs=3"]),
        ("interrupted", Fault("step_end", 20, "TERM"), []),
    ):
        root = tmp_path_factory.mktemp(name)
        place = Place(root / "damaged")
        place.run(server, *arguments, fault=fault, cached_from=CACHED_FROM)
        (folder,) = runs_in(place)
        found[name] = prepare(server, place, folder, going_on, root)
    return found


@pytest.mark.parametrize("state", ["finished", "interrupted"])
@pytest.mark.parametrize(
    "damage",
    [
        Damage("checkpoints/best.ckpt", "flip"),
        Damage("checkpoints/last.ckpt", "flip"),
        Damage("checkpoints/last.ckpt", "truncate"),
        Damage("config.yaml", "other rate"),
        Damage("tokenizer.json", "permute"),
        Damage("tokens", "other ids"),
    ],
    ids=str,
)
def test_damage_is_told_or_does_no_harm(
    damage: Damage, state: str, server: Server, wholes: dict[str, Undamaged], tmp_path: Path
) -> None:
    found = try_damage(server, wholes[state], damage, tmp_path / "damaged")
    assert not found, "\n".join(found)


def _told(chain: Chain, case: Case) -> str:
    return "\n".join([f"{case}, {'; '.join(chain.faults)}", *chain.findings])


def _seconds() -> float:
    return float(os.environ.get("LMLAB_TORTURE_SECONDS", "600"))


def _seed() -> int:
    return int(os.environ.get("LMLAB_TORTURE_SEED") or random.SystemRandom().randrange(10**9))


def _cases(generator: random.Random) -> Iterator[tuple[int, Case]]:
    while True:
        numbers = list(range(len(CASES)))
        generator.shuffle(numbers)
        yield from ((number, CASES[number]) for number in numbers)


def _reference(server: Server, case: Case, number: int, texts: Path, root: Path, generator: random.Random) -> Reference:
    """Of a case as it is; one in eight is a sweep, one in eight has the default final evaluation."""
    kind = generator.randrange(8)
    arguments = overrides(case, texts, defaults=kind == 1)
    return run_reference(server, [*arguments, "-m", SWEPT] if kind == 0 else arguments, root)


@pytest.mark.torture
@pytest.mark.parametrize("lane", [0, 1])
def test_torture(lane: int, server: Server, texts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seed, until = _seed(), time.monotonic() + _seconds() / (1 if os.environ.get("PYTEST_XDIST_WORKER") else 2)
    generator = random.Random(f"{seed} {lane}")
    count: Counter[str] = Counter()
    findings: list[str] = []

    def tell(line: str) -> None:
        with capfd.disabled():
            print(f"torture {seed}.{lane}: {line}", file=sys.stderr, flush=True)

    tell(f"LMLAB_TORTURE_SEED={seed}, {_seconds():.0f} s")
    for number, case in _cases(generator):
        reference = _reference(server, case, number, texts, tmp_path / "whole", generator)
        for _ in range(3):
            if time.monotonic() > until:
                break
            chain = break_until_finished(server, reference, tmp_path / "broken", generator)
            shutil.rmtree(tmp_path / "broken")
            count.update(runs=1, breaks=len(chain.faults), children=chain.children, wrong=bool(chain.findings))
            if chain.findings:
                sweep = "sweep of " if "-m" in reference.arguments else ""
                findings.append(f"{sweep}case {number} {case}, {'; '.join(chain.faults)}")
                findings += [f"    {finding}" for finding in chain.findings]
                for line in findings[-1 - len(chain.findings) :]:
                    tell(line)
        shutil.rmtree(tmp_path / "whole")
        if time.monotonic() > until:
            break
    tell(f"{count['runs']} runs, {count['breaks']} breaks, {count['children']} children, {count['wrong']} runs wrong")
    assert not findings, "\n".join(findings)


@pytest.mark.torture
@pytest.mark.parametrize("state", ["finished", "interrupted"])
@pytest.mark.parametrize("damage", all_damages(), ids=str)
def test_every_damage(damage: Damage, state: str, server: Server, wholes: dict[str, Undamaged], tmp_path: Path) -> None:
    found = try_damage(server, wholes[state], damage, tmp_path / "damaged")
    assert not found, "\n".join(found)
