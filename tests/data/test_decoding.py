"""Encodings against bytes that are in another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmlab.data.decoding import decode, decode_strictly, require_text_encoding
from lmlab.errors import UserError

PATH = Path("some.txt")
TEXT = "Naïve café — “quoted” €5, and more of it.\nSecond line\n" * 20
PLAIN = "A line of plain words\n" * 20


@pytest.mark.parametrize(
    "name", ["rot13", "base64", "hex", "bz2", "idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"]
)
def test_what_is_no_encoding_of_texts_is_refused(name):
    for use in (require_text_encoding, lambda e: decode(b"abc", PATH, e), lambda e: decode_strictly(b"abc", PATH, e)):
        with pytest.raises(UserError, match="no encoding of texts"):
            use(name)


@pytest.mark.parametrize(
    "name",
    ["auto", "utf-8", "ascii", "latin-1", "cp500", "utf-7", "shift_jis_2004", "gb18030", "utf-16", "hz", "koi8-r"],
)
def test_encodings_of_texts_are_not(name):
    require_text_encoding(name)


@pytest.mark.parametrize("wide", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("data", [PLAIN.encode(), TEXT.encode(), TEXT.encode("cp1252"), b"ab", b"abcdefgh"])
def test_one_byte_a_character_is_not_read_as_two(data, wide):
    for read in (decode, decode_strictly):
        with pytest.raises(UserError, match=r"is not in|one byte a character") as caught:
            read(data + b" " * (-len(data) % 4), PATH, wide)
        assert "\n" not in str(caught.value)


def test_the_other_byte_order_is_noticed():
    assert decode(TEXT.encode("utf-16-le"), PATH, "utf-16-le").text == TEXT
    for named, other in (("utf-16-le", "utf-16-be"), ("utf-16-be", "utf-16-le"), ("utf-16", "utf-16-be")):
        with pytest.raises(UserError, match=f"other byte order; use data.encoding={other}"):
            decode(TEXT.encode(other), PATH, named)


def test_chinese_in_utf_16_is_read():
    text = "中文没有空格，“也没有”换行。" * 50
    assert decode(text.encode("utf-16-le"), PATH, "utf-16-le").text == text


@pytest.mark.parametrize("named", ["latin-1", "cp1252", "cp437"])
def test_utf8_read_as_something_else_is_warned_of(named):
    (warning,) = decode("café\n".encode() * 20, PATH, named).warnings
    assert "valid UTF-8" in warning
    assert decode(PLAIN.encode(), PATH, named).warnings == []
    assert decode("naïve\n".encode(named, errors="replace") * 20, PATH, named).warnings == []


def test_a_damaged_file_is_repaired_where_it_is_damaged():
    data = TEXT.encode()
    found = decode(data + b"one\xffline\n" + data, PATH, "auto")
    assert found.text == f"{TEXT}one\ufffdline\n{TEXT}"
    assert "1 places (the first in line 41)" in found.warnings[0]
    assert decode(TEXT.encode("cp1252"), PATH, "auto").text == TEXT


@pytest.mark.parametrize("encoding", ["auto", "latin-1"])
def test_binary_is_found_wherever_it_begins(encoding):
    with pytest.raises(UserError, match="binary"):
        decode(b"plain words " * 200_000 + b"\x00", PATH, encoding)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (f"{PLAIN}\ufeff{PLAIN}", "1 byte order marks inside the text, the first in line 21"),
        (PLAIN.replace("l", "\ufffd"), "are U\\+FFFD"),
        ("a" * 600 + "bcd " * 100, "60% of the characters are 'a'"),
    ],
)
def test_characters_that_are_there_by_accident_are_warned_of(text, warning):
    found = decode(text.encode(), PATH, "auto")
    assert found.text == text
    with pytest.raises(ValueError, match=warning):
        raise ValueError(found.warnings[0])
    assert len(found.warnings) == 1
