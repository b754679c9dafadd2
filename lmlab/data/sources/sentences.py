"""Sources of sentences: files with one sentence per line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from lmlab.data.catalogue import TEXTS
from lmlab.data.corpus import SPLITS, Corpus, Document, split_of
from lmlab.data.decoding import require_text_encoding
from lmlab.data.download import fetch, texts_folder
from lmlab.data.opening import require_memory, require_path, size_of
from lmlab.data.reading import read_text_file
from lmlab.data.sources.base import Source
from lmlab.data.sources.folders import files_of, unread
from lmlab.data.sources.tables import TABLES, is_table, require_no_columns, sentence_column
from lmlab.errors import UserError
from lmlab.files import expanded

_SUFFIXES = (".txt", *TABLES)
_NAMED = ", ".join(_SUFFIXES)
# Characters of a sentence; a batch of longer ones would not fit into any memory.
LONGEST_SENTENCE = 1_000_000
# Vertical tab, form feed, the separators of ASCII, next line, line and paragraph separator.
_LINE_END = re.compile("[\v\f\x1c-\x1e\x85\u2028\u2029]")


class _Read(NamedTuple):
    """The sentences of a file."""

    sentences: list[str]
    notes: list[str]
    warnings: list[str]


class SentenceFiles(Source):
    """Sentences from plain files with one sentence per line, or from the column of a table (.tsv or .csv).

    Empty lines are left out, which is mentioned in the notes. White space around a sentence is removed. For tables see
    `lmlab.data.sources.tables.sentence_column`.

    A folder holds a file for train, one for validation (`valid`, `val` or `dev`) and optionally one for test. The
    sentences of a single file are split in order by `split`.

    Args:
        path: the file or folder.
        split: shares of train, validation and test.
        encoding: ``auto``, or a Python encoding's name.
    """

    def __init__(self, *, path: str, split: Sequence[float], encoding: str) -> None:
        self.path = expanded(path)
        self.split = split
        self.encoding = encoding

    def check(self) -> None:
        """Checks that the file or folder exists, and the name of the encoding.

        Raises:
            UserError: no such file or folder, or no such encoding.
        """
        require_path(self.path)
        require_text_encoding(self.encoding)

    def load(self) -> Corpus:
        """Returns the splits.

        Raises:
            UserError: unusable files, or too few sentences.
        """
        self.check()
        if self.path.is_dir():
            return self._folder()
        read = self._read(self.path)
        return self._corpus(split_sentences(read.sentences, self.split, self.path), [read])

    def _folder(self) -> Corpus:
        files = self._files()
        read = {split: self._read(file) for split, file in files.items()}
        note = unread(self.path, list(files.values()), also=_SUFFIXES)
        return self._corpus({split: one.sentences for split, one in read.items()}, read.values(), note)

    def _files(self) -> dict[str, Path]:
        """Returns the folder's file for each split, in the order of the splits."""
        found: dict[str, list[Path]] = {}
        texts = files_of(self.path, _SUFFIXES)
        require_memory(size_of(texts), self.path)
        for file in texts:
            split = split_of(file.stem)
            if split is not None:
                found.setdefault(split, []).append(file)
        for split in SPLITS[:2]:
            if split not in found:
                remedy = f"give a folder with train, dev (or valid) and perhaps test files, {_NAMED}, or one file"
                raise UserError("data.path", self.path, f"no file for {split}", remedy)
        for split, files in found.items():
            if len(files) > 1:
                names = ", ".join(file.name for file in files)
                raise UserError("data.path", self.path, f"several files for {split}: {names}", "keep one of them")
        return {split: found[split][0] for split in SPLITS if split in found}

    def whole(self) -> Corpus:
        """Returns all sentences as one split named `text`, to evaluate a trained run on it.

        Raises:
            UserError: unusable files.
        """
        self.check()
        files = list(self._files().values()) if self.path.is_dir() else [self.path]
        read = [self._read(file) for file in files]
        together = " + ".join(file.name for file in files)
        note = [f"the splits are read as one text: {together}"] if len(files) > 1 else []
        return self._corpus({"text": [sentence for one in read for sentence in one.sentences]}, read, note)

    def _corpus(self, splits: dict[str, list[str]], read: Iterable[_Read], notes: Sequence[str] = ()) -> Corpus:
        made = {split: tuple(Document("", sentence) for sentence in found) for split, found in splits.items()}
        said = [note for one in read for note in one.notes]
        warnings = tuple(warning for one in read for warning in one.warnings)
        return Corpus(made, (str(self.path.resolve()),), (*said, *notes), warnings, sentences=True)

    def _read(self, file: Path) -> _Read:
        read = read_text_file(file, encoding=self.encoding)
        text = str(read.text)
        notes, warnings = list(read.notes), list(read.warnings)
        if is_table(file):
            column = sentence_column(text, file)
            lines = column.cells
            notes += column.notes
            warnings += column.warnings
        else:
            require_no_columns(text, file)
            lines = text.removesuffix("\n").split("\n")
        sentences = [line.strip() for line in lines]
        kept = [sentence for sentence in sentences if sentence]
        if len(kept) < len(sentences):
            notes.append(f"{file.name}: {len(sentences) - len(kept):,} empty lines left out")
        if not kept:
            raise UserError("data.path", file, "holds no sentence", "give a file with one a line")
        warnings += _odd_lines(sentences, file)
        return _Read(kept, notes, warnings)


def _odd_lines(sentences: Sequence[str], file: Path) -> list[str]:
    """Returns warnings about sentences in which a character that ends a line elsewhere does not.

    Raises:
        UserError: a sentence is as long as a book, or there are more such characters than lines.
    """
    longest = max(range(len(sentences)), key=lambda i: len(sentences[i]))
    if len(sentences[longest]) > LONGEST_SENTENCE:
        problem = f"sentence {longest + 1:,} has {len(sentences[longest]):,} characters"
        raise UserError("data.path", file, problem, "give one sentence a line, or read it as running text: data=text")
    odd = [i for i, sentence in enumerate(sentences) if _LINE_END.search(sentence)]
    if not odd:
        return []
    num_ends = sum(len(_LINE_END.findall(sentence)) for sentence in sentences)
    if num_ends > len(sentences):
        problem = f"{num_ends:,} form feeds or other separators in {len(sentences):,} lines"
        raise UserError("data.path", file, problem, "end each sentence with a line feed, as text editors do")
    what = f"{file.name}: {len(odd):,} sentences, the first in line {odd[0] + 1:,}, contain a form feed or another"
    return [f"{what} character that ends a line in some programs; here only line feeds and carriage returns do"]


def split_sentences(
    sentences: Sequence[str], shares: Sequence[float], where: Path, *, what: str = "sentence", how: str = "one a line"
) -> dict[str, list[str]]:
    """Splits sentences contiguously, at the sentences nearest to the shares.

    Args:
        sentences: in order.
        shares: of train, validation and (if above 0) test; normalised by their sum.
        where: name of the text, for errors.
        what: what each of them is, for errors.
        how: how to give them, for errors.

    Raises:
        UserError: too few sentences to give every split one.
    """
    names = [name for name, share in zip(SPLITS, shares, strict=False) if share > 0]
    kept = [share for share in shares if share > 0]
    ends = [round(len(sentences) * sum(kept[: i + 1]) / sum(kept)) for i in range(len(kept))]
    starts = [0, *ends[:-1]]
    if any(a >= b for a, b in zip(starts, ends, strict=True)):
        counted = f"{len(sentences)} {what}s are" if len(sentences) != 1 else f"1 {what} is"
        problem = f"{counted} too few for {len(names)} splits"
        raise UserError("data.path", where, problem, f"give more, {how}")
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
