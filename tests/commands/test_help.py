"""`--help` of each command: all that can be typed, from the registry, on any terminal."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from lmlab.config import setting_names
from lmlab.config.answers import answered
from lmlab.config.documentation import described
from lmlab.config.folders import group_options
from lmlab.config.help import COMMANDS, COMPOSED, groups, help_text, overview
from lmlab.config.options import OPTIONS, without_options
from lmlab.errors import UserError

Asked = Callable[..., str]
_PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def settings_in(text: str) -> dict[str, str]:
    """Names and values of the settings in a help text."""
    return dict(re.findall(r"^  ([a-z_.]+)=(\S.*?)(?:  .*)?$", text.partition("Settings")[2], re.MULTILINE))


def test_the_commands_are_those_that_are_installed() -> None:
    scripts = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["scripts"]
    assert {f"lmlab-{name}": f"lmlab.{name}:main" for name in COMMANDS} == scripts
    for name, command in COMMANDS.items():
        assert f"  {name} " in overview()
        assert command.summary[:40] in overview()


@pytest.mark.parametrize("name", COMMANDS)
def test_lines_are_broken_at_blanks_within_80_columns(name: str) -> None:
    for line in (*help_text(name, []).splitlines(), *overview().splitlines()):
        assert len(line) <= 80 or " " not in line.strip(), line


@pytest.mark.parametrize("name", COMPOSED)
def test_every_setting_has_its_line(name: str) -> None:
    text = help_text(name, [])
    assert set(settings_in(text)) == {setting for setting, *_ in setting_names.names(COMPOSED[name])}
    words = " ".join(text.split())
    for _, known, _ in setting_names.names(COMPOSED[name]):
        assert known.help in words


def test_training_tells_groups_options_and_words() -> None:
    text = help_text("train", [])
    words = " ".join(text.split())
    for group in groups():
        assert f"{group}= {', '.join(group_options(group))}" in words
    for option in OPTIONS:
        for name in filter(None, (option.name, option.short)):
            assert re.search(rf"(^|[ ,]){re.escape(name)}\b", text, re.MULTILINE), name
    for word in ("run=FOLDER", "plugins=[", "+callbacks.<name>=", "+metrics.<name>=", "+logger.<name>="):
        assert word in text


def test_the_chosen_parts_count() -> None:
    from lmlab.config.compose import train_settings

    words = ["model=feedforward", "model.context=7", "data=text", "scheduler=cosine", "batching=windows"]
    found = settings_in(help_text("train", words))
    expected = {name for name, *_ in described(train_settings([*words, "data.path=x"]))}
    assert set(found) == expected
    assert found["model.context"] == "7"
    assert settings_in(help_text("generate", ["temperature=0.1"]))["temperature"] == "0.1"
    # Of a sweep, the first job; what resumes a run is no setting.
    found = settings_in(help_text("train", ["-m", "model=feedforward,gru", "optimizer.betas=[0.5,0.6]", "run=x"]))
    assert {"model.context", "optimizer.betas"} <= set(found)
    with pytest.raises(UserError, match=r"model=grru: no such option"):
        help_text("train", ["model=grru"])


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["help"], ["model=gru", "--help"]])
def test_help_is_asked_for(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert answered("train", words)
    assert capsys.readouterr().out.startswith("usage: python -m lmlab.train")


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("train", ["--help", "nothere"], "nothere: not a setting; "),
        ("train", ["help", "gru"], "gru: not a setting; did you mean model=gru?"),
        ("train", ["--help", "optimizer"], "optimizer: has no value; write optimizer=..."),
        ("generate", ["--help", "prompt"], "prompt: has no value; write prompt=..."),
        ("generate", ["--help=prompt"], "--help=prompt: takes no value; write --help without ="),
        ("generate", ["--help", "--nothere"], "--nothere: no such option; "),
    ],
)
def test_a_word_beside_help_that_says_nothing_is_refused(name: str, words: list[str], said: str) -> None:
    with pytest.raises(UserError) as refused:
        answered(name, words)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize("words", [[], ["name=help"], ["--config-dir", "help"], ["-m", "--cfg", "job"]])
def test_work_is_asked_for(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert not answered("train", words)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("command", "word", "meant"),
    [
        ("train", "--hlep", "did you mean --help?"),
        ("train", "--mutlirun", "did you mean --multirun?"),
        ("train", "--config_dir=x", "did you mean --config-dir?"),
        ("generate", "--hlep", "did you mean --help?"),
        ("generate", "-x", "choose one of --help, --shell-completion"),
        ("list", "--hlep", "did you mean --help?"),
    ],
)
def test_options_that_do_not_exist(command: str, word: str, meant: str) -> None:
    with pytest.raises(UserError) as refused:
        without_options(command, [word])
    assert f"{word.partition('=')[0]}: no such option; {meant}" in str(refused.value)


CODE = """
import json, sys, runpy
sys.argv[1:] = sys.argv[2:]
try:
    runpy.run_module(sys.argv.pop(), run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""


@pytest.mark.parametrize("module", ["lmlab", "lmlab.train", "lmlab.verify"])
def test_help_waits_for_nothing_heavy(module: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", CODE, "x", "--help", module]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: python -m lmlab")
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert loaded.isdisjoint({"torch", "pytorch_lightning", "pandas", "scipy", "numpy", "tensorboard", "requests"})
    assert list(tmp_path.iterdir()) == []
