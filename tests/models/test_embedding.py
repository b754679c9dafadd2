"""First vectors, against files written here."""

from __future__ import annotations

import os
import random
import zipfile
from pathlib import Path

import pytest
import torch

from lmlab.errors import UserError
from lmlab.models.embedding import GloveVectors, RandomVectors, Vectors

LINES = {
    "the": [0.1, -0.2, 0.3],
    "cat": [1.5, 2.5, -3.5],
    "harry": [7.0, 8.0, 9.0],
    "IT": [-1.0, 1e-3, 4.0],
    "it": [5.0, 5.0, 5.0],
    ",": [0.25, 0.5, 0.75],
    "naïve": [1.0, 2.0, 4.0],
}


def as_lines(vectors: dict[str, list[float]]) -> str:
    return "".join(f"{word} {' '.join(map(str, numbers))}\n" for word, numbers in vectors.items())


@pytest.fixture
def glove(tmp_path):
    """Writes a file and reads the vectors of a vocabulary from it."""

    def read(content: str | bytes, vocabulary: list[str], *, dim: int | None = None, num_special: int = 0) -> Vectors:
        path = tmp_path / "vectors.txt"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return load(path, vocabulary, dim=dim, num_special=num_special)

    return read


def load(path: Path, vocabulary: list[str], *, dim: int | None = None, num_special: int = 0) -> Vectors:
    return GloveVectors(path=str(path), dim=dim).vectors(vocabulary=vocabulary, num_special=num_special, tied=False)


def zipped(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return path


def assert_rows(vectors: Vectors, *rows: list[float]) -> None:
    torch.testing.assert_close(vectors.weight, torch.tensor(rows, dtype=torch.float32), rtol=1e-7, atol=0)


# Random ones


def drawn(size: int, *, dim: int, tied: bool = False) -> Vectors:
    vocabulary = [str(i) for i in range(size)]
    return RandomVectors(dim=dim).vectors(vocabulary=vocabulary, num_special=1, tied=tied)


@pytest.mark.parametrize("dim", [1, 4, 300])
@pytest.mark.parametrize(("tied", "squared_length"), [(False, lambda dim: dim), (True, lambda dim: 1)])
def test_random_vectors_have_unit_variance_or_unit_length_where_tied(dim, tied, squared_length):
    torch.manual_seed(0)
    vectors = drawn(5000, dim=dim, tied=tied)
    assert vectors.weight.shape == (5000, dim)
    assert float(vectors.weight.square().sum(dim=1).mean()) == pytest.approx(squared_length(dim), rel=0.1)
    assert abs(float(vectors.weight.mean())) < 0.05
    assert (vectors.coverage, vectors.found) == (None, None)


def test_random_vectors_are_drawn_from_the_global_generator():
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        weights.append(drawn(2, dim=5).weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


# From a file


def test_words_get_their_vectors(glove):
    vectors = glove(as_lines(LINES), ["cat", "naïve", ",", "the"])
    assert_rows(vectors, LINES["cat"], LINES["naïve"], LINES[","], LINES["the"])
    assert vectors.coverage == 1
    assert vectors.found == (True,) * 4
    assert vectors.weight.dtype == torch.float32


def test_a_zip_is_read_as_its_text_file(tmp_path):
    path = zipped(tmp_path / "glove.zip", glove__3d__txt=as_lines(LINES), README="not this one")
    assert_rows(load(path, ["the", "cat"]), LINES["the"], LINES["cat"])


def test_the_dimension_chooses_among_the_files_of_a_zip(tmp_path):
    two = {"the": [1.0, 2.0], "cat": [3.0, 4.0]}
    path = zipped(tmp_path / "glove.zip", glove__6B__2d__txt=as_lines(two), glove__6B__3d__txt=as_lines(LINES))
    assert_rows(load(path, ["cat", "the"], dim=2), two["cat"], two["the"])
    assert_rows(load(path, ["cat", "the"], dim=3), LINES["cat"], LINES["the"])
    for dim in (None, 4):
        with pytest.raises(UserError, match=r"glove\.6B\.2d\.txt, glove\.6B\.3d\.txt") as caught:
            load(path, ["cat", "the"], dim=dim)
        assert caught.value.field == "embedding.dim"


def test_a_zip_without_text_files_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no \.txt or \.vec file"):
        load(zipped(tmp_path / "glove.zip", README="x"), ["the"])


def test_a_byte_order_mark_is_no_part_of_the_first_word(glove):
    first = next(iter(LINES))
    assert_rows(glove("\ufeff" + as_lines(LINES), [first]), LINES[first])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x1f\x8b\x08 packed", "a gzip file"),
        (b"PK\x03\x04 cut off", "a damaged zip file"),
        (b"%PDF-1.4\n", "a PDF"),
        (b"the 1_0 2 3\n" * 3, "not a file of word vectors"),
    ],
)
def test_what_is_no_text_of_vectors_is_refused(tmp_path, data, problem):
    (tmp_path / "v").write_bytes(data)
    with pytest.raises(UserError, match=problem) as caught:
        load(tmp_path / "v", ["the"])
    assert caught.value.field == "embedding.path"


def test_characters_are_told_from_words(glove):
    with pytest.raises(UserError, match="tokenizer=word"):
        glove(as_lines({"the": [1.0, 2.0], "cat": [3.0, 4.0]}), list("abc"))


def test_tokens_may_contain_spaces(glove):
    odd = {
        "the end": [9.0, 9.0, 9.0],
        ". . .": [8.0, 8.0, 8.0],
        "the": [1.0, 1.0, 1.0],
        "cat 3": [6.0, 6.0, 6.0],
        "cat": [2.0, 2.0, 2.0],
    }
    vectors = glove(as_lines(odd), ["cat", "the", "the end", "."])
    assert vectors.found == (True, True, True, False)
    assert vectors.weight[:3].tolist() == [odd["cat"], odd["the"], odd["the end"]]


def test_the_header_of_word2vec_is_skipped(glove):
    vectors = glove(f"{len(LINES)} 3\n{as_lines(LINES)}", ["the", "cat", "7"])
    assert vectors.found == (True, True, False)
    assert vectors.weight[:2].tolist() == torch.tensor([LINES["the"], LINES["cat"]]).tolist()


@pytest.mark.parametrize("end", [" \n", "\r\n"])
def test_white_space_at_line_ends_does_not_matter(glove, end):
    text = as_lines(LINES).replace("\n", end)
    assert_rows(glove(text, ["naïve", "the"]), LINES["naïve"], LINES["the"])
    assert_rows(glove(text.removesuffix(end), ["naïve", "the"]), LINES["naïve"], LINES["the"])


def test_a_missing_word_is_looked_up_lower_cased(glove):
    vectors = glove(as_lines(LINES), ["Harry", "IT", "It", "The"])
    assert_rows(vectors, LINES["harry"], LINES["IT"], LINES["it"], LINES["the"])
    assert vectors.coverage == 1


def test_a_word_is_not_looked_up_upper_cased(glove):
    assert glove(as_lines({"Cat": [1.0], "the": [2.0]}), ["cat", "the"]).found == (False, True)


def test_the_first_line_of_a_word_counts(glove):
    text = as_lines({"a": [0.0, 0.0], "the": [1.0, 2.0]}) + as_lines({"the": [3.0, 4.0]})
    assert_rows(glove(text, ["the"]), [1.0, 2.0])


def test_coverage_leaves_special_tokens_out(glove):
    vocabulary = ["<unk>", "the", "cat", "dog", "bird"]
    vectors = glove(as_lines(LINES), vocabulary, num_special=1)
    assert vectors.coverage == 0.5
    assert vectors.found == (False, True, True, False, False)


def test_special_tokens_get_no_vector_of_the_file(glove):
    lines = LINES | {"<unk>": [100.0, 100.0, 100.0]}
    torch.manual_seed(0)
    vectors = glove(as_lines(lines), ["<unk>", "the", "cat"], num_special=1)
    assert vectors.found == (False, True, True)
    assert float(vectors.weight[0].abs().max()) < 50


def test_words_without_a_vector_are_drawn_at_the_scale_of_the_others(glove):
    means, deviations, count = [3.0, -2.0, 0.0, 10.0], [0.1, 1.0, 5.0, 0.01], 4000
    generator = random.Random(0)
    lines = {f"w{i}": [generator.gauss(m, d) for m, d in zip(means, deviations, strict=True)] for i in range(count)}
    torch.manual_seed(0)
    vectors = glove(as_lines(lines), [*lines, *(f"missing{i}" for i in range(count))])
    drawn = vectors.weight[count:].double()
    for column, mean, deviation in zip(drawn.t(), means, deviations, strict=True):
        assert float(column.mean()) == pytest.approx(mean, abs=6 * deviation / count**0.5)
        assert float(column.std()) == pytest.approx(deviation, rel=0.06)
    assert len(drawn.unique(dim=0)) == count


def test_a_single_word_found_is_enough(glove):
    vectors = glove(as_lines(LINES), ["dog", "cat"])
    assert vectors.weight[1].tolist() == LINES["cat"]
    assert bool(vectors.weight.isfinite().all())


# Files that cannot be used


def test_another_dimension_than_asked_is_refused(glove):
    with pytest.raises(UserError, match=r"has 3 dimensions; set embedding\.dim=3"):
        glove(as_lines(LINES), ["the"], dim=50)
    assert glove(as_lines(LINES), ["the"], dim=3).weight.shape == (1, 3)


def test_a_file_without_any_of_the_words_is_refused(glove):
    with pytest.raises(UserError, match="none of the 2 entries"):
        glove(as_lines(LINES), ["<unk>", "слово", "котик"], num_special=1)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such file") as caught:
        load(tmp_path / "missing.txt", ["the"])
    assert caught.value.field == "embedding.path"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\n\n", id="blank"),
        pytest.param(b"just\nwords\n", id="words"),
        pytest.param(b"some words of an ordinary text\n", id="text"),
        pytest.param(b"the 0.1 nan\ncat 0.1 0.2\n", id="nan in the first lines"),
        pytest.param(b"\x80\x02\x8a\n\x00", id="binary"),
    ],
)
def test_what_is_no_file_of_vectors_is_refused(glove, content):
    with pytest.raises(UserError, match="not a file of word vectors"):
        glove(content, ["the", "some", "just"])


@pytest.mark.parametrize(
    "numbers", [" nan 0.1 0.2", " 0.1 inf 0.2", " 0.1 -inf 0.2", " 0.1 0.2", "", " 0.1 x 0.2", " 0.1 0.2 "]
)
def test_a_damaged_line_of_a_wanted_word_is_refused_by_number(glove, numbers):
    others = as_lines({f"w{i}": [0.0, 0.0, 0.0] for i in range(20)})
    with pytest.raises(UserError, match="line 21 is not a word and 3 numbers"):
        glove(f"{others}the{numbers}\n{others}", ["the", "w1"])


def test_damaged_lines_of_other_words_do_not_matter(glove):
    others = as_lines({f"w{i}": [0.0, 0.0, float(i)] for i in range(20)})
    vectors = glove(f"{others}the nan nan nan\n\n \nlast 4.0 5.0 6.0\n", ["w7", "last"])
    assert_rows(vectors, [0.0, 0.0, 7.0], [4.0, 5.0, 6.0])


@pytest.mark.parametrize("number", [0, 5, 29])
def test_a_line_with_fewer_numbers_than_most_is_refused_wherever_it_is(glove, number):
    lines = [f"w{i} 1.0 2.0 3.0\n" for i in range(29)]
    with pytest.raises(UserError, match=f"line {number + 1} is not a word and 3 numbers"):
        glove("".join([*lines[:number], "short 1.0 2.0\n", *lines[number:]]), ["w1", "w28"])


def test_a_file_of_lines_of_many_lengths_is_refused(glove):
    lines = [f"w{i} 1.0 2.0\n" for i in range(1000)] + [f"v{i} 1.0 2.0 3.0\n" for i in range(1000)]
    with pytest.raises(UserError, match="have more than a word and 2 numbers"):
        glove("".join(lines), ["w1"])


@pytest.mark.parametrize(("header", "problem"), [("8 3", "says 8 words, but it has 7"), ("7 4", "says 4 dimensions")])
def test_a_header_must_agree_with_the_file(glove, header, problem):
    with pytest.raises(UserError, match=problem):
        glove(f"{header}\n{as_lines(LINES)}", ["the"])


def test_a_number_too_large_for_float32_is_refused(glove):
    with pytest.raises(UserError, match="line 12 is not a word and 2 numbers"):
        glove("w 1.0 2.0\n" * 11 + "the 1e39 1.0\n", ["the"])


def test_a_file_without_line_ends_is_not_read_into_memory(glove):
    with pytest.raises(UserError, match="a line has over"):
        glove(b"the 1.0 2.0 " * 100_000, ["the"])


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="a named pipe") as caught:
        load(tmp_path / "pipe", ["the"])
    assert caught.value.field == "embedding.path"


def test_a_damaged_zip_is_refused(tmp_path):
    """Wherever the damage is: half of the file missing, or bytes changed in the middle of it."""
    path = tmp_path / "glove.zip"
    generator = random.Random(0)
    lines = {f"w{i}": [round(generator.gauss(0, 1), 4) for _ in range(5)] for i in range(500)}
    whole = zipped(path, glove__txt=as_lines(lines)).read_bytes()
    vocabulary = ["w1", "w499"]
    assert load(path, vocabulary).coverage == 1
    for cut in (0, 100, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:cut])
        with pytest.raises(UserError):
            load(path, vocabulary)
    for position in range(100, len(whole) - 200, len(whole) // 20):
        damaged = bytearray(whole)
        for i in range(position, position + 8):
            damaged[i] ^= 0xA5
        path.write_bytes(damaged)
        with pytest.raises(UserError):
            load(path, vocabulary)
