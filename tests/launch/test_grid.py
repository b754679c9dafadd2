"""The grid of a sweep."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import RangeSweep

from lmlab.errors import UserError
from lmlab.launch.grid import MAX_JOBS, Grid, range_length


class Groups:
    """Stands for Hydra's loader of configurations."""

    def get_group_options(self, group: str, **more: Any) -> list[str]:
        return ["_shared", "gru", "lstm"] if group == "model" else []


def grid(*words: str) -> Grid:
    return Grid.parse(words, Groups())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "words",
    [
        ["seed=0"],
        ["seed=0,1", "model=lstm,gru", "optimizer.lr=1e-3"],
        ["seed=range(3,0,-1)", "seed=5,6", "+x='a,b',c", "~y", "++z=[1,2],[3]"],
        ["optimizer.lr=range(0,0.3,0.1)", "name=sort(b,a)", "data.path='it\\'s',null"],
    ],
)
def test_its_jobs_are_those_of_hydras_own_sweeper(words: list[str]) -> None:
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    (expected,) = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(words), None)
    assert grid(*words).jobs() == expected
    assert grid(*words).num_jobs == len(expected)


def test_what_is_swept_is_what_has_several_values_in_the_end() -> None:
    assert grid("seed=0,1", "+x=1,2", "model=gru,lstm", "seed=3").swept == {"x", "model"}


def test_a_pattern_stands_for_the_options_that_can_be_chosen() -> None:
    assert grid("model=glob(*)").jobs() == [["model=gru"], ["model=lstm"]]


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("optimizer.lr=interval(0,1)", "is an interval"),
        ("seed=range(0,1e9)", "has 1,000,000,000 values"),
        ("seed=sort(range(0,1e9))", "has 1,000,000,000 values"),
        ("seed=range(0,1,0)", "endless"),
        ("seed=range(0,inf)", "endless"),
        ("optimizer.lr=range(1e30,2e30,1)", "too large"),
        ("seed=range(5,1)", "has no value"),
        ("model=glob(x*)", "has no value"),
        ("seed=shuffle(0,1)", "could not be resumed"),
        ("seed=shuffle(range(0,2))", "could not be resumed"),
        ("seed=0,1,0", "is given twice"),
        ("optimizer.lr=1e-3,0.001", "is given twice"),
    ],
)
def test_values_that_make_no_grid_are_refused(word: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as refused:
        grid("data.stride=1,2", word)
    assert refused.value.field == word.partition("=")[0]


def test_too_many_jobs_are_refused_before_they_are_made() -> None:
    many = "range(0,10000)"
    assert grid(f"seed={many}").num_jobs == MAX_JOBS
    with pytest.raises(UserError, match=r"^sweep: 1,000,000,000,000 jobs are more than 10,000; .* a, b, seed$"):
        grid(f"seed={many}", f"a={many}", f"b={many}")


def test_a_range_is_counted_as_it_is_gone_through() -> None:
    assert range_length(RangeSweep(start=0, stop=MAX_JOBS + 2, step=1)) == MAX_JOBS + 2
    for stop in (0.1, 0.3, 0.7, 1.1, 1.2, 5, -1):
        for step in (0.1, 0.2, 0.3, 1, -0.1):
            sweep = RangeSweep(start=0, stop=stop, step=step)
            assert range_length(sweep) == len(list(sweep.range()))
