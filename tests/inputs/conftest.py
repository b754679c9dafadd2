from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis.configuration import set_hypothesis_home_dir

if TYPE_CHECKING:
    from inputs.bench import Bench

# Forked processes, their memory limit and the files that hold their output are Linux's.
collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("generated mistakes")
    group.addoption("--cases", type=int, default=300, help="how many cases tests/inputs generates (300)")
    group.addoption("--cases-seed", type=int, default=0, help="another seed, other cases (0)")


@pytest.fixture(scope="session", autouse=True)
def hypothesis_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    set_hypothesis_home_dir(tmp_path_factory.mktemp("hypothesis"))  # else a folder in the checkout


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import compose_config, made_up_text

    from lmlab.training.run import train

    folder = tmp_path_factory.mktemp("inputs") / "run"
    folder.mkdir()
    text = folder.parent / "book.txt"
    text.write_text(made_up_text(200), encoding="utf-8")
    train(compose_config(text, "logger=none"), folder)
    return folder


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import made_up_text

    from inputs import files

    folder = tmp_path_factory.mktemp("template")
    files.write_files(folder, made_up_text(200))
    return folder


@pytest.fixture
def bench(template: Path, tmp_path: Path) -> Iterator[Bench]:
    from inputs.bench import Bench

    with contextlib.chdir(template):  # where the files of a context are
        yield Bench(tmp_path, template)


@pytest.fixture
def bench_with_run(run_folder: Path, template: Path, tmp_path: Path) -> Bench:
    from inputs import cases
    from inputs.bench import Bench

    with_run = tmp_path / "template"
    shutil.copytree(template, with_run, symlinks=True)
    shutil.copytree(run_folder, with_run / cases.RUN)
    (tmp_path / "bench").mkdir()
    return Bench(tmp_path / "bench", with_run)
