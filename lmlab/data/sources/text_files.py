"""The user's own text files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lmlab.data.cache import text_sha256
from lmlab.data.corpus import SEARCHES, SPLITS, Corpus, Document, split_documents, split_of
from lmlab.data.decoding import require_text_encoding
from lmlab.data.opening import require_memory, require_path, size_of
from lmlab.data.reading import TextFile, read_text_file
from lmlab.data.sources.base import Source
from lmlab.data.sources.folders import files_of, natural_order, unread
from lmlab.data.sources.tables import is_table
from lmlab.errors import UserError, printable
from lmlab.files import expanded

# Bytes of text from which on it stays on the disk.
LONG = 64_000_000


class TextFiles(Source):
    """A file, or a folder of .txt files.

    A folder that holds files for two splits, such as `train.txt` and `valid.txt` (or `val`, `dev`; also
    `ptb.train.txt` and the like), counts as already split. Any other text is split by `split`: by document if there are
    several documents.

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
        """Checks that there is something to read, without reading it.

        Raises:
            UserError: no such file or folder, a folder without texts, a table of sentences, or no such encoding.
        """
        self._check("data=sentences reads its column of sentences")

    def _check(self, if_table: str) -> None:
        """Does the same; `if_table` is what to do if it is a table."""
        require_path(self.path)
        require_text_encoding(self.encoding)
        if self.path.is_dir():
            natural_order(self.path)
        elif is_table(self.path):
            problem = "is a table, whose heading, labels and separators would become text"
            raise UserError("data.path", self.path, problem, if_table)

    def load(self) -> Corpus:
        """Returns the splits of the text.

        Raises:
            UserError: no text, an unusable file, or a folder with texts for some splits but not for the others.
        """
        self.check()
        if not self.path.is_dir():
            return self._split([self.path])
        files = natural_order(self.path)
        given = self._given_splits(files)
        return self._as_given(given, files) if given else self._split(files)

    def whole(self) -> Corpus:
        """Returns all of the text as one split named `text`, to evaluate a trained run on it.

        Raises:
            UserError: no text, or an unusable file.
        """
        self._check("this run reads running text: write the column of texts to a plain text file")
        files = natural_order(self.path) if self.path.is_dir() else [self.path]
        documents, read = self._read(files)
        together = f"{len(files)} files are read as one text: {', '.join(file.name for file in files)}"
        return self._corpus({"text": documents}, read, notes=[together] if len(files) > 1 else [], used=files)

    def _read(self, files: Sequence[Path]) -> tuple[tuple[Document, ...], list[TextFile]]:
        total = size_of(files)
        long = total >= LONG
        if not long:
            require_memory(total, self.path)
        read = [read_text_file(file, encoding=self.encoding, long=long) for file in files]
        return tuple(Document(file.name, one.text) for file, one in zip(files, read, strict=True)), read

    def _corpus(
        self,
        splits: dict[str, tuple[Document, ...]],
        read: Sequence[TextFile],
        *,
        used: Sequence[Path],
        notes: Sequence[str] = (),
        warnings: Sequence[str] = (),
    ) -> Corpus:
        """Returns the splits with what was said about their files, and a note of what the folder holds besides."""
        said = [note for one in read for note in one.notes]
        if any(not isinstance(one.text, str) for one in read):
            said.append(f"read from the disk as it is needed; {SEARCHES}")
        wrong = [warning for one in read for warning in one.warnings]
        others = unread(self.path, used) if self.path.is_dir() else []
        return Corpus(splits, (str(self.path.resolve()),), (*said, *notes, *others), (*wrong, *warnings))

    def _split(self, files: Sequence[Path]) -> Corpus:
        documents, read = self._read(files)
        splits = split_documents(documents, self.split)
        warnings = [*_share_warnings(splits, self.split), *_copies(documents)]
        whole = len(documents) >= len(splits) and len(splits) > 1
        notes = [f"split by whole files: {', '.join(map(_span, splits.items()))}"] if whole else []
        named = [file.name for file in files if split_of(file.stem)]
        if named and len(files) > 1:
            what = f"{', '.join(named)}: read like the {len(files) - 1} other texts, because there is no valid.txt"
            warnings.append(f"{self.path}: {what} beside train.txt; data.split decides what is trained on")
        return self._corpus(splits, read, used=files, notes=notes, warnings=warnings)

    def _given_splits(self, files: Sequence[Path]) -> dict[str, Path]:
        given: dict[str, list[Path]] = {}
        for file in files:
            split = split_of(file.stem)
            if split is not None:
                given.setdefault(split, []).append(file)
        # A folder of books may contain a book named `test.txt`.
        if len(given) < 2:
            return {}
        for split, found in given.items():
            if len(found) > 1:
                problem = f"several files for {split}: {', '.join(file.name for file in found)}"
                raise UserError("data.path", self.path, problem, "keep one of them in the folder")
        return {split: found[0] for split, found in given.items()}

    def _as_given(self, given: dict[str, Path], files: Sequence[Path]) -> Corpus:
        for split, name in zip(SPLITS[:2], ("train.txt", "valid.txt"), strict=True):
            if split not in given:
                there = " and ".join(file.name for file in given.values())
                remedy = f"add {name}, or give the texts under other names to have them split by data.split"
                raise UserError("data.path", self.path, f"holds {there} but no {name}", remedy)
        used = {split: given[split] for split in SPLITS if split in given}
        documents, read = self._read(list(used.values()))
        splits: dict[str, tuple[Document, ...]] = {s: (d,) for s, d in zip(used, documents, strict=True)}
        named = ", ".join(f"{split} {file.name}" for split, file in used.items())
        note = f"split as the folder gives it, whatever data.split: {named}"
        others = [file.name for file in files if file not in used.values()]
        warnings = [f"{self.path}: besides the splits, not read: {', '.join(others)}"] if others else []
        return self._corpus(splits, read, used=files, notes=[note], warnings=warnings)


class HarryPotter(TextFiles):
    """The seven books, which are under copyright: the user's own files in a folder."""

    def check(self) -> None:
        """Checks that the books exist.

        Raises:
            UserError: there are no books; says where to put them and which text to use instead.
        """
        if not self.path.exists() or (self.path.is_dir() and not files_of(self.path, (".txt",))):
            remedy = (
                "put your books there as .txt files or set data.path=FOLDER; free instead: data=oz (seven books that "
                "are fetched for you) or data=python_docs"
            )
            raise UserError(
                "data.path", self.path, "no books found (they are under copyright and not included)", remedy
            )
        super().check()


def _span(split: tuple[str, Sequence[Document]]) -> str:
    """Returns a split with the names of its first and last document."""
    name, documents = split
    first, last = printable(documents[0].name), printable(documents[-1].name)
    return f"{name} {first}" if len(documents) == 1 else f"{name} {first} to {last} ({len(documents):,})"


def _copies(documents: Sequence[Document]) -> list[str]:
    """Returns a warning if documents have the same text."""
    # Most texts differ in length, so that hardly any has to be read for this.
    lengths = Counter(len(d.text) for d in documents)
    alike = [(d.name, text_sha256([d.text])) for d in documents if lengths[len(d.text)] > 1]
    first: dict[str, str] = {}
    copies = [(name, first[text]) for name, text in alike if first.setdefault(text, name) != name]
    if not copies:
        return []
    (name, other), *more = copies
    others = f", and {len(more):,} more are copies too" if more else ""
    return [f"{printable(name)} and {printable(other)} are the same text{others}; remove what is there twice"]


def _share_warnings(splits: dict[str, tuple[Document, ...]], shares: Sequence[float]) -> list[str]:
    """Returns a warning if the share of a split differs from the one asked for by more than a factor of 2.

    This can happen because documents are not cut.
    """
    sizes = {name: sum(len(d.text) for d in documents) for name, documents in splits.items()}
    total = sum(sizes.values())
    asked = dict(zip(SPLITS, (s / sum(shares) for s in shares), strict=False))
    far = [n for n, size in sizes.items() if not 0.5 <= size / total / asked[n] <= 2]
    if not far:
        return []
    got = ", ".join(f"{name} {size / total:.0%}" for name, size in sizes.items())
    wanted = ", ".join(f"{name} {asked[name]:.0%}" for name in sizes)
    return [
        f"data.split: whole documents give {got} where {wanted} was asked; put all text into one file for exact shares"
    ]
