"""Files fetched once, from a server of this machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from local_server import LocalServer, local_server

from lmlab.data.cache import cache_folder
from lmlab.data.download import RemoteFile, fetch, sha256_of, texts_folder
from lmlab.errors import UserError

CONTENT = bytes(range(256)) * 700


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as served:
        yield served


def served_file(server: LocalServer, name: str = "book.txt", content: bytes = CONTENT) -> RemoteFile:
    server.files[name] = content
    return RemoteFile(name, f"{server.url}/{name}", hashlib.sha256(content).hexdigest(), len(content))


def fetched(*files: RemoteFile) -> list[Path]:
    return fetch(files, texts_folder("own"), field="data", value="own", instead="data.path to a copy")


def refused(*files: RemoteFile) -> str:
    """The one line of the refusal, after which no file lies in the cache that was not there before."""
    before = {path for path in cache_folder().rglob("*") if path.is_file()}
    with pytest.raises(UserError) as caught:
        fetched(*files)
    assert {path for path in cache_folder().rglob("*") if path.is_file()} == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_are_fetched_once(server: LocalServer, capfd: pytest.CaptureFixture[str]) -> None:
    one, two = served_file(server), served_file(server, "two.txt", b"two")
    for _ in range(2):
        first, second = fetched(one, two)
        assert first == cache_folder() / "texts" / "own" / "book.txt"
        assert first.read_bytes() == CONTENT
        assert second.read_bytes() == b"two"
    assert server.requests == ["book.txt", "two.txt"]
    assert sorted(path.name for path in first.parent.iterdir()) == ["book.txt", "two.txt"]
    assert f"downloading {one.url} (179 kB)" in capfd.readouterr().err
    assert all("lmlab" in agent for agent in server.agents)


def test_only_what_is_missing_is_fetched(server: LocalServer) -> None:
    one, two = served_file(server), served_file(server, "two.txt", b"two")
    fetched(one)
    assert [path.name for path in fetched(one, two)] == ["book.txt", "two.txt"]
    assert server.requests == ["book.txt", "two.txt"]


def test_other_bytes_are_refused_and_not_kept(server: LocalServer) -> None:
    file = served_file(server)
    server.files["book.txt"] = b"<html>please log in</html>"
    line = refused(file)
    assert line.startswith("data=own: ")
    assert "other bytes than expected" in line
    # What to do by hand: what to fetch, how to know it, where to put it, or what to set.
    for part in (file.url, file.sha256, str(texts_folder("own") / "book.txt"), "data.path to a copy"):
        assert part in line
    server.files["book.txt"] = CONTENT
    assert fetched(file)[0].read_bytes() == CONTENT


def test_a_missing_file_is_told_from_a_missing_server(server: LocalServer) -> None:
    file = served_file(server)
    server.files.clear()
    assert "could not be downloaded (no such file there)" in refused(file)
    nobody = replace(file, url="http://127.0.0.1:9/book.txt")
    line = refused(nobody)
    assert "could not be downloaded (no connection)" in line
    assert file.sha256 in line


def test_a_connection_that_breaks_leaves_nothing(server: LocalServer) -> None:
    file = served_file(server)
    server.cut_short.add("book.txt")
    assert "book.txt" in refused(file)


def test_the_first_that_fails_says_how_many_more_are_missing(server: LocalServer) -> None:
    files = [served_file(server, f"{i}.txt", b"%d" % i) for i in range(3)]
    server.files.clear()
    assert "and 2 more files, listed by python -m lmlab.list data=own" in refused(*files)
    assert "more files" not in refused(files[0])


def put(file: RemoteFile, content: bytes) -> Path:
    path = texts_folder("own") / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_file_put_there_by_hand_is_taken(server: LocalServer) -> None:
    file = served_file(server)
    path = put(file, CONTENT)
    assert fetched(file) == [path]
    assert server.requests == []


@pytest.mark.parametrize("content", [b"", b"other", CONTENT[:-1], CONTENT[:-1] + b"x"])
def test_other_bytes_put_there_by_hand_are_refused(server: LocalServer, content: bytes) -> None:
    file = served_file(server)
    path = put(file, content)
    line = refused(file)
    assert line.startswith(f"{path}: is not the file expected")
    assert file.sha256 in line
    assert "remove it" in line
    assert path.read_bytes() == content
    assert server.requests == []


def test_a_wrong_file_is_refused_before_others_are_fetched(server: LocalServer) -> None:
    one, two = served_file(server), served_file(server, "two.txt", b"two")
    put(two, b"2")
    refused(one, two)
    assert server.requests == []


def test_a_cache_that_cannot_be_made_is_named(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LMLAB_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="is not a folder") as caught:
        fetched(served_file(server))
    assert (caught.value.field, caught.value.value) == ("LMLAB_CACHE", str(tmp_path / "file"))
    assert server.requests == []


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="nothing is forbidden to root, nor by such bits on Windows"
)
def test_a_cache_that_may_not_be_written_to_is_named(server: LocalServer) -> None:
    file = served_file(server)
    folder = texts_folder("own")
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    try:
        line = refused(file)
    finally:
        folder.chmod(0o700)
    assert line.startswith((str(folder), "LMLAB_CACHE"))
    assert "LMLAB_CACHE" in line


@pytest.mark.parametrize(
    ("num_bytes", "size"), [(900, "1 kB"), (232_789, "233 kB"), (1_115_394, "1 MB"), (862_182_613, "862 MB")]
)
def test_sizes_are_told_in_words(num_bytes: int, size: str) -> None:
    assert RemoteFile("a", "https://a", "0" * 64, num_bytes).size == size


def test_a_hash_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")  # the example of FIPS 180-2
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
