"""`python -m lmlab.verify`: a fresh run holds, and every tampering is found and named."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import compose_config, made_up_text, resume_run
from typed_commands import typed

from lmlab.checkpoints import read_checkpoint, save_checkpoint
from lmlab.config.typed import plain
from lmlab.device import choose_precision
from lmlab.evaluation.metrics import OWN
from lmlab.training.run import train
from lmlab.verification.check import Check
from lmlab.verification.run import checks

MAIN_FIGURES = ("nats per token", "perplexity", "bits per char", "unk rate", "num tokens", "error rate")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "own.txt"
    path.write_text(made_up_text(500, seed=3), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "run"
    folder.mkdir()
    train(compose_config(text, "callbacks.checkpoints.keep_every=20", "logger=none"), folder)
    return folder


@pytest.fixture
def run(trained: Path, text: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the run; its text is put back afterwards."""
    before = text.read_text(encoding="utf-8")
    yield Path(shutil.copytree(trained, tmp_path / "run"))
    text.write_text(before, encoding="utf-8")


def by_verdict(folder: Path, verdict: str, which: str = "best") -> list[str]:
    return [check.name for check in checks(folder, which) if check.verdict == verdict]


def found(folder: Path, name: str, which: str = "best") -> Check:
    (check,) = [check for check in checks(folder, which) if check.name == name]
    return check


def change_summary(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    change(summary)
    path.write_text(json.dumps(summary), encoding="utf-8")


def command(*arguments: str, cwd: Path, alone: bool = False) -> subprocess.CompletedProcess[str]:
    return typed("verify", *arguments, cwd=cwd, status=None, alone=alone)


def test_the_command_says_what_holds_and_what_it_did_not_check(run: Path, tmp_path: Path) -> None:
    done = command(f"run={run}", cwd=tmp_path, alone=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{run}, best.ckpt"
    assert {line.split()[0] for line in lines[1:-1]} == {"ok", "unknown"}
    for split in ("validation", "test"):
        for figure in MAIN_FIGURES:
            assert any(line.startswith(f"ok       {split} {figure}: ") for line in lines), (split, figure)
    assert "(reference " in done.stdout
    assert "tokens_per_second" in done.stdout
    assert lines[-1].startswith("nothing is wrong: ")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_command_fails_in_one_line_that_names_what_is_wrong(run: Path, tmp_path: Path) -> None:
    change_summary(run, lambda summary: summary.update({"test/error_rate": 0.01}))
    done = command("run=latest", "output_dir=.", cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: run=run: 1 of ")
    assert line.endswith(" checks failed: test error rate")


def test_a_checkpoint_that_is_not_there_is_told(run: Path, tmp_path: Path) -> None:
    for which, told in (("best-ish", "no such checkpoint"), ("step-000007", "has no step-000007.ckpt")):
        done = command(f"run={run}", f"checkpoint={which}", cwd=tmp_path)
        assert done.returncode == 1
        assert told in done.stderr


@pytest.mark.parametrize("which", ["best", "last", "step-000020"])
def test_nothing_is_wrong_with_a_fresh_run(run: Path, which: str) -> None:
    assert by_verdict(run, "wrong", which) == []
    assert len(by_verdict(run, "ok", which)) >= 10


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("val/nats_per_token", "validation nats per token"),
        ("val/perplexity", "validation perplexity"),
        ("val/bits_per_char", "validation bits per char"),
        ("val/error_rate", "validation error rate"),
        ("val/unk_rate", "validation unk rate"),
        ("val/num_tokens", "validation num tokens"),
        ("test/nats_per_token", "test nats per token"),
        ("test/perplexity", "test perplexity"),
        ("test/bits_per_char", "test bits per char"),
        ("test/error_rate", "test error rate"),
        ("test/unk_rate", "test unk rate"),
        ("test/num_tokens", "test num tokens"),
        ("num_parameters", "parameters"),
        ("vocabulary_size", "vocabulary size"),
        ("num_train_tokens", "training tokens"),
        ("best_step", "best.ckpt step"),
        ("best_epoch", "metrics.csv best row"),
    ],
)
def test_an_altered_figure_is_found(run: Path, key: str, name: str) -> None:
    """By a hundred-thousandth, or by one where it is a count."""

    def change(summary: dict[str, Any]) -> None:
        value = summary[key]
        summary[key] = value + 1 if isinstance(value, int) or key == "best_epoch" else value + 1e-5 * max(1, value)

    # A rate moves by one prediction at least.
    if key.endswith(("error_rate", "unk_rate")):
        change_summary(run, lambda summary: summary.update({key: summary[key] + 0.01}))
    else:
        change_summary(run, change)
    assert name in by_verdict(run, "wrong")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("fingerprint", "fingerprint"),
        ("text_fingerprint", "validation text"),
        ("train_fingerprint", "training text"),
    ],
)
def test_an_altered_hash_is_found(run: Path, key: str, name: str) -> None:
    change_summary(run, lambda summary: summary.update({key: "0" * 64}))
    assert by_verdict(run, "wrong") == [name]


@pytest.mark.parametrize("column", ["val/nats_per_token", "val/error_rate", "train/perplexity", "lr", "tokens"])
@pytest.mark.parametrize("number", [0, -1])
def test_an_altered_row_is_found(run: Path, number: int, column: str) -> None:
    path = run / "metrics.csv"
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    rows[number][column] = repr(float(rows[number][column]) * 1.01)
    with path.open("w", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    assert "metrics.csv as trained" in by_verdict(run, "wrong")
    step = rows[number]["step"]
    assert f"step {step} {column}" in found(run, "metrics.csv as trained").detail


def test_a_row_that_is_gone_is_found(run: Path) -> None:
    path = run / "metrics.csv"
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
    assert "metrics.csv as trained" in by_verdict(run, "wrong")
    assert "metrics.csv best row" in by_verdict(run, "wrong")


def test_rows_that_are_all_gone_are_found(run: Path) -> None:
    path = run / "metrics.csv"
    path.write_text(path.read_text(encoding="utf-8").splitlines(keepends=True)[0], encoding="utf-8")
    assert "metrics.csv as trained" in by_verdict(run, "wrong")


def test_swapped_ids_are_found(run: Path) -> None:
    path = run / "tokenizer.json"
    saved = json.loads(path.read_text(encoding="utf-8"))
    saved["vocabulary"][3], saved["vocabulary"][4] = saved["vocabulary"][4], saved["vocabulary"][3]
    path.write_text(json.dumps(saved), encoding="utf-8")
    assert by_verdict(run, "wrong") == ["tokenizer.json"]


def test_an_edited_configuration_is_found_by_its_setting(run: Path) -> None:
    path = run / "config.yaml"
    text = path.read_text(encoding="utf-8")
    edited = re.sub(r"^  lr: .*$", "  lr: 0.0123", text, flags=re.MULTILINE)
    assert edited != text
    path.write_text(edited, encoding="utf-8")
    assert by_verdict(run, "wrong") == ["config.yaml"]
    assert found(run, "config.yaml").detail == "optimizer.lr"
    path.write_text("&a [*a]", encoding="utf-8")
    assert by_verdict(run, "wrong") == ["config.yaml"]


def test_a_changed_validation_text_is_found(run: Path, text: Path) -> None:
    before = text.read_text(encoding="utf-8")
    place = before.index("cat", int(len(before) * 0.83))
    text.write_text(before[:place] + "cow" + before[place + 3 :], encoding="utf-8")
    assert "validation text" in by_verdict(run, "wrong")
    assert "training text" not in by_verdict(run, "wrong")
    assert "validation figures" in by_verdict(run, "unknown")


def test_without_its_text_nothing_is_recomputed_and_that_is_said(run: Path, text: Path) -> None:
    before = text.read_text(encoding="utf-8")
    text.unlink()
    try:
        assert by_verdict(run, "wrong") == []
        assert "no such file" in found(run, "texts and all figures").detail
        assert "config.yaml" in by_verdict(run, "ok")
    finally:
        text.write_text(before, encoding="utf-8")


def resave(folder: Path, change: Callable[[dict[str, Any]], object], *, sealed: bool = True) -> None:
    path = folder / "checkpoints" / "best.ckpt"
    saved = read_checkpoint(path)
    change(saved)
    if sealed:
        save_checkpoint(saved, path)
    else:
        torch.save(saved, path)


def test_one_changed_weight_is_found(run: Path) -> None:
    def change(saved: dict[str, Any]) -> None:
        saved["state_dict"]["model.core.layers.0.weight_hh_l0"][0, 0] += 0.05

    resave(run, change)
    wrong = by_verdict(run, "wrong")
    assert {"validation nats per token", "test nats per token"} <= set(wrong)
    assert "best.ckpt" not in wrong


def test_a_checkpoint_of_another_step_is_found(run: Path) -> None:
    resave(run, lambda saved: saved.update(global_step=saved["global_step"] - 1))
    assert by_verdict(run, "wrong") == ["best.ckpt step"]


def test_one_flipped_bit_is_found_and_the_rest_is_said_to_be_unknown(run: Path) -> None:
    resave(run, lambda saved: saved["lmlab"].update(format=3))
    path = run / "checkpoints" / "best.ckpt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    assert by_verdict(run, "wrong") == ["best.ckpt"]
    assert "all figures" in by_verdict(run, "unknown")


def test_a_checkpoint_of_an_older_version_is_accepted_and_said_to_have_no_digest(run: Path) -> None:
    resave(run, lambda saved: saved["lmlab"].update(format=2), sealed=False)
    assert by_verdict(run, "wrong") == []
    assert "best.ckpt" in by_verdict(run, "unknown")
    resave(run, lambda saved: saved["lmlab"].update(format=3), sealed=False)  # its digest was taken off
    assert by_verdict(run, "wrong") == ["best.ckpt"]


def test_what_the_summary_lacks_is_said_not_to_be_checked(run: Path) -> None:
    change_summary(run, lambda summary: summary.pop("test/perplexity"))
    assert by_verdict(run, "wrong") == []
    check = found(run, "test perplexity")
    assert check.verdict == "unknown"
    assert check.detail.startswith("not in summary.json (reference ")
    for figure in set(OWN) - {"perplexity"}:
        change_summary(run, lambda summary, figure=figure: summary.pop(f"test/{figure}"))
    assert by_verdict(run, "wrong") == []
    assert str(found(run, "test")) == "unknown  test: no test figures in summary.json"


def test_an_unfinished_run_is_verified_as_far_as_it_is_there(run: Path) -> None:
    (run / "summary.json").unlink()
    assert by_verdict(run, "wrong") == []
    assert found(run, "summary.json").detail.startswith("the run is unfinished")
    ok = by_verdict(run, "ok")
    assert "validation nats per token" in ok
    assert "best.ckpt step" in ok
    path = run / "metrics.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    place = lines[0].split(",").index("val/bits_per_char")
    best = lines[-1].split(",")
    best[place] = str(float(best[place]) + 1e-4)
    path.write_text("\n".join([*lines[:-1], ",".join(best)]) + "\n", encoding="utf-8")
    assert "validation bits per char" in by_verdict(run, "wrong")


@pytest.mark.parametrize("file", ["summary.json", "metrics.csv", "samples.jsonl", "config.yaml", "tokenizer.json"])
def test_a_damaged_file_is_wrong_once_and_said_to_be_damaged(run: Path, file: str) -> None:
    (run / file).write_bytes(b"\x00")
    (wrong,) = (check for check in checks(run, "best") if check.verdict == "wrong")
    assert str(wrong).startswith(f"wrong    {file}: is damaged: ")


def test_the_source_of_a_formal_language_is_verified_too(text: Path, tmp_path: Path) -> None:
    small = ("data=ndfa", "data.path=null", "data.source.num_strings=200", "data.source.num_held_out=60")
    train(compose_config(text, *small, "trainer.max_epochs=1", "logger=none", "evaluation.num_samples=0"), tmp_path)
    assert by_verdict(tmp_path, "wrong") == []
    ok = by_verdict(tmp_path, "ok")
    assert {"validation source nats per token", "test excess nats per token", "validation up to 16 characters"} <= set(
        ok
    )
    assert "validation up to 16 characters" in ok
    change_summary(tmp_path, lambda summary: summary.update({"test/source_nats_per_token": 0.2}))
    change_summary(tmp_path, lambda s: s["val/by_length"]["up to 16 characters"].update(nats_per_token=0.2))
    assert set(by_verdict(tmp_path, "wrong")) == {"test source nats per token", "validation up to 16 characters"}


def test_the_worst_stream_is_verified_too(text: Path, tmp_path: Path) -> None:
    train(compose_config(text, "evaluation.num_streams=3", "trainer.max_epochs=1", "logger=none"), tmp_path)
    assert by_verdict(tmp_path, "wrong") == []
    assert {"validation streams", "test streams"} <= set(by_verdict(tmp_path, "ok"))
    change_summary(tmp_path, lambda summary: summary["val/streams"].update(worst_nats_per_token=0.2))
    change_summary(tmp_path, lambda summary: summary["test/streams"].update(count=4))
    assert set(by_verdict(tmp_path, "wrong")) == {"validation streams", "test streams"}


@pytest.mark.parametrize("averaging", ["ema", "triggered"])
def test_averaged_weights_are_those_that_are_verified(averaging: str, text: Path, tmp_path: Path) -> None:
    train(compose_config(text, f"averaging={averaging}", "logger=none"), tmp_path)
    assert by_verdict(tmp_path, "wrong") == []
    assert "validation nats per token" in by_verdict(tmp_path, "ok")
    assert "validation" in by_verdict(tmp_path, "unknown", "last")


def test_a_run_that_went_on_for_longer_from_a_moved_text_is_no_worse(run: Path, text: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.txt"
    moved.write_text(text.read_text(encoding="utf-8"), encoding="utf-8")
    resume_run(run, **{"trainer.max_epochs": 3, "data.path": str(moved)})
    # best.ckpt as it would be had the third epoch brought nothing better: it says the limit and the path of before.
    before = plain(compose_config(text, "callbacks.checkpoints.keep_every=20", "logger=none"))
    before["trainer"]["precision"] = choose_precision("auto", torch.device("cpu"))
    resave(run, lambda saved: saved["lmlab"].update(config=before))
    text.unlink()
    assert by_verdict(run, "wrong") == []
    assert "validation nats per token" in by_verdict(run, "ok")
    resave(run, lambda saved: saved["lmlab"]["config"].update(seed=7))
    assert by_verdict(run, "wrong") == ["best.ckpt configuration"]


def test_a_configuration_that_no_run_can_have_is_wrong(run: Path) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["trainer"]["plugins"] = "my.Plugin"
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    for path in (run / "checkpoints").glob("*.ckpt"):
        saved = read_checkpoint(path)
        saved["lmlab"]["config"] = config
        save_checkpoint(saved, path)
    assert by_verdict(run, "wrong") == ["configuration"]
