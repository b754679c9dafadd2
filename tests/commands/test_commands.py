"""The commands as they are typed."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import DIVERGING, SMALL
from typed_commands import typed

from lmlab.data.corpus import Document, split_documents


def test_generate_writes_the_same_text_for_the_same_seed(trained_run: Path, tmp_path: Path) -> None:
    arguments = [f"run={trained_run}", "prompt=Anna sees, (b", "length=40", "seed=3"]
    first, second = (typed("generate", *arguments, cwd=tmp_path, alone=alone) for alone in (True, False))
    other = typed("generate", *arguments[:-1], "seed=4", cwd=tmp_path)
    assert first.stdout == second.stdout != other.stdout
    assert first.stdout.startswith("Anna sees, (b")
    assert "note: characters of the prompt that this run does not know" in first.stderr
    assert "'('" in first.stderr
    assert list(tmp_path.iterdir()) == []


def test_generate_draws_several_samples_of_which_the_first_is_the_single_one(trained_run: Path, tmp_path: Path) -> None:
    one = typed("generate", f"run={trained_run}", "prompt=Ben", "length=25", cwd=tmp_path).stdout
    three = typed("generate", f"run={trained_run}", "prompt=Ben", "length=25", "num_samples=3", cwd=tmp_path)
    assert three.stdout.split("--- sample 1 of 3\n")[1].startswith(one.rstrip("\n"))
    assert sum(map(int, re.findall(r"\b(?:end|length) \((\d)\)", three.stderr))) == 3


def test_predict_shows_the_checkpoint_alone_whose_path_is_given(trained_run: Path, tmp_path: Path) -> None:
    of_all = typed("predict", f"run={trained_run}", cwd=tmp_path).stdout
    of_last = typed("predict", f"run={trained_run}/checkpoints/last.ckpt", cwd=tmp_path).stdout
    assert [line.split()[0] for line in of_all.splitlines()[2:]] == ["best", "last"]
    assert [line.split()[0] for line in of_last.splitlines()[2:]] == ["last"]


def test_evaluate_gives_the_summarys_numbers(trained_run: Path, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    summary = json.loads((trained_run / "summary.json").read_text())
    for split, prefix in (("test", "test"), ("validation", "val"), ("dev", "val")):
        alone = split == "test"
        typed("evaluate", f"run={trained_run}", f"split={split}", f"output={output}", cwd=tmp_path, alone=alone)
        result = json.loads(output.read_text())
        for figure in ("nats_per_token", "perplexity", "bits_per_char", "error_rate", "num_tokens"):
            assert result[figure] == pytest.approx(summary[f"{prefix}/{figure}"], rel=1e-9)
        if prefix == "val":
            assert result["fingerprint"] == summary["fingerprint"]


def test_evaluate_reads_another_text_with_the_runs_own_tokenizer(
    trained_run: Path, text_file: Path, tmp_path: Path
) -> None:
    corpus = split_documents([Document("a", text_file.read_text())], [0.8, 0.1, 0.1])
    (tmp_path / "other.txt").write_text(corpus["test"][0].text)
    typed("evaluate", f"run={trained_run}", "data.path=other.txt", "output=result.json", cwd=tmp_path)
    summary = json.loads((trained_run / "summary.json").read_text())
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["nats_per_token"] == pytest.approx(summary["test/nats_per_token"], rel=1e-9)


def test_evaluate_writes_over_an_earlier_result_and_nothing_else(trained_run: Path, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("a text")
    (tmp_path / "list.json").write_text("[1]")
    for output in ("book.txt", "list.json", ".", "nowhere/result.json", "book.txt/below", "/dev/null"):
        done = typed("evaluate", f"run={trained_run}", f"output={output}", cwd=tmp_path, status=1)
        assert done.stderr.startswith(f"error: output={output}: ")
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""
    assert (tmp_path / "book.txt").read_text() == "a text"
    assert (tmp_path / "list.json").read_text() == "[1]"
    (tmp_path / "link.json").symlink_to("result.json")
    for _ in range(2):
        typed("evaluate", f"run={trained_run}", "output=link.json", cwd=tmp_path)
    assert (tmp_path / "link.json").is_symlink()
    assert "fingerprint" in json.loads((tmp_path / "result.json").read_text())


def test_a_sweep_has_one_folder_and_a_failed_job_stops_no_other(text_file: Path, tmp_path: Path) -> None:
    # That the validation text is too short is seen only when the text is read.
    swept = ["model.hidden_size=4,8", "data.split=[0.8,0.1,0.1],[0.99998,0.00002]", "trainer.max_steps=3"]
    done = typed("train", "data=text", f"data.path={text_file}", *SMALL, "-m", *swept, cwd=tmp_path, status=1)
    assert "Traceback" not in done.stderr
    assert done.stdout.count("the validation split has") >= 2
    assert "2 of 4 jobs failed" in done.stderr
    (sweep,) = (tmp_path / "outputs" / "text-lstm").iterdir()
    finished = sorted(path.parents[1].name for path in sweep.glob("*/checkpoints/best.ckpt"))
    assert finished == ["0_hidden-4_split--0.8-0.1-0.1", "2_hidden-8_split--0.8-0.1-0.1"]
    sizes = {json.loads((sweep / name / "summary.json").read_text())["num_parameters"] for name in finished}
    assert len(sizes) == 2


def test_a_run_that_diverges_leaves_the_reason_for_its_report(text_file: Path, tmp_path: Path) -> None:
    done = typed("train", "data=text", f"data.path={text_file}", *SMALL, *DIVERGING, cwd=tmp_path, status=1)
    assert "diverged" in done.stderr
    (folder,) = (tmp_path / "outputs" / "text-rnn").iterdir()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "failed"
    assert "diverged" in summary["error"]
    assert "This run failed: " in typed("report", cwd=tmp_path).stdout


def test_a_run_goes_on_for_more_epochs_from_the_command_line(text_file: Path, tmp_path: Path) -> None:
    typed("train", "data=text", f"data.path={text_file}", *SMALL, "name=first", cwd=tmp_path)
    (folder,) = (tmp_path / "outputs" / "first").iterdir()
    refused = typed("train", f"run={folder}", "optimizer.lr=1", cwd=tmp_path, status=1)
    assert "optimizer.lr=1: cannot be changed" in refused.stderr
    before = (folder / "summary.json").read_bytes()
    finished = typed("train", f"run={folder}", cwd=tmp_path, status=1)
    assert "is finished" in finished.stderr
    lowered = typed("train", f"run={folder}", "trainer.max_epochs=1", cwd=tmp_path, status=1)
    assert "trainer.max_epochs=1: would lower" in lowered.stderr
    assert (folder / "summary.json").read_bytes() == before
    typed("train", f"run={folder}", "trainer.max_epochs=3", cwd=tmp_path)
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    assert [float(row["epoch"]) for row in rows] == [1, 2, 3]
    typed("generate", "prompt=Anna", "length=5", cwd=tmp_path)  # run=latest
    assert (folder / ".hydra" / "config.yaml").is_file()
    assert (folder / "train.log").read_text().count("time       less than a minute") == 2


def test_the_wheel_carries_the_configuration(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=root, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "unpacked")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "unpacked")}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = "import lmlab.train, sys; print(lmlab.train.__file__); sys.argv[1:] = ['--cfg', 'job']; lmlab.train.main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=elsewhere, capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.startswith(str(tmp_path / "unpacked"))
    assert "_target_: lmlab.models.recurrent.LSTM" in done.stdout
