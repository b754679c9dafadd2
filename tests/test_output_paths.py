"""Where results cannot be written is said of the setting that was typed, with a remedy that can be followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmlab.errors import UserError
from lmlab.files import expanded
from lmlab.output_paths import check_writable, evaluation_file, made_report_folder
from lmlab.runs.discovery import find_run

LONG = "a" * 300


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("new/", "output=new/: is a folder, which is not there; make it first, or write output=new"),
        ("new/x.json", "output=new/x.json: there is no folder new; make it first, or write output=x.json"),
        ("text.txt/x.json", "output=text.txt/x.json: text.txt is not a folder; write output=x.json"),
        ("text.txt/x/y.json", "output=text.txt/x/y.json: text.txt is not a folder; write output=y.json"),
        ("-", "output=-: is not the name of a file; name one: output=result.json"),
        ("folder", "output=folder: is a folder; name a file: output=folder/result.json"),
    ],
)
def test_no_file_can_be_written_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").touch()
    with pytest.raises(UserError) as refused:
        evaluation_file(output)
    assert str(refused.value) == said


def test_too_long_a_name_is_told_of_the_setting(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^output=.*: File name too long; name another file$"):
        evaluation_file(str(tmp_path / f"{LONG}.json"))
    with pytest.raises(UserError, match=r"^output=.*: cannot be used as a folder: File name too long; "):
        made_report_folder(tmp_path / LONG)


def test_the_home_of_nobody_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded("~/x") == Path("/home/me/x")
    assert expanded("~no-such-user/x") == Path("~no-such-user/x")
    with pytest.raises(UserError, match=r"^output=~no-such-user/x: there is no folder ~no-such-user; make it first"):
        evaluation_file("~no-such-user/x")
    with pytest.raises(UserError, match=r"^run=~no-such-user/x: no such folder; "):
        find_run("~no-such-user/x", output_dir="outputs")
    remedy = "write output_dir=./~no-such-user for such a name"
    with pytest.raises(UserError) as refused:
        check_writable("output_dir", "~no-such-user")
    assert str(refused.value) == f"output_dir=~no-such-user: there is no home folder ~no-such-user; {remedy}"
    check_writable("output_dir", "./~no-such-user")
