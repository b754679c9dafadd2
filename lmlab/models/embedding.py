"""The initial vectors of an embedding, drawn at random or read from a GloVe file."""

from __future__ import annotations

import codecs
import io
import math
import zipfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from lmlab.data.kinds import refuse_container
from lmlab.data.opening import files_in, is_zip, open_file, open_member, open_zip
from lmlab.errors import UserError, printable
from lmlab.files import expanded

_FIELD = "embedding.path"
# Lines that give the dimension, and those of them that must be numbers.
_HEAD, _CHECKED = 1_000, 10
# Share of lines with a token that contains spaces; in glove.840B 0.001%.
_MOST_LONG = 0.01
# Bytes of a line: tens of thousands of numbers.
_LONGEST_LINE = 1 << 20
# Text files of word vectors, of GloVe and of fastText.
_SUFFIXES = (".txt", ".vec")
_MARK = codecs.BOM_UTF8
_BEGINNING = 64  # bytes by which a kind of file is known
_LARGEST = torch.finfo(torch.float32).max


@dataclass(frozen=True)
class Vectors:
    """Initial values of an embedding.

    Args:
        weight: (V, dim) float32.
        coverage: share of the vocabulary (special tokens excluded) with a pretrained vector; None for random ones.
        found: by id, whether the entry has a pretrained vector; None for random ones.
    """

    weight: Tensor
    coverage: float | None = None
    found: tuple[bool, ...] | None = None


class EmbeddingVectors(ABC):
    """A source of initial values for an embedding.

    To write your own, subclass it with a constructor that takes the keys of its YAML file; `dim`, `path` and `download`
    are passed only if the constructor has parameters with these names. The key `freeze` is used by lmlab itself.
    """

    @abstractmethod
    def vectors(self, *, vocabulary: Sequence[str], num_special: int, tied: bool) -> Vectors:
        """Returns a vector for each entry of the vocabulary, in the same order; draws from torch's global generator.

        Args:
            vocabulary: V entries.
            num_special: number of entries at its beginning that do not stand for text.
            tied: whether the decoder uses the vectors too.

        Raises:
            UserError: there are no vectors for this vocabulary.
        """


class RandomVectors(EmbeddingVectors):
    """Vectors from a normal distribution, by torch's global generator.

    Args:
        dim: size of a vector.
    """

    def __init__(self, *, dim: int) -> None:
        self.dim = dim

    def vectors(self, *, vocabulary: Sequence[str], num_special: int, tied: bool) -> Vectors:
        """Returns vectors of standard deviation 1; if tied to the decoder 1 / sqrt(dim), an expected squared norm of 1.

        Args:
            vocabulary: V entries.
            num_special: number of entries at its beginning that do not stand for text.
            tied: whether the decoder uses the vectors too.
        """
        weight = torch.randn(len(vocabulary), self.dim)
        # Inputs of unit variance train faster (measured on the default run: 0.08 nats ahead after 4 epochs), but as a
        # decoder they would begin with logits far from uniform.
        return Vectors(weight / math.sqrt(self.dim) if tied else weight)


class GloveVectors(EmbeddingVectors):
    """Vectors from a GloVe file, which is streamed: only those of the vocabulary are kept.

    A word that the file does not contain in its original case is looked up lower-cased. Vectors of missing entries are
    drawn from a normal distribution with the mean and standard deviation, per dimension, of those found.

    Args:
        path: text or zip file.
        dim: size of a vector, which selects one of the files of a zip file; None for the size in the file.
    """

    def __init__(self, *, path: str, dim: int | None) -> None:
        self.path = path
        self.dim = dim

    def vectors(self, *, vocabulary: Sequence[str], num_special: int, tied: bool) -> Vectors:
        """Returns the file's vectors, which do not depend on `tied`.

        Args:
            vocabulary: V entries.
            num_special: number of entries at its beginning that do not stand for text.
            tied: whether the decoder uses the vectors too.

        Raises:
            UserError: not a GloVe file, a dimension other than `dim`, or a file with none of the words.
        """
        path, dim = expanded(self.path), self.dim
        words = vocabulary[num_special:]
        wanted = {form for word in words for form in (word, word.lower())}
        with _opened(path, dim) as lines:
            file_dim, vectors = _read_vectors(lines, {w.encode() for w in wanted}, path)
        if dim is not None and dim != file_dim:
            remedy = f"set embedding.dim={file_dim} or leave it out"
            raise UserError("embedding.dim", dim, f"{path} has {file_dim} dimensions", remedy)
        rows = [vectors.get(w.encode(), vectors.get(w.lower().encode())) for w in words]
        known = [row for row in rows if row is not None]
        if not known:
            problem = f"none of the {len(words):,} entries of the vocabulary is in it"
            remedy = "is it GloVe of the text's language? Or use embedding=random"
            if all(len(word) == 1 for word in words):
                remedy = "it has vectors of words: add tokenizer=word, or use embedding=random"
            raise UserError("embedding.path", self.path, problem, remedy)
        found = torch.tensor(known, dtype=torch.float32)
        scale = found.std(dim=0) if len(known) > 1 else torch.ones(file_dim)
        weight = found.mean(dim=0) + scale * torch.randn(len(vocabulary), file_dim)
        has_vector = [False] * num_special + [row is not None for row in rows]
        weight[torch.tensor(has_vector)] = found
        return Vectors(weight, len(known) / max(1, len(words)), tuple(has_vector))


@contextmanager
def _opened(path: Path, dim: int | None) -> Iterator[IO[bytes]]:
    """Opens the file for reading lines; a zip file is read without unpacking it."""
    if not is_zip(path, field=_FIELD):
        with open_file(path, field=_FIELD) as file:
            beginning = file.read(_BEGINNING)
            refuse_container(beginning, path, field=_FIELD)
            # A byte order mark would be a part of the first word.
            file.seek(len(_MARK) if beginning.startswith(_MARK) else 0)
            yield file
        return
    with (
        open_zip(path, field=_FIELD) as archive,
        open_member(archive, _member(archive, path, dim), path, field=_FIELD) as member,
    ):
        yield io.BufferedReader(member, buffer_size=1 << 20)  # type: ignore[type-var]


def _member(archive: zipfile.ZipFile, path: Path, dim: int | None) -> zipfile.ZipInfo:
    files = files_in(archive, _SUFFIXES)
    if len(files) == 1:
        return files[0]
    if not files:
        raise UserError(_FIELD, path, f"holds no {' or '.join(_SUFFIXES)} file", "give a file of word vectors as text")
    fitting = [file for file in files if dim is not None and f".{dim}d." in file.filename]
    if len(fitting) == 1:
        return fitting[0]
    listed = printable(", ".join(file.filename for file in files), longest=200)
    raise UserError("embedding.dim", dim, f"{path} holds {listed}", "choose one by its dimension: embedding.dim=...")


def _read_vectors(lines: IO[bytes], wanted: set[bytes], path: Path) -> tuple[int, dict[bytes, list[float]]]:
    """Returns the dimension and the vectors of the wanted tokens; of several lines for a token, the first is used.

    The dimension is that of most lines at the beginning. A line with fewer numbers is an error wherever it is; one with
    more fields has a token that contains spaces, which few tokens do.
    """
    start = list(islice(_lines(lines, path), _HEAD))
    head = [line for line in start if line.strip()]
    header = _header(start)
    if header is not None:
        head = head[1:]
    counts = Counter(line.rstrip().count(b" ") for line in head)
    dim = max(counts, key=lambda count: (counts[count], -count), default=0)
    if dim < 1 or not all(_are_numbers(line.rstrip().rsplit(b" ", dim)[1:]) for line in head[:_CHECKED]):
        problem = "is not a file of word vectors"
        raise UserError(_FIELD, path, problem, "each line must be a word and its numbers, separated by spaces")
    if header is not None and header[1] != dim:
        problem = f"its first line says {header[1]} dimensions, but line 2 has {dim}"
        raise UserError(_FIELD, path, problem, "correct or remove the first line")
    vectors: dict[bytes, list[float]] = {}
    num_words = num_long = 0
    for number, line in enumerate(chain(start, _lines(lines, path)), 1):
        if number == 1 and header is not None:
            continue
        first, num_spaces = line.partition(b" ")[0], line.count(b" ")
        num_words += 1
        # A cheap test first, because splitting every line of a file of gigabytes would take most of the time.
        if num_spaces == dim and first not in wanted:
            continue
        fields = line.rstrip().rsplit(b" ", dim)
        if not line.strip():
            num_words -= 1
            continue
        num_long += len(fields) == dim + 1 and b" " in fields[0]
        if num_long > _MOST_LONG * num_words + 10:
            problem = f"line {number} and {num_long - 1} lines before have more than a word and {dim} numbers"
            raise UserError(_FIELD, path, problem, "is it a file of word vectors? Fetch it again")
        if len(fields) == dim + 1 and (fields[0] not in wanted or fields[0] in vectors):
            continue
        vector = _numbers(fields[1:])
        if len(vector) != dim:
            raise UserError(_FIELD, path, f"line {number} is not a word and {dim} numbers", "fetch the file again")
        vectors[fields[0]] = vector
    if header is not None and header[0] != num_words:
        problem = f"its first line says {header[0]:,} words, but it has {num_words:,}"
        raise UserError(_FIELD, path, problem, "fetch the file again, or correct its first line")
    return dim, vectors


def _lines(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """Yields lines of bounded length, so that a file without line ends does not fill the memory.

    Raises:
        UserError: a line that is too long to be a word and its numbers.
    """
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise UserError(_FIELD, path, "is not a file of word vectors", f"a line has over {_LONGEST_LINE:,} bytes")
        yield line


def _header(head: Sequence[bytes]) -> tuple[int, int] | None:
    """Returns the number of words and the dimension if the first line is that of word2vec; else None."""
    fields = head[0].split() if head else []
    if len(fields) == 2 and all(len(field) < 20 and field.isdigit() for field in fields):
        return int(fields[0]), int(fields[1])
    return None


def _numbers(fields: Sequence[bytes]) -> list[float]:
    """Returns the fields as numbers that float32 can hold; empty if one is not such a number."""
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return []
    if any(b"_" in field for field in fields):  # which Python takes between digits
        return []
    return numbers if all(abs(number) <= _LARGEST for number in numbers) else []


def _are_numbers(fields: Sequence[bytes]) -> bool:
    return bool(_numbers(fields)) or not fields
