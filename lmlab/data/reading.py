"""Reads text files: converts line ends, removes Project Gutenberg's header and licence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lmlab.data.decoding import decode
from lmlab.data.file_decoding import decode_file
from lmlab.data.opening import read_file, require_memory
from lmlab.data.pieces import LongText, Text
from lmlab.errors import UserError

_START = re.compile(
    r"^[ \t]*\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG EBOOK.{0,300}?\*\*\*[^\n]*\n", re.M | re.S | re.I
)
_END = re.compile(r"^[ \t]*\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG EBOOK", re.M | re.I)
_SMALL_PRINT_END = re.compile(r"^\*END[^\n]*SMALL PRINT[^\n]*\n", re.M | re.I)
_CREDITS = re.compile(
    r"\s*(?:Produced by|E-?text prepared by|This e-?text was (?:produced|prepared) by)(?:[^\n]+\n)+", re.I
)
# Most characters of a mark in a long text, and what is in the lines of one.
_MARK_LENGTH = 4_000
_IN_MARKS = ("project gutenberg", "small print")
_LAST_LINE = re.compile(r"\n[ \t]*End of (?:the )?Project Gutenberg[^\n]*(?:\n[^\n]+)*\s*$", re.I)


@dataclass(frozen=True)
class TextFile:
    """The text of a file with ``\\n`` as line end, without byte order mark and Project Gutenberg's header and licence.

    `notes` says what was changed, `warnings` what is probably wrong with it.
    """

    text: Text
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def read_text_file(path: Path, *, encoding: str, long: bool = False) -> TextFile:
    """Reads one file.

    The encoding is found as in `lmlab.data.decoding.decode`. CRLF and CR become LF. Project Gutenberg's header, credits
    and licence are removed if its marks are found.

    Args:
        path: the file.
        encoding: ``auto``, or the name of an encoding to be used instead of this rule.
        long: whether the text stays on the disk if it can, so that reading it takes no memory.

    Raises:
        UserError: missing, not a regular file, empty, binary, not in that encoding, or larger than the memory.
    """
    decoded = (decode_file(path, encoding) if long else None) or decode(read_file(path), path, encoding)
    notes, warnings, seen = tuple(decoded.notes), tuple(decoded.warnings), decoded.statistics
    text = unix_line_ends(decoded.text) if isinstance(decoded.text, str) else decoded.text
    alone = seen.num_lone_returns
    if alone and seen.num_lines:
        notes += (f"{path.name}: mixed line ends; {alone:,} carriage returns without a line feed end a line too",)
    if seen.is_blank:
        raise UserError("data.path", path, "the file holds nothing but white space", "give a file with text")
    frame = _frame(text)
    if frame is not None:
        require_memory(frame.stop - frame.start, path)
        body = _without_credits(str(text[frame]))
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
    frame = _frame(text)
    return None if frame is None else _without_credits(text[frame])


def _frame(text: Text) -> slice | None:
    """Returns the part of a text between Project Gutenberg's header and licence; None if it has neither."""
    if not isinstance(text, str) and next(_windows(text, 0), None) is None:
        return None
    start = _place(_START, text, 0) or _place(_SMALL_PRINT_END, text, 0)
    end = _place(_END, text, start.stop if start else 0)
    if start is None and end is None:
        return None
    return slice(start.stop if start else 0, end.start if end else len(text))


def _place(pattern: re.Pattern[str], text: Text, begin: int) -> slice | None:
    """Returns where a mark is in a text from `begin` on; None if it has none."""
    if not isinstance(text, str):
        return _place_in_long(pattern, text, begin)
    match = pattern.search(text, begin)
    return None if match is None else slice(*match.span())


def _place_in_long(pattern: re.Pattern[str], text: LongText, begin: int) -> slice | None:
    for position, before, window in _windows(text, begin):
        match = pattern.search(window, before)
        if match is not None:
            return slice(position + match.start(), position + match.end())
    return None


def _windows(text: LongText, begin: int) -> Iterator[tuple[int, int, str]]:
    """Yields overlapping parts of a text from `begin` on that may contain a mark.

    Yields:
        Where the part begins in the text, and how many of its characters stand before what is new in it, and the part.
    """
    # What stands before a place shows whether it is at the beginning of a line.
    position = max(0, begin - 1)
    before = begin - position
    window = ""
    for block in text[position:].blocks():
        window += block
        if "*" in window and any(words in window.lower() for words in _IN_MARKS):
            yield position, before, window
        cut = max(0, len(window) - _MARK_LENGTH)
        position, window = position + cut, window[cut:]
        before = max(before - cut, min(1, position))


def _without_credits(body: str) -> str:
    credit = _CREDITS.match(body)
    if credit:
        body = body[credit.end() :]
    body = _LAST_LINE.sub("\n", body)
    return body.strip("\n") + "\n"
