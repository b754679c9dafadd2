"""Film reviews, each of them a document of its own and read from a fresh state."""

from __future__ import annotations

import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from lmlab.data.catalogue import TEXTS
from lmlab.data.corpus import Corpus, Document
from lmlab.data.decoding import decode_strictly, require_text_encoding
from lmlab.data.download import fetch, texts_folder
from lmlab.data.opening import open_file, read_file, require_memory, require_path, require_ratio, size_of
from lmlab.data.reading import read_text_file
from lmlab.data.sources.base import Source
from lmlab.data.sources.folders import natural_order, unread
from lmlab.data.sources.sentences import split_sentences
from lmlab.data.sources.tables import TABLES
from lmlab.errors import UserError
from lmlab.files import expanded

Item = TypeVar("Item")

# `train/pos/123_9.txt` within the archive, or within a folder that it was unpacked to.
_LABELLED = re.compile(r"(?:.*/)?(train|test)/(?:pos|neg)/(\d+)_\d+\.txt")
# One in this many training reviews is used for validation.
_VALIDATION_EVERY = 10


class MovieReviews(Source):
    """The Large Movie Review Dataset: 25,000 training reviews (one in ten used for validation) and 25,000 test reviews.

    The markup `<br />` becomes a line end. The archive is read without unpacking it.

    Args:
        path: the archive, the folder it was unpacked to, or a folder of .txt files with a review each (split in
            order by `split`); None for the cache.
        split: shares of train, validation and test, for a folder of the user's own reviews.
        encoding: ``auto`` or a Python encoding's name.
        max_reviews: maximum number of reviews of each split, chosen at random but always the same; None for all.

    Source: Maas et al. 2011, Learning Word Vectors for Sentiment Analysis.
    """

    def __init__(
        self, *, path: str | None, split: Sequence[float], encoding: str, max_reviews: int | None = None
    ) -> None:
        self.path = None if path is None else expanded(path)
        self.split = split
        self.encoding = encoding
        self.max_reviews = max_reviews

    def check(self) -> None:
        """Checks that the copy at `path` exists, if a path is given.

        Raises:
            UserError: the copy does not exist, or no reviews are asked for.
        """
        if self.max_reviews is not None and self.max_reviews < 1:
            raise UserError(
                "data.source.max_reviews", self.max_reviews, "is not a number of reviews", "for example 1000"
            )
        require_text_encoding(self.encoding)
        if self.path is not None:
            require_path(self.path, remedy="check the path, or leave it out")

    def load(self) -> Corpus:
        """Returns the splits.

        Raises:
            UserError: files cannot be downloaded or used.
        """
        path = self.path
        if path is None:
            instead = "data.path to a copy"
            (path,) = fetch(TEXTS["imdb"], texts_folder("imdb"), field="data", value="imdb", instead=instead)
        if path.is_dir() and not any(_labelled(path)):
            return self._own(path)
        reviews = sorted((_unpacked if path.is_dir() else _archived)(path, self.encoding))
        splits: dict[str, list[Document]] = {"train": [], "validation": [], "test": []}
        for part, number, name, text in reviews:
            held_out = part == "train" and number % _VALIDATION_EVERY == 0
            splits["validation" if held_out else part].append(Document(name, _clean(text, path, name)))
        for split, found in splits.items():
            if not found:
                remedy = "give the archive, or the folder with train/ and test/ that it unpacks to"
                raise UserError("data.path", path, f"no reviews for {split}", remedy)
        made = {split: tuple(self._chosen(found)) for split, found in splits.items()}
        return Corpus(made, (str(path.resolve()),), sentences=True)

    def _own(self, folder: Path) -> Corpus:
        files = natural_order(folder)
        require_memory(size_of(files), folder)
        read = [(file, read_text_file(file, encoding=self.encoding)) for file in files]
        texts = [_clean(str(found.text), file) for file, found in read]
        parts = split_sentences(texts, self.split, folder, what="review", how="one a file")
        splits = {split: tuple(Document("", t) for t in self._chosen(found)) for split, found in parts.items()}
        notes = tuple(note for _, found in read for note in found.notes)
        warnings = tuple(warning for _, found in read for warning in found.warnings)
        others = unread(folder, [file for file, _ in read])
        return Corpus(splits, (str(folder.resolve()),), (*notes, *others), warnings, sentences=True)

    def _chosen(self, reviews: Sequence[Item]) -> list[Item]:
        """Returns up to `max_reviews` reviews, chosen at random with a fixed seed.

        The first ones would not be a fair sample, because neighbouring reviews are about the same film.
        """
        if self.max_reviews is None or self.max_reviews >= len(reviews):
            return list(reviews)
        places = np.random.default_rng(0).permutation(len(reviews))[: self.max_reviews]
        return [reviews[i] for i in sorted(places.tolist())]


def _clean(text: str, path: Path, name: str = "") -> str:
    """Returns a review with its markup as line ends.

    Raises:
        UserError: it is empty; names the file, and the review in it.
    """
    found = re.sub(r"(?:\s*<br />)+\s*", "\n", text).strip()
    if not found:
        raise UserError("data.path", path, f"{name or 'it'} is an empty review", "remove it")
    return found


def _labelled(folder: Path) -> Iterator[tuple[re.Match[str], Path]]:
    """Yields the labelled reviews of the unpacked archive, or of a folder that it was unpacked in, and no deeper."""
    for above in ("", "*/"):
        for file in folder.glob(f"{above}t*/[pn]*/*.txt"):
            match = _LABELLED.fullmatch(file.relative_to(folder).as_posix())
            if match is not None:
                yield match, file


def _unpacked(folder: Path, encoding: str) -> Iterator[tuple[str, int, str, str]]:
    for match, file in _labelled(folder):
        yield match[1], int(match[2]), match[0], decode_strictly(read_file(file), file, encoding)


def _archived(path: Path, encoding: str) -> Iterator[tuple[str, int, str, str]]:
    total = 0
    try:
        with open_file(path) as file, tarfile.open(fileobj=file, mode="r:*") as archive:
            for member in archive:
                # Members that are not read are unpacked too, to find the next one.
                total += member.size
                require_ratio(total, path.stat().st_size, path)
                require_memory(total, path)
                match = _LABELLED.fullmatch(member.name)
                opened = archive.extractfile(member) if match is not None and member.isreg() else None
                if match is not None and opened is not None:
                    text = decode_strictly(opened.read(), path, encoding, member=member.name)
                    yield match[1], int(match[2]), member.name, text
    except (tarfile.TarError, zlib.error, EOFError, OSError, lzma.LZMAError):
        problem = "is not an archive of reviews, or is damaged"
        remedy = "fetch it again, or give a folder of .txt files"
        if path.suffix.lower() in (".txt", *TABLES):
            remedy = "data=sentences reads reviews from lines or from a table's column"
        raise UserError("data.path", path, problem, remedy) from None
