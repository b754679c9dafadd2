from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path

import pytest
from conftest import compose_config

from lmlab.data.sources.generated import make_grammar
from lmlab.training.callbacks.samples import as_markdown, fallback_prompts, mark
from lmlab.training.run import train


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


@pytest.mark.parametrize(
    ("leaves", "expected"),
    [(None, " [valid]"), (6, " [incomplete]"), (2, " [leaves the language after 2 of 6 characters]")],
)
def test_a_sample_of_a_formal_language_is_marked(leaves: int | None, expected: str) -> None:
    assert mark({**record("sab", "c!s"), "valid": leaves is None, "leaves": leaves}) == expected


def test_another_sample_has_no_mark(trained_run: Path) -> None:
    samples = [json.loads(line) for line in (trained_run / "samples.jsonl").read_text().splitlines()]
    assert samples
    assert not any({"valid", "leaves"} & sample.keys() or mark(sample) for sample in samples)


@pytest.mark.parametrize(
    ("name", "tokenizer", "prompts"),
    [("ndfa", "char", "['','sabc!s','sabc!']"), ("toy", "word", "['','a cat ran','the the']")],
)
def test_samples_of_a_formal_language_are_judged(
    name: str, tokenizer: str, prompts: str, text_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grammar = make_grammar(name)
    of_language = (f"data={name}", "data.path=null", "data.source.num_strings=1000", "data.source.num_held_out=50")
    drawn = ("num_samples=20", "length=5", "temperature=1", f"prompts={prompts}")
    overrides = (f"tokenizer={tokenizer}", "tokenizer.end_token=sentence", "optimizer.lr=0.02")
    sampled = (f"callbacks.sample_text.{setting}" for setting in drawn)
    with caplog.at_level(logging.INFO, logger="lmlab"):
        train(compose_config(text_file, *of_language, *overrides, *sampled), tmp_path)
    samples = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert len(samples) == 2 * 3 * 20
    kinds: Counter[str] = Counter()
    for sample in samples:
        string = sample["prompt"] + sample["text"]
        assert sample["valid"] == (sample["stop_reason"] == "end" and grammar.accepts(string)), string
        expected = None if sample["valid"] else grammar.leaves(string)
        # In the language, but it did not end.
        expected = len(string) if expected is None and not sample["valid"] else expected
        assert sample["leaves"] == expected, string
        kinds["valid" if expected is None else "incomplete" if expected == len(string) else "wrong"] += 1
    assert len(kinds) == 3, kinds
    assert f"sample, temperature 1{mark(samples[-60])}:" in caplog.text
