"""Converts the bytes of a long text file to characters block by block, as `lmlab.data.decoding` does all at once."""

from __future__ import annotations

import codecs
from pathlib import Path

from lmlab.data.decoding import (
    PROBED,
    WIDE,
    Decoded,
    checked,
    damaged,
    marked_encoding,
    not_as_marked,
    not_in,
    refuse_binary,
    require_text_encoding,
    wrong_name,
)
from lmlab.data.kinds import refuse_container
from lmlab.data.opening import open_file
from lmlab.data.stored_text import DecodedFile, whole_file
from lmlab.data.text_statistics import MARK, TextStatistics


def decode_file(path: Path, encoding: str) -> Decoded | None:
    """Converts the bytes of a file to characters that stay on the disk, as `decode` does in memory.

    Args:
        path: the file.
        encoding: ``auto``, or the name of an encoding.

    Returns:
        The characters, with ``\\n`` as line end; None if `decode` has to see all bytes at once: a file that is empty,
        neither marked nor (damaged) UTF-8 while its encoding is to be found, or of two or four bytes a character
        without a mark.

    Raises:
        UserError: it cannot be read, is binary, or not in that encoding.
    """
    require_text_encoding(encoding)
    with open_file(path) as file:
        head = file.read(PROBED)
    refuse_container(head, path)
    if not head:
        return None
    found = _guessed(path, head) if encoding == "auto" else _as_named(path, head, encoding)
    return None if found is None else checked(found, head, path)


def _guessed(path: Path, head: bytes) -> Decoded | None:
    marked = marked_encoding(head)
    if not marked and b"\x00" in head:
        refuse_binary(head, head, path)
    seen = TextStatistics()
    try:
        file = DecodedFile(path, marked or "utf-8", lambda data, text: seen.add(text))
    except UnicodeDecodeError as error:
        if marked:
            raise not_as_marked(path, marked) from None
        return _damaged_utf8(path, line=seen.num_lines + error.object.count(b"\n", 0, error.start) + 1)
    return Decoded(whole_file(file), statistics=seen)


def _damaged_utf8(path: Path, *, line: int) -> Decoded | None:
    """Returns the text with U+FFFD for invalid bytes if most characters beyond ASCII are valid UTF-8; else None."""
    seen, valid = TextStatistics(), codecs.getincrementaldecoder("utf-8")(errors="ignore")
    num_kept = num_valid = 0

    def observe(data: bytes, text: str) -> None:
        nonlocal num_kept, num_valid
        seen.add(text)
        kept = valid.decode(data)
        num_kept += len(kept)
        num_valid += len(kept) - len(kept.encode("ascii", errors="ignore"))

    file = DecodedFile(path, "utf-8", observe, errors="replace")
    num_invalid = seen.num_characters - num_kept
    if num_valid <= num_invalid:
        return None
    return Decoded(whole_file(file), warnings=[damaged(path, num_invalid, line)], statistics=seen)


def _as_named(path: Path, head: bytes, encoding: str) -> Decoded | None:
    name = codecs.lookup(encoding).name
    if WIDE.fullmatch(name) and not marked_encoding(head):
        return None
    seen, otherwise = TextStatistics(), _IsUTF8()

    def observe(data: bytes, text: str) -> None:
        seen.add(text if seen.num_characters else text.removeprefix(MARK))
        if not name.startswith("utf-8"):
            otherwise.add(data)

    try:
        text = whole_file(DecodedFile(path, name, observe))
    except LookupError:  # a codec without an incremental decoder
        return None
    except UnicodeError:
        raise not_in(path, encoding) from None
    warnings = [wrong_name(path, encoding)] if otherwise else []
    return Decoded(text[1:] if str(text[:1]) == MARK else text, warnings=warnings, statistics=seen)


class _IsUTF8:
    """Whether bytes, given in blocks, are UTF-8 with characters beyond ASCII."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_valid, self._is_ascii = True, True

    def add(self, data: bytes) -> None:
        """Adds a block."""
        self._is_ascii = self._is_ascii and data.isascii()
        try:
            if self._is_valid and not self._is_ascii:
                self._decoder.decode(data)
        except UnicodeDecodeError:
            self._is_valid = False

    def __bool__(self) -> bool:
        return self._is_valid and not self._is_ascii and not self._decoder.getstate()[0]
