"""Figures along training that are made from nasty data, by name."""

from __future__ import annotations

from collections.abc import Callable

from nasty_data import CLOSE_REFERENCES, FALLING, INF, LABELS, LONG, MATHS, NAN, STEPS, curve, same_ends

from lmlab.reporting.figures.data import TRAINING, VALIDATION, Curve, Figure, Reference
from lmlab.reporting.figures.gradients import gradient_norms
from lmlab.reporting.figures.learning import error_rates, learning_curves
from lmlab.reporting.figures.sweep_curves import sweep_curves

LEARNING: dict[str, Callable[[], Figure]] = {
    "plain": lambda: learning_curves(curve(VALIDATION), curve(TRAINING, [y - 0.1 for y in FALLING])),
    "one point": lambda: learning_curves(curve(VALIDATION, [2.0]), curve(TRAINING, [2.0])),
    "one point at 0": lambda: learning_curves(Curve(VALIDATION, [0.0], [0.0]), along="epochs"),
    "same line": lambda: learning_curves(curve(VALIDATION), curve(TRAINING)),
    "flat": lambda: learning_curves(curve(VALIDATION, [2.0] * 9), curve(TRAINING, [2.0] * 9)),
    "not numbers": lambda: learning_curves(curve(VALIDATION, [2.0, NAN, 1.5, INF, -INF]), curve(TRAINING, [NAN] * 5)),
    "nothing": lambda: learning_curves(curve(VALIDATION, []), curve(TRAINING, [])),
    "no number at all": lambda: learning_curves(curve(VALIDATION, [NAN, INF])),
    "exploding": lambda: learning_curves(
        curve(VALIDATION, [2.0, 1.5, 1.4, 1e30]), curve(TRAINING, [2.0, 1.6, 1e9, 1e300])
    ),
    "huge ranges": lambda: learning_curves(curve(VALIDATION, [1e300, 1e-300, 1e12]), curve(TRAINING), along="steps"),
    "tiny": lambda: learning_curves(curve(VALIDATION, [3e-9, 2e-9, 1e-9])),
    "many tokens": lambda: learning_curves(curve(VALIDATION, scale=1e14), along="tokens"),
    "long ago": lambda: learning_curves(curve(VALIDATION, scale=1e6), along="seconds"),
    "close references": lambda: learning_curves(curve(VALIDATION), curve(TRAINING), references=CLOSE_REFERENCES),
    "far references": lambda: learning_curves(
        curve(VALIDATION),
        references=[Reference("uniform", 99.0), Reference("floor", -50.0, floor=True), Reference("?", NAN)],
    ),
    "errors": lambda: error_rates(curve(VALIDATION, [0.9, 0.5, 0.4]), curve(TRAINING, [1.0, 0.5, 0.40001])),
    "errors of nothing": lambda: error_rates(curve(VALIDATION, [NAN])),
    **{
        f"label {i}": lambda label=label: learning_curves(curve(label), curve(label), title=label, unit=label)
        for i, label in enumerate(LABELS)
    },
}
SWEEPS: dict[str, Callable[[], Figure]] = {
    "twelve that end together": lambda: sweep_curves(same_ends(12, str), parameter="optimizer.lr"),
    "twelve long names": lambda: sweep_curves(same_ends(12, lambda i: f"{i} {LONG}"), parameter=LONG),
    "forty": lambda: sweep_curves(same_ends(40, lambda i: f"{LONG} {i}"), parameter="x"),
    "nasty names": lambda: sweep_curves(same_ends(6, lambda i: LABELS[i]), parameter=MATHS, unit=LONG),
    "one": lambda: sweep_curves([curve("1", [2.0])], parameter="p"),
    "none": lambda: sweep_curves([], parameter="p"),
    "no numbers": lambda: sweep_curves([curve("1", [NAN]), curve("2", [])], parameter="p"),
    "all explode but one": lambda: sweep_curves(
        [curve("0", [2.0, 1.5, 1.4]), *(curve(str(i), [2.0, 10.0**i, INF]) for i in range(3, 12))], parameter="p"
    ),
    "bands": lambda: sweep_curves(
        [Curve(n, STEPS, FALLING, [y - 1 for y in FALLING], [NAN, *(y + 1 for y in FALLING[1:])]) for n in "ab"],
        parameter="p",
        seeds=3,
    ),
}
NORMS: dict[str, Callable[[], Figure]] = {
    "norms": lambda: gradient_norms(curve("before"), curve("after"), clip_at=1.0, clipped=curve("c", [0.5] * 20)),
    "norms nasty": lambda: gradient_norms(
        curve(LONG, [NAN, 1e-8, 1e12, INF]),
        curve(MATHS, [0.0, 0.0, 1.0, 1.0]),
        clip_at=1e-9,
        clipped=curve("c", [NAN, 0.1, INF, 1.0]),
    ),
    "norms zero": lambda: gradient_norms(curve("before", [0.0]), None, clip_at=0.0, clipped=curve("c", [0.0])),
    "norms none": lambda: gradient_norms(curve("before", [NAN])),
}
