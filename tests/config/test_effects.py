"""A setting that is typed where it does nothing is told."""

from __future__ import annotations

import pytest

from lmlab.config.compose import train_settings
from lmlab.config.effects import beside_a_run, typed_twice, without_effect


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
        (
            ["data.encoding=latin-1"],
            ["data.encoding=latin-1 has no effect with data=python_docs, which reads no file of yours"],
        ),
        (["data=ptb", "data.split=[1,1]"], ["data.split=[1,1] has no effect with data=ptb, which has its own split"]),
        (["data=dickens", "data.split=[1,1]", "data.encoding=latin-1"], []),
        (
            ["trainer.min_steps=5"],
            [
                "trainer.min_steps=5 has no effect where nothing ends the run early "
                "(callbacks.early_stopping.patience, trainer.max_time)"
            ],
        ),
        (["trainer.min_steps=5", "trainer.max_time=00:00:01:00"], []),
        (["trainer.min_steps=5", "callbacks.early_stopping.patience=1"], []),
        (
            ["callbacks.early_stopping.min_delta=0.1"],
            ["callbacks.early_stopping.min_delta=0.1 has no effect without callbacks.early_stopping.patience"],
        ),
        (
            ["model.locked_dropout=true", "model.dropout=0"],
            ["model.locked_dropout=true has no effect without dropout (model.dropout)"],
        ),
        (["model.locked_dropout=true", "model.dropout=0", "model.input_dropout=0.1"], []),
        (["model.locked_dropout=false", "model.dropout=0"], []),
        (
            ["callbacks.sample_text.temperature=0", "callbacks.sample_text.top_k=3"],
            [
                "callbacks.sample_text.top_k=3 has no effect beside callbacks.sample_text.temperature=0, "
                "which draws nothing"
            ],
        ),
        (
            ["evaluation.baselines=false", "evaluation.ngram_order=4"],
            ["evaluation.ngram_order=4 has no effect beside evaluation.baselines=false"],
        ),
        (
            ["trainer.fast_dev_run=true", "trainer.max_steps=5"],
            ["trainer.max_steps=5 has no effect beside trainer.fast_dev_run, which sets it"],
        ),
    ],
)
def test_what_does_nothing_is_told(words: list[str], told: list[str]) -> None:
    assert list(without_effect(words, train_settings(words))) == told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["seed=1", "model=gru", "++seed=2"], ["seed=1 has no effect before ++seed=2: the last one counts"]),
        (["-m", "seed=1,2", "seed=3"], ["seed=1,2 has no effect before seed=3: the last one counts"]),
        (["seed=1", "seed=1", "--config-dir=a", "--config-dir=b", "~seed", "model.dropout=0"], []),
    ],
)
def test_a_word_that_a_later_one_replaces_is_told(words: list[str], told: list[str]) -> None:
    assert list(typed_twice(words)) == told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run=here", "output_dir=there"], ["output_dir=there does not count: run=here says where to look"]),
        (["run=latest", "output_dir=there"], []),
        (["output_dir=there"], []),
        (["run=here"], []),
        (["runs=here", "output_dir=there"], []),  # the report of several runs lies there
    ],
)
def test_the_place_of_runs_does_not_count_beside_a_run(words: list[str], told: list[str]) -> None:
    assert list(beside_a_run(words)) == told


def test_the_place_of_runs_does_not_count_beside_those_that_are_listed() -> None:
    told = ["output_dir=there does not count: runs=here says where to look"]
    assert list(beside_a_run(["runs=here", "output_dir=there"], "runs")) == told
