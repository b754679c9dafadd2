"""The dimension of a file of vectors, from its first lines."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from conftest import compose_config

from lmlab.data.vector_dimension import vector_dimension
from lmlab.errors import UserError

LINES = "".join(f"{word} 0.5 -1e-3 2\n" for word in ("the", "cat", "sees"))


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        (LINES, 3),
        ("3 3\n" + LINES, 3),
        ("the 1\n", 1),
        ("", None),
        ("the\ncat\n", None),
        ("the one two\n", None),
        (LINES + "a b 0.5 -1e-3 2\n", None),  # a token with a space: for the reader to decide
        ("\0" * 5000, None),
    ],
)
def test_it_is_that_of_all_first_lines(text: str, dimension: int | None, tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(text)
    assert vector_dimension(path, None) == dimension


def test_a_file_of_several_is_chosen_by_its_dimension(tmp_path: Path) -> None:
    path = tmp_path / "glove.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("glove.3d.txt", LINES)
        archive.writestr("glove.1d.txt", "the 0.5\n")
    assert [vector_dimension(path, dim) for dim in (3, 1, 2, None)] == [3, 1, None, None]
    path.write_bytes(path.read_bytes()[:60])
    assert vector_dimension(path, 3) is None


def test_what_is_no_file_has_none(tmp_path: Path) -> None:
    assert vector_dimension(tmp_path, 3) is None
    assert vector_dimension(tmp_path / "missing", 3) is None


def test_settings_that_do_not_fit_the_file_are_refused_before_it_is_read(text_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(LINES)
    words = ("tokenizer=word", "embedding=glove", f"embedding.path={path}")
    with pytest.raises(UserError, match=r"^embedding\.dim=8: .* has 3 dimensions; set embedding\.dim=3 "):
        compose_config(text_file, *words)
    compose_config(text_file, *words, "embedding.dim=null")
    with pytest.raises(UserError, match=r"^model\.tie_weights=true: needs embedding\.dim \(3\) equal to .* \(16\)"):
        compose_config(text_file, *words, "embedding.dim=null", "model.tie_weights=true")
