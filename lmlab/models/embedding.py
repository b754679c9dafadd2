"""The initial vectors of an embedding, drawn at random or read from a GloVe file."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from lmlab.errors import UserError


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
        path, dim = Path(self.path).expanduser(), self.dim
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
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                yield file
            return
        with zipfile.ZipFile(path) as archive, archive.open(_member(archive, path, dim)) as member:
            yield io.BufferedReader(member, buffer_size=1 << 20)  # type: ignore[type-var]
    except OSError as error:
        raise UserError("embedding.path", path, error.strerror or "cannot be read", "check the path") from None
    except (zipfile.BadZipFile, zlib.error, EOFError):
        raise UserError("embedding.path", path, "a damaged zip file", "fetch it again") from None


def _member(archive: zipfile.ZipFile, path: Path, dim: int | None) -> str:
    names = [name for name in archive.namelist() if name.endswith(".txt") and not name.startswith("__MACOSX")]
    if len(names) == 1:
        return names[0]
    fitting = [name for name in names if dim is not None and f".{dim}d." in name]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(names) or "no .txt file"
    raise UserError("embedding.dim", dim, f"{path} holds {listed}", "choose one by its dimension: embedding.dim=...")


def _read_vectors(lines: IO[bytes], wanted: set[bytes], path: Path) -> tuple[int, dict[bytes, list[float]]]:
    """Returns the dimension and the vectors of the wanted tokens; of several lines for a token, the first is used."""
    head = [line for line in (lines.readline() for _ in range(10)) if line.strip()]
    if head and len(head[0].split()) == 2 and all(part.isdigit() for part in head[0].split()):
        head = head[1:]  # word2vec's header: number of words and dimension
    # A token may contain spaces, which add fields, so the line with the fewest fields gives the dimension.
    dim = min((line.rstrip().count(b" ") for line in head), default=0)
    if dim < 1 or not all(_are_numbers(line.rstrip().rsplit(b" ", dim)[1:]) for line in head):
        raise UserError(
            "embedding.path", path, "is not a file of word vectors", "each line must be a word and its numbers"
        )
    vectors: dict[bytes, list[float]] = {}
    for number, line in enumerate(_chain(head, lines), 1):
        first = line.partition(b" ")[0]
        # A cheap test first, because splitting every line of a file of gigabytes would take most of the time.
        if first not in wanted and line.count(b" ") == dim:
            continue
        fields = line.rstrip().rsplit(b" ", dim)
        if fields[0] not in wanted or fields[0] in vectors:
            continue
        try:
            vector = [float(field) for field in fields[1:]]
        except ValueError:
            vector = []
        if len(vector) != dim or not all(map(math.isfinite, vector)):
            raise UserError(
                "embedding.path", path, f"line {number} is not a word and {dim} numbers", "fetch the file again"
            )
        vectors[fields[0]] = vector
    return dim, vectors


def _chain(head: list[bytes], rest: IO[bytes]) -> Iterator[bytes]:
    yield from head
    yield from rest


def _are_numbers(fields: list[bytes]) -> bool:
    try:
        return all(math.isfinite(float(field)) for field in fields)
    except ValueError:
        return False
