from __future__ import annotations

import pytest

from lmlab.training.callbacks.alarms import curve_warnings


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
