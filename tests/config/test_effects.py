"""A setting of data that is typed for another loader is told."""

from __future__ import annotations

import pytest

from lmlab.config.compose import compose_settings, train_settings
from lmlab.config.effects import beside_a_run, without_effect
from lmlab.config.settings import PredictSettings, ReportSettings, Settings


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


@pytest.mark.parametrize(
    ("command", "kind", "words", "told"),
    [
        (
            "predict",
            PredictSettings,
            ["run=here", "output_dir=there"],
            ["output_dir=there does not count: run=here says where the run is"],
        ),
        ("predict", PredictSettings, ["run=latest", "output_dir=there"], []),
        ("predict", PredictSettings, ["run=here"], []),
        ("report", ReportSettings, ["runs=here", "output_dir=there"], []),  # the report of several runs lies there
    ],
)
def test_the_place_of_runs_does_not_count_beside_a_run(
    command: str, kind: type[Settings], words: list[str], told: list[str]
) -> None:
    assert list(beside_a_run(words, compose_settings(command, kind, words))) == told
