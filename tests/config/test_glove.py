"""glove.6B for those who name no file: from the cache, or fetched when they agree."""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from local_server import LocalServer, local_server

from lmlab.config import glove
from lmlab.config.checks import check_training
from lmlab.config.compose import train_settings
from lmlab.config.glove import obtain_vectors
from lmlab.config.settings import TrainSettings
from lmlab.data.cache import cache_folder
from lmlab.data.download import RemoteFile
from lmlab.errors import UserError


def composed(*overrides: str) -> TrainSettings:
    return train_settings(["data=python_docs", "tokenizer=word", "embedding=glove", *overrides])


def small_zip() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for dim in (50, 300):
            archive.writestr(f"glove.6B.{dim}d.txt", "".join(f"{word}{' 0.5' * dim}\n" for word in ("the", "of")))
    return made.getvalue()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    data = small_zip()
    with local_server() as served:
        served.files["glove.6B.zip"] = data
        url = f"{served.url}/glove.6B.zip"
        remote = RemoteFile("glove.6B.zip", url, hashlib.sha256(data).hexdigest(), len(data))
        monkeypatch.setattr(glove, "GLOVE_FILE", remote)
        yield served


def test_without_leave_nothing_is_fetched_and_one_line_says_how(server: LocalServer) -> None:
    for overrides in ([], ["embedding.download=false"]):
        config = composed(*overrides)
        with pytest.raises(UserError, match="is not in the cache yet") as caught:
            obtain_vectors(config)
        line = str(caught.value)
        assert "embedding=glove" in line
        assert "embedding.download=true" in line
        assert "embedding.path=" in line
        assert "\n" not in line
        assert config.embedding.path is None
    assert server.requests == []
    assert not cache_folder().joinpath("vectors").exists()


@pytest.mark.parametrize(("asked", "dim"), [([], 300), (["embedding.dim=50"], 50)])
def test_with_leave_it_is_fetched_once_and_chosen(server: LocalServer, asked: list[str], dim: int) -> None:
    for _ in range(2):
        config = composed("embedding.download=true", *asked)
        obtain_vectors(config)
        path = Path(config.embedding.path)
        assert path == cache_folder() / "vectors" / "glove.6B.zip"
        assert path.is_absolute()
        assert path.read_bytes() == server.files["glove.6B.zip"]
        assert config.embedding.dim == dim
    assert server.requests == ["glove.6B.zip"]
    # Once it is there, nobody is asked.
    config = composed()
    obtain_vectors(config)
    assert config.embedding.dim == 300


def test_other_bytes_in_its_place_are_refused(server: LocalServer) -> None:
    path = cache_folder() / "vectors" / "glove.6B.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * len(server.files["glove.6B.zip"]))
    with pytest.raises(UserError, match="is not the file expected"):
        obtain_vectors(composed("embedding.download=true"))
    assert server.requests == []


def test_a_file_of_ones_own_and_random_vectors_need_nothing(server: LocalServer) -> None:
    config = composed("embedding.path=own.txt", "embedding.download=true")
    obtain_vectors(config)
    assert (config.embedding.path, config.embedding.dim) == ("own.txt", None)
    config = composed("embedding=random")
    obtain_vectors(config)
    assert config.embedding.path is None
    assert server.requests == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "agreed"), [("y\n", True), (" YES\n", True), ("\n", False), ("n\n", False), ("", False)]
)
def test_who_sits_at_a_terminal_is_asked(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, answer: str, agreed: bool
) -> None:
    error = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", error)
    config = composed()
    if agreed:
        obtain_vectors(config)
        assert config.embedding.path
    else:
        with pytest.raises(UserError, match="not in the cache"):
            obtain_vectors(config)
    assert error.getvalue().startswith("Download glove.6B.zip")
    assert len(server.requests) == agreed


@pytest.mark.parametrize("dim", [64, 400, 1])
def test_a_size_that_it_lacks_is_refused(dim: int) -> None:
    with pytest.raises(UserError, match="50, 100, 200, 300") as caught:
        check_training(composed(f"embedding.dim={dim}"))
    assert str(caught.value).startswith(f"embedding.dim={dim}")


@pytest.mark.parametrize("overrides", [["embedding.dim=200"], ["embedding.dim=null"]])
def test_sizes_that_it_has_pass(overrides: list[str]) -> None:
    assert check_training(composed(*overrides)) is None


def test_a_file_of_ones_own_may_have_any_size(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text(f"the {' '.join(['1'] * 64)}\n")
    checked: Any = check_training(composed("embedding.dim=64", f"embedding.path='{tmp_path}/own.txt'"))
    assert checked is None
