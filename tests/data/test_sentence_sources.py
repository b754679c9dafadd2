"""Sentences and reviews from files: which column, which split, what is left out."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from lmlab.data.sources.reviews import MovieReviews
from lmlab.data.sources.sentences import PublishedSentences, SentenceFiles, split_sentences
from lmlab.errors import UserError

SPLIT = [0.8, 0.1, 0.1]


def source(path: Path) -> SentenceFiles:
    return SentenceFiles(path=str(path), split=SPLIT, encoding="auto")


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


def test_labels_are_not_read_wherever_they_stand(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", train_tsv="1\ta fine film\n0\tbad\n", dev_tsv="0\tso so\n")
    corpus = source(folder).load()
    assert corpus.texts("train") == ["a fine film", "bad"]
    assert corpus.texts("validation") == ["so so"]
    assert corpus.sentences
    other = write(tmp_path / "b", train_tsv="a fine film\t1\n", valid_tsv="so so\t0\n", test_tsv="bad\t0\n")
    assert source(other).load().texts("test") == ["bad"]


def test_without_a_heading_the_longest_column_with_words_is_the_sentence(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", train_tsv="good\ta fine film\t12345678901234\n", dev_tsv="bad\tso so\t1\n")
    assert source(folder).load().texts("train") == ["a fine film"]


def test_a_heading_names_the_column(tmp_path: Path) -> None:
    text = "label\tsentence\tsource\n1\tshort\ta much longer remark on where it is from\n"
    folder = write(tmp_path / "a", train_tsv=text, dev_tsv=text)
    assert source(folder).load().texts("train") == ["short"]


def test_empty_lines_are_left_out_and_said(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", train_txt="one\n\n  two  \n   \n", dev_txt="three")
    corpus = source(folder).load()
    assert corpus.texts("train") == ["one", "two"]
    assert any("2 empty lines left out" in note for note in corpus.notes)


def test_a_single_file_is_split_in_order(tmp_path: Path) -> None:
    path = tmp_path / "s.txt"
    path.write_text("".join(f"s{i}\n" for i in range(20)))
    corpus = source(path).load()
    assert [len(corpus.texts(split)) for split in ("train", "validation", "test")] == [16, 2, 2]
    everything = [text for split in ("train", "validation", "test") for text in corpus.texts(split)]
    assert everything == [f"s{i}" for i in range(20)]
    assert source(path).whole().texts("text") == [f"s{i}" for i in range(20)]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"train_txt": "a\n"}, "no file for validation"),
        ({"train_txt": "a\n", "train_tsv": "a\t1\n", "dev_txt": "b\n"}, "several files for train"),
        ({"train_tsv": "1\ta b\nc\n", "dev_txt": "b\n"}, "row 2 has 1 columns where the first has 2"),
        ({"train_tsv": "1\t2\n", "dev_txt": "b\n"}, "no column with words"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(files: dict[str, str], expected: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "a", **files)
    with pytest.raises(UserError, match=expected) as error:
        source(folder).load()
    assert "\n" not in str(error.value)


def test_a_folder_is_evaluated_whole(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", train_tsv="a\t1\n", dev_csv="text,label\nb,1\n", readme_md="x")
    whole = source(folder).whole()
    assert whole.texts("text") == ["a", "b"]
    assert any("train.tsv + dev.csv" in note for note in whole.notes)
    assert "not read in a: readme.md" in source(folder).load().notes


def test_a_character_that_may_end_a_line_is_warned_of(tmp_path: Path) -> None:
    for end in "\f\v\x85\u2028\u2029":
        path = tmp_path / "s.txt"
        path.write_text("".join(f"s{i} and more\n" for i in range(20)) + f"one{end}two\n", encoding="utf-8")
        assert "1 sentences, the first in line 21" in source(path).load().warnings[0]


def test_lines_that_end_otherwise_are_refused(tmp_path: Path) -> None:
    for end in "\f\x85\u2028":
        (tmp_path / "s.txt").write_text(end.join(f"s{i} and more" for i in range(20)), encoding="utf-8")
        with pytest.raises(UserError, match="19 form feeds or other separators in 1 lines"):
            source(tmp_path / "s.txt").load()


def test_a_line_as_long_as_a_book_is_no_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmlab.data.sources.sentences.LONGEST_SENTENCE", 100)
    path = tmp_path / "s.txt"
    path.write_text("a b c\n" * 9 + "words " * 20)
    with pytest.raises(UserError, match="sentence 10 has 119 characters"):
        source(path).load()


def test_too_few_sentences_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2 sentences are too few for 3 splits"):
        split_sentences(["a", "b"], SPLIT, tmp_path)


def test_a_copy_of_published_sentences_is_read_like_ones_own(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", train_tsv="a fine film\t1\n", dev_tsv="so so\t0\n")
    published = PublishedSentences(name="sst", path=str(folder), split=SPLIT, encoding="auto")
    published.check()
    assert published.load().splits == source(folder).load().splits
    missing = PublishedSentences(name="sst", path=str(tmp_path / "none"), split=SPLIT, encoding="auto")
    with pytest.raises(UserError, match="no such file or folder"):
        missing.check()


def reviews(folder: Path) -> Path:
    """Forty training reviews, four to test and some that have no label, as the archive has them."""
    for part, labels, count in (("train", ("pos", "neg"), 20), ("test", ("pos", "neg"), 2), ("train", ("unsup",), 3)):
        for label in labels:
            place = folder / "aclImdb" / part / label
            place.mkdir(parents=True, exist_ok=True)
            for i in range(count):
                (place / f"{i}_{7 if label == 'pos' else 2}.txt").write_text(f"{part} {label} {i}.<br /><br />End. ")
    return folder


def test_reviews_are_the_same_from_the_archive_and_from_its_folder(tmp_path: Path) -> None:
    folder = reviews(tmp_path / "reviews")
    archive = tmp_path / "aclImdb_v1.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        made.add(folder / "aclImdb", "aclImdb")
    found = [MovieReviews(path=str(path), split=SPLIT, encoding="auto").load() for path in (archive, folder)]
    assert [found[0].texts(s) for s in found[0].splits] == [found[1].texts(s) for s in found[1].splits]
    train, validation, test = (found[0].texts(split) for split in ("train", "validation", "test"))
    assert (len(train), len(validation), len(test)) == (36, 4, 4)
    assert sorted(validation) == sorted(f"train {label} {i}.\nEnd." for label in ("pos", "neg") for i in (0, 10))
    assert not any("unsup" in text for text in train)
    assert found[0].sentences


@pytest.mark.parametrize(("data", "problem"), [(b"<br />", "empty"), (b"\x00" * 9, "binary"), (b"caf\xe9", "UTF-8")])
def test_a_review_that_is_no_text_is_named(tmp_path: Path, data: bytes, problem: str) -> None:
    folder = reviews(tmp_path / "reviews")
    (folder / "aclImdb" / "train" / "neg" / "3_2.txt").write_bytes(data)
    archive = tmp_path / "aclImdb_v1.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        made.add(folder / "aclImdb", "aclImdb")
    for path in (archive, folder):
        with pytest.raises(UserError, match=problem) as caught:
            MovieReviews(path=str(path), split=SPLIT, encoding="auto").load()
        assert "neg/3_2.txt" in str(caught.value)
        if problem == "UTF-8":  # the remedy is one
            assert MovieReviews(path=str(path), split=SPLIT, encoding="latin-1").load()


def test_some_of_the_reviews_are_always_the_same_of_both_labels(tmp_path: Path) -> None:
    folder = str(reviews(tmp_path / "reviews"))
    corpus = MovieReviews(path=folder, split=SPLIT, encoding="auto", max_reviews=6).load()
    train, validation, test = (corpus.texts(split) for split in ("train", "validation", "test"))
    assert (len(train), len(validation), len(test)) == (6, 4, 4)
    assert 0 < sum("pos" in text for text in train) < 6
    assert train == MovieReviews(path=folder, split=SPLIT, encoding="auto", max_reviews=6).load().texts("train")
    with pytest.raises(UserError, match="max_reviews"):
        MovieReviews(path=folder, split=SPLIT, encoding="auto", max_reviews=0).check()


def test_reviews_of_ones_own_and_damaged_archives(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for i in range(10):
        (own / f"{i}.txt").write_text(f"review {i}<br />end")
    corpus = MovieReviews(path=str(own), split=SPLIT, encoding="auto").load()
    assert [len(corpus.texts(split)) for split in ("train", "validation", "test")] == [8, 1, 1]
    assert corpus.texts("test") == ["review 9\nend"]
    (own / "9.txt").write_text("<br /> ")
    with pytest.raises(UserError, match="empty review"):
        MovieReviews(path=str(own), split=SPLIT, encoding="auto").load()
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"\x1f\x8b not an archive")
    with pytest.raises(UserError, match="not an archive of reviews"):
        MovieReviews(path=str(broken), split=SPLIT, encoding="auto").load()
