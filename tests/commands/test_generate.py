"""What `lmlab.generate` says of words that cannot have the effect meant."""

from __future__ import annotations

import pytest

from lmlab.config.compose import compose_settings
from lmlab.config.settings import GenerateSettings
from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.generate import without_effect


@pytest.mark.parametrize(
    ("words", "notes"),
    [
        (["temperature=0", "top_k=5"], ["temperature=0 takes the most probable token: top_k=5 does not count"]),
        (
            ["temperature=-0.0", "top_p=0.5", "seed=3"],
            ["temperature=0 takes the most probable token: top_p=0.5 and seed=3 do not count"],
        ),
        (["temperature=0", "num_samples=2"], ["temperature=0 leaves nothing to chance: all samples are the same"]),
        (["top_k=1", "num_samples=2"], ["top_k=1 leaves nothing to chance: all samples are the same"]),
        (["top_k=5"], ["top_k=5: the vocabulary has 4 entries"]),
        (["top_k=4", "top_p=0.5", "seed=3", "num_samples=2"], []),
    ],
)
def test_what_cannot_have_the_effect_meant_is_told(words: list[str], notes: list[str]) -> None:
    settings = compose_settings("generate", GenerateSettings, words)
    assert list(without_effect(settings, fitted("document"))) == notes


@pytest.mark.parametrize(("end_token", "told"), [(None, True), ("document", False)])
def test_nothing_ends_a_text_that_has_no_end_token(end_token: str | None, told: bool) -> None:
    settings = compose_settings("generate", GenerateSettings, ["stop_at_end=false"])
    notes = ["stop_at_end=false does not count: this run's texts have no end token"] if told else []
    assert list(without_effect(settings, fitted(end_token))) == notes


def fitted(end_token: str | None) -> CharTokenizer:
    """Entries: <unk>, a, b, and the end token or c."""
    tokenizer = CharTokenizer(end_token=end_token)
    tokenizer.fit(["abab" if end_token else "abcabc"])
    return tokenizer
