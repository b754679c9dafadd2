"""Reads text files: detects encodings, converts line ends, removes Project Gutenberg's header and licence."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from lmlab.errors import UserError

# UTF-32 first: its little-endian mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Control characters that no text needs; form feed, escape and the like do occur in real ones.
_CONTROL = re.compile("[\x00-\x06\x0e-\x1a]")
_START = re.compile(
    r"^[ \t]*\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG EBOOK.{0,300}?\*\*\*[^\n]*\n", re.M | re.S | re.I
)
_END = re.compile(r"^[ \t]*\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG EBOOK", re.M | re.I)
_SMALL_PRINT_END = re.compile(r"^\*END[^\n]*SMALL PRINT[^\n]*\n", re.M | re.I)
_CREDITS = re.compile(
    r"\s*(?:Produced by|E-?text prepared by|This e-?text was (?:produced|prepared) by)(?:[^\n]+\n)+", re.I
)
_LAST_LINE = re.compile(r"\n[ \t]*End of (?:the )?Project Gutenberg[^\n]*(?:\n[^\n]+)*\s*$", re.I)


@dataclass(frozen=True)
class TextFile:
    """The text of a file with ``\\n`` as line end, without byte order mark and Project Gutenberg's header and licence.

    `notes` says what was changed.
    """

    text: str
    notes: tuple[str, ...]


def require_path(path: Path, *, remedy: str = "check the path") -> None:
    """Raises an error if a text does not exist, before anything is loaded.

    Raises:
        UserError: no such file or folder; a relative path is shown with the folder in which it was looked for.
    """
    if not path.exists():
        where = "" if path.is_absolute() else f" in {Path.cwd()}"
        raise UserError("data.path", path, f"no such file or folder{where}", remedy)


def read_text_file(path: Path, *, encoding: str) -> TextFile:
    """Reads one file.

    A byte order mark determines the encoding; a file without one is read as UTF-8 or, if it is not valid UTF-8, as
    Windows-1252, which is mentioned in the notes. CRLF and CR become LF. Project Gutenberg's header, credits and
    licence are removed if its marks are found.

    Args:
        path: the file.
        encoding: ``auto``, or the name of an encoding to be used instead of this rule.

    Raises:
        UserError: missing, empty, binary or not in that encoding.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError("data.path", path, "no such file", "check the path") from None
    except OSError as error:
        raise UserError(
            "data.path", path, error.strerror or "cannot be read", "check the file and its permissions"
        ) from None
    if not data:
        raise UserError("data.path", path, "the file is empty", "give a file with text")
    text, notes = _decode(data, path, encoding)
    text = unix_line_ends(text)
    if not text.strip():
        raise UserError("data.path", path, "the file holds nothing but white space", "give a file with text")
    body = strip_gutenberg(text)
    if body is not None:
        notes += (
            f"{path.name}: Project Gutenberg's header and licence removed ({len(text) - len(body):,} characters)",
        )
        text = body
        if not text.strip():
            raise UserError("data.path", path, "Project Gutenberg's frame with nothing inside", "fetch the file again")
    return TextFile(text, notes)


def unix_line_ends(text: str) -> str:
    """Returns the text with LF in place of each CRLF and CR."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes, path: Path, encoding: str) -> tuple[str, tuple[str, ...]]:
    if encoding != "auto":
        try:
            return data.decode(encoding).removeprefix("\ufeff"), ()
        except (UnicodeDecodeError, UnicodeError):
            raise UserError("data.encoding", encoding, f"{path} is not in it", "try data.encoding=auto") from None
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if marked:
        try:
            return data.decode(marked), ()
        except UnicodeDecodeError:
            problem = f"begins like {marked} but is not in it, or is binary"
            raise UserError("data.path", path, problem, "give a text file, or set data.encoding") from None
    _refuse_binary(data, path)
    try:
        return data.decode("utf-8"), ()
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252"), (f"{path.name}: not UTF-8, read as Windows-1252 (data.encoding overrides)",)
    except UnicodeDecodeError:
        problem = "is neither UTF-8 nor Windows-1252"
        raise UserError(
            "data.path", path, problem, "name its encoding: data.encoding=latin-1, cp1251, big5..."
        ) from None


def _refuse_binary(data: bytes, path: Path) -> None:
    sample = data[:1_000_000]
    controls = len(_CONTROL.findall(sample.decode("latin-1")))
    # Old texts may contain a stray control character, but not one in a thousand characters, and never NUL.
    if b"\x00" in sample or controls > len(sample) / 1000 + 1:
        remedy = "give a plain text file (for UTF-16 without a byte order mark set data.encoding=utf-16-le)"
        raise UserError("data.path", path, "looks like a binary file, not text", remedy)


def strip_gutenberg(text: str) -> str | None:
    """Returns the book without Project Gutenberg's header and licence, or None if the text has neither."""
    start = _START.search(text) or _SMALL_PRINT_END.search(text)
    end = _END.search(text, start.end() if start else 0)
    if start is None and end is None:
        return None
    body = text[start.end() if start else 0 : end.start() if end else len(text)]
    credit = _CREDITS.match(body)
    if credit:
        body = body[credit.end() :]
    body = _LAST_LINE.sub("\n", body)
    return body.strip("\n") + "\n"
