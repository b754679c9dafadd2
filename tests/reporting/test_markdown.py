"""Markdown that no text can break, read back as a renderer reads it."""

from __future__ import annotations

import html
import re

import markdown
import pandas as pd
import pytest

from lmlab.reporting.report import MOST_ROWS, escaped, fenced, markdown_table


def rendered(text: str) -> str:
    return markdown.markdown(text, extensions=["tables", "fenced_code"])


def plain(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


NASTY = [
    "<script>alert(1)</script>", "a | b", "**bold** _it_ `code` ~~gone~~", "[x](http://y) ![z](w)", "# head", "- item",
    "+ item", "1. item", "2) item", "=== x", "> quote", "&lt; &amp;", "\\*x\\*", "$x^2$", "http://a.b", "me@a.b",
    "snake_case_name __init__", "``` fence", "~~~ fence", "<!-- x -->", "a\nb", "  four   spaces", "---", "***", "-1.5",
    "[^1]: note", "| a |", "0.5", "*", "_", "`", "\\", "a\\", "{{ 7*7 }}", "x" * 200,
]  # fmt: skip


@pytest.mark.parametrize("text", NASTY)
def test_no_text_is_markup_or_breaks_a_table(text: str) -> None:
    shown = " ".join(text.split())
    for page in (rendered(escaped(text)), rendered(f"- {escaped(text)}"), rendered(f"**{escaped(text)}**")):
        assert plain(page) == shown
        assert not re.search(r"<(?!/?(p|ul|li|strong)>)", page)
    page = rendered(markdown_table(pd.DataFrame({"a": [text, "y"], text + " ": ["x", text]})))
    cells = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", page, re.DOTALL)
    assert [plain(cell) for cell in cells] == ["a", shown, shown, "x", "y", shown]


def test_words_stand_left_and_numbers_right() -> None:
    cells = {"a": "gru", "b": "1.5000 ± 0.0100", "c": "12.3k", "d": "–", "e": "2 (best)", "f": "50.0%", "g": "3 of 4"}
    frame = pd.DataFrame([cells, {**cells, "b": "inf"}])
    assert markdown_table(frame).splitlines()[1] == "| :-- | --: | --: | --: | --: | --: | :-- |"


def test_a_long_table_says_what_is_left_out() -> None:
    frame = pd.DataFrame({"a": [str(i) for i in range(MOST_ROWS + 5)]})
    assert markdown_table(frame).endswith(f"| {MOST_ROWS - 1} |\n\n… and 5 more, see the CSV files.")
    assert "more" not in markdown_table(frame.head(MOST_ROWS))


def test_words_and_numbers_read_well_unrendered() -> None:
    text = "Best: hidden_size 64 (seed 0), 1.5000 ± 0.0100 nats; raise trainer.max_epochs=3 - or 5-gram!"
    assert escaped(text) == text


@pytest.mark.parametrize(
    "text", ["", "plain", "```\ncode\n```", "````", "a`b", "    x", "<b>", "~~~", "`" * 50, "\n\n"]
)
def test_a_fence_is_longer_than_any_in_it(text: str) -> None:
    fence, *inside, end = fenced(text).split("\n")
    assert "\n".join(inside) == text
    assert re.fullmatch(r"`{3,}text", fence)
    assert end == fence.removesuffix("text")
    assert end not in text
    (found,) = re.findall(r"<code[^>]*>(.*?)</code>", rendered(f"before\n\n{fenced(text)}\n\nafter"), re.DOTALL)
    assert html.unescape(found).strip("\n") == text.strip("\n")


def test_control_characters_become_signs() -> None:
    assert fenced("a\x1b[2Jb\r\nc\u2028d\x00\u202e\ud800") == "```text\na�[2Jb\nc\nd���\n```"
    assert escaped("a\x1bb") == "a�b"
