"""Completion: what is offered can be typed, and the shells get it in the form that they take."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lmlab.config.completion import answer, candidates, known_names
from lmlab.config.documentation import described
from lmlab.config.folders import group_options
from lmlab.config.help import COMMANDS, chosen_settings, groups
from lmlab.config.settings import TrainSettings
from lmlab.errors import UserError

BASH = shutil.which("bash")


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("group", groups())
def test_a_group_has_its_options_and_no_file_that_they_inherit_from(group: str) -> None:
    found = candidates("train", [], f"{group}=")
    assert found == [f"{group}={name}" for name in group_options(group)]
    assert not [word for word in found if "=_" in word]
    assert f"{group}=" in candidates("train", [], group[:3])


def test_every_setting_is_reached_level_by_level() -> None:
    """From the empty word on, taking each offer, one comes to every setting, group and word of the command."""
    left, reached = [""], set()
    while left:
        for word in candidates("train", ["model=gru"], left.pop()):
            if word.endswith("."):
                left.append(word)
            else:
                reached.add(word)
    settings = described(chosen_settings("train", TrainSettings, ["model=gru"]))
    expected = {f"{name}=" for name, *_ in settings} | {f"{name}=" for name in groups()} | {"run=", "plugins="}
    assert reached == expected == set(known_names("train", ["model=gru"]))


@pytest.mark.parametrize(
    ("command", "before", "word", "expected"),
    [
        ("train", ["optimizer=sgd"], "optimizer.mom", ["optimizer.momentum="]),
        ("train", [], "optimizer.mom", []),
        ("train", ["data=text"], "data.pa", ["data.path="]),
        ("train", ["data=nothing"], "optimizer.mom", ["optimizer.momentum=", "optimizer.momentum_decay="]),
        ("train", [], "trainer.deterministic=", ["trainer.deterministic=false", "trainer.deterministic=true"]),
        ("train", [], "embedding.download=", [f"embedding.download={v}" for v in ("false", "null", "true")]),
        ("train", [], "trainer.accelerator=c", ["trainer.accelerator=cpu"]),
        ("train", [], "model.hidden_size=", ["model.hidden_size=256"]),
        ("train", ["-m"], "model=gru,l", ["model=gru,lstm"]),
        ("train", [], "logger=[csv,t", ["logger=[csv,tensorboard"]),
        ("train", [], "+optimizer.l", ["+optimizer.lr="]),
        ("train", [], "--multi", ["--multirun"]),
        ("report", [], "along=", [f"along={axis}" for axis in ("epochs", "seconds", "steps", "tokens")]),
        ("benchmark", [], "models=[gru,l", ["models=[gru,lstm"]),
        ("benchmark", [], "what=la", ["what=large_text", "what=layers"]),
        ("benchmark", [], "large_text.t", ["large_text.tokenizer="]),
        ("list", [], "runs", ["runs", "runs="]),
        ("list", [], "model=l", ["model=lstm"]),
    ],
)
def test_offers(command: str, before: list[str], word: str, expected: list[str]) -> None:
    assert candidates(command, before, word) == expected


def test_paths_and_runs(empty: Path) -> None:
    (empty / "outputs" / "text-lstm" / "1").mkdir(parents=True)
    (empty / "outputs" / "text-lstm" / "1" / "config.yaml").touch()
    (empty / "book.txt").touch()
    assert candidates("train", [], "data.path=") == ["data.path=book.txt", "data.path=outputs/"]
    assert candidates("train", [], "data.path=outputs/t") == ["data.path=outputs/text-lstm/"]
    assert {"run=latest", "run=outputs/", "run=outputs/text-lstm/1"} <= set(candidates("train", [], "run="))
    assert candidates("train", ["--config-dir"], "") == ["outputs/"]


def test_options_of_a_users_own_folder(empty: Path) -> None:
    (empty / "mine" / "model").mkdir(parents=True)
    (empty / "mine" / "model" / "my_model.yaml").write_text("defaults: [lstm, _self_]\n", encoding="utf-8")
    assert candidates("train", ["--config-dir", "mine"], "model=m") == ["model=my_model"]
    assert candidates("benchmark", ["--config-dir", "mine"], "models=[m") == ["models=[my_model"]


def asked(monkeypatch: pytest.MonkeyPatch, line: str, shell: str, breaks: str = "") -> list[str]:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("LMLAB_BREAKS", breaks)
    return answer("train", ["--shell-completion", f"query={shell}"]).splitlines()


@pytest.mark.parametrize(
    "program", ["lmlab-train", "python -m lmlab.train", "/x/python3 -m lmlab.train", "lmlab-train.exe"]
)
def test_the_words_begin_behind_the_program(program: str, monkeypatch: pytest.MonkeyPatch, empty: Path) -> None:
    (empty / "my book").mkdir()
    assert asked(monkeypatch, f"{program} optimizer=sgd optimizer.mom", "fish") == ["optimizer.momentum="]
    assert asked(monkeypatch, f"{program} model=g", "zsh") == ["model=gru"]
    assert asked(monkeypatch, f"{program} model=g", "bash") == ["model=gru "]
    assert asked(monkeypatch, f"{program} model=g", "bash", breaks=" =:") == ["gru "]
    assert asked(monkeypatch, f"{program} data.path=my\\ b", "bash", breaks="=") == ["my\\ book/"]
    assert asked(monkeypatch, f"{program} data.path='my b", "fish") == []


@pytest.mark.parametrize("word", ["install=", "install=tcsh", "query=csh", "bash"])
def test_another_shell_is_refused(word: str) -> None:
    with pytest.raises(UserError, match=r"--shell-completion.*: names no shell; choose one of install=bash"):
        answer("train", ["--shell-completion", word])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_completes_every_command(shell: str) -> None:
    script = answer("list", ["-sc", f"install={shell}"])
    for name in COMMANDS:
        assert f"lmlab-{name}" in script
    assert "%(" not in script


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("typed", "replies"),
    [
        (["model", "=", "gr"], ["gru "]),
        (["trainer.deterministic", "="], ["false ", "true "]),
        (["optim"], ["optimizer.", "optimizer="]),
        ([""], None),
    ],
)
@pytest.mark.parametrize("program", [["python", "-m", "lmlab.train"], ["lmlab-train"]])
def test_bash_gets_it(program: list[str], typed: list[str], replies: list[str] | None, tmp_path: Path) -> None:
    """As bash calls the function: the words are broken at =, and the program is the one that was typed."""
    own = tmp_path / "bin"
    own.mkdir()
    python = own / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    installed = own / "lmlab-train"
    installed.write_text(f'#!/bin/sh\nexec {sys.executable} -m lmlab.train "$@"\n', encoding="utf-8")
    for file in (python, installed):
        file.chmod(0o755)
    line = " ".join([*program, "".join(typed)])
    words = " ".join(f"'{word}'" for word in [*program, *typed])
    code = (
        f"{answer('train', ['-sc', 'install=bash'])}\nPATH={own}:$PATH\n"
        f"COMP_LINE='{line}' COMP_POINT={len(line)} COMP_WORDS=({words}) COMP_CWORD={len(program) + len(typed) - 1}\n"
        f"_lmlab {program[0]}; printf '%s\\n' \"${{COMPREPLY[@]}}\"; complete -p lmlab-report python\n"
    )
    done = subprocess.run([str(BASH), "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    *found, report, of_python = done.stdout.splitlines()
    assert found == replies if replies is not None else "model=" in found
    assert "-F _lmlab" in report
    assert "-o default" in of_python
