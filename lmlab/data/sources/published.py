"""Published texts by name, from the cache or from a copy at `data.path`, with the splits used in publications."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from lmlab.data.catalogue import TEXTS
from lmlab.data.corpus import SPLITS, Corpus, Document, split_documents, split_of
from lmlab.data.decoding import decode_strictly
from lmlab.data.download import RemoteFile, fetch, sha256_of, texts_folder
from lmlab.data.opening import (
    ZIP_MARK,
    entries,
    files_in,
    is_zip,
    open_zip,
    read_file,
    read_member,
    require_path,
)
from lmlab.data.sources.base import Source
from lmlab.data.sources.folders import natural_order, unread
from lmlab.data.sources.text_files import TextFiles
from lmlab.errors import UserError
from lmlab.files import expanded

_TEXT_SUFFIXES = (".txt", ".tokens", ".raw")


class _Published(Source):
    """Base class of the three kinds of published texts.

    Args:
        name: the name of the text in the catalogue.
        path: another copy of the text; None for the cache.
    """

    def __init__(self, *, name: str, path: str | None) -> None:
        self.name = name
        self.path = None if path is None else expanded(path)

    def check(self) -> None:
        """Checks that the copy at `path` exists, if a path is given; checks nothing else.

        Raises:
            UserError: the copy does not exist.
        """
        if self.path is not None:
            require_path(self.path, remedy="check the path, or leave it out")

    @property
    def _files(self) -> tuple[RemoteFile, ...]:
        return TEXTS[self.name]

    def _fetched(self) -> list[Path]:
        """Returns the published files in the cache, downloading those that are missing."""
        instead = "data.path to a copy"
        return fetch(self._files, texts_folder(self.name), field="data", value=self.name, instead=instead)

    def _differences(self, used: Sequence[Path]) -> tuple[str, ...]:
        """Returns a warning if the copy at `path` differs from the published text.

        Downloaded files have been compared already.
        """
        if self.path is None:
            return ()
        known = {file.sha256 for file in self._files} | _UNZIPPED.get(self.name, frozenset())
        others = [path.name for path in used if not {sha256_of(path), _sha1_of(path)} & known]
        if not others:
            return ()
        what = f"not the published {self.name} (another SHA-256)"
        return (f"{', '.join(others)}: {what}: do not compare with published numbers",)

    def _unread(self, used: Sequence[Path]) -> tuple[str, ...]:
        """Returns a note of what the folder at `path` holds besides the files that are read."""
        if self.path is None or not self.path.is_dir():
            return ()
        return tuple(unread(self.path, used, also=_TEXT_SUFFIXES))

    def _provenance(self, used: Iterable[Path]) -> tuple[str, ...]:
        return (f"{self.name}: " + ", ".join(str(path.resolve()) for path in used),)


class PublishedBooks(_Published):
    """Books, read like the user's own texts: split by document if there are several.

    Args:
        name: the name of the text in the catalogue.
        path: other books to use instead, a file or a folder of .txt files; None for the cache.
        split: shares of train, validation and test.
        encoding: ``auto``, or a Python encoding's name.
    """

    def __init__(self, *, name: str, path: str | None, split: Sequence[float], encoding: str) -> None:
        super().__init__(name=name, path=path)
        self.split = split
        self.encoding = encoding

    def load(self) -> Corpus:
        """Returns the splits.

        Raises:
            UserError: files cannot be downloaded or used.
        """
        if self.path is not None:
            where = self.path
        else:
            fetched = self._fetched()
            where = fetched[0] if len(fetched) == 1 else fetched[0].parent
        corpus = TextFiles(path=str(where), split=self.split, encoding=self.encoding).load()
        if self.path is None:
            return corpus
        used = natural_order(self.path) if self.path.is_dir() else [self.path]
        return replace(corpus, warnings=(*corpus.warnings, *self._differences(used)))


class PublishedCut(_Published):
    """One file, cut at exact shares of its characters and otherwise left as it is.

    Args:
        name: the name of the text in the catalogue.
        path: the file, or a zip file that contains only this file; None for the cache.
        split: shares of train, validation and test.
        encoding: a Python encoding's name; latin-1 makes every byte a character.
    """

    def __init__(self, *, name: str, path: str | None, split: Sequence[float], encoding: str) -> None:
        super().__init__(name=name, path=path)
        self.split = split
        self.encoding = encoding

    def load(self) -> Corpus:
        """Returns the splits.

        Raises:
            UserError: a file cannot be downloaded or used.
        """
        path = self._fetched()[0] if self.path is None else self._only_file(self.path)
        text = decode_strictly(_read(path), path, self.encoding)
        if self.path is not None:
            text = self._repaired(text)
            if not text.strip():
                raise UserError("data.path", path, "holds nothing but white space", "fetch it again")
        splits = split_documents([Document(self.name, text)], self.split, whole_words=False)
        return Corpus(splits, self._provenance([path]), self._unread([path]), self._differences([path]))

    def _repaired(self, text: str) -> str:
        """Returns a copy's text without what programs add: a byte order mark, and line ends of another system."""
        text = text.removeprefix("\ufeff")
        of_windows = text.count("\r\n")
        return text.replace("\r\n", "\n") if of_windows and of_windows == text.count("\n") else text

    def _only_file(self, path: Path) -> Path:
        if not path.is_dir():
            return path
        names = {self.name, f"{self.name}.txt", *(file.name for file in self._files)}
        inside = [file for file in entries(path) if file.is_file()]
        files = [file for file in inside if file.name in names] or [
            file for file in inside if file.suffix.lower() == ".txt"
        ]
        if len(files) != 1:
            problem = f"holds {len(files) or 'no'} files that could be {self.name}"
            raise UserError("data.path", path, problem, "name the file itself")
        return files[0]


class PublishedSplits(_Published):
    """Files for train, validation and test, or a zip of them.

    Args:
        name: the name of the text in the catalogue.
        path: a folder with such files, or the zip file; None for the cache.
        encoding: ``auto`` (UTF-8), or a Python encoding's name.
    """

    def __init__(self, *, name: str, path: str | None, encoding: str) -> None:
        super().__init__(name=name, path=path)
        self.encoding = encoding

    def load(self) -> Corpus:
        """Returns the splits.

        Raises:
            UserError: files cannot be downloaded or used, or a split is missing or exists twice.
        """
        files = self._fetched() if self.path is None else self._given(self.path)
        parts = [part for file in files for part in _parts(file)]
        by_split: dict[str, list[tuple[Path, str | None]]] = {}
        for file, member in parts:
            split = split_of(Path(member or file.name).stem)
            if split is not None:
                by_split.setdefault(split, []).append((file, member))
        where = files[0].parent if len(files) != 1 else files[0]
        for split in SPLITS:
            count = len(by_split.get(split, []))
            if count != 1:
                problem = f"holds {count or 'no'} files for {split} where one is wanted"
                wanted = ", ".join(file.name for file in self._files)
                remedy = f"give a folder with {wanted} (or train, valid, test .txt)"
                if by_split.keys() == set(SPLITS[:2]):
                    remedy += ", or read it as a text of your own: data=text tokenizer=pretokenized"
                raise UserError("data.path", where, problem, remedy)
        splits: dict[str, tuple[Document, ...]] = {s: (self._document(*by_split[s][0]),) for s in SPLITS}
        return Corpus(splits, self._provenance(files), self._unread(files), self._differences(files))

    def _given(self, path: Path) -> list[Path]:
        if not path.is_dir():
            return [path]
        inside = [f for f in entries(path) if f.is_file()]
        named = [f for f in inside if f.suffix.lower() in _TEXT_SUFFIXES and split_of(f.stem)]
        zips = [f for f in inside if f.suffix.lower() == ".zip"]
        return named or (zips if len(zips) == 1 else [path])

    def _document(self, file: Path, member: str | None) -> Document:
        text = decode_strictly(_read(file, member), file, self.encoding, member=member or "")
        if self.encoding == "auto":
            text = text.removeprefix("\ufeff")
        if not text.strip():
            raise UserError("data.path", file, f"{member or 'it'} is empty", "fetch it again")
        # Old programs for the Macintosh end lines with carriage returns; between line feeds they are something else.
        text = text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")
        return Document(Path(member or file.name).name, text)


def _parts(file: Path) -> list[tuple[Path, str | None]]:
    """Returns the file itself, or the members of a zip file."""
    if file.is_dir() or not is_zip(file):
        return [(file, None)]
    with open_zip(file) as archive:
        return [(file, member.filename) for member in files_in(archive, _TEXT_SUFFIXES)]


def _read(path: Path, member: str | None = None) -> bytes:
    """Returns the bytes of a file, or of a member of a zip file (its only one if none is named), without unpacking."""
    if not is_zip(path):
        return read_file(path)
    with open_zip(path) as archive:
        members = [one for one in files_in(archive) if member in (None, one.filename)]
        if len(members) != 1:
            problem = f"the zip holds {len(members)} files"
            raise UserError("data.path", path, problem, "give a zip with the text alone")
        data = read_member(archive, members[0], path)
    if not data:
        raise UserError("data.path", path, "the file is empty", "fetch it again")
    if data.startswith(ZIP_MARK):
        raise UserError("data.path", path, "the zip holds another zip", "unpack it and give the one inside")
    return data


def _sha1_of(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha1").hexdigest()


# Members of the published zip files, for users who have unpacked them.
_UNZIPPED = {
    "enwik8": frozenset({"2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8"}),
    "wikitext103": frozenset(  # SHA-1, as gluon-nlp publishes them
        {
            "b7497e2dfe77e72cfef5e3dbc61b7b53712ac211",
            "c326ac59dc587676d58c422eb8a03e119582f92b",
            "8a5befc548865cec54ed4273cf87dbbad60d1e47",
        }
    ),
    "text8": frozenset({"6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7"}),
}
