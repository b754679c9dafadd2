"""The user's own text files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lmlab.data.corpus import SPLITS, Corpus, Document, split_documents, split_of
from lmlab.data.reading import read_text_file, require_path
from lmlab.data.sources.base import Source
from lmlab.errors import UserError


class TextFiles(Source):
    """A file, or a folder of .txt files.

    A folder that holds `train.txt` and `valid.txt` (or `val`, `dev`; also `ptb.train.txt` and the like) or `test.txt`
    counts as already split. Any other text is split by `split`: by document if there are several documents.

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
        """Checks that there is something to read, without reading it.

        Raises:
            UserError: no such file or folder, or a folder without texts.
        """
        require_path(self.path)
        if self.path.is_dir():
            natural_order(self.path)

    def load(self) -> Corpus:
        """Returns the splits of the text.

        Raises:
            UserError: no text, an unusable file, or a folder with training but no validation text.
        """
        self.check()
        if not self.path.is_dir():
            return self._split([self.path])
        files = natural_order(self.path)
        given = self._given_splits(files)
        return self._as_given(given, files) if given else self._split(files)

    def whole(self) -> Corpus:
        """Returns all of the text as one split named `text`, to evaluate a trained run on it."""
        files = natural_order(self.path) if self.path.is_dir() else [self.path]
        documents, notes = self._read(files)
        return Corpus({"text": tuple(documents)}, provenance=(str(self.path.resolve()),), notes=tuple(notes))

    def _read(self, files: Sequence[Path]) -> tuple[list[Document], list[str]]:
        documents: list[Document] = []
        notes: list[str] = []
        for file in files:
            read = read_text_file(file, encoding=self.encoding)
            documents.append(Document(file.name, read.text))
            notes.extend(read.notes)
        return documents, notes

    def _split(self, files: Sequence[Path]) -> Corpus:
        documents, notes = self._read(files)
        splits = split_documents(documents, self.split)
        return Corpus(splits, (str(self.path.resolve()),), tuple(notes), tuple(_share_warnings(splits, self.split)))

    def _given_splits(self, files: Sequence[Path]) -> dict[str, Path]:
        given: dict[str, list[Path]] = {}
        for file in files:
            split = split_of(file.stem)
            if split is not None:
                given.setdefault(split, []).append(file)
        # A folder of books may contain a book named `test.txt`.
        if "train" not in given or len(given) < 2:
            return {}
        for split, found in given.items():
            if len(found) > 1:
                problem = f"several files for {split}: {', '.join(file.name for file in found)}"
                raise UserError("data.path", self.path, problem, "keep one of them in the folder")
        return {split: found[0] for split, found in given.items()}

    def _as_given(self, given: dict[str, Path], files: Sequence[Path]) -> Corpus:
        if "validation" not in given:
            remedy = "add valid.txt, or give the texts under other names to have them split by data.split"
            raise UserError("data.path", self.path, "holds train.txt and test.txt but no valid.txt", remedy)
        splits: dict[str, tuple[Document, ...]] = {}
        notes: list[str] = []
        for split in SPLITS:
            if split in given:
                documents, said = self._read([given[split]])
                splits[split] = tuple(documents)
                notes.extend(said)
        notes.append("split as the folder gives it: " + ", ".join(f"{s} {f.name}" for s, f in given.items()))
        others = [file.name for file in files if file not in given.values()]
        warnings = [f"{self.path}: besides the splits, not read: {', '.join(others)}"] if others else []
        return Corpus(splits, (str(self.path.resolve()),), tuple(notes), tuple(warnings))


class HarryPotter(TextFiles):
    """The seven books, which are under copyright: the user's own files in a folder."""

    def check(self) -> None:
        """Checks that the books exist.

        Raises:
            UserError: there are no books; says where to put them and which text to use instead.
        """
        if not self.path.exists() or (self.path.is_dir() and not any(self.path.glob("*.txt"))):
            remedy = (
                "put your books there as .txt files or set data.path=FOLDER; free instead: data=oz (seven books that "
                "are fetched for you) or data=python_docs"
            )
            raise UserError(
                "data.path", self.path, "no books found (they are under copyright and not included)", remedy
            )
        super().check()


def natural_order(folder: Path) -> list[Path]:
    """Returns the folder's .txt files in natural order: `2.txt` before `10.txt`.

    Raises:
        UserError: there are no .txt files.
    """

    def key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
        parts = re.split(r"(\d+)", path.name.casefold())
        return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], path.name

    files = sorted(
        (f for f in folder.iterdir() if f.is_file() and f.suffix.lower() == ".txt" and not f.name.startswith(".")),
        key=key,
    )
    if not files:
        others = sum(1 for _ in folder.iterdir())
        problem = f"the folder holds no .txt file ({others} other entries)" if others else "the folder is empty"
        raise UserError("data.path", folder, problem, "put the texts there as .txt files")
    return files


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
