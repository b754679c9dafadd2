"""A run on a text that stays on the disk is the run on the same text in memory, figure by figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import compose_config
from equal_runs import assert_equal_runs

from lmlab.data import stored_text, token_store
from lmlab.data.cache import cache_folder
from lmlab.data.sources import text_files
from lmlab.data.tokenizers import saved
from lmlab.training.run import train

# Parts of the names of figures that may differ.
TIMING = ("seconds", "per_second", "time", "memory")


def figures(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in summary.items() if not any(word in name for word in TIMING)}


@pytest.mark.parametrize("tokenizer", ["char", "word"])
def test_a_run_is_the_same_on_the_disk(tokenizer: str, text_file: Path, tmp_path: Path, monkeypatch) -> None:
    more = [f"tokenizer={tokenizer}", "evaluation.num_samples=3", "evaluation.sample_length=40", "trainer.max_epochs=1"]
    found = {}
    for name in ("memory", "disk"):
        (tmp_path / name).mkdir()
        found[name] = train(compose_config(text_file, *more), tmp_path / name)
        assert (cache_folder() / "tokens").is_dir() == (name == "disk")
        monkeypatch.setattr(text_files, "LONG", 0)
        monkeypatch.setattr(stored_text, "BLOCK", 1000)
        for function in (token_store.build, saved.fitted):
            monkeypatch.setitem(function.__kwdefaults__, "cached_from", 1)
    assert figures(found["disk"]) == figures(found["memory"])
    assert_equal_runs(tmp_path / "disk", tmp_path / "memory")
    exhibits = [(tmp_path / name / "exhibits.json").read_text() for name in found]
    assert exhibits[0] == exhibits[1]
