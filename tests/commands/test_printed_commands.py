"""Every command line that a run prints can be typed as it is, and is about that run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from conftest import SMALL, made_up_text
from typed_commands import typed

from lmlab import plain_yaml
from lmlab.config.checks import compose
from lmlab.config.command_checks import check_evaluation
from lmlab.config.compose import compose_settings
from lmlab.config.settings import EvaluateSettings, GenerateSettings, ReportSettings
from lmlab.config.typed import plain
from lmlab.data.tokenizers.saved import load
from lmlab.launch.resume_arguments import run_to_resume
from lmlab.runs.discovery import find_records, find_run

TINY = [*SMALL, "trainer.max_steps=3", "callbacks.sample_text=null"]
PATH = 'data.path=my texts/it\'s "one".txt'
CASES = {
    "text": ["data=text", PATH, "output_dir=out puts", "name=名 a", *TINY],
    "ndfa": ["data=ndfa", "data.source.num_strings=300", *TINY],
    "brackets": ["data=brackets", "data.source.num_strings=300", "logger=none", *TINY],
    "sentences": ["data=sentences", PATH, "tokenizer=word", "optimizer.lr=0.01", *TINY],
    "experiment": ["experiment=ndfa_small", "data.source.num_strings=300", "optimizer=sgd", *TINY],
    "own": ["--config-dir", "my conf", "experiment=mine", "data=text", "data.path=my texts", *TINY],
    "paused": ["data=text", "data.path=my texts", "stop_after_tokens=100", "output_dir=to go on", *TINY],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    here = tmp_path / "typed here"
    here.mkdir()
    monkeypatch.chdir(here)
    (here / "my texts").mkdir()
    (here / "my texts" / 'it\'s "one".txt').write_text(made_up_text(300), encoding="utf-8")
    (here / "my conf" / "experiment").mkdir(parents=True)
    preset = "# @package _global_\nmodel:\n  dropout: 0.25\n"
    (here / "my conf" / "experiment" / "mine.yaml").write_text(preset, encoding="utf-8")
    return here


def commands(lines: list[str]) -> list[list[str]]:
    """The words of each command line."""
    found = [line[line.index(begin) :] for line in lines for begin in ("python -m", "tensorboard") if begin in line]
    return [shlex.split(line) for line in found]


def is_about(folder: Path, words: list[str]) -> None:
    """Checks that a command line is accepted and is about the run in a folder."""
    if words[0] == "tensorboard":
        assert folder.resolve().is_relative_to(Path(words[2]).resolve())
        return
    name, given = words[2].removeprefix("lmlab."), words[3:]
    if name == "generate":
        generate = compose_settings(name, GenerateSettings, given)
        assert find_run(generate.run, output_dir=generate.output_dir).resolve() == folder.resolve()
        tokenizer = load(folder / "tokenizer.json")
        assert not tokenizer.unknown(generate.prompt)
    elif name == "evaluate":
        evaluate = compose_settings(name, EvaluateSettings, given)
        check_evaluation(evaluate)
        assert find_run(evaluate.run, output_dir=evaluate.output_dir).resolve() == folder.resolve()
    elif name == "report":
        (record,) = find_records(compose_settings(name, ReportSettings, given).runs, output_dir="outputs")
        assert record.folder.resolve() == folder.resolve()
    elif given[0] == "-m":
        *same, swept = given[1:]
        key, _, rates = swept.partition("=")
        assert key == "optimizer.lr"
        assert len(rates.split(",")) == 3
        run = without_rate(plain_yaml.read(folder / "config.yaml"))
        for rate in rates.split(","):
            assert without_rate(plain(compose([*same, f"optimizer.lr={rate}"]))) == run
    else:
        assert run_to_resume(given).folder == folder.resolve()


def without_rate(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration as it is compared: without the swept setting and what is found out from the machine."""
    kept = {
        **config,
        "optimizer": {**config["optimizer"], "lr": None},
        "trainer": {**config["trainer"], "precision": ""},
    }
    paths = {"path": None, "source": {**config["data"]["source"], "path": None}}
    return {**kept, "stop_after_tokens": None, "data": {**config["data"], **paths}}


@pytest.mark.parametrize("name", [name for name in CASES if name != "paused"])
def test_each_command_is_accepted_and_about_the_run(here: Path, name: str) -> None:
    lines = typed("train", *CASES[name], cwd=here).stdout.split("\n")
    found = commands(lines)
    folder = Path(shlex.split(next(line for line in lines if line.startswith("files  ")))[1])
    assert (folder / "summary.json").is_file()
    kinds = {words[2] if words[0] == "python" else words[0] for words in found}
    expected = {"lmlab.generate", "lmlab.evaluate", "lmlab.report", "lmlab.train", "tensorboard"}
    assert kinds == expected - ({"tensorboard"} if "logger=none" in CASES[name] else set())
    for words in found:
        is_about(folder, words)
    (again,) = (words for words in found if words[2:4] == ["lmlab.train", "-m"])
    chosen = ("data", "experiment=", "output_dir=", "seed=")
    assert [word for word in again if word.startswith(chosen)] == [w for w in CASES[name] if w.startswith(chosen)]


def test_the_command_to_resume_is_about_the_run(here: Path) -> None:
    (words,) = commands(typed("train", *CASES["paused"], cwd=here).stdout.split("\n"))
    (folder,) = (path.parent for path in (here / "to go on").rglob("summary.json"))
    is_about(folder, words)
