"""lmlab.benchmark as it is typed: a table, files, and models of one's own."""

from __future__ import annotations

import json
from pathlib import Path

from typed_commands import typed

TINY = (
    "models=[mine,lstm]", "hidden_sizes=[8]", "steps=2", "batch_size=2", "sequence_length=6", "embedding_dim=4",
    "precision=32-true",
)  # fmt: skip
MODULE = """
import lmlab
from lmlab.models.recurrent import GRU


class Mine(GRU):
    pass
"""
OPTION = "defaults: [_recurrent, _self_]\nname: mine\ncore:\n  _target_: my_models.Mine\n"


def test_a_model_of_ones_own_is_timed_beside_others(tmp_path: Path) -> None:
    (tmp_path / "my_models.py").write_text(MODULE)
    (tmp_path / "my_conf" / "model").mkdir(parents=True)
    (tmp_path / "my_conf" / "model" / "mine.yaml").write_text(OPTION)
    own = ("--config-dir", "my_conf", "accelerator=cpu")
    words = (*own, *TINY, "plugins=[my_models]", "what=[step,ceiling]", "matrix_size=8", "output=result")
    done = typed("benchmark", *words, cwd=tmp_path)
    assert {path.name for path in (tmp_path / "result").iterdir()} == {
        "benchmark.json", "benchmark.png", "benchmark.svg"
    }  # fmt: skip
    found = json.loads((tmp_path / "result" / "benchmark.json").read_text())
    steps = [one for one in found["measurements"] if one["part"] == "step"]
    assert [(one["case"], one["baseline"]) for one in steps] == [
        ("mine 1 x 8, 32-true", None),
        ("lstm 1 x 8, 32-true", "by hand"),
    ]
    assert found["measurements"][0]["part"] == "ceiling"
    assert all(one["case"] in done.stdout for one in found["measurements"])
    assert found["settings"]["hidden_sizes"] == [8]
    # Without the word that trusts it, before anything is measured.
    refused = typed("benchmark", *own, *TINY, cwd=tmp_path, status=1)
    assert "plugins=[my_models]" in refused.stderr
    assert refused.stdout == ""
