"""A source for texts in JSON Lines files: one record a line, of which one field is the text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import lmlab


class JsonLines(lmlab.Source):
    """The records of a JSON Lines file, each a document; split by document, in the order of the file.

    A record's `date` and `title`, where it has them, become the document's name.

    Args:
        path: the file.
        split: shares of train, validation and test.
        field: which field of a record is the text.
    """

    def __init__(self, *, path: str, split: Sequence[float], field: str = "text") -> None:
        self.path = Path(path).expanduser()
        self.split = split
        self.field = field

    def check(self) -> None:
        """Reads the first record only, so that a mistake is told before anything slow is done.

        Raises:
            lmlab.UserError: no file, or its first line is not such a record.
        """
        next(self._documents())

    def load(self) -> lmlab.Corpus:
        """Reads all records.

        Raises:
            lmlab.UserError: no file, or a line that is not such a record.
        """
        documents = list(self._documents())
        provenance = f"field {self.field} of {len(documents)} records in {self.path}"
        return lmlab.Corpus(lmlab.split_documents(documents, self.split), provenance=(provenance,))

    def _documents(self) -> Iterator[lmlab.Document]:
        if not self.path.is_file():
            raise lmlab.UserError("data.path", self.path, "no such file", "check the path, or change to its folder")
        if self.path.stat().st_size == 0:
            raise lmlab.UserError("data.path", self.path, "the file is empty", "give a file with a record a line")
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                yield self._document(line, number)

    def _document(self, line: bytes, number: int) -> lmlab.Document:
        try:
            record = json.loads(line)
        except ValueError:
            problem = f"line {number} is no JSON in UTF-8"
            raise lmlab.UserError("data.path", self.path, problem, "write one record a line") from None
        if not isinstance(record, dict):
            problem = f"line {number} is no record"
            raise lmlab.UserError("data.path", self.path, problem, f'write {{"{self.field}": "..."}}')
        text = record.get(self.field)
        if not isinstance(text, str):
            known = ", ".join(key for key, value in record.items() if isinstance(value, str)) or "none"
            problem = f"line {number} of {self.path} has no such field with text"
            raise lmlab.UserError("data.source.field", self.field, problem, f"its fields with text are {known}")
        name = " ".join(str(record[key]) for key in ("date", "title") if key in record)
        return lmlab.Document(name or f"line {number}", text.replace("\r\n", "\n"))
