"""`python -m lmlab.list`: everything that can be chosen, without waiting for torch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lmlab.config.folders import configuration_folder
from lmlab.config.help import groups
from lmlab.data.cache import cache_folder
from lmlab.data.catalogue import GLOVE, TEXTS
from lmlab.list import main

# Folders of the configuration that offer no choice.
NO_CHOICE = {"hydra"}


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str, status: int = 0) -> str:
        """Standard output, or standard error where the status says that it failed."""
        monkeypatch.setattr(sys, "argv", ["list", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == status
        told = capsys.readouterr()
        assert (told.err if status == 0 else told.out) == ""
        return told.err if status else told.out

    return run


def options() -> dict[str, list[str]]:
    groups = [path for path in configuration_folder().iterdir() if path.is_dir() and path.name not in NO_CHOICE]
    return {group.name: sorted(path.stem for path in group.glob("[!_]*.yaml")) for group in groups}


def test_every_option_of_every_group_has_a_line(listed) -> None:
    blocks = dict(block.split("=\n", 1) for block in listed().rstrip("\n").split("\n\n"))
    assert list(blocks) == list(groups())
    assert set(options()) == set(groups())
    for group, names in options().items():
        lines = blocks[group].splitlines()
        told = [match.groups() for line in lines if (match := re.match(r"  (\w+) +(\S.*)", line))]
        assert [name for name, _ in told] == names
        assert all(len(line) <= 80 for line in lines)
        for name, words in told:
            head = (configuration_folder() / group / f"{name}.yaml").read_text().partition("defaults:")[0]
            assert words.rstrip() in head  # what it is, and no comment on one of its settings
            assert re.search(r"\w{3}", words)


def test_groups_can_be_asked_for_alone(listed) -> None:
    told = listed("model", "tokenizer")
    assert [line for line in told.splitlines() if line.endswith("=")] == ["model=", "tokenizer="]


@pytest.mark.parametrize("option", ["ptb", "oz"])
def test_a_text_tells_files_hashes_and_bytes(listed, option: str) -> None:
    told = listed(f"data={option}")
    assert told.startswith(f"data={option}: ")
    for file in TEXTS[option]:
        for part in (file.url, f"SHA-256 {file.sha256}", f"{file.num_bytes:,} bytes"):
            assert part in told
        assert f"{cache_folder() / 'texts' / option / file.name} (not downloaded yet)" in told
    assert "settings:" in told


def test_a_file_that_is_there_is_told_from_one_that_is_not(listed) -> None:
    folder = cache_folder() / "texts" / "ptb"
    folder.mkdir(parents=True)
    (folder / "ptb.valid.txt").touch()
    told = listed("data=ptb")
    assert f"{folder / 'ptb.valid.txt'} (downloaded)" in told
    assert told.count("(not downloaded yet)") == 2


def test_an_option_tells_its_settings(listed) -> None:
    assert "  model.hidden_size=256 " in listed("model=gru")
    assert "SHA-256" not in listed("model=gru")
    assert "  data.sequence_length=35 " in listed("data=ptb")
    told = listed("embedding=glove")
    assert GLOVE.url in told
    assert str(cache_folder() / "vectors" / GLOVE.name) in told
    told = listed("model", "optimizer=sgd")
    assert told.startswith("model=")
    assert "  optimizer.momentum=0 " in told


def test_callbacks_of_a_users_own_folder_are_listed(listed, tmp_path: Path) -> None:
    tmp_path = tmp_path / "my conf (1), it's"
    (tmp_path / "callbacks").mkdir(parents=True)
    monitor = "rates:\n  _target_: pytorch_lightning.callbacks.LearningRateMonitor\n"
    (tmp_path / "callbacks" / "mine.yaml").write_text(f"# And the rate.\ndefaults: [default, _self_]\n{monitor}")
    told = listed("--config-dir", str(tmp_path), "callbacks", "callbacks=mine")
    assert "\n  mine     And the rate.\n" in told
    assert "\n  default  All of lmlab's own callbacks.\n" in told
    assert "  callbacks.checkpoints.every_minutes=10\n" in told


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("dta", "dta: no such group"),
        ("hydra", "hydra: no such group"),
        ("model.hidden_size=5", "model.hidden_size=5: no such group"),
        ("data=ptbb", "data=ptbb: no such option; did you mean ptb? Or choose one of brackets, "),
        ("data=", 'data="": no such option'),
        ("data=PTB", "data=PTB: no such option; did you mean ptb?"),
        (" Data", "Data: no such group; did you mean data?"),
        ("", '"": no such group'),
        ("settings", "settings: no such group; write python -m lmlab.list settings alone"),
        ("plugins", "plugins: no such group; write python -m lmlab.list plugins=[my_models]"),
        ("prune=yes", "prune=yes: no such group; write python -m lmlab.list runs prune=true"),
        ("run", "run: no such group; did you mean runs?"),
        ("hidden_size=5", "hidden_size=5: no such group; it is a setting: python -m lmlab.list model=OPTION shows"),
        ("seed", "seed: no such group; it is a setting: python -m lmlab.train --help shows it"),
        ("data=_base", "data=_base: no such option"),
        ("model=../data/ptb", "model=../data/ptb: no such option"),
        ("experiment=x", "experiment=x: no such option"),
        ("modle", "modle: no such group; did you mean model?"),
        ("model=lstmm", "model=lstmm: no such option; did you mean lstm?"),
        ("lstm", "lstm: no such group; did you mean model=lstm?"),
        ("foo=bar", "foo=bar: no such group; choose one of data, "),
        ("--hlep", "--hlep: no such option; did you mean --help?"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(listed, argument: str, said: str) -> None:
    (line,) = listed("model", argument, status=1).splitlines()
    assert line.startswith(f"error: {said}")


def test_help_shows_how_to_ask(monkeypatch: pytest.MonkeyPatch, listed) -> None:
    for word in ("-h", "--help", "help"):
        assert listed(word).startswith("usage: python -m lmlab.list")


CODE = """
import json, sys
from lmlab.list import main
for arguments in ([], ["data=ptb"], ["model=lstm", "embedding=glove"], ["nothing"]):
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit:
        pass
print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""


def test_it_waits_for_neither_torch_nor_lightning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=tmp_path, capture_output=True, text=True, env=os.environ, check=True
    )
    imported = set(json.loads(done.stdout.splitlines()[-1]))
    assert "hydra" in imported
    assert imported.isdisjoint({"torch", "pytorch_lightning", "lightning_fabric", "tensorboard", "pooch", "requests"})
    assert list(tmp_path.iterdir()) == []


def test_the_page_of_figures_is_that_of_the_code(listed) -> None:
    page = Path(__file__).parents[2] / "docs" / "figures.md"
    assert page.read_text(encoding="utf-8") == listed("figures"), "python -m lmlab.list figures > docs/figures.md"
