"""Nothing but POSIX's own tests needs POSIX: what Windows and macOS lack is hidden, and lmlab works without it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from conftest import SMALL, made_up_text
from without_posix import HIDDEN, MODULES

import lmlab
from lmlab import files, memory
from lmlab.errors import UserError

PACKAGE = Path(lmlab.__file__).parent
ONLY_LINUX = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="which files are open is told by /proc")


def on_windows(*words: str, cwd: Path) -> str:
    """Standard output of a command that runs as on Windows, with an encoding of its old consoles."""
    own = {"PYTHONIOENCODING": "cp437"}
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", str(Path(__file__).with_name("without_posix.py")), *words],
        cwd=cwd,
        capture_output=True,
        encoding="cp437",
        env={**os.environ, **own},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@ONLY_LINUX
def test_a_run_is_trained_resumed_and_reported_without_posix(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(made_up_text(80), encoding="utf-8")
    words = ["data=text", "data.path=text.txt", *SMALL, "name=ü", "logger=[tensorboard,csv]"]
    on_windows("train", *words, "trainer.max_epochs=1", cwd=tmp_path)
    (folder,) = (tmp_path / "outputs" / "ü").iterdir()
    assert not any(character in str(folder.relative_to(tmp_path)) for character in '<>:"|?*\\')
    on_windows("train", f"run={folder}", "trainer.max_epochs=2", cwd=tmp_path)
    assert (folder / "checkpoints" / "best.ckpt").is_file()
    assert not list(folder.rglob("*.part"))
    on_windows("report", f"runs={folder}", cwd=tmp_path)
    page = (folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "ü" in page


def test_only_posix_has_it_and_nobody_uses_it_unasked() -> None:
    """Names of `os` and `signal` that Windows lacks stand only where `hasattr` or a platform was asked before."""
    hidden = {f"{module.__name__}.{name}" for module, names in HIDDEN.items() for name in names.split()}
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
        assert not top & set(MODULES), path
        asked = {n for node in ast.walk(tree) if isinstance(node, ast.If) for n in ast.walk(node)}
        used = {node for node in ast.walk(tree) if isinstance(node, ast.Attribute)} - asked
        assert not {ast.unparse(node) for node in used} & hidden, path


@pytest.mark.parametrize("name", ["con", "Aux.txt", "nul", "com1", "a.", "a ", "a:b", "what?", "x\ty"])
def test_names_that_windows_does_not_take(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = PureWindowsPath(f"C:\\outputs/{name}/2026-01-01_00-00-00")
    assert files.unusable(PurePosixPath("/outputs", name)) is None
    monkeypatch.setattr(files, "WINDOWS", True)
    assert files.unusable(path) == name
    assert files.unusable(PureWindowsPath("C:\\outputs\\console\\..\\a.b\\nul_1\\-x")) is None


def test_the_folder_of_a_run_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from lmlab.config import folders

    monkeypatch.setattr(folders, "unusable", lambda path: path.parent.name)
    with pytest.raises(UserError, match="name=aux: cannot be the name of a folder on Windows"):
        folders.new_run_folder(str(tmp_path / "aux"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_use_is_replaced_when_it_is_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source, target = tmp_path / "new", tmp_path / "old"
    source.write_text("new", encoding="utf-8")
    target.write_text("old", encoding="utf-8")
    replace, refusals = os.replace, iter([True, True])

    def in_use(*paths: Path) -> None:
        if next(refusals, False):
            raise PermissionError
        replace(*paths)

    monkeypatch.setattr(files.os, "replace", in_use)
    with pytest.raises(PermissionError):  # elsewhere it is no use to wait
        files.replace(source, target)
    monkeypatch.setattr(files, "WINDOWS", True)
    files.replace(source, target)
    monkeypatch.undo()
    assert target.read_text(encoding="utf-8") == "new"


def test_peak_memory_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    there = memory.peak_bytes()
    assert 10_000_000 < there < 100_000_000_000
    if os.name == "posix":
        assert 0.5 < memory._peak_of_usage() / there < 2
