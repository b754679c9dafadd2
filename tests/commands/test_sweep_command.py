"""A sweep as it is typed: once, again, in part, anew, and interrupted."""

from __future__ import annotations

import csv
import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typed_commands
from conftest import NEEDS_POSIX, SMALL, made_up_text
from hparams_pages import hparams_page
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lmlab.config.arguments import quote_free_text

SWEPT = ("model.hidden_size=4,8", "seed=0,1")
FINISHED = ["0_hidden-4_seed-0", "1_hidden-4_seed-1", "2_hidden-8_seed-0", "3_hidden-8_seed-1"]
OTHER = {"data.sequence_length": "10", "data.batch_size": "8", "callbacks.sample_text.length": "5"}
# Each setting once, for a word that another replaces is told.
SETTINGS = (
    *(word for word in SMALL if word.partition("=")[0] not in (*OTHER, "model.hidden_size")),
    *(f"{name}={value}" for name, value in OTHER.items()),
)


def typed(*arguments: str, cwd: Path, status: int) -> subprocess.CompletedProcess[str]:
    return typed_commands.typed("train", *arguments, cwd=cwd, status=status)


def summaries(sweep: Path) -> dict[str, dict[str, Any]]:
    found = sorted(sweep.glob("*/summary.json"))
    return {path.parent.name: json.loads(path.read_text()) for path in found}


def numbers(summary: dict[str, Any]) -> dict[str, Any]:
    """Everything that must not depend on when and how fast a job ran."""
    timed = ("wall_seconds", "tokens_per_second", "peak_memory_bytes")
    return {name: value for name, value in summary.items() if name not in timed}


def checkpoint_times(sweep: Path) -> dict[str, int]:
    return {str(path.relative_to(sweep)): path.stat().st_mtime_ns for path in sorted(sweep.rglob("*.ckpt"))}


def results(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "results.csv").open(newline="") as opened:
        return list(csv.DictReader(opened))


class Sweep:
    """A finished sweep.

    Args:
        place: where it was typed.
        command: its words.
        folder: its own.
        done: what the process left.
    """

    def __init__(self, place: Path, command: tuple[str, ...], done: subprocess.CompletedProcess[str]) -> None:
        self.place = place
        self.command = command
        self.done = done
        (self.folder,) = (place / "outputs" / "text-lstm").iterdir()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    place = tmp_path_factory.mktemp("sweep")
    (place / "my text.txt").write_text(made_up_text(300))
    command = ("data=text", "data.path=my text.txt", *SETTINGS, "-m", *SWEPT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LMLAB_CACHE", str(place / "cache"))
        return Sweep(place, command, typed(*command, cwd=place, status=0))


def test_each_job_has_a_line_and_the_table_says_the_rest(sweep: Sweep) -> None:
    lines = sweep.done.stdout.splitlines()
    assert lines[0].startswith("sweep of 4 jobs over model.hidden_size, seed, in outputs/text-lstm/")
    for number in range(4):
        size, seed = (4, 8)[number // 2], number % 2
        nats = summaries(sweep.folder)[FINISHED[number]]["val/nats_per_token"]
        (line,) = (line for line in lines if line.startswith(f"{number + 1}/4  "))
        assert line.startswith(f"{number + 1}/4  hidden_size={size} seed={seed}  val {nats:.4f} nats  ")
    header = next(i for i, line in enumerate(lines) if "nats/token" in line)
    assert re.match(r"1\. +[48] +2 +\d\.\d{4} ± \d+\.\d{4} +\d+\.\d{3} ", lines[header + 1])
    assert re.match(r"2\. +[48] +2 ", lines[header + 2])
    assert "note: too few seeds: both settings were run twice" in sweep.done.stdout
    assert sweep.done.stderr == ""


def test_results_equal_the_summaries(sweep: Sweep) -> None:
    rows = results(sweep.folder)
    left = summaries(sweep.folder)
    assert sorted(row["job"] for row in rows) == FINISHED == sorted(left)
    for row in rows:
        summary = left[row["job"]]
        assert row["status"] == summary["status"]
        for name, value in summary.items():
            if name in row:
                assert row[name] == "" if value is None else type(value)(row[name]) == value
    nats = [float(row["val/nats_per_token"]) for row in rows]
    assert len(set(nats)) == 4
    # Two seeds a setting: the better mean is first, and so is the better seed of each.
    assert [row["rank"] for row in rows] == ["1", "1", "2", "2"]
    assert sum(nats[:2]) < sum(nats[2:])
    assert nats[0] < nats[1]
    assert nats[2] < nats[3]


def test_tensorboard_knows_every_job(sweep: Sweep) -> None:
    read = summaries(sweep.folder)
    page = hparams_page(sweep.folder)
    # What is swept is ticked, and with it what matters of the rest.
    assert page.ticked == ["model.hidden_size", "model.name", "model.num_layers", "optimizer.lr", "seed"]
    assert page.figures[:3] == ["val nats per token", "val perplexity", "val bits per char"]
    assert sorted(page.rows) == sorted(read)
    for name, row in page.rows.items():
        size, seed = re.findall(r"-(\d)", name)
        assert sorted(row.settings) == sorted(set(page.settings) - {"other settings"})
        assert (row.settings["model.hidden_size"], row.settings["seed"]) == (float(size), float(seed))
        assert (row.settings["model.name"], row.settings["data.batch_size"]) == ("lstm", 8.0)
        assert row.is_done
        for figure in ("nats_per_token", "perplexity", "bits_per_char", "error_rate"):
            shown = row.figures[f"val {figure.replace('_', ' ')}"]
            assert shown == pytest.approx(read[name][f"val/{figure}"], rel=1e-6)
        told = EventAccumulator(str(sweep.folder / name)).Reload()
        nats = [event.value for event in told.Scalars("val_best/nats_per_token")]
        assert nats == sorted(nats, reverse=True)
        assert len(nats) == 2


def test_going_on_trains_only_what_is_missing_to_the_same_numbers(sweep: Sweep, tmp_path: Path) -> None:
    before, left = checkpoint_times(sweep.folder), summaries(sweep.folder)
    assert len(before) == 12
    shutil.rmtree(sweep.folder / FINISHED[2])
    # A job of an older lmlab that did not know a setting which is off: that is no reason to train it again.
    known = sweep.folder / FINISHED[0] / "config.yaml"
    text = known.read_text()
    known.write_text(re.sub(r"\n *weight_dropout: 0\.0", "", text))
    assert len(known.read_text().splitlines()) == len(text.splitlines()) - 2
    done = typed(f"run={sweep.folder}", cwd=tmp_path, status=0)  # typed elsewhere: the text's path is relative
    after = checkpoint_times(sweep.folder)
    assert {name for name in before if before[name] != after.get(name)} == {
        f"{FINISHED[2]}/checkpoints/{name}.ckpt" for name in ("best", "last", "previous")
    }
    assert after.keys() == before.keys()
    assert {name: numbers(summary) for name, summary in summaries(sweep.folder).items()} == {
        name: numbers(summary) for name, summary in left.items()
    }
    lines = done.stdout.splitlines()
    assert [line[:3] for line in lines if line.endswith("(already finished)")] == ["1/4", "2/4", "4/4"]
    assert "it was started earlier" in done.stdout
    assert "it was started earlier" not in sweep.done.stdout
    assert [path.name for path in sweep.folder.parent.iterdir()] == [sweep.folder.name]
    assert list(tmp_path.iterdir()) == []


@NEEDS_POSIX
def test_an_interrupted_sweep_goes_on_to_the_numbers_of_one_that_was_not(sweep: Sweep) -> None:
    parent = sweep.place / "outputs" / "other"
    words = ["name=other", *sweep.command[: sweep.command.index("-m")], "model.hidden_size=4", "seed=0,1"]
    # One that was begun by the same words, which fresh=true leaves alone.
    before = parent / "2000-01-01_00-00-00"
    before.mkdir(parents=True)
    record = {"arguments": quote_free_text(words, sweep=True), "directory": str(sweep.place), "swept": {}}
    (before / "sweep.json").write_text(json.dumps(record))
    command = [sys.executable, "-m", "lmlab.train", "-m", *words]
    process = subprocess.Popen(
        [*command, "fresh=true"],
        cwd=sweep.place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    while process.poll() is None and not any(parent.glob("*/0_seed-0/checkpoints/last.ckpt")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)  # in the second epoch of the first job
    stdout, stderr = process.communicate()
    assert process.returncode == 128 + signal.SIGINT, stdout + stderr
    assert "Traceback" not in stderr
    (folder,) = (path for path in parent.iterdir() if path != before)
    again = f"python -m lmlab.train run={folder.relative_to(sweep.place)}"
    told = f"0 of 2 jobs are finished; nothing is lost. To resume the sweep: {again}"
    assert stderr.splitlines() == [f"interrupted: {told}"]
    (stopped,) = summaries(folder).values()
    whole = summaries(sweep.folder)
    assert stopped["status"] == "interrupted"
    assert 0 < stopped["num_train_tokens"] < whole[FINISHED[0]]["num_train_tokens"]
    assert [row["status"] for row in results(folder)] == ["interrupted"]

    typed("-m", *words, cwd=sweep.place, status=0)  # the same words go on in the sweep begun last
    assert sorted(parent.iterdir()) == [before, folder]
    assert [path.name for path in before.iterdir()] == ["sweep.json"]
    assert "going on with" in (folder / "0_seed-0" / "train.log").read_text()
    for name, uninterrupted in (("0_seed-0", FINISHED[0]), ("1_seed-1", FINISHED[1])):
        assert numbers(summaries(folder)[name]) == {**numbers(whole[uninterrupted]), "name": "other"}


def test_a_job_that_fails_stops_no_other_and_is_tried_again(tmp_path: Path) -> None:
    """What is wrong with it shows only when the text has been read."""
    (tmp_path / "text.txt").write_text(made_up_text(100))
    small = (*SETTINGS, "model.hidden_size=16")
    words = ("data=text", "data.path=text.txt", *small, "tokenizer=word", "tokenizer.min_frequency=1000000,1", "-m")
    done = typed(*words, cwd=tmp_path, status=1)
    (folder,) = (tmp_path / "outputs" / "text-lstm").iterdir()
    reason = "tokenizer.min_frequency=1000000: no word of the training text occurs so often"
    assert f"failed: {reason}" in next(line for line in done.stdout.splitlines() if line.startswith("1/2  "))
    assert any(line.startswith("failed    ") for line in done.stdout.splitlines())
    (error,) = done.stderr.strip().splitlines()
    assert error.startswith("error: sweep: 1 of 2 jobs failed")
    assert error.endswith(f"python -m lmlab.train run={folder.relative_to(tmp_path)}")
    finished, failed = results(folder)
    assert (finished["status"], failed["status"], failed["rank"]) == ("finished", "failed", "")
    assert failed["error"].startswith(reason)
    assert failed["tokenizer.min_frequency"] == "1000000"
    assert not (folder / failed["job"] / "checkpoints").exists()
    assert {name: row.is_done for name, row in hparams_page(folder).rows.items()} == {
        finished["job"]: True,
        failed["job"]: False,
    }
    before = checkpoint_times(folder)
    again = typed(f"run={folder}", cwd=tmp_path, status=1)
    assert again.stdout.count("(already finished)") == again.stdout.count(f"failed: {reason}") == 1
    assert checkpoint_times(folder) == before


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("model=lstm,lstmm seed=0,1", "model=lstmm: no such option; *"),
        ("model.hidden_size=4,much", "model.hidden_size=much: is not a whole number; *; 1 of 2 jobs is wrong, *"),
        ("model.hidden_size=4,0", "model.hidden_size=0: is less than 1; *, the first is job 2 (model.hidden_size=0)"),
        ("optimizer.lr=interval(0,1)", "optimizer.lr=interval(0,1): is an interval, *"),
        (
            "model.tie_weights=true model.hidden_size=8,16,32 embedding.dim=16",
            "model.tie_weights=true: *; 2 of 3 jobs are wrong, the first is job 1 (model.hidden_size=8)",
        ),
    ],
)
def test_a_sweep_with_a_wrong_job_leaves_nothing_behind(words: str, error: str, tmp_path: Path) -> None:
    done = typed("-m", *words.split(), cwd=tmp_path, status=1)
    (line,) = done.stderr.strip().splitlines()
    assert fnmatch.fnmatchcase(line, f"error: {error}")
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_a_preset_that_is_a_sweep_needs_no_option_and_gives_vectors_to_those_who_read_them(tmp_path: Path) -> None:
    books = tmp_path / "books"
    books.mkdir()
    for i in range(3):
        (books / f"{i}.txt").write_text(made_up_text(150, seed=i), encoding="utf-8")
    vectors = tmp_path / "glove.txt"
    vectors.write_text(
        "".join(f"{word} {' '.join(['0.5'] * 8)}\n" for word in ("the", "cat", "sees")), encoding="utf-8"
    )
    small = (*SMALL, "trainer.max_steps=2", f"embedding.path={vectors}", "model=lstm", "embedding=random,glove")
    done = typed("experiment=harry_potter_grid_small", f"data.path={books}", *small, cwd=tmp_path, status=0)
    assert "sweep of 2 jobs over " in done.stdout
    (sweep,) = (tmp_path / "outputs" / "harry_potter_grid_small").iterdir()
    found = {row["embedding"]: row["status"] for row in results(sweep)}
    assert found == {"random": "finished", "glove": "finished"}
    again = typed("experiment=harry_potter_grid_small", f"data.path={books}", *small, cwd=tmp_path, status=0)
    assert again.stdout.count("(already finished)") == 2


def test_a_preset_with_values_to_sweep_says_so_in_a_single_run(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(made_up_text(300))
    preset = tmp_path / "own" / "experiment" / "mine.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text("# @package _global_\nhydra:\n  sweeper:\n    params:\n      seed: 1,2\n")
    words = ("--config-dir=own", "experiment=mine", "data=text", "data.path=text.txt", *SMALL)
    done = typed(*words, "trainer.fast_dev_run=true", cwd=tmp_path, status=0)
    assert "note: hydra.sweeper.params (seed) has no effect on a single run; for the sweep add -m" in done.stdout
