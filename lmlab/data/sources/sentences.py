"""Sources of sentences: files with one sentence per line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lmlab.data.catalogue import TEXTS
from lmlab.data.corpus import SPLITS, Corpus, Document, split_of
from lmlab.data.download import fetch, texts_folder
from lmlab.data.reading import read_text_file, require_path
from lmlab.data.sources.base import Source
from lmlab.errors import UserError

_SUFFIXES = (".tsv", ".txt")
# A column that is only a number: the label of a classified sentence.
_LABEL = re.compile(r"[-+]?\d+(?:\.\d+)?")


class SentenceFiles(Source):
    """Sentences from plain or tab-separated files with one sentence per line.

    Empty lines are left out, which is mentioned in the notes. White space around a sentence is removed. In a .tsv file
    the sentence is in the column that is longest in the first line, columns of numbers excluded; a first line that
    names the columns (one of them `sentence` or `text`) is a heading.

    A folder holds a file for train, one for validation (`valid`, `val` or `dev`) and optionally one for test. The
    sentences of a single file are split in order by `split`.

    Args:
        path: the file or folder.
        split: shares of train, validation and test.
        encoding: ``auto``, or a Python encoding's name.
    """

    def __init__(self, *, path: str, split: Sequence[float], encoding: str) -> None:
        self.path = Path(path).expanduser()
        self.split = split
        self.encoding = encoding

    def check(self) -> None:
        """Checks that the file or folder exists.

        Raises:
            UserError: no such file or folder.
        """
        require_path(self.path)

    def load(self) -> Corpus:
        """Returns the splits.

        Raises:
            UserError: unusable files, or too few sentences.
        """
        self.check()
        return self._folder() if self.path.is_dir() else self._file()

    def _file(self) -> Corpus:
        sentences, notes = self._read(self.path)
        return self._corpus(split_sentences(sentences, self.split, self.path), notes)

    def _folder(self) -> Corpus:
        found: dict[str, list[Path]] = {}
        for file in sorted(self.path.iterdir()):
            split = split_of(file.stem)
            if split is not None and file.suffix in _SUFFIXES and file.is_file():
                found.setdefault(split, []).append(file)
        for split in SPLITS[:2]:
            if split not in found:
                remedy = "give a folder with train, dev (or valid) and perhaps test files, .tsv or .txt, or one file"
                raise UserError("data.path", self.path, f"no file for {split}", remedy)
        for split, files in found.items():
            if len(files) > 1:
                names = ", ".join(file.name for file in files)
                raise UserError("data.path", self.path, f"several files for {split}: {names}", "keep one of them")
        splits: dict[str, list[str]] = {}
        notes: list[str] = []
        for split in SPLITS:
            if split in found:
                splits[split], said = self._read(found[split][0])
                notes += said
        return self._corpus(splits, notes)

    def whole(self) -> Corpus:
        """Returns all sentences of one file as one split named `text`, to evaluate a trained run on it."""
        sentences, notes = self._read(self.path)
        return self._corpus({"text": sentences}, notes)

    def _corpus(self, splits: dict[str, list[str]], notes: Sequence[str]) -> Corpus:
        made = {split: tuple(Document("", sentence) for sentence in found) for split, found in splits.items()}
        return Corpus(made, (str(self.path.resolve()),), tuple(notes), sentences=True)

    def _read(self, file: Path) -> tuple[list[str], list[str]]:
        read = read_text_file(file, encoding=self.encoding)
        lines = read.text.removesuffix("\n").split("\n")
        notes = list(read.notes)
        if file.suffix == ".tsv":
            lines, said = _sentence_column(lines, file)
            notes += said
        sentences = [line.strip() for line in lines]
        kept = [sentence for sentence in sentences if sentence]
        if len(kept) < len(sentences):
            notes.append(f"{file.name}: {len(sentences) - len(kept):,} empty lines left out")
        if not kept:
            raise UserError("data.path", file, "holds no sentence", "give a file with one a line")
        return kept, notes


def _sentence_column(lines: list[str], file: Path) -> tuple[list[str], list[str]]:
    rows = [line.split("\t") for line in lines]
    first = [field.strip().lower() for field in rows[0]]
    named = next((name for name in ("sentence", "text") if name in first), None)
    if named is not None:
        column, rows = first.index(named), rows[1:]
    else:
        wordy = [i for i, field in enumerate(rows[0]) if not _LABEL.fullmatch(field.strip())]
        if not wordy:
            raise UserError("data.path", file, "its first line has no column with words", "is it a .tsv of sentences?")
        column = max(wordy, key=lambda i: len(rows[0][i]))
    short = next((n for n, row in enumerate(rows, 1) if len(row) <= column and any(row)), None)
    if short is not None:
        raise UserError("data.path", file, f"row {short} has no column {column + 1}", "separate columns by tabs")
    others = len(first) - 1
    notes = [f"{file.name}: sentences are column {column + 1}; {others} other columns not read"] if others else []
    return [row[column] if len(row) > column else "" for row in rows], notes


def split_sentences(sentences: Sequence[str], shares: Sequence[float], where: Path) -> dict[str, list[str]]:
    """Splits sentences contiguously, at the sentences nearest to the shares.

    Args:
        sentences: in order.
        shares: of train, validation and (if above 0) test; normalised by their sum.
        where: name of the text, for errors.

    Raises:
        UserError: too few sentences to give every split one.
    """
    names = [name for name, share in zip(SPLITS, shares, strict=False) if share > 0]
    kept = [share for share in shares if share > 0]
    ends = [round(len(sentences) * sum(kept[: i + 1]) / sum(kept)) for i in range(len(kept))]
    starts = [0, *ends[:-1]]
    if any(a >= b for a, b in zip(starts, ends, strict=True)):
        problem = f"{len(sentences)} sentences are too few for {len(names)} splits"
        raise UserError("data.path", where, problem, "give more sentences")
    return {name: list(sentences[a:b]) for name, a, b in zip(names, starts, ends, strict=True)}


class PublishedSentences(Source):
    """Published files of sentences, from the cache or from another copy, read like the user's own files.

    Args:
        name: the name of the text in the catalogue.
        path: a file or folder to use instead; None for the cache.
        split: shares of a single file; unused if the files are already split.
        encoding: ``auto``, or a Python encoding's name.
    """

    def __init__(self, *, name: str, path: str | None, split: Sequence[float], encoding: str) -> None:
        self.name = name
        self.path = path
        self.split = split
        self.encoding = encoding

    def check(self) -> None:
        """Checks that the copy at `path` exists, if a path is given.

        Raises:
            UserError: the copy does not exist.
        """
        if self.path is not None:
            self._files(self.path).check()

    def load(self) -> Corpus:
        """Returns the splits.

        Raises:
            UserError: files cannot be downloaded or used.
        """
        if self.path is not None:
            return self._files(self.path).load()
        instead = "data.path to a copy"
        fetched = fetch(TEXTS[self.name], texts_folder(self.name), field="data", value=self.name, instead=instead)
        return self._files(str(fetched[0].parent)).load()

    def _files(self, path: str) -> SentenceFiles:
        return SentenceFiles(path=path, split=self.split, encoding=self.encoding)
