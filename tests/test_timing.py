"""Timing in turn: who is called when, and what is divided by what."""

from __future__ import annotations

import torch

from lmlab.timing import Timing, in_turn

CPU = torch.device("cpu")


def test_the_ratio_is_the_median_of_neighbours() -> None:
    timing = Timing(lmlab=(2.0, 3.0, 400.0), baseline=(1.0, 2.0, 100.0))
    assert timing.ratio == 2.0
    assert timing.rates == (1 / 3, 1 / 2)


def test_both_take_turns_and_the_first_calls_do_not_count() -> None:
    called: list[str] = []
    timing = in_turn(
        lambda: called.append("a"), lambda: called.append("b"), repetitions=3, units=2.0, device=CPU, warm_up=2
    )
    assert called == ["a", "b"] * 5
    assert len(timing.lmlab) == len(timing.baseline) == 3
    assert min(timing.lmlab + timing.baseline) > 0


def test_what_has_nothing_to_compare_with_has_no_ratio() -> None:
    timing = in_turn(lambda: None, None, repetitions=2, units=1.0, device=CPU)
    assert timing.baseline == ()
    assert timing.ratio is None
    assert timing.rates[1] is None
