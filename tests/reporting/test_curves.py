"""What evaluations say, and that it is what training says too."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from made_sweeps import evaluations, made_job, write_history

from lmlab.data import overlap
from lmlab.models import embedding
from lmlab.reporting import curves, run_diagnostics
from lmlab.reporting.curves import clip_fraction, diagnose_history, first_non_finite, nats_below_source
from lmlab.runs.records import read_record
from lmlab.training.callbacks import alarms


@pytest.mark.parametrize(
    ("validation", "training", "kind"),
    [
        ([2.0, 1.5, 1.6], [2.0, 1.5, 1.4], "overfitting"),
        ([2.0, 1.5, 1.6], [2.0, 1.5, 1.5], "failed optimisation"),
        ([2.0, 1.5, 1.6], [2.0, 1.5, 1.6], "failed optimisation"),
        ([2.0, 1.5, 1.505], [2.0, 1.5, 1.0], "last worse"),
        ([2.0, 1.5, 1.6], [], "last worse"),
        ([2.0, 1.5, 1.5012], [2.0, 1.5, 1.0], "last worse"),
        ([2.0, 1.5, 1.5005], [2.0, 1.5, 1.0], None),
        ([2.0, 1.5, 1.9, 1.4], [2.0, 1.5, 1.4, 1.3], None),
        ([2.0], [1.0], None),
        ([], [], None),
        ([2.0, 1.5, math.nan], [2.0, 1.5, 1.4], None),
        ([2.0, 1.5, 1.6, math.inf], [2.0, 1.5, 1.4, math.nan], "overfitting"),
    ],
)
def test_the_kinds_of_turn(validation: list[float], training: list[float], kind: str | None) -> None:
    found = diagnose_history(evaluations(validation, training))
    assert (found.kind if found else None) == kind


def test_a_turn_has_the_best_the_last_and_what_lies_between() -> None:
    found = diagnose_history(evaluations([2.0, 1.5, 1.7, 1.625], [2.0, 1.5, 1.4, 1.0]))
    assert found is not None
    assert (found.best["epoch"], found.last["epoch"]) == (2, 4)
    assert found.rise == pytest.approx(0.125)


def test_training_and_report_agree_on_every_curve() -> None:
    generator = random.Random(0)
    seen = set()
    for _ in range(500):
        size = generator.randint(1, 5)
        validation = [round(generator.uniform(1, 1.05), 3) for _ in range(size)]
        training = [round(generator.uniform(1, 1.05), 3) for _ in range(size)]
        rows = evaluations(validation, training)
        said = [warning.partition(":")[0] for warning in alarms.curve_warnings(rows)]
        found = diagnose_history(rows)
        kinds = [found.kind] if found is not None and found.kind != "last worse" else []
        assert kinds == said
        seen |= set(said)
    assert seen == {"overfitting", "failed optimisation"}


def test_limits_are_those_of_training() -> None:
    assert (curves.NOTICEABLE, curves.CLIPPED_ALARM) == (alarms.NOTICEABLE, alarms.CLIPPED_ALARM)
    assert curves.IMPOSSIBLE_NATS == alarms.IMPOSSIBLE_NATS
    assert run_diagnostics.COVERAGE_ALARM == embedding.COVERAGE_ALARM
    from lmlab.data import datamodule

    assert run_diagnostics.UNK_ALARM == datamodule.UNK_ALARM
    assert overlap.ALARM  # leaks are found while training; the report repeats what was said


def test_the_clipped_share_is_one_of_steps_not_of_evaluations() -> None:
    rows = [{"step": 90.0, "clip_fraction": 0.0}, {"step": 100.0, "clip_fraction": 1.0}]
    assert clip_fraction(rows) == pytest.approx(0.1)
    assert clip_fraction([{"step": 90.0}, {"step": 100.0, "clip_fraction": 0.5}]) == 0.5
    assert clip_fraction([{"step": 1.0, "clip_fraction": 1.0}, {"clip_fraction": 0.0}]) == 1.0
    assert clip_fraction([{"step": 10.0}]) is None
    assert clip_fraction([]) is None


@pytest.mark.parametrize(("excess", "below"), [(-0.0101, 20.2), (-0.01, 20.0), (-0.0099, None), (0.5, None)])
def test_a_model_better_than_the_source_by_more_than_chance(tmp_path: Path, excess: float, below: float | None) -> None:
    folder = made_job(tmp_path, 0, [], val__excess_nats_per_token=excess, val__num_tokens=2000)
    found = nats_below_source(read_record(folder))
    assert found == (None if below is None else pytest.approx(below))


def test_without_a_count_it_is_not_known(tmp_path: Path) -> None:
    folder = made_job(tmp_path, 0, [], val__excess_nats_per_token=-9.0, val__num_tokens=None)
    assert nats_below_source(read_record(folder)) is None


def test_one_evaluation_below_the_source_is_enough(tmp_path: Path) -> None:
    folder = made_job(tmp_path, 0, [])
    first, second = evaluations([1.0, 1.0], val__num_tokens=1000)
    write_history(folder, [first | {"val/excess_nats_per_token": -0.03}, second | {"val/excess_nats_per_token": 0.01}])
    assert nats_below_source(read_record(folder)) == pytest.approx(30)


def test_the_first_loss_that_is_no_number() -> None:
    rows = evaluations([2.0, 1.0, math.inf, 1.0], [2.0, math.nan, 1.0, 1.0])
    assert first_non_finite(rows) is rows[1]
    assert first_non_finite(rows[:1]) is None
    assert first_non_finite([{"lr": math.nan}]) is None
