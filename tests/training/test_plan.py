"""What is told of a run before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import compose_config

from lmlab.config.compose import train_settings
from lmlab.training.plan import not_reached, slower_sizes


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


@pytest.mark.parametrize(
    ("words", "dim", "told"),
    [
        (["model.hidden_size=500"], 256, ["model.hidden_size=500: 512 would use a faster kernel of cuDNN"]),
        (["model=gru", "model.hidden_size=512"], 100, ["embedding.dim=100: 128 would use a faster kernel of cuDNN"]),
        (["data.batch_size=20"], 128, ["data.batch_size=20: 24 would use a faster kernel of cuDNN"]),
        (["data.batch_size=300"], 128, []),
        (["model.hidden_size=1500"], 100, []),
        (["model=feedforward", "model.hidden_size=500"], 100, []),
    ],
)
def test_a_size_that_misses_cudnns_fastest_kernels_is_named_on_a_gpu_only(words, dim, told):
    settings = train_settings(words)
    settings.trainer.precision = "16-mixed"
    assert list(slower_sizes(settings, dim, "cuda")) == told
    assert not list(slower_sizes(settings, dim, "cpu"))
    settings.trainer.precision = "32-true"
    assert not list(slower_sizes(settings, dim, "cuda"))
