from __future__ import annotations

import pytest

from lmlab.training.callbacks.alarms import curve_warnings, diverged_warnings


def rows(*pairs: tuple[float, float]) -> list[dict[str, float]]:
    return [
        {"epoch": float(i), "val/nats_per_token": validation, "train/nats_per_token": training}
        for i, (training, validation) in enumerate(pairs, 1)
    ]


@pytest.mark.parametrize(
    ("pairs", "kind"),
    [
        ([(3.0, 3.1), (2.5, 2.9), (2.0, 3.2)], "overfitting"),
        ([(6.46, 6.31), (6.45, 6.40), (6.46, 6.60)], "failed optimisation"),
        ([(6.0, 6.1), (6.5, 6.3)], "failed optimisation"),
        ([(3.0, 3.1), (2.5, 2.9), (2.0, 2.8)], None),
        ([(3.0, 3.1), (2.5, 3.3), (2.0, 2.8)], None),
        ([(3.0, 3.1), (2.9, 3.105)], None),
        ([(3.0, 3.1)], None),
        ([], None),
    ],
)
def test_overfitting_and_failed_optimisation_are_told_apart(pairs: list[tuple[float, float]], kind: str | None) -> None:
    found = curve_warnings(rows(*pairs))
    assert [warning.partition(":")[0] for warning in found] == ([kind] if kind else [])


def test_before_the_text_was_read_once_nothing_was_learnt_by_heart() -> None:
    early = rows((3.0, 3.1), (2.5, 2.9), (2.0, 3.2))
    for row in early:
        row["epoch"] /= 3
    (found,) = curve_warnings(early)
    assert found.startswith("unsteady: validation rose from 2.900 nats (epoch 0.666667) to 3.200 (epoch 1)")
    assert curve_warnings(early, passes_per_epoch=1.1)[0].startswith("overfitting")
    early[-1]["epoch"] = 1.1
    assert curve_warnings(early)[0].startswith("overfitting")


@pytest.mark.parametrize(
    ("pairs", "diverged"),
    [
        ([(900_000.0, 524_459.0), (700_000.0, 600_000.0)], True),  # training fell, which is no overfitting
        ([(5.2, 5.2)], True),
        ([(4.5, 9.0)], False),  # overfitting: it knows its training text
        ([(9.0, 4.5)], False),
        ([(900.0, 900.0), (3.0, 3.1)], False),
        ([], False),
    ],
)
def test_a_run_that_knows_less_than_nothing_has_diverged(pairs: list[tuple[float, float]], diverged: bool) -> None:
    assert [w.partition(":")[0] for w in diverged_warnings(rows(*pairs), 4.09)] == ["diverged"] * diverged
