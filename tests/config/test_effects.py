"""A setting of data that is typed for another loader is told."""

from __future__ import annotations

import pytest

from lmlab.config.compose import train_settings
from lmlab.config.effects import without_effect


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["batching=chunks", "data.stride=5"], ["data.stride=5 has no effect with batching=chunks; it is for windows"]),
        (["batching=windows", "data.stride=5", "data.sequence_length=9"], []),
        (["data=sst", "data.batch_size=9"], []),
        (
            ["data=sst", "data.batch_size=9", "data.tokens_per_batch=500"],
            ["data.batch_size=9 has no effect beside data.tokens_per_batch=500"],
        ),
    ],
)
def test_what_does_nothing_is_told(words: list[str], told: list[str]) -> None:
    assert list(without_effect(words, train_settings(words))) == told
