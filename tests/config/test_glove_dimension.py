"""A file of vectors that is named without their dimension sets it, for every job of a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

import lmlab
from lmlab.config.glove import dimension_words
from lmlab.errors import UserError


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    path = tmp_path / "vectors, mine.txt"
    path.write_text("".join(f"word{i} {' '.join(['0.5'] * 7)}\n" for i in range(20)), encoding="utf-8")
    return path


def test_the_files_dimension_is_taken_unless_one_is_typed(vectors: Path) -> None:
    named = f"embedding.path={vectors}"
    assert dimension_words(["model=gru", named]) == ["embedding.dim=7"]
    assert dimension_words([f"embedding.path='{vectors}'"]) == ["embedding.dim=7"]
    assert dimension_words([named, "embedding.dim=50"]) == []
    assert dimension_words(["model=gru"]) == []
    assert dimension_words([f"embedding.path={vectors}.gone"]) == []


def test_a_preset_does_not_stand_in_the_way(vectors: Path) -> None:
    words = ["experiment=harry_potter_small", "data=oz", f"embedding.path={vectors}"]
    for embedding in ("glove", "glove_frozen"):
        assert lmlab.compose([*words, f"embedding={embedding}"]).embedding.dim == 7
    with pytest.raises(UserError, match="has 7 dimensions"):
        lmlab.compose([*words, "embedding=glove", "embedding.dim=50"])
