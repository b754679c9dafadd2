"""Files and archives as an operating system may have them: no answer may wait, and none may fill the memory."""

from __future__ import annotations

import io
import os
import socket
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lmlab.data import opening
from lmlab.data.sources.reviews import MovieReviews
from lmlab.data.sources.sentences import SentenceFiles
from lmlab.data.sources.text_files import TextFiles
from lmlab.errors import UserError

SPLIT = [0.8, 0.1, 0.1]


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "a.txt")
    return folder / "a.txt"


def a_socket(folder: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "a.txt"))
    return folder / "a.txt"


def a_broken_link(folder: Path) -> Path:
    (folder / "a.txt").symlink_to(folder / "nowhere")
    return folder / "a.txt"


def a_loop(folder: Path) -> Path:
    (folder / "a.txt").symlink_to("a.txt")
    return folder / "a.txt"


def a_device(folder: Path) -> Path:
    (folder / "a.txt").symlink_to("/dev/zero")
    return folder / "a.txt"


@pytest.mark.parametrize("inside_folder", [False, True])
@pytest.mark.parametrize("source", [TextFiles, SentenceFiles, MovieReviews])
@pytest.mark.parametrize("make", [a_pipe, a_socket, a_broken_link, a_loop, a_device])
def test_only_files_of_the_disk_are_opened(
    tmp_path: Path, make: Callable[[Path], Path], source: type, inside_folder: bool
) -> None:
    path = make(tmp_path)
    if inside_folder and source is SentenceFiles:
        path = path.rename(tmp_path / "train.txt")
        (tmp_path / "valid.txt").write_text("a\n")
    with pytest.raises(UserError) as caught:
        source(path=str(tmp_path if inside_folder else path), split=SPLIT, encoding="auto").load()
    assert caught.value.value == path
    assert "not a file" in caught.value.problem or "link" in caught.value.problem


def test_a_path_that_does_not_exist_is_answered_by_what_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "books").mkdir()
    for name in ("emma.txt", "persuasion.txt"):
        (tmp_path / "books" / name).write_text("some words " * 50)
    monkeypatch.chdir(tmp_path)
    meant = {
        "books/ema.txt": "did you mean books/emma.txt?",
        "books/Emma.TXT": "did you mean books/emma.txt?",
        "books\\emma.txt": "did you mean books/emma.txt?",
        "books/*.txt": "give the folder, data.path=books",
        "[books/emma.txt]": "put several into a folder",
        "books/emma.txt,books/persuasion.txt": "put several into a folder",
        "something/else.txt": "check the path",
    }
    for given, remedy in meant.items():
        with pytest.raises(UserError, match="no such file or folder") as caught:
            TextFiles(path=given, split=SPLIT, encoding="auto").load()
        assert remedy in caught.value.remedy


def test_an_address_is_shown_as_it_was_typed() -> None:
    with pytest.raises(UserError, match="is an address") as caught:
        TextFiles(path="https://example.com/emma.txt", split=SPLIT, encoding="auto").load()
    assert caught.value.value == "https://example.com/emma.txt"
    with pytest.raises(UserError, match="no such file"):  # a drive of Windows
        TextFiles(path="c:/emma.txt", split=SPLIT, encoding="auto").load()


def test_a_text_larger_than_the_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("some words " * 100)
    monkeypatch.setattr(opening, "available_memory", lambda: 3000)
    assert opening.read_file(tmp_path / "a.txt")
    for path in (tmp_path, tmp_path / "c.txt"):
        (tmp_path / "c.txt").write_text("some words " * 200)
        with pytest.raises(UserError, match="kB of memory"):
            TextFiles(path=str(path), split=SPLIT, encoding="auto").load()


def zipped(path: Path, data: bytes, name: str = "text") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return path


def read_zip(path: Path) -> bytes:
    with opening.open_zip(path) as archive:
        return opening.read_member(archive, opening.files_in(archive)[0], path)


def test_an_archive_that_is_no_text_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_SMALL", 1000)
    assert read_zip(zipped(tmp_path / "a.zip", b"some words " * 90)) == b"some words " * 90
    with pytest.raises(UserError, match="more than 200 times its size"):
        read_zip(zipped(tmp_path / "b.zip", bytes(1_000_000)))
    reviews = tmp_path / "reviews.tar.gz"
    with tarfile.open(reviews, "w:gz") as archive:
        member = tarfile.TarInfo("other")
        member.size = 1_000_000
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    with pytest.raises(UserError, match="more than 200 times its size"):
        MovieReviews(path=str(reviews), split=SPLIT, encoding="auto").load()


def test_a_zip_that_unpacks_to_more_than_it_says_is_damaged(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", os.urandom(1000) * 5)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (100).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(UserError, match="a damaged zip file"):
        read_zip(path)


def test_an_encrypted_zip_says_so(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", b"some words")
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="text in it is encrypted"):
        read_zip(path)
