"""Encodings against bytes that are in another one."""

from __future__ import annotations

import bz2
import gzip
import lzma
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


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "gbk", "big5", "euc-kr"])
def test_another_script_is_not_read_as_windows_1252(encoding):
    text = {"gbk": "话说天下大势，分久必合", "big5": "話說天下大勢，分久必合", "euc-kr": "나랏말싸미 듕귁에 달아"}
    data = text.get(encoding, "Мороз и солнце; день чудесный! ").encode(encoding) * 50
    with pytest.raises(UserError, match=r"Windows-1252.*name its encoding"):
        decode(data, PATH, "auto")
    assert decode(data, PATH, encoding).text.encode(encoding) == data


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("named", ["auto", "latin-1"])
def test_wide_characters_without_a_mark_are_named_by_a_remedy_that_works(encoding, named):
    with pytest.raises(UserError) as caught:
        decode(TEXT.encode(encoding), PATH, named)
    assert caught.value.remedy == f"set data.encoding={encoding}"
    assert decode(TEXT.encode(encoding), PATH, encoding).text == TEXT


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (gzip.compress(PLAIN.encode()), "a gzip file"),
        (bz2.compress(PLAIN.encode()), "a bzip2 file"),
        (lzma.compress(PLAIN.encode()), "an xz file"),
        (b"%PDF-1.4\n" + PLAIN.encode(), "a PDF"),
        (b"{\\rtf1 " + PLAIN.encode(), "rich text format"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS"),
    ],
    # By name: a gzip file holds its second of writing, and two workers must collect equal tests.
    ids=["gzip", "bzip2", "xz", "PDF", "RTF", "LFS"],
)
def test_what_is_no_plain_text_is_refused_by_its_kind(data, what):
    for read in (decode, decode_strictly):
        for encoding in ("auto", "latin-1"):
            with pytest.raises(UserError, match=what):
                read(data, PATH, encoding)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (f"<!DOCTYPE html>\n<html>{PLAIN}", "HTML"),
        (f"{PLAIN}<br />" * 5, "HTML"),
        (f"<?xml version='1.0'?>{PLAIN}", "XML"),
        ('{"text": "a"}\n' * 9, "JSON"),
        ('[\n "a",\n "b"]\n' * 9, "JSON"),
        ("<unk> of the <unk> [a] {b}\n" * 9, ""),
        ('["Yes," he said.]\n' * 9, ""),
    ],
)
def test_markup_is_warned_of(text, language):
    warnings = decode(text.encode(), PATH, "auto").warnings
    assert [f"looks like {language}" in w for w in warnings] == ([True] if language else [])
    if text.startswith("<!"):
        with pytest.raises(UserError, match="page of the web"):
            decode_strictly(text.encode(), PATH, "auto")


def test_utf8_that_was_encoded_twice_is_warned_of():
    twice = TEXT.encode().decode("cp1252", errors="ignore")
    assert "look like UTF-8 that was read as Windows-1252" in decode(twice.encode(), PATH, "auto").warnings[0]
    assert decode("SÃO PAULO, Ângela".encode() * 9, PATH, "auto").warnings == []


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
