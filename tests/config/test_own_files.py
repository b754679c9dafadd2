"""YAML files of one's own that are no files, or cannot be read, are named before Hydra opens them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lmlab.config.folders import group_options
from lmlab.config.words import checked
from lmlab.errors import UserError
from lmlab.list import _described


def refused(folder: Path, name: str) -> UserError:
    with pytest.raises(UserError) as caught:
        checked(["--config-dir", str(folder), f"model={name}"], "train")
    return caught.value


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    return folder


def test_what_is_no_file_is_not_opened(models: Path) -> None:
    (models / "folder.yaml").mkdir()
    (models / "broken.yaml").symlink_to("nowhere")
    (models / "loop.yaml").symlink_to("loop.yaml")
    if hasattr(os, "mkfifo"):
        os.mkfifo(models / "pipe.yaml")
    for path in models.iterdir():
        error = refused(models.parent, path.stem)
        assert error.field == "model"
        assert f"{path} is not a file" in error.problem
    assert group_options("model", [models.parent]) == group_options("model")
    assert _described("model", [models.parent]) == _described("model", [])


def test_a_reference_that_is_not_closed_is_named_with_its_file(models: Path) -> None:
    path = models / "own.yaml"
    path.write_text("defaults: [lstm, _self_]\ncore:\n  dropout: ${model.dropout\n")
    error = refused(models.parent, "own")
    assert error.field == str(path)
    assert error.problem.startswith("core.dropout: ${model.dropout has")
    path.write_text("defaults: [lstm, _self_]\ncore:\n  dropout: ${model.dropout}\n")
    checked(["--config-dir", str(models.parent), "model=own"], "train")


def test_a_file_that_is_not_text_is_listed_and_named(models: Path) -> None:
    path = models / "own.yaml"
    path.write_bytes(b"# \xff\n")
    assert any(line.startswith("  own ") for line in _described("model", [models.parent]))
    with pytest.raises(UserError, match="is not UTF-8") as caught:
        _described("model=own", [models.parent])
    assert caught.value.field == str(path)


def test_aliases_that_stand_for_billions_of_values_are_counted_and_not_followed(models: Path) -> None:
    lines = ["a: &a0 [x, x]", *(f"b{level}: &a{level} [*a{level - 1}, *a{level - 1}]" for level in range(1, 35))]
    (models / "own.yaml").write_text("\n".join(lines), encoding="utf-8")
    assert refused(models.parent, "own").problem.startswith("has more than 100,000 values")


def test_a_list_that_contains_itself_is_named(models: Path) -> None:
    (models / "own.yaml").write_text("a: &a [*a]\n", encoding="utf-8")
    assert refused(models.parent, "own").problem == "is nested too deeply, or contains itself"


def test_a_byte_order_mark_before_the_header_is_named(models: Path) -> None:
    text = "# @package _global_\nmodel:\n  hidden_size: 8\n"
    (models / "own.yaml").write_text("\ufeff" + text, encoding="utf-8")
    error = refused(models.parent, "own")
    assert (error.problem, error.remedy) == ("begins with a byte order mark", "save it as UTF-8 without one")


@pytest.mark.parametrize(("written", "read"), [("010", 8), ("1:30", 90), ("+0_7", 7)])
def test_a_number_that_yaml_reads_as_another_is_refused(models: Path, written: str, read: int) -> None:
    (models / "own.yaml").write_text(f"defaults: [lstm, _self_]\nhidden_size: {written}\n", encoding="utf-8")
    error = refused(models.parent, "own")
    assert (error.field, error.problem) == (f"{models / 'own.yaml'}, line 2", f"YAML reads {written} as {read}")


@pytest.mark.parametrize("written", ["10", "0", "-8", "0x10", '"010"', "1.5", "1e-3"])
def test_numbers_that_are_read_as_they_look_are_taken(models: Path, written: str) -> None:
    (models / "own.yaml").write_text(f"defaults: [lstm, _self_]\nhidden_size: {written}\n", encoding="utf-8")
    words = ["--config-dir", str(models.parent), "model=own"]
    assert checked(words, "train") == words
