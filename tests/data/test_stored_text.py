"""Texts that stay on the disk: nothing can tell them from strings, and they take no memory."""

from __future__ import annotations

import random
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lmlab.data import stored_text, token_store
from lmlab.data.cache import text_sha256
from lmlab.data.corpus import Corpus
from lmlab.data.fingerprint import fingerprint
from lmlab.data.random_text import write_random_text
from lmlab.data.sources import text_files
from lmlab.data.sources.text_files import TextFiles
from lmlab.data.stored_text import DecodedFile, StoredText, concatenated, whole_file
from lmlab.data.tokenizers.base import Tokenizer
from lmlab.data.tokenizers.bpe import BPETokenizer
from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.data.tokenizers.saved import fitted, to_json
from lmlab.data.tokenizers.word import WordTokenizer
from lmlab.errors import UserError
from lmlab.testing import check_source

PARTS = [
    "a",
    "word",
    "don't",
    "Ünï",
    "“q”",
    "中文",
    "😀",
    "<unk>",
    " ",
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\r",
    "\r\r\n",
    "\u00a0",
]
FRAME = "Header\n*** START OF THIS PROJECT GUTENBERG EBOOK OZ ***\n{}\n*** END OF THIS PROJECT GUTENBERG EBOOK OZ ***"
LATIN = "naïve café\r\nplain words\n" * 40


def mixed(seed: int, length: int) -> str:
    generator = random.Random(seed)
    return "".join(generator.choice(PARTS) for _ in range(length))


def stored(path: Path, encoding: str = "utf-8") -> StoredText:
    return whole_file(DecodedFile(path, encoding, lambda data, text: None))


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text is a long one, and is read in blocks of a few bytes."""
    monkeypatch.setattr(text_files, "LONG", 0)
    monkeypatch.setattr(stored_text, "BLOCK", 61)
    monkeypatch.setattr("lmlab.data.pieces.PIECE", 20)
    monkeypatch.setattr("lmlab.data.tokenizers.bpe._TRAINING_PIECE", 20)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-be", "gb18030", "utf-7"])
@pytest.mark.parametrize("block", [1, 2, 7, 64, 10**6])
def test_any_part_is_that_of_the_string(encoding, block, tmp_path, monkeypatch):
    monkeypatch.setattr(stored_text, "BLOCK", block)
    path, text = tmp_path / "a.txt", mixed(block, 150)
    path.write_bytes(text.encode(encoding))
    expected = text.replace("\r\n", "\n").replace("\r", "\n")
    found = stored(path, encoding)
    assert str(found) == expected
    assert len(found) == len(expected)
    generator = random.Random(0)
    for _ in range(60):
        start, stop = generator.randrange(-5, len(expected) + 5), generator.randrange(-5, len(expected) + 5)
        part = found[start:stop]
        assert str(part) == expected[start:stop]
        assert str(part[1:-1]) == expected[start:stop][1:-1]
        assert part.endswith("\n") == expected[start:stop].endswith("\n")


def test_texts_are_put_together_without_reading_them(tmp_path, monkeypatch):
    monkeypatch.setattr(stored_text, "BLOCK", 5)
    (tmp_path / "a.txt").write_text("one two three")
    together = concatenated(["x\n", stored(tmp_path / "a.txt")[4:], "\n", stored(tmp_path / "a.txt")])
    assert isinstance(together, StoredText)
    assert str(together) == "x\ntwo three\none two three"
    assert str(together[1:6]) == "\ntwo "
    assert concatenated(["a", "b"]) == "ab"


def test_a_file_that_changes_is_told(tmp_path):
    (tmp_path / "a.txt").write_text("some words")
    text = stored(tmp_path / "a.txt")
    blocks = text.blocks()
    next(blocks)
    (tmp_path / "a.txt").write_text("other words")
    for read in (lambda: list(blocks), lambda: str(text)):
        with pytest.raises(UserError, match="changed while it was read"):
            read()


def described(path: Path, encoding: str) -> object:
    """All that a corpus is, or the error."""
    try:
        corpus = TextFiles(path=str(path), split=[0.7, 0.2, 0.1], encoding=encoding).load()
    except UserError as error:
        return str(error)
    splits = {name: [(d.name, str(d.text)) for d in documents] for name, documents in corpus.splits.items()}
    digests = [text_sha256(corpus.texts(name)) for name in corpus.splits]
    notes = [note for note in corpus.notes if not note.startswith("read from the disk")]
    return splits, digests, notes, corpus.warnings


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (mixed(1, 400).encode(), "auto"),
        (mixed(2, 400).encode("utf-16"), "auto"),
        (b"\xef\xbb\xbf" + mixed(3, 100).encode(), "auto"),
        (b"\xef\xbb\xbf" + mixed(3, 100).encode(), "utf-8"),
        (b"one\r\ntwo\r\n" * 50, "auto"),
        (LATIN.encode("latin-1"), "latin-1"),
        (LATIN.encode("latin-1"), "auto"),  # is guessed, so not long
        (LATIN.encode(), "latin-1"),
        (LATIN.encode("utf-16-le"), "utf-16-le"),
        (LATIN.encode(), "ascii"),
        (b"abc \xff" + LATIN.encode(), "auto"),
        (LATIN.encode() + "\ufffd".encode() + b"\xe2\x82 \xff\n" + LATIN.encode() + b"\xc3", "auto"),  # damaged UTF-8
        (b"\xff\xfe\x00\xd8a" * 9, "auto"),
        (b"some\x00thing else\n" * 9, "auto"),
        (b"\x01\x02 a" * 40, "auto"),
        (b" \n" * 100, "auto"),
        (b"", "auto"),
        (b"PK\x03\x04 and more", "auto"),
        (b"aaaa " * 100, "auto"),
        (b"<html><p>a</p> words of a page\n" * 20, "auto"),
        ("words\n\ufeffmore Ã¤Ã¶Ã¼ â€œ â€™\n\ufffd".encode() * 9, "auto"),
        (FRAME.format(mixed(4, 2000)).encode(), "auto"),
        (("a line\n" * 900 + FRAME.format("Produced by A\nand B\n\nthe book\n") + " more" * 900).encode(), "auto"),
        (b"it says *** START OF THE PROJECT GUTENBERG EBOOK OZ *** in a line\n" * 3, "auto"),
        (b"it says *** START OF THE PROJECT GUTENBERG EBOOK OZ *** in a line\n" + b" more" * 900, "auto"),
        (b"ab", "auto"),
        (b"a" * 300, "auto"),
    ],
)
@pytest.mark.parametrize("block", [1, 61, 10**6])
def test_a_long_file_is_read_like_a_short_one(data, encoding, block, tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_bytes(data)
    expected = described(tmp_path / "a.txt", encoding)
    monkeypatch.setattr(text_files, "LONG", 0)
    monkeypatch.setattr(stored_text, "BLOCK", block)
    assert described(tmp_path / "a.txt", encoding) == expected


@pytest.mark.parametrize(
    "texts", [["a b c", "d e"], ["some words\n", "more", "and more\n", "end"], ["same"] * 4, ["x", ""]]
)
def test_a_folder_of_long_files_is_read_like_short_ones(texts, tmp_path, monkeypatch):
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_text(text)
    expected = described(tmp_path, "auto")
    monkeypatch.setattr(text_files, "LONG", 0)
    assert described(tmp_path, "auto") == expected


def load(path: Path) -> Corpus:
    return TextFiles(path=str(path), split=[0.8, 0.1, 0.1], encoding="auto").load()


TOKENIZERS = [
    lambda: CharTokenizer(end_token="document"),
    lambda: WordTokenizer(end_token="line", lower=True, split="punctuation", min_frequency=2, max_size=None),
    lambda: WordTokenizer(end_token="line", lower=False, split="whitespace", min_frequency=1, max_size=None),
    lambda: BPETokenizer(end_token=None, vocabulary_size=300, min_frequency=1),
]


@pytest.mark.parametrize("make", TOKENIZERS)
def test_vocabulary_ids_and_fingerprint_are_those_of_the_string(make, long, tmp_path):
    (tmp_path / "a.txt").write_bytes(mixed(5, 3000).encode())
    corpus = load(tmp_path / "a.txt")

    def made(split: str, *, as_string: bool) -> tuple[object, ...]:
        train, texts = ([str(t) if as_string else t for t in corpus.texts(name)] for name in ("train", split))
        assert as_string or not any(isinstance(text, str) for text in texts)
        tokenizer = fitted(make(), train, cached_from=10**9 if as_string else 1)
        store = token_store.build(texts, tokenizer, cached_from=10**9 if as_string else 1)
        figures = store.num_characters, store.num_unknown, store.text_sha256, store.ids.dtype
        found = fingerprint(store, tokenizer, 2)
        # It is of ids of four bytes, whatever the type in which they are stored.
        assert found == fingerprint(replace(store, ids=store.ids.astype(np.int32)), tokenizer, 2)
        for ids in (store.ids, store.ids[3:-3]):
            counts = replace(store, ids=ids).counts(len(tokenizer.vocabulary))
            assert counts.tolist() == np.bincount(np.array(ids), minlength=len(tokenizer.vocabulary)).tolist()
        return to_json(tokenizer), store.ids.tolist(), figures, found

    for split in corpus.splits:
        assert made(split, as_string=False) == made(split, as_string=True)


def test_a_user_s_tokenizer_gets_strings(long, tmp_path):
    class Own(CharTokenizer):
        def fit(self, texts):
            assert all(type(text) is str for text in texts)
            super().fit(texts)

        def encode(self, text):
            assert type(text) is str
            return super().encode(text) + 0

    (tmp_path / "a.txt").write_text("some words\n" * 50)
    texts = load(tmp_path / "a.txt").texts("train")
    tokenizer: Tokenizer = fitted(Own(end_token=None), texts)
    assert tokenizer.decode(token_store.build(texts, tokenizer).ids.tolist()) == str(texts[0])


def test_a_source_of_long_texts_passes_its_check(long, tmp_path):
    (tmp_path / "a.txt").write_text("some words\n" * 50)
    check_source(TextFiles(path=str(tmp_path / "a.txt"), split=[0.5, 0.5], encoding="auto"))


def test_a_long_text_is_neither_in_memory_nor_refused_for_its_size(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_random_text(path, num_bytes=6_000_000, seed=1)
    monkeypatch.setattr(text_files, "LONG", 1_000_000)
    monkeypatch.setattr("lmlab.data.opening.available_memory", lambda: 1000)
    tracemalloc.start()
    corpus = load(path)
    tokenizer = fitted(CharTokenizer(end_token=None), corpus.texts("train"), cached_from=1)
    stores = [token_store.build(corpus.texts(split), tokenizer, cached_from=1) for split in corpus.splits]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_500_000
    assert sum(len(store) for store in stores) == 6_000_000
    assert [store.ids.dtype for store in stores] == [np.uint8] * 3


def test_what_is_searched_of_a_long_text_is_limited_and_said(long, tmp_path, monkeypatch):
    monkeypatch.setattr("lmlab.data.corpus.SEARCHED", {"train": 12, "others": 5})
    (tmp_path / "a.txt").write_text("0123456789" * 10)
    corpus = load(tmp_path / "a.txt")
    assert corpus.strings("train") == ["012345678901"]
    assert corpus.strings("validation") == ["01234"]
    assert any("copies are searched in the first" in note for note in corpus.notes)


def test_a_random_text_has_its_size_and_is_the_same_for_the_same_seed(tmp_path):
    made = []
    for name, size, seed in (("a", 3_000_000, 1), ("b", 3_000_000, 1), ("c", 3_000_000, 2), ("d", 10, 1), ("e", 0, 1)):
        write_random_text(tmp_path / name, num_bytes=size, seed=seed)
        made.append((tmp_path / name).read_bytes())
        assert len(made[-1]) == size
    assert made[0] == made[1] != made[2]
    assert made[0].startswith(made[3])
    lines = made[0].splitlines()
    assert len(set(lines)) > 0.9 * len(lines) > 1000
