"""Published texts, with small files in their place."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from lmlab.config.folders import configuration_folder
from lmlab.data.catalogue import GLOVE, TEXTS
from lmlab.data.corpus import Corpus
from lmlab.data.download import RemoteFile, texts_folder
from lmlab.data.sources import published
from lmlab.data.sources.published import PublishedBooks, PublishedCut, PublishedSplits
from lmlab.errors import UserError

SHARES = [0.9, 0.05, 0.05]


def zipped(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch):
    """Puts files into the catalogue under `small`, and into the cache as if they had been fetched."""

    def put(files: dict[str, bytes]) -> Path:
        remotes = tuple(
            RemoteFile(name, f"https://localhost/{name}", hashlib.sha256(data).hexdigest(), len(data))
            for name, data in files.items()
        )
        monkeypatch.setitem(TEXTS, "small", remotes)
        folder = texts_folder("small")
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return folder

    return put


def cut(path: Path | None = None, *, split: list[float] | None = None, encoding: str = "auto") -> Corpus:
    where = None if path is None else str(path)
    return PublishedCut(name="small", path=where, split=split or SHARES, encoding=encoding).load()


def splits(path: Path | None = None, *, encoding: str = "auto") -> Corpus:
    return PublishedSplits(name="small", path=None if path is None else str(path), encoding=encoding).load()


def texts(corpus: Corpus) -> dict[str, str]:
    return {split: "".join(d.text for d in documents) for split, documents in corpus.splits.items()}


def refusal(load, *arguments, **settings) -> str:
    with pytest.raises(UserError) as caught:
        load(*arguments, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The catalogue


ENTRIES = [(name, file) for name, files in [*TEXTS.items(), ("glove", (GLOVE,))] for file in files]


@pytest.mark.parametrize(("name", "file"), ENTRIES, ids=lambda value: getattr(value, "name", value))
def test_an_entry_can_be_fetched_checked_and_kept(name: str, file: RemoteFile) -> None:
    url = urlsplit(file.url)
    assert url.scheme == "https"
    assert url.netloc
    assert not url.query
    assert re.fullmatch("[0-9a-f]{64}", file.sha256)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", file.name)
    assert file.num_bytes > 50_000
    if url.netloc == "raw.githubusercontent.com":  # a commit, which stays, and no branch
        assert re.fullmatch("[0-9a-f]{40}", url.path.split("/")[3])


def test_no_two_entries_are_the_same() -> None:
    for attribute in ("url", "sha256"):
        found = [getattr(file, attribute) for _, file in ENTRIES]
        assert len(set(found)) == len(found)
    for files in TEXTS.values():
        assert len({file.name for file in files}) == len(files) > 0


def test_every_text_of_the_catalogue_is_an_option_that_reads_it() -> None:
    sources = {}
    for path in (configuration_folder() / "data").glob("[!_]*.yaml"):
        composed = yaml.safe_load(path.read_text())
        sources[path.stem] = composed.get("data", composed).get("source", {})
    assert set(TEXTS) <= set(sources)
    for option, source in sources.items():
        if source.get("_target_", "").startswith("lmlab.data.sources.published."):
            assert hasattr(published, source["_target_"].rpartition(".")[2])
            assert option in TEXTS
        if option in TEXTS:
            assert source.get("name", option) == option


def test_books_are_read_in_the_order_of_the_catalogue(catalogue) -> None:
    names = [file.name for file in TEXTS["oz"]]
    catalogue({name: f"{i} ".encode() * 50 for i, name in enumerate(reversed(names))})
    corpus = PublishedBooks(name="small", path=None, split=[0.7, 0.15, 0.15], encoding="auto").load()
    assert [d.name for documents in corpus.splits.values() for d in documents] == names


# One file, cut


def test_the_cut_is_at_the_exact_share_even_inside_a_word(catalogue) -> None:
    text = "abcdefg " * 125
    folder = catalogue({"small.txt": text.encode()})
    corpus = cut()
    assert texts(corpus) == {"train": text[:900], "validation": text[900:950], "test": text[950:]}
    assert corpus.warnings == ()
    assert str(folder / "small.txt") in corpus.provenance[0]
    assert {name: len(part) for name, part in texts(cut(split=[0.9, 0.1])).items()} == {"train": 900, "validation": 100}


def test_nothing_is_changed_in_the_text(catalogue) -> None:
    text = "\ufeffa\r\nb\rc\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n" * 10
    catalogue({"small.txt": text.encode()})
    assert "".join(texts(cut()).values()) == text


def test_latin_1_makes_every_byte_a_character(catalogue) -> None:
    data = "ä日\n".encode() * 100
    catalogue({"small.txt": data})
    assert sum(map(len, texts(cut(encoding="latin-1")).values())) == len(data) == 600
    assert sum(map(len, texts(cut(encoding="auto")).values())) == 300


def test_bytes_in_another_encoding_are_refused_in_one_line(catalogue) -> None:
    catalogue({"small.txt": b"\xff\xfe\xfa" * 100})
    line = refusal(cut)
    assert "is not in UTF-8" in line
    assert "data.encoding=latin-1" in line
    assert "is not in ascii" in refusal(cut, encoding="ascii")


def test_a_zip_gives_its_only_file_without_being_unpacked(catalogue) -> None:
    text = b"0123456789" * 100
    folder = catalogue({"small.zip": zipped({"small": text, "__MACOSX/._small": b"x"})})
    corpus = cut()
    assert "".join(texts(corpus).values()).encode() == text
    assert corpus.warnings == ()
    assert [path.name for path in folder.iterdir()] == ["small.zip"]


def test_a_zip_with_several_files_is_refused(catalogue) -> None:
    catalogue({"small.zip": zipped({"a": b"x", "b": b"y"})})
    assert "the zip holds 2 files" in refusal(cut)


def damaged(members: dict[str, bytes], where: str) -> bytes:
    """A zip with wrong bytes in the data of its first member, in its checksum's reach, or in its list of members."""
    data = bytearray(zipped(members))
    begin = {"data": 30 + len(next(iter(members))), "list": data.index(b"PK\x01\x02")}[where]
    data[begin : begin + 8] = b"\xff" * 8
    return bytes(data)


@pytest.mark.parametrize("where", ["data", "list"])
@pytest.mark.parametrize("kind", [cut, splits])
def test_a_damaged_zip_is_refused(catalogue, tmp_path: Path, kind, where: str) -> None:
    catalogue({"small.zip": b"x"})
    members = {"train.txt": bytes(range(256)) * 40}
    if kind is splits:
        members |= {"valid.txt": b"b", "test.txt": b"c"}
    (tmp_path / "small.zip").write_bytes(damaged(members, where))
    line = refusal(kind, tmp_path / "small.zip")
    assert "a damaged zip file" in line
    assert line.startswith("data.path=")


NOT_TEXTS = (bytes(range(7)) * 99, "a b\n".encode("utf-16-le") * 99, b"\x1f\x8b\x08 packed", b"<!DOCTYPE html>\n404\n")


@pytest.mark.parametrize("data", NOT_TEXTS)
def test_what_is_certainly_no_copy_is_refused(catalogue, tmp_path: Path, data: bytes) -> None:
    catalogue({"small.txt": b"x"})
    (tmp_path / "small.txt").write_bytes(data)
    for encoding in ("auto", "latin-1"):
        assert "data.path=" in refusal(cut, tmp_path / "small.txt", encoding=encoding)
    (tmp_path / "train.txt").write_bytes(b"a\n")
    (tmp_path / "valid.txt").write_bytes(data)
    (tmp_path / "test.txt").write_bytes(b"a\n")
    assert "valid.txt" in refusal(splits, tmp_path)


def test_a_copy_may_have_a_mark_and_line_ends_of_windows(catalogue, tmp_path: Path) -> None:
    text = "a b c\nd\n" * 20
    catalogue({"small.txt": text.encode()})
    (tmp_path / "small.TXT").write_bytes(("\ufeff" + text.replace("\n", "\r\n")).encode())
    assert "".join(texts(cut(tmp_path)).values()) == text
    (tmp_path / "small.TXT").write_bytes(text.replace("d\n", "d\r\n").encode())
    assert "".join(texts(cut(tmp_path)).values()) == text.replace("d\n", "d\r\n")


def test_other_books_are_warned_of(catalogue, tmp_path: Path) -> None:
    catalogue({"a.txt": b"as published " * 20})
    for data, differs in ((b"as published " * 20, False), (b"another " * 20, True)):
        (tmp_path / "a.txt").write_bytes(data)
        corpus = PublishedBooks(name="small", path=str(tmp_path), split=SHARES, encoding="auto").load()
        assert any("not the published small" in warning for warning in corpus.warnings) == differs


def test_a_zip_that_was_cut_short_is_refused(catalogue, tmp_path: Path) -> None:
    catalogue({"small.zip": b"x"})
    (tmp_path / "small.zip").write_bytes(zipped({"train.txt": bytes(range(256)) * 40})[:-30])
    assert "a damaged zip file" in refusal(splits, tmp_path / "small.zip")
    # Latin-1 would read its bytes as text.
    assert "a damaged zip file" in refusal(cut, tmp_path / "small.zip", encoding="latin-1")


def test_an_empty_file_is_refused(catalogue, tmp_path: Path) -> None:
    catalogue({"small.txt": b"x"})
    (tmp_path / "small.txt").touch()
    assert "empty" in refusal(cut, tmp_path / "small.txt")


def test_a_copy_is_found_in_its_folder_by_name_or_alone(catalogue, tmp_path: Path) -> None:
    catalogue({"small.zip": zipped({"small": b"published" * 20})})
    (tmp_path / "readme.txt").write_text("not this" * 20)
    (tmp_path / "small").write_text("this" * 20)
    assert texts(cut(tmp_path))["train"].startswith("this")
    (tmp_path / "small").unlink()
    (tmp_path / "readme.txt").rename(tmp_path / "alone.txt")
    assert texts(cut(tmp_path))["train"].startswith("not this")
    (tmp_path / "more.txt").touch()
    assert "holds 2 files that could be small" in refusal(cut, tmp_path)


def test_another_text_under_its_name_is_warned_of(catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue({"small.txt": b"published " * 20})
    (tmp_path / "mine.txt").write_bytes(b"another  " * 20)
    (warning,) = cut(tmp_path / "mine.txt").warnings
    assert warning.startswith("mine.txt: not the published small")
    assert "do not compare" in warning
    (tmp_path / "mine.txt").write_bytes(b"published " * 20)
    assert cut(tmp_path / "mine.txt").warnings == ()
    # The unpacked member of a published zip counts as published.
    known = frozenset({hashlib.sha256(b"unpacked " * 20).hexdigest()})
    monkeypatch.setitem(published._UNZIPPED, "small", known)
    (tmp_path / "mine.txt").write_bytes(b"unpacked " * 20)
    assert cut(tmp_path / "mine.txt").warnings == ()


# Files for each split


PTB = {"ptb.train.txt": b" a b \n c \n", "ptb.valid.txt": b" d \n", "ptb.test.txt": b" e \n"}
AS_PUBLISHED = {"train": " a b \n c \n", "validation": " d \n", "test": " e \n"}


def test_splits_are_taken_as_published(catalogue) -> None:
    catalogue(PTB)
    corpus = splits()
    assert texts(corpus) == AS_PUBLISHED
    assert corpus.warnings == ()
    assert [d.name for documents in corpus.splits.values() for d in documents] == list(PTB)


@pytest.mark.parametrize(
    "names",
    [
        ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"),
        ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"),
        ("wiki.train.raw", "wiki.valid.raw", "wiki.test.raw"),
        ("train.txt", "dev.txt", "test.txt"),
        ("train.TXT", "validation.Txt", "test.TOKENS"),
    ],
)
def test_a_copy_may_have_other_names(catalogue, tmp_path: Path, names: tuple[str, ...]) -> None:
    catalogue(PTB)
    for name, data in zip(names, PTB.values(), strict=True):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "readme.txt").write_text("x")
    (tmp_path / "other.zip").write_bytes(zipped({"train.txt": b"z"}))
    corpus = splits(tmp_path)
    assert texts(corpus) == AS_PUBLISHED
    assert corpus.warnings == ()


@pytest.mark.parametrize("inside_folder", [False, True])
def test_a_zip_holds_the_splits(catalogue, tmp_path: Path, inside_folder: bool) -> None:
    names = (f"wikitext/wiki.{split}.tokens" for split in ("train", "valid", "test"))
    members = dict(zip(names, PTB.values(), strict=True))
    data = zipped({**members, "wikitext/": b"", "wikitext/readme.txt": b"x", "__MACOSX/wiki.train.tokens": b"x"})
    (tmp_path / "wiki.zip").write_bytes(data)
    catalogue({"wiki.zip": data})
    assert texts(splits()) == AS_PUBLISHED
    corpus = splits(tmp_path if inside_folder else tmp_path / "wiki.zip")
    assert texts(corpus) == AS_PUBLISHED
    assert corpus.warnings == ()
    assert [path.name for path in tmp_path.iterdir()] == ["wiki.zip"]


@pytest.mark.parametrize(("missing", "split"), [("train", "train"), ("valid", "validation"), ("test", "test")])
def test_a_missing_split_is_named(catalogue, tmp_path: Path, missing: str, split: str) -> None:
    catalogue(PTB)
    for name, data in PTB.items():
        if missing not in name:
            (tmp_path / name).write_bytes(data)
    line = refusal(splits, tmp_path)
    assert f"holds no files for {split} " in line
    assert "ptb.train.txt, ptb.valid.txt, ptb.test.txt" in line


def test_a_split_that_is_there_twice_is_named(catalogue, tmp_path: Path) -> None:
    catalogue(PTB)
    for name, data in [*PTB.items(), ("dev.txt", b"x")]:
        (tmp_path / name).write_bytes(data)
    assert "holds 2 files for validation" in refusal(splits, tmp_path)


def test_an_empty_folder_and_a_lone_file_are_refused(catalogue, tmp_path: Path) -> None:
    catalogue(PTB)
    assert "holds no files for train" in refusal(splits, tmp_path)
    (tmp_path / "ptb.train.txt").write_bytes(b"a")
    assert "holds no files for validation" in refusal(splits, tmp_path / "ptb.train.txt")


def test_a_split_that_differs_is_warned_of_by_name(catalogue, tmp_path: Path) -> None:
    catalogue(PTB)
    for name, data in PTB.items():
        (tmp_path / name).write_bytes(data.replace(b"d", b"D"))
    (warning,) = splits(tmp_path).warnings
    assert warning.startswith("ptb.valid.txt: not the published small")


def test_white_space_alone_is_no_split(catalogue, tmp_path: Path) -> None:
    catalogue(PTB)
    for name, data in PTB.items():
        (tmp_path / name).write_bytes(b" \n" if "valid" in name else data)
    assert "ptb.valid.txt" in refusal(splits, tmp_path)


def test_line_ends_of_other_systems_are_no_tokens(catalogue, tmp_path: Path) -> None:
    catalogue(PTB)
    for name, data in PTB.items():
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    assert texts(splits(tmp_path)) == AS_PUBLISHED
    for name, data in PTB.items():
        (tmp_path / name).write_bytes(data.replace(b"\n", b"\r"))
    assert texts(splits(tmp_path)) == AS_PUBLISHED


def test_a_split_in_another_encoding_is_refused_or_named(catalogue, tmp_path: Path) -> None:
    catalogue(PTB)
    for name in PTB:
        (tmp_path / name).write_bytes("café".encode("latin-1"))
    assert "is not in UTF-8" in refusal(splits, tmp_path)
    assert texts(splits(tmp_path, encoding="latin-1"))["train"] == "café"


# Books


FRAME = "header\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n{}\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\nend"


def test_one_book_is_cut_between_words_and_several_are_split_whole(catalogue) -> None:
    body = "ab cd " * 200
    folder = catalogue({"book.txt": FRAME.format(body).encode()})
    books = PublishedBooks(name="small", path=None, split=[0.8, 0.1, 0.1], encoding="auto")
    corpus = books.load()
    assert "".join(texts(corpus).values()).strip() == body.strip()
    assert not re.search(r"[a-d]$", texts(corpus)["train"]) or not re.match("[a-d]", texts(corpus)["validation"])
    (folder / "book.txt").unlink()
    catalogue({f"{i}.txt": FRAME.format(f"book {i} " * 20).encode() for i in (1, 2, 10)})
    corpus = PublishedBooks(name="small", path=None, split=[0.8, 0.1, 0.1], encoding="auto").load()
    assert {s: [d.name for d in documents] for s, documents in corpus.splits.items()} == {
        "train": ["1.txt"],
        "validation": ["2.txt"],
        "test": ["10.txt"],
    }


def test_books_of_ones_own_take_their_place(catalogue, tmp_path: Path) -> None:
    catalogue({"book.txt": b"published " * 20})
    (tmp_path / "own.txt").write_text("own words " * 20)
    corpus = PublishedBooks(name="small", path=str(tmp_path / "own.txt"), split=SHARES, encoding="auto").load()
    assert texts(corpus)["train"].startswith("own words")


# What all share


@pytest.mark.parametrize("kind", [PublishedBooks, PublishedCut, PublishedSplits])
def test_a_copy_that_is_not_there_is_refused_before_anything_is_fetched(kind, catalogue, tmp_path: Path) -> None:
    catalogue(PTB)
    settings = {} if kind is PublishedSplits else {"split": SHARES}
    source = kind(name="small", path=str(tmp_path / "nowhere"), encoding="auto", **settings)
    assert "no such file or folder" in refusal(source.check)
    assert kind(name="small", path=None, encoding="auto", **settings).check() is None
    assert kind(name="small", path=str(tmp_path), encoding="auto", **settings).check() is None
