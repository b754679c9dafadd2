"""Sources, on folders and files written here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lmlab.data.corpus import Corpus
from lmlab.data.sources.folders import natural_order
from lmlab.data.sources.python_docs import PythonDocs
from lmlab.data.sources.text_files import HarryPotter, TextFiles
from lmlab.errors import UserError

SHARES = [0.8, 0.1, 0.1]


@pytest.fixture
def folder(tmp_path):
    def make(**texts: str | bytes) -> Path:
        for name, text in texts.items():
            path = tmp_path / (name.replace("__", ".") + ".txt")
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return make


def load(path: Path, *, split: list[float] | None = None) -> Corpus:
    return TextFiles(path=str(path), split=split or SHARES, encoding="auto").load()


def names(corpus: Corpus) -> dict[str, list[str]]:
    return {split: [d.name for d in documents] for split, documents in corpus.splits.items()}


# Order


def test_numbers_in_names_are_ordered_as_numbers(tmp_path):
    ordered = ["1.txt", "2.txt", "10.txt", "Book 2 part 9.txt", "book 2 part 10.txt", "Book 10.txt", "z.txt"]
    for name in reversed(ordered):
        (tmp_path / name).write_text("x")
    assert [path.name for path in natural_order(tmp_path)] == ordered


def test_only_visible_text_files_count(tmp_path):
    for name in ("a.txt", "B.TXT", "c.md", ".hidden.txt", "._a.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder.txt").mkdir()
    assert [path.name for path in natural_order(tmp_path)] == ["a.txt", "B.TXT"]


def test_a_folder_without_texts_is_refused(tmp_path):
    with pytest.raises(UserError, match="empty"):
        load(tmp_path)
    (tmp_path / "a.md").write_text("x")
    with pytest.raises(UserError, match=r"no \.txt file \(but a\.md"):
        load(tmp_path)


# Splitting


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such file or folder") as caught:
        load(tmp_path / "nowhere")
    assert caught.value.field == "data.path"


def test_a_single_file_is_cut_by_the_shares(folder):
    path = folder(a=".-" * 500) / "a.txt"
    corpus = load(path)
    assert {name: sum(len(d.text) for d in s) for name, s in corpus.splits.items()} == {
        "train": 800,
        "validation": 100,
        "test": 100,
    }
    assert corpus.provenance == (str(path),)
    assert corpus.warnings == ()


def test_books_are_split_by_book_in_natural_order(folder):
    path = folder(**{str(i): f"{i}" * 100 for i in range(1, 12)})
    corpus = load(path)
    flat = [name for split in names(corpus).values() for name in split]
    assert flat == [f"{i}.txt" for i in range(1, 12)]
    assert len(corpus.splits["train"]) == 9


def test_copies_in_a_folder_are_warned_of(folder):
    assert "c.txt and a.txt are the same text" in " ".join(load(folder(a="x y " * 90, b="z", c="x y " * 90)).warnings)
    assert "the same text" not in " ".join(load(folder(a="x", b="y", c="z")).warnings)


def test_shares_missed_by_more_than_a_factor_of_2_are_warned_of(folder):
    path = folder(a=".-" * 500, b="-." * 500, c=".--." * 250)
    (warning,) = load(path).warnings
    assert "train 33%" in warning
    assert "train 80%" in warning


def test_a_share_below_half_of_what_was_asked_is_warned_of(folder):
    (warning,) = load(folder(a=".-" * 400, b=".-" * 80, c=".-" * 20)).warnings
    assert "test 4%" in warning


def test_shares_nearly_kept_are_not_warned_of(folder):
    assert load(folder(a=".-" * 410, b=".-" * 35, c=".-" * 55)).warnings == ()


def test_notes_of_the_files_reach_the_corpus(folder):
    (note,) = load(folder(a="café. " * 100, b=("café. " * 100).encode("cp1252"))).notes
    assert note.startswith("b.txt: not UTF-8")


def test_a_home_folder_is_expanded(folder, monkeypatch):
    path = folder(a=".-" * 50)
    monkeypatch.setenv("HOME", str(path))
    assert TextFiles(path="~/a.txt", split=SHARES, encoding="auto").load().provenance == (str(path / "a.txt"),)


def test_the_whole_text_can_be_had_unsplit(folder):
    path = folder(a="one", b="two")
    whole = TextFiles(path=str(path), split=SHARES, encoding="auto").whole()
    assert names(whole) == {"text": ["a.txt", "b.txt"]}
    single = TextFiles(path=str(path / "b.txt"), split=SHARES, encoding="auto").whole()
    assert names(single) == {"text": ["b.txt"]}


# Folders that are split already


@pytest.mark.parametrize("validation", ["valid", "validation", "dev", "Valid", "ptb__valid", "de_val", "dev-en"])
def test_given_splits_are_used_as_they_are(folder, validation):
    path = folder(**{"train": "a", validation: "b", "test": "c"})
    corpus = load(path)
    assert names(corpus) == {
        "train": ["train.txt"],
        "validation": [validation.replace("__", ".") + ".txt"],
        "test": ["test.txt"],
    }
    assert corpus.warnings == ()
    assert any("train.txt" in note for note in corpus.notes)


def test_names_of_the_penn_treebank_are_splits(folder):
    corpus = load(folder(ptb__train="a", ptb__valid="b", ptb__test="c"))
    assert names(corpus) == {"train": ["ptb.train.txt"], "validation": ["ptb.valid.txt"], "test": ["ptb.test.txt"]}


def test_given_splits_may_lack_a_test_text(folder):
    assert list(load(folder(train="a", valid="b")).splits) == ["train", "validation"]


def test_given_splits_without_validation_are_refused(folder):
    with pytest.raises(UserError, match=r"no valid\.txt"):
        load(folder(train="a", test="b"))


def test_two_files_for_one_split_are_refused(folder):
    with pytest.raises(UserError, match=re.escape("several files for validation: dev.txt, valid.txt")):
        load(folder(train="a", valid="b", dev="c"))


def test_other_files_beside_given_splits_are_warned_of(folder):
    corpus = load(folder(train="a", valid="b", readme="c"))
    (warning,) = corpus.warnings
    assert "readme.txt" in warning
    assert [d.name for s in corpus.splits.values() for d in s] == ["train.txt", "valid.txt"]


@pytest.mark.parametrize("alone", ["test", "train", "valid", "driving__test"])
def test_a_lone_split_name_among_books_is_a_book(folder, alone):
    corpus = load(folder(**{alone: "t" * 100, "emma": "e" * 100, "ivanhoe": "i" * 100}))
    assert len([d for s in corpus.splits.values() for d in s]) == 3


def test_a_lone_split_name_among_books_is_said(folder):
    path = folder(train="t" * 50 + "x" * 50, emma="e" * 50 + "x" * 50, ivanhoe="i" * 50 + "x" * 50)
    assert any("train.txt: read like the 2 other texts" in warning for warning in load(path).warnings)


def test_files_for_some_splits_are_not_cut_up_for_the_others(folder):
    with pytest.raises(UserError, match=r"holds test\.txt and valid\.txt but no train\.txt"):
        load(folder(valid="a" * 100, test="b" * 100))


def test_what_a_folder_holds_besides_is_named(folder):
    path = folder(**{name: f"{name} and some words" * 20 for name in "abc"})
    (path / "d.md").write_text("x")
    (path / ".e.txt").write_text("x")
    (path / ".ignored").write_text("x")
    (path / "more").mkdir()
    (path / "more" / "f.TXT").write_text("x")
    (path / "g.txt").mkdir()
    whole, note = load(path).notes
    assert whole == "split by whole files: train a.txt, validation b.txt, test c.txt"
    assert note == f"not read in {path.name}: .e.txt, d.md, g.txt/, more/ (has .txt files)"


def test_a_folder_that_is_split_is_evaluated_whole_and_said(folder):
    path = folder(train="a b", valid="c d", test="e f")
    whole = TextFiles(path=str(path), split=SHARES, encoding="auto").whole()
    assert sorted(names(whole)["text"]) == ["test.txt", "train.txt", "valid.txt"]
    assert "3 files are read as one text" in whole.notes[0]


@pytest.mark.parametrize("name", ["a.csv", "a.TSV"])
def test_a_table_is_no_text(tmp_path, name):
    (tmp_path / name).write_text("text,label\na,1\n")
    # A run that is evaluated cannot read another kind of text.
    for read, remedy in ((TextFiles.load, "data=sentences"), (TextFiles.whole, "write the column")):
        with pytest.raises(UserError, match=remedy):
            read(TextFiles(path=str(tmp_path / name), split=SHARES, encoding="auto"))


def test_words_that_contain_a_split_name_are_books(folder):
    path = folder(training="a" * 100, latest="b" * 100, contest="c" * 100)
    assert sum(len(s) for s in load(path).splits.values()) == 3


# The two named ones


def test_missing_books_are_explained(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="under copyright") as caught:
            HarryPotter(path=str(path), split=SHARES, encoding="auto").load()
        assert "data.path=" in caught.value.remedy
        assert "data=python_docs" in caught.value.remedy


def test_books_that_are_there_are_read(folder):
    path = folder(**{f"Book {i}": f"{i}" * 100 for i in range(1, 8)})
    corpus = HarryPotter(path=str(path), split=SHARES, encoding="auto").load()
    assert [d.name for s in corpus.splits.values() for d in s] == [f"Book {i}.txt" for i in range(1, 8)]


def test_python_docs_are_the_topics_of_this_python():
    from pydoc_data.topics import topics

    corpus = PythonDocs(split=SHARES).load()
    documents = [d for s in corpus.splits.values() for d in s]
    assert {d.name: d.text for d in documents} == dict(topics)
    assert [d.name for d in documents] == sorted(topics)
    total = sum(len(d.text) for d in documents)
    for split, share in zip(corpus.splits.values(), SHARES, strict=True):
        assert abs(sum(len(d.text) for d in split) / total - share) < 0.05


def test_topics_are_in_alphabetical_order_whatever_pythons(monkeypatch):
    monkeypatch.setattr("pydoc_data.topics.topics", {"b": "2", "a": "1", "c": "3"})
    assert names(PythonDocs(split=SHARES).load()) == {"train": ["a"], "validation": ["b"], "test": ["c"]}
