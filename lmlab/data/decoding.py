"""Converts the bytes of a text file to characters, and says where that involves a guess."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path

from lmlab.data.kinds import is_page, refuse_container
from lmlab.data.pieces import Text
from lmlab.data.text_statistics import CONTROLS, MARK, TextStatistics
from lmlab.errors import UserError

# UTF-32 first: its little-endian mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WIDE = re.compile(r"utf-(?:16|32)(?:-[lb]e)?")
_UNMARKED = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
# Has the same characters in every encoding that extends ASCII, but not in those of Python that are no encodings of
# texts (idna, punycode, unicode_escape).
_ASCII = b"xn--caf-dma \\u0041 a-b"
# Characters of which the share of accented ones is counted.
_SAMPLE = 10_000
# A text in a Western language has a few accented letters; one in another script, read as Windows-1252, has hardly
# anything else.
_MOST_ACCENTED = 0.5
# Bytes of which the encoding is found, and the share of spaces and line ends that shows it.
PROBED, _SPACED = 1 << 16, 0.01


@dataclass
class Decoded:
    """The characters of a file.

    Args:
        text: without byte order mark.
        notes: what was guessed.
        warnings: signs that the text is not what the user means.
        statistics: what was counted of the characters.
    """

    text: Text
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    statistics: TextStatistics = field(default_factory=TextStatistics)


def require_text_encoding(encoding: str) -> None:
    """Checks that a name is ``auto`` or an encoding of texts.

    Raises:
        UserError: it is not, or Python has no such encoding.
    """
    if encoding == "auto":
        return
    try:
        extends_ascii = b"ab" in "ab".encode(encoding)
        # Two Japanese encodings have the yen sign in place of the backslash.
        fits = not extends_ascii or _ASCII.decode(encoding).replace("¥", "\\") == _ASCII.decode("ascii")
    except (LookupError, ValueError):
        fits = False
    if not fits:
        raise UserError("data.encoding", encoding, "is no encoding of texts", "for example utf-8, latin-1 or auto")


def decode(data: bytes, path: Path, encoding: str) -> Decoded:
    """Converts bytes to text.

    A byte order mark determines the encoding. Bytes without one are UTF-8; if they are not, they are Windows-1252, or
    damaged UTF-8 if most of their characters beyond ASCII are valid.

    Args:
        data: the bytes.
        path: the file, for messages.
        encoding: ``auto``, or the name of an encoding to be used instead of this rule.

    Raises:
        UserError: binary, or not in that encoding.
    """
    refuse_container(data, path)
    found = _guessed(data, path) if encoding == "auto" else _as_named(data, path, encoding)
    found.statistics.add(str(found.text))
    return checked(found, data, path)


def checked(found: Decoded, data: bytes, path: Path) -> Decoded:
    """Refuses what has control characters that no text has, and adds the warnings of what was counted.

    Raises:
        UserError: binary.
    """
    seen = found.statistics
    _refuse_controls(seen.controls, seen.num_characters, data, path, has_nul=seen.has_nul)
    found.warnings += seen.warnings(path, known_wrong=bool(found.warnings))
    return found


def marked_encoding(data: bytes) -> str | None:
    """Returns the encoding of which bytes begin with the mark; None without one."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), None)


def not_as_marked(path: Path, marked: str) -> UserError:
    """Returns the error for a file that is not in the encoding of its byte order mark."""
    problem = f"begins like {marked} but is not in it, or is binary"
    return UserError("data.path", path, problem, "give a text file, or set data.encoding")


def not_in(path: Path, encoding: str) -> UserError:
    """Returns the error for a file that is not in the encoding that `data.encoding` names."""
    return UserError("data.encoding", encoding, f"{path} is not in it", "try data.encoding=auto")


def wrong_name(path: Path, encoding: str) -> str:
    """Returns the warning of an encoding that was named for a file in UTF-8."""
    what = f"{path.name}: read as {encoding}, but it is valid UTF-8 with characters beyond ASCII"
    return f"{what}, which are probably wrong now; data.encoding=auto reads them"


def _guessed(data: bytes, path: Path) -> Decoded:
    marked = marked_encoding(data)
    if marked:
        try:
            return Decoded(data.decode(marked))
        except UnicodeDecodeError:
            raise not_as_marked(path, marked) from None
    refuse_binary(data, data, path)
    try:
        return Decoded(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        found = _damaged_utf8(data, path, error.start)
    if found is not None:
        return found
    name_it = "name its encoding, for example data.encoding=cp1251, gb18030, big5 or mac-roman"
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        raise UserError("data.path", path, "is neither UTF-8 nor Windows-1252", name_it) from None
    accented = _share_beyond_ascii(text)
    if accented > _MOST_ACCENTED:
        problem = f"is not UTF-8, and as Windows-1252 {accented:.0%} of its characters would be accents and signs"
        raise UserError("data.path", path, problem, name_it)
    return Decoded(text, [f"{path.name}: not UTF-8, read as Windows-1252 (data.encoding overrides)"])


def _share_beyond_ascii(text: str) -> float:
    """Returns the share of the visible characters that are not in ASCII, of a sample."""
    visible = [character for character in text[:: max(1, len(text) // _SAMPLE)] if not character.isspace()]
    return sum(not character.isascii() for character in visible) / max(1, len(visible))


def decode_strictly(data: bytes, path: Path, encoding: str, *, member: str = "") -> str:
    """Converts the bytes of a published text, in which nothing is guessed or changed, to characters.

    Refuses what is certainly no copy of it.

    Args:
        data: the bytes.
        path: the file, for errors.
        encoding: ``auto`` for UTF-8, or the name of an encoding.
        member: the file within `path` if that is an archive.

    Raises:
        UserError: the bytes are not in this encoding, binary, a document or a page of the web.
    """
    require_text_encoding(encoding)
    refuse_container(data, path)
    try:
        text = data.decode("utf-8" if encoding == "auto" else encoding)
        _refuse_other_width(data, text, path, encoding)
    except UnicodeError:
        problem = f"{member} is not in {'UTF-8' if encoding == 'auto' else encoding}"
        remedy = "fetch it again, or name its encoding, for example data.encoding=latin-1"
        raise UserError("data.path", path, problem, remedy) from None
    refuse_binary(text, data, path, member=member)
    if is_page(text):
        raise UserError("data.path", path, f"{member} is a page of the web, not the text", "fetch the file again")
    return text


def _damaged_utf8(data: bytes, path: Path, start: int) -> Decoded | None:
    """Returns the text with U+FFFD for invalid bytes if most characters beyond ASCII are valid UTF-8; else None."""
    valid = data.decode("utf-8", errors="ignore")
    num_valid = len(valid) - len(valid.encode("ascii", errors="ignore"))
    text = data.decode("utf-8", errors="replace")
    num_invalid = len(text) - len(valid)
    line = data.count(b"\n", 0, start) + 1
    return None if num_valid <= num_invalid else Decoded(text, warnings=[damaged(path, num_invalid, line)])


def damaged(path: Path, num_invalid: int, line: int) -> str:
    """Returns the warning of damaged UTF-8, whose first invalid byte is in a line."""
    problem = f"damaged UTF-8: {num_invalid:,} places (the first in line {line:,}) became U+FFFD"
    return f"{path.name}: {problem}; fetch the file again, or name its data.encoding"


def _as_named(data: bytes, path: Path, encoding: str) -> Decoded:
    require_text_encoding(encoding)
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, UnicodeError):
        raise not_in(path, encoding) from None
    _refuse_other_width(data, text, path, encoding)
    found = Decoded(text.removeprefix(MARK))
    if not data.isascii() and _is_utf8(data) and data.decode("utf-8-sig") != found.text:
        found.warnings.append(wrong_name(path, encoding))
    return found


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _refuse_other_width(data: bytes, text: str, path: Path, encoding: str) -> None:
    """Refuses bytes that UTF-16 or UTF-32 make characters of although they are in another encoding.

    Raises:
        UserError: there is no mark, and spaces and line ends are those of an encoding with one byte a character, or of
            the other byte order.
    """
    name = "utf-8" if encoding == "auto" else codecs.lookup(encoding).name
    if not WIDE.fullmatch(name) or any(data.startswith(mark) for mark, _ in _MARKS):
        return
    num_spaces = text.count(" ") + text.count("\n")
    if b"\x00" not in data and (_is_utf8(data) or 10 * (data.count(b" ") + data.count(b"\n")) > len(data)):
        raise UserError(
            "data.encoding", name, f"{path} is not in it: it has one byte a character", "use data.encoding=auto"
        )
    other = name.removesuffix("-le").removesuffix("-be") + ("-le" if name.endswith("-be") else "-be")
    swapped = data.decode(other, errors="replace")
    if swapped.count(" ") + swapped.count("\n") > num_spaces:
        raise UserError("data.encoding", name, f"{path} has the other byte order", f"use data.encoding={other}")


def refuse_binary(text: str | bytes, data: bytes, path: Path, *, member: str = "") -> None:
    """Refuses what has control characters that no text has.

    Args:
        text: characters, or bytes of which each is one.
        data: the bytes of the file.
        path: the file, for the error.
        member: the file within `path` if that is an archive.

    Raises:
        UserError: it has; says how it is read if it is in UTF-16 or UTF-32.
    """
    if isinstance(text, bytes):
        has_nul, controls = b"\x00" in text, len(text) - len(text.translate(None, CONTROLS))
    else:
        has_nul, controls = "\x00" in text, sum(map(text.count, CONTROLS.decode("ascii")))
    _refuse_controls(controls, len(text), data, path, has_nul=has_nul, member=member)


def _refuse_controls(controls: int, length: int, data: bytes, path: Path, *, has_nul: bool, member: str = "") -> None:
    # Old texts may contain a stray control character, but not one in a thousand characters, and never NUL.
    if not has_nul and controls <= length / 1000 + 1:
        return
    wide = _wide_encoding(data)
    if wide:
        problem = f"looks like a binary file, unless it is {wide.upper()} without a byte order mark"
        raise UserError("data.path", path, problem, f"set data.encoding={wide}")
    problem = f"{member} looks like a binary file, not text"
    raise UserError("data.path", path, problem, "give a plain text file: unpack an archive, save a document as text")


def _wide_encoding(data: bytes) -> str:
    """Returns the encoding with two or four bytes a character in which bytes are a text; empty if there is none."""
    for name in _UNMARKED:
        try:
            text = codecs.getincrementaldecoder(name)().decode(data[:PROBED])
        except UnicodeDecodeError:
            continue
        if "\x00" not in text and text.count(" ") + text.count("\n") > _SPACED * len(text):
            return name
    return ""
