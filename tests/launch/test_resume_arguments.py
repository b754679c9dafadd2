"""Going on with a sweep that `run=` names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lmlab.errors import UserError
from lmlab.launch.resume_arguments import asks_to_resume, run_to_resume, sweep_to_resume
from lmlab.runs.files import SWEEP


def a_sweep(folder: Path, directory: Path) -> Path:
    folder.mkdir()
    record: dict[str, Any] = {"arguments": ["seed=0,1", "data.path=a b.txt"], "directory": str(directory), "swept": {}}
    (folder / SWEEP).write_text(json.dumps(record))
    return folder


def test_run_on_the_command_line_asks_to_go_on() -> None:
    assert asks_to_resume(["-m", "run=x"])
    assert not asks_to_resume(["trun=x", "data.path=run=x"])


def test_a_sweep_goes_on_with_its_own_words_in_its_own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_sweep(tmp_path / "sweep", tmp_path)
    for words in ([f"run={folder}"], [f"run={folder}/", "output_dir=elsewhere"]):
        found = sweep_to_resume(words)
        assert found is not None
        assert found == (folder, ["seed=0,1", "data.path=a b.txt"], tmp_path)
    monkeypatch.chdir(tmp_path)
    relative = sweep_to_resume(["run=sweep"])
    assert relative is not None
    assert relative.folder == folder


@pytest.mark.parametrize("word", ["seed=3", "trainer.max_epochs=9", "fresh=true", "-m", "model="])
def test_settings_beside_a_sweep_are_refused(tmp_path: Path, word: str) -> None:
    folder = a_sweep(tmp_path / "sweep", tmp_path)
    with pytest.raises(UserError, match="cannot be changed when a sweep is resumed") as caught:
        sweep_to_resume([f"run={folder}", word])
    assert str(caught.value).startswith(word.rstrip("="))


def test_a_sweep_whose_place_is_gone_is_refused(tmp_path: Path) -> None:
    folder = a_sweep(tmp_path / "sweep", tmp_path / "gone")
    with pytest.raises(UserError, match=f"was started in {tmp_path}/gone, which no longer exists"):
        sweep_to_resume([f"run={folder}"])


def test_what_is_no_sweep_is_left_to_others(tmp_path: Path) -> None:
    assert sweep_to_resume([f"run={tmp_path}"]) is None
    assert sweep_to_resume(["run=latest", "seed=1"]) is None


@pytest.mark.parametrize("words", [["run=a", "run=b"], ["run=a", "trainer.max_steps=5", "trainer.max_steps=9"]])
def test_a_word_given_twice_is_refused_by_name(words: list[str]) -> None:
    key, _, value = words[-1].partition("=")
    for find in (sweep_to_resume, run_to_resume):
        with pytest.raises(UserError, match=rf"^{key}={value}: is given twice; give it once$"):
            find(words)
