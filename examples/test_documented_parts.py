"""Every block of docs/extending.md: the files are written, its tests run, its commands train and write text."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from pydoc_data.topics import topics

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`([\w./]+\.(?:py|yaml))`:\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^python -m (lmlab\.train --config-dir .*\[my_parts\] .+)$", PAGE, re.MULTILINE)
PYTHON = re.findall(r"^```python\n(import lmlab\n\nlm = .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SMALL = ["trainer=cpu", "trainer.max_steps=20", "callbacks.sample_text.length=30", "evaluation.num_samples=2"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in [*FILES, ("my_parts/__init__.py", "")]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    book = "\n\n".join(topics[name] for name in sorted(topics))[:40_000]
    (tmp_path / "my_book.txt").write_text(book, encoding="utf-8")
    return tmp_path


def python(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "LMLAB_PLUGINS"}
    environment |= {"OMP_NUM_THREADS": "1", "LMLAB_DEBUG": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_has_what_is_tested_here() -> None:
    kinds = {"core", "source", "tokenizer", "loader", "optimizer", "scheduler", "embedding", "decoder", "averaging"}
    kinds |= {"metric", "callback", "logger"}
    assert {f"my_parts/{kind}.py" for kind in kinds} <= {name for name, _ in FILES}
    assert len(COMMANDS) >= len(kinds)
    assert len(PYTHON) == 1


def test_the_tests_of_the_page_pass(folder: Path) -> None:
    told = python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", ".")
    assert re.search(r"^\d+ passed", told, re.MULTILINE)  # and not: no tests ran


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_trains(command: str, folder: Path) -> None:
    words = shlex.split(command)
    size = [] if "model.hidden_size" in command else ["model.hidden_size=32"]
    python(folder, "-m", *words, *SMALL, *size)
    assert python(folder, "-m", "lmlab.generate", "plugins=[my_parts]", "run=latest", "prompt=The ", "length=20")
    assert python(folder, "-c", PYTHON[0])
