"""What is told of a run before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import compose_config

from lmlab.training.plan import not_reached


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["callbacks.checkpoints.keep_every=7"],
            ["callbacks.checkpoints.keep_every=7 has no effect in a run of 6 steps"],
        ),
        (["callbacks.checkpoints.keep_every=6", "callbacks.sample_text.every_n_steps=6"], []),
        (
            ["callbacks.sample_text.every_n_steps=7"],
            ["callbacks.sample_text.every_n_steps=7 has no effect in a run of 6 steps"],
        ),
        (["callbacks.sample_text=null"], []),
    ],
)
def test_intervals_longer_than_the_run_are_told(text_file: Path, words: list[str], told: list[str]) -> None:
    settings = compose_config(text_file, *words)
    assert list(not_reached(settings, steps=6, pause_at=None, done=0)) == told


@pytest.mark.parametrize(
    ("pause_at", "done", "told"),
    [
        (7, 0, ["stop_after_tokens has no effect: the run ends after step 6, before it would pause"]),
        (3, 3, ["stop_after_tokens was reached at step 3, so the run pauses again at once"]),
        (3, 2, []),
        (6, 0, []),
    ],
)
def test_a_pause_that_does_not_come_or_has_been_is_told(
    text_file: Path, pause_at: int, done: int, told: list[str]
) -> None:
    settings = compose_config(text_file)
    assert list(not_reached(settings, steps=6, pause_at=pause_at, done=done)) == told
