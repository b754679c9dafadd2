"""Training and runs from Python."""

from __future__ import annotations

import logging
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import DIVERGING, SMALL, compose_config
from made_sweeps import evaluations, made_run

import lmlab
from lmlab.errors import UserError
from lmlab.training.callbacks.recorder import Recorder
from lmlab.training.run import train


@pytest.fixture
def words(text_file: Path, tmp_path: Path) -> list[str]:
    return ["data=text", f"data.path={text_file}", *SMALL, "model=gru", f"output_dir={tmp_path / 'outputs'}"]


@pytest.fixture(autouse=True)
def same_logging() -> Any:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    yield
    assert (root.handlers, root.level) == before


def figures(run: lmlab.Run) -> dict[str, float]:
    return {k: v for k, v in run.summary.items() if k.startswith(("val/", "test/")) and isinstance(v, float)}


def test_it_trains_as_the_command_does(words: list[str], text_file: Path, tmp_path: Path) -> None:
    run = lmlab.fit(words)
    (tmp_path / "command").mkdir()
    train(compose_config(text_file, "model=gru"), tmp_path / "command")
    command = lmlab.Run(tmp_path / "command")
    assert figures(run) == figures(command)
    assert run.status == "finished"
    timing = ["seconds", "tokens_per_second"]
    assert run.history().drop(columns=timing).equals(command.history().drop(columns=timing))
    assert run.samples()["text"].tolist() == command.samples()["text"].tolist()
    assert {"config.yaml", "train.log", "tokenizer.json"} <= {path.name for path in run.folder.iterdir()}
    assert f"val {run.summary['val/nats_per_token']:.4f} nats" in repr(run)


def test_several_runs_in_a_process_are_rows_of_a_table(words: list[str], tmp_path: Path) -> None:
    sizes = (8, 12)
    runs = [lmlab.fit([*words, f"model.hidden_size={size}"]) for size in sizes]
    assert runs[0].folder != runs[1].folder
    table = lmlab.load_runs(str(tmp_path / "outputs"))
    assert table["model.hidden_size"].tolist() == list(sizes)
    assert table["val/perplexity"].tolist() == [run.summary["val/perplexity"] for run in runs]
    assert "model.dropout" not in table.columns  # in which they do not differ
    assert lmlab.Run("latest", output_dir=str(tmp_path / "outputs")).folder == runs[1].folder
    assert lmlab.load_runs([str(run.folder) for run in runs]).equals(table)


def test_an_interrupted_run_is_returned_and_resumed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lmlab.fit(words)
    before = signal.getsignal(signal.SIGINT)
    original = Recorder.on_train_batch_end

    def interrupted(self: Recorder, trainer: Any, pl_module: Any, *more: Any) -> None:
        original(self, trainer, pl_module, *more)
        if trainer.global_step == 3:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_train_batch_end", interrupted)
        run = lmlab.fit(words)
    assert run.status == "interrupted"
    assert signal.getsignal(signal.SIGINT) == before
    resumed = lmlab.fit([f"run={run.folder}"])
    assert resumed.folder == run.folder
    assert figures(resumed) == figures(whole)


def test_mistakes_are_errors_in_one_line(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"did you mean model\.hidden_size"):
        lmlab.fit([*words, "model.hiden_size=3"])
    for wrong in ("model=gru", [3], None, {"model": "gru"}, ["-m", *words], [*words, "--config-dir", "x"], ["--help"]):
        with pytest.raises(UserError, match=r"must be a list of text|is an option of the command|no such folder"):
            lmlab.fit(wrong)
    with pytest.raises(UserError, match="experiment=shakespeare_grid_small: is a sweep"):
        lmlab.fit(["experiment=shakespeare_grid_small"])
    with pytest.raises(UserError, match="neither a path nor a list"):
        lmlab.load_runs(None)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no such folder"):
        lmlab.Run(tmp_path / "nothing")
    with pytest.raises(UserError, match="no such folder"):
        lmlab.load_runs(str(tmp_path / "nothing"))
    assert not (tmp_path / "outputs").exists()


def test_a_text_that_cannot_be_read_leaves_nothing(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("ab")
    with pytest.raises(UserError, match="too few"):
        lmlab.fit([*words, f"data.path={tmp_path / 'short.txt'}"])
    assert not (tmp_path / "outputs").exists()


def test_what_has_no_effect_is_told(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    lmlab.fit([*words, "trainer.fast_dev_run=true", "data.stride=5"])
    assert "note: data.stride=5 has no effect with batching=streams; it is for windows\n" in capsys.readouterr().out


def test_a_trained_model_says_what_it_is_and_writes_several_samples(words: list[str]) -> None:
    model = lmlab.fit(words).load(device="cpu")
    assert repr(model).startswith("TrainedModel(gru 1 x 16, ")
    samples = model.generate_samples("Anna ", num_samples=3, length=12, seed=4)
    assert samples == [model.generate("Anna ", length=12, seed=4 + i) for i in range(3)]
    with pytest.raises(UserError, match="num_samples=1000000000: needs about"):
        model.generate_samples(num_samples=10**9, length=10**6)
    for wrong in (lambda: model.evaluate("abc", num_streams=0), lambda: model.next_tokens(top=0)):
        with pytest.raises(ValueError, match="must be from 1 to"):
            wrong()
    for wrong in (lambda: model.generate(5), lambda: model.nats(None)):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="must be a text"):
            wrong()


def test_a_run_that_failed_has_its_place_in_the_table(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="diverged"):
        lmlab.fit([*words, *DIVERGING])
    lmlab.fit(words)
    table = lmlab.load_runs(str(tmp_path / "outputs"))
    table = table.sort_values("status").reset_index()
    assert table["status"].tolist() == ["failed", "finished"]
    assert math.isnan(table["val/perplexity"][0])


def test_damaged_files_are_told_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = made_run(tmp_path / "run", history=evaluations([2.0]), samples=[{"text": "a"}])
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "best.ckpt").touch()
    run = lmlab.Run(folder)
    assert (len(run.history()), run.samples()["text"].tolist()) == (1, ["a"])
    for file, read in (("metrics.csv", run.history), ("samples.jsonl", run.samples)):
        (folder / file).write_text("{\n")
        with pytest.raises(UserError, match=rf"{file} is damaged: .*; restore the file from a copy"):
            read()
    (folder / "summary.json").write_text("{")
    assert (run.status, run.summary["error"]) == ("damaged", "summary.json is damaged: it is not JSON")
    assert lmlab.load_runs(folder)["status"].tolist() == ["damaged"]
    assert len(caplog.records) == 3


def test_the_version_is_that_of_the_package() -> None:
    assert lmlab.__version__.count(".") == 2


def test_in_a_notebook_without_widgets_nothing_warns_of_it() -> None:
    notebook = """
import sys, types
kernel = types.ModuleType("IPython")
kernel.get_ipython = lambda: types.SimpleNamespace(config={"IPKernelApp": {}})
sys.modules.update({"IPython": kernel, "ipykernel.zmqshell": kernel, "ipywidgets": None})
import lmlab.training.callbacks.progress
"""
    done = subprocess.run([sys.executable, "-c", notebook], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize("given", [2.5, "2", True, 0, -1])
def test_a_number_that_cannot_be_is_told_by_its_name(trained_run: Path, given: object) -> None:
    lm = lmlab.load(trained_run)
    kind = ValueError if given in (0, -1) else TypeError
    with pytest.raises(kind, match=r"^top must be "):
        lm.next_tokens("a", top=given)  # type: ignore[arg-type]
    with pytest.raises(kind, match=r"^num_streams must be "):
        lm.evaluate("some text", num_streams=given)  # type: ignore[arg-type]
