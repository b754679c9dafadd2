from __future__ import annotations

import pytest

from lmlab.training.callbacks.samples import as_markdown, fallback_prompts


def record(prompt: str, text: str) -> dict[str, object]:
    return {"prompt": prompt, "text": text}


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [("The ", "**The** end"), ("The", "**The**end"), (" a b ", " **a b** end"), ("", "end"), ("\n", "<br>end")],
)
def test_the_prompt_is_bold_whatever_white_space_surrounds_it(prompt: str, expected: str) -> None:
    assert as_markdown(record(prompt, "end")) == expected


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "**a**", "[a](javascript:b)", "`x`", "# a", "1. a", "&amp;"]
)
def test_no_markup_of_a_sample_reaches_the_page(text: str) -> None:
    import html

    made = as_markdown(record("", text))
    assert not set("<>*[]()`.") & set(made)
    assert html.unescape(made) == text


def test_prompts_come_from_the_validation_text_where_none_are_given() -> None:
    assert fallback_prompts("One two\nthree four", by_character=False) == ["One two three"]
    assert fallback_prompts("Antidisestablishmentarianism is long", by_character=True) == ["Antidisestablishment"]
