"""Text files as people have them; every file is written here."""

from __future__ import annotations

import codecs
import random

import pytest

from lmlab.data.reading import TextFile, read_text_file, strip_gutenberg
from lmlab.errors import UserError

TEXT = "Naïve café — “quoted” €5.\nSecond line\n\n  Indented\t\n"


@pytest.fixture
def read(tmp_path):
    def write_and_read(data: bytes, encoding: str = "auto") -> TextFile:
        path = tmp_path / "some.txt"
        path.write_bytes(data)
        return read_text_file(path, encoding=encoding)

    return write_and_read


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_unicode_is_read_with_and_without_its_mark(read, mark, encoding):
    assert read(mark + TEXT.encode(encoding)) == TextFile(TEXT, ())


def test_what_is_not_utf8_is_read_as_windows_1252_and_noted(read):
    found = read(TEXT.encode("cp1252"))
    assert found.text == TEXT
    assert len(found.notes) == 1
    assert "some.txt" in found.notes[0]
    assert "Windows-1252" in found.notes[0]


def test_what_is_neither_is_refused_with_a_remedy(read):
    with pytest.raises(UserError, match=r"neither UTF-8 nor Windows-1252.*data\.encoding="):
        read(b"caf\xe9 \x81\x8d")


def test_a_named_encoding_is_used_instead(read):
    assert read("Привет, ёжик".encode("cp1251"), "cp1251") == TextFile("Привет, ёжик", ())
    assert read(TEXT.encode("utf-16-le"), "utf-16-le").text == TEXT
    assert read(codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "utf-16-le").text == TEXT
    assert read(codecs.BOM_UTF8 + TEXT.encode(), "utf-8").text == TEXT


@pytest.mark.parametrize(("data", "encoding"), [(b"caf\xe9", "utf-8"), (b"caf\xe9", "ascii"), (b"abc", "utf-16-le")])
def test_a_named_encoding_that_does_not_fit_is_refused(read, data, encoding):
    with pytest.raises(UserError, match=f"data.encoding={encoding}") as caught:
        read(data, encoding)
    assert caught.value.field == "data.encoding"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_line_ends_become_line_feeds(read, encoding):
    assert read("one\r\ntwo\rthree\n\r\n\rend".encode(encoding)).text == "one\ntwo\nthree\n\n\nend"


def test_nothing_else_of_a_text_is_changed(read):
    text = "\n  \n\ta \x0c\x0b\x1b[0m b\u2028\u00a0c  \n\n\n"
    assert read(text.encode()) == TextFile(text, ())


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        b"plain text with a NUL\x00",
        b"\x01\x02\x03\x04 some text",
        random.Random(0).randbytes(5000),
        "UTF-16 without a mark".encode("utf-16-le"),
    ],
    ids=["png", "nul", "controls", "noise", "utf-16 without mark"],
)
def test_binary_is_refused(read, data):
    with pytest.raises(UserError, match="binary") as caught:
        read(data)
    assert caught.value.field == "data.path"


@pytest.mark.parametrize("data", [codecs.BOM_UTF16_LE + b"a\x00b", codecs.BOM_UTF8 + b"a\xff"], ids=["utf-16", "utf-8"])
def test_a_mark_that_does_not_fit_is_refused(read, data):
    with pytest.raises(UserError, match="begins like utf-"):
        read(data)


def test_a_stray_control_character_is_text(read):
    text = "a line of an old text\n" * 100 + "\x1a"
    assert read(text.encode()).text == text


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty"),
        (codecs.BOM_UTF8, "white space"),
        (b" \r\n\t \n", "white space"),
        ("\u3000\n".encode("utf-16"), "white space"),
    ],
)
def test_a_file_without_text_is_refused(read, data, problem):
    with pytest.raises(UserError, match=problem):
        read(data)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"missing\.txt.*no such file"):
        read_text_file(tmp_path / "missing.txt", encoding="auto")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="directory"):
        read_text_file(tmp_path, encoding="auto")


# Project Gutenberg

BOOK = "THE BOOK\n\nby Somebody\n\n\nChapter 1\n\n  It was a *** dark night.\n\nThe End\n"
HEADER = "The Project Gutenberg eBook of The Book\n\nThis eBook is for the use of anyone.\nTitle: The Book\n\n"
FOOTER = "\n\nUpdated editions will replace the previous one.\n\nSTART: FULL LICENSE\n\nSection 1.\n"


def frame(the: str = "THE", *, name: str = "THE BOOK", credit: str = "", last_line: str = "") -> str:
    start = f"*** START OF {the} PROJECT GUTENBERG EBOOK {name} ***\n\n"
    end = f"*** END OF {the} PROJECT GUTENBERG EBOOK {name} ***"
    return f"{HEADER}{start}{credit}\n\n{BOOK}\n\n{last_line}\n\n{end}{FOOTER}"


@pytest.mark.parametrize(
    "text",
    [
        frame(),
        frame("THIS"),
        frame(name="THE BOOK,\nOR THE BOOK"),
        frame().replace("*** START", "***START").replace("*** END", "***END").replace("BOOK ***", "BOOK***"),
        frame().replace("EBOOK", "eBook"),
        frame(credit="Produced by A. Person and the Team at\nhttps://www.pgdp.net\n"),
        frame(credit="E-text prepared by A. Person\n"),
        frame(credit="This etext was produced by A. Person.\n"),
        frame(last_line="End of the Project Gutenberg EBook of The Book, by Somebody"),
        frame(last_line="End of Project Gutenberg's The Book,\nby Somebody"),
    ],
    ids=["THE", "THIS", "two lines", "no spaces", "eBook", "produced", "e-text", "etext", "last line", "last lines"],
)
def test_gutenbergs_frame_is_removed(read, text):
    for line_end in ("\n", "\r\n"):
        found = read(text.replace("\n", line_end).encode("utf-8-sig"))
        assert found.text == BOOK
        assert len(found.notes) == 1
        assert "Project Gutenberg" in found.notes[0]
        assert f"({len(text) - len(BOOK):,} characters)" in found.notes[0]


def test_the_small_print_of_old_gutenberg_texts_is_removed():
    small_print = "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\n\n"
    text = f"Project Gutenberg's Etext\n\n{small_print}{BOOK}\n\n\nEnd of Project Gutenberg's Etext of The Book\n\n"
    assert strip_gutenberg(text) == BOOK


@pytest.mark.parametrize(
    "text",
    [
        BOOK,
        "Produced by hand\nin Rome\n\nA text.\n\n\n",
        "\n\nI read it at Project Gutenberg.\nEnd of Project Gutenberg talk.\n",
        "He said: *** START OF THE RACE ***\n and *** END OF THE RACE ***\n",
        "A line, then *** START OF THE PROJECT GUTENBERG EBOOK X ***\nis no frame inside a line.\n",
    ],
)
def test_a_text_without_the_frame_is_untouched(read, text):
    assert strip_gutenberg(text) is None
    assert read(text.encode()) == TextFile(text, ())


def test_credits_inside_a_book_stay(read):
    book = BOOK.replace("The End", "Produced by magic\nat night")
    text = frame().replace(BOOK, book)
    assert read(text.encode()).text == book
