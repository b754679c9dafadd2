"""Reads text files: converts line ends, removes Project Gutenberg's header and licence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lmlab.data.decoding import decode
from lmlab.data.opening import read_file
from lmlab.errors import UserError

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

    `notes` says what was changed, `warnings` what is probably wrong with it.
    """

    text: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def read_text_file(path: Path, *, encoding: str) -> TextFile:
    """Reads one file.

    The encoding is found as in `lmlab.data.decoding.decode`. CRLF and CR become LF. Project Gutenberg's header, credits
    and licence are removed if its marks are found.

    Args:
        path: the file.
        encoding: ``auto``, or the name of an encoding to be used instead of this rule.

    Raises:
        UserError: missing, not a regular file, empty, binary, not in that encoding, or larger than the memory.
    """
    decoded = decode(read_file(path), path, encoding)
    notes, warnings = tuple(decoded.notes), tuple(decoded.warnings)
    text = unix_line_ends(decoded.text)
    alone = decoded.text.count("\r") - decoded.text.count("\r\n")
    if alone and "\n" in decoded.text:
        notes += (f"{path.name}: mixed line ends; {alone:,} carriage returns without a line feed end a line too",)
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
    return TextFile(text, notes, warnings)


def unix_line_ends(text: str) -> str:
    """Returns the text with LF in place of each CRLF and CR."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


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
