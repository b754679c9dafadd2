"""The README's block for a Trainer of one's own runs as it stands, and its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from conftest import made_up_text

README = Path(__file__).resolve().parent.parent / "README.md"


def test_the_block_for_a_trainer_of_ones_own_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = (block for block in blocks if "pl.Trainer(" in block)
    (tmp_path / "my_book.txt").write_text(made_up_text(300), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"'test/perplexity': \d", done.stdout)


def test_its_links_within_the_repository_lead_to_files() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README.read_text(encoding="utf-8"))
    assert "examples/first_steps.ipynb" in links
    assert [link for link in links if not (README.parent / link).exists()] == []
