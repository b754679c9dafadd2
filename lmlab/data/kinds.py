"""Recognises by its contents a file that is no plain text: archives, documents, markup."""

from __future__ import annotations

import re
from pathlib import Path

from lmlab.errors import UserError

_UNPACK = "unpack it and give the file in it"
_SAVE = "save it as plain text and give that file"
# How files that hold no text as it is begin, what they are, and what to do.
_CONTAINERS = (
    (b"PK\x03\x04", "a zip file, or a document or e-book that is one inside", f"{_UNPACK}, or save it as plain text"),
    (b"\x1f\x8b", "a gzip file", _UNPACK),
    (b"BZh9", "a bzip2 file", _UNPACK),
    (b"\xfd7zXZ\x00", "an xz file", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z file", _UNPACK),
    (b"Rar!\x1a\x07", "a rar file", _UNPACK),
    (b"%PDF-", "a PDF", _SAVE),
    (b"%!PS", "a PostScript file", _SAVE),
    (b"{\\rtf", "a document in rich text format", _SAVE),
    (b"\xd0\xcf\x11\xe0", "an Office document", _SAVE),
    (b"PAR1", "a Parquet table", "write its column of texts to a plain text file"),
    (b"version https://git-lfs", "a pointer of Git LFS and not the file itself", "fetch the file: git lfs pull"),
)
_SPACES = re.compile(r"\s*")
_BEGINNINGS = (
    (re.compile(r"<!doctype html|<html[\s>]", re.IGNORECASE), "HTML"),
    (re.compile(r"<\?xml\s"), "XML"),
    (re.compile(r'\{\s*"(?:[^"\\\n]|\\.)*"\s*:|\[\s*(?:\{\s*"|\["|"(?:[^"\\\n]|\\.)*"\s*,\s*")'), "JSON"),
)
# Tags that web pages have everywhere; published texts have others, as <unk>.
_TAG = re.compile(r"<(?:/?(?:p|div|span|td|tr|li|a|b|i|em)|br)(?:\s[^<>\n]{0,300})?/?>", re.IGNORECASE)
# Characters that are searched for tags, and those that have one of them in a page.
SEARCHED, _TAGGED = 200_000, 1000


def refuse_container(data: bytes, path: Path, *, field: str = "data.path") -> None:
    """Refuses a file that holds no text as it is.

    Args:
        data: its first bytes.
        path: the file.
        field: the setting that names it.

    Raises:
        UserError: an archive, a document, or a pointer to another file.
    """
    for beginning, what, remedy in _CONTAINERS:
        if data.startswith(beginning):
            raise UserError(field, path, f"{what}, not text", remedy)


def markup(text: str) -> str:
    """Returns the name of the language in which a text is marked up (``HTML``, ``XML``, ``JSON``); empty for none."""
    found = _language(text)
    if found:
        return found
    searched = text[:SEARCHED]
    num_tags = sum(1 for _ in _TAG.finditer(searched))
    return "HTML" if num_tags > 3 and num_tags * _TAGGED > len(searched) else ""


def is_page(text: str) -> bool:
    """Returns whether a text is a whole page of the web, as servers send in place of a file that they do not have."""
    return _language(text) == "HTML"


def _language(text: str) -> str:
    start = _SPACES.match(text)
    at = start.end() if start else 0
    return next((name for beginning, name in _BEGINNINGS if beginning.match(text, at)), "")
