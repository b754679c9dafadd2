"""Figures of ordinary data and of data that figures break on, by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from nasty_data import CLOSE_REFERENCES, CONTROLS, INF, LABELS, LONG, MATHS, NAN, UNBROKEN, curve, result, same_ends

from lmlab.reporting.figures.curves import (
    BinLosses,
    FrequencyBin,
    best_so_far,
    frequency_bins,
    gradient_norms,
    learning_curves,
    metric_curves,
    sweep_curves,
)
from lmlab.reporting.figures.data import TRAINING, VALIDATION, Curve, Figure, Reference
from lmlab.reporting.figures.results import Cell, Effect, effects, heat_map, parameter_plot, ranked_settings
from lmlab.reporting.figures.speeds import Panel, Speed, speed_plot


class Ordinary(NamedTuple):
    """A figure, the numbers that must be drawn, and the text that its description must hold."""

    make: Callable[[], Figure]
    numbers: list[float]
    told: str


LOSS = "validation loss, nats per token"
FALL = [2.5, 2.0, 1.75, 1.6875, 1.71875]
NORMS = [1.5, 1.25, 0.75, 0.5]
SHARES = [0.5, 0.25, 0.125, 0.0625]
PER_CENT = [50, 25, 12.5, 6.25]
NINE = [f"{model}, {vectors}" for model in ("rnn", "gru", "lstm") for vectors in ("random", "glove", "glove_frozen")]
MEANS = [2.25, 1.875, 1.9375]
RESULTS = [result(label, mean, 0.0625) for label, mean in zip(("32", "64", "128"), MEANS, strict=True)]
ENDS = [*MEANS, *(mean + side * 0.0625 for mean in MEANS for side in (1, -1)), *(m + 0.01 for m in MEANS)]
BINS = [FrequencyBin(0, 0, 12), FrequencyBin(1, 9, 3400), FrequencyBin(10, None, 56_000)]
GRID_VALUES = [2.0 + row / 64 + column / 128 for row in (1, 2) for column in (1, 2, 3)]
GRID = [Cell(row, column, 2.0 + int(row) / 64 + int(column) / 128) for row in ("1", "2") for column in ("1", "2", "3")]

SPEEDS = [
    Panel("Layers", "tokens/s", (Speed("gru 1 x 256", 34_000.0, 19_000.0, 0.578), Speed("mine 1 x 256", 1_500.0))),
    Panel("Start-up", "s", (Speed("help", 0.375),)),
]
ERRORS, VALID = "error rate, per cent of tokens", "samples in the language, per cent"
ORDINARY: dict[str, Ordinary] = {
    "speeds": Ordinary(
        lambda: speed_plot(SPEEDS, machine="AMD EPYC, 2 cores"),
        [34_000.0, 19_000.0, 1_500.0, 0.375],
        "gru 1 x 256: 34,000  (0.58)",
    ),
    "learning": Ordinary(
        lambda: learning_curves(
            curve(VALIDATION, FALL),
            curve(TRAINING, NORMS),
            along="epochs",
            references=[Reference("unigram", 1.9)],
            unit="nats per token",
        ),
        [*FALL, *NORMS, 1.9],
        "1.6875 after epoch 4",
    ),
    "error": Ordinary(
        lambda: metric_curves(curve("v", SHARES), along="steps", name=ERRORS), PER_CENT, "6.25 % at 4 steps"
    ),
    "valid": Ordinary(
        lambda: metric_curves(curve("v", SHARES), along="tokens", name=VALID, highest=True),
        PER_CENT,
        "50.0 % at 1 tokens",
    ),
    "sweep": Ordinary(
        lambda: sweep_curves(
            [curve(name, [y + i / 8 for y in FALL]) for i, name in enumerate(NINE)],
            parameter="model, embedding",
            along="seconds",
            unit="nats per token",
        ),
        [y + i / 8 for y in FALL for i in range(9)],
        "rnn, random: 1.6875",
    ),
    "norms": Ordinary(
        lambda: gradient_norms(
            curve("before", NORMS), curve("after", SHARES), clip_at=1.0, clipped=curve("c", SHARES), along="tokens"
        ),
        [*NORMS, *SHARES, 1.0],
        "limit of clipping, reached on 23.4 % of the steps: 1.0000",
    ),
    "trials": Ordinary(
        lambda: best_so_far([*FALL, NAN], what=LOSS, importance={"lr": 0.5, "size": 0.25}), [*FALL, 50, 25], "1.6875"
    ),
    "parameter": Ordinary(lambda: parameter_plot(RESULTS, parameter="size", what=LOSS), ENDS, "64: 1.8750 ± 0.0625"),
    "ranked": Ordinary(lambda: ranked_settings(RESULTS, what=LOSS), ENDS, "64: 1.8750 ± 0.0625"),
    "effects": Ordinary(
        lambda: effects([Effect(name, tuple(RESULTS)) for name in ("size", "lr", "model")], what=LOSS),
        ENDS,
        "64: 1.8750 ± 0.0625",
    ),
    "bins": Ordinary(lambda: frequency_bins(BINS, [BinLosses("a", FALL[:3])]), FALL[:3], "10 or more 1.75"),
    "heat map": Ordinary(
        lambda: heat_map(GRID, row_name="lr", column_name="size", what=LOSS), GRID_VALUES, "1, 1: 2.0234"
    ),
}


def sweep(curves: list[Curve], parameter: str = "p") -> Figure:
    return sweep_curves(curves, parameter=parameter, along="tokens", unit="nats per token")


def learning(*curves: Curve, **more: object) -> Figure:
    return learning_curves(*curves, **{"along": "tokens", "unit": "nats per token", **more})  # type: ignore[arg-type]


def parameter(values: dict[str, float | None], **more: object) -> Figure:
    results = [result(label, value) for label, value in values.items()]
    return parameter_plot(results, **{"parameter": "p", "what": LOSS, **more})  # type: ignore[arg-type]


def table(cells: list[Cell], name: str = "r") -> Figure:
    return heat_map(cells, row_name=name, column_name="c", what=LOSS)


NASTY: dict[str, Callable[[], Figure]] = {
    "speeds": lambda: speed_plot(
        [
            Panel(LONG, MATHS, (Speed(UNBROKEN, 1e-300, 1e300, 1e300), Speed(CONTROLS, NAN, INF, NAN))),
            Panel("x", "s", (Speed("", 0.0), Speed(LONG, 2.0, 0.0, INF))),
        ],
        machine=LONG,
    ),
    "one point": lambda: learning(curve(VALIDATION, [2.0]), curve(TRAINING, [2.0])),
    "a point at 0": lambda: learning(Curve(VALIDATION, [0.0], [0.0]), along="epochs"),
    "flat": lambda: learning(curve(VALIDATION, [2.0] * 9), curve(TRAINING, [2.0] * 9)),
    "holes": lambda: learning(curve(VALIDATION, [2.0, NAN, 1.5, INF, -INF]), curve(TRAINING, [NAN] * 5)),
    "exploding": lambda: learning(curve(VALIDATION, [2.0, 1.5, 1.4, 1e30]), curve(TRAINING, [2.0, 1.6, 1e9, 1e300])),
    "huge": lambda: learning(curve(VALIDATION, [1e300, 1e-300, 1e12]), along="steps"),
    "tiny": lambda: learning(curve(VALIDATION, [3e-9, 2e-9, 1e-9])),
    "many tokens": lambda: learning(curve(VALIDATION, scale=1e14)),
    "long ago": lambda: learning(curve(VALIDATION, scale=1e6), along="seconds"),
    "references": lambda: learning(curve(VALIDATION), curve(TRAINING), references=CLOSE_REFERENCES),
    **{
        f"label {i}": lambda label=label: learning(
            curve(label), curve(label), unit=label, references=[Reference(label, 1.5)]
        )
        for i, label in enumerate(LABELS)
    },
    "twelve": lambda: sweep(same_ends(12, lambda i: f"hidden_size {i}, sequence_length {i}"), parameter=LONG),
    "twelve long": lambda: sweep(same_ends(12, lambda i: f"{i} {LONG}")),
    "forty": lambda: sweep(same_ends(40, lambda i: f"{LONG} {i}")),
    "lines of nasty names": lambda: sweep(same_ends(6, lambda i: LABELS[i]), parameter=MATHS),
    "all but one explode": lambda: sweep([curve("0"), *(curve(str(i), [2.0, 10.0**i, INF]) for i in range(3, 12))]),
    "bands": lambda: sweep_curves(
        [Curve(n, [1, 2], [2, 1], [NAN, 0], [3, 2]) for n in "ab"], parameter="p", along="steps", unit=LONG, seeds=3
    ),
    "nasty norms": lambda: gradient_norms(
        curve(LONG, [NAN, 1e-8, 1e12, INF]),
        curve(MATHS, [0.0, 0.0, 1.0, 1.0]),
        clip_at=1e-9,
        clipped=curve("c", [NAN, 0.1, INF, 1.0]),
        along="steps",
    ),
    "zero norms": lambda: gradient_norms(curve("b", [0.0]), clip_at=0.0, clipped=curve("c", [0.0]), along="steps"),
    "norms far apart": lambda: gradient_norms(curve("b", [0.01, 100.0, 1.0]), clip_at=1.0, along="steps"),
    "nasty trials": lambda: best_so_far(
        [NAN, 1e30, 2.0, INF, 3.0], what=LONG, importance=dict(zip(LABELS, (0.3, 0.2, 0.1, 0.9, 1.0, 0.0), strict=True))
    ),
    "nasty cells": lambda: table([Cell(a, b, 1.0 + i) for i, a in enumerate(LABELS) for b in LABELS], name=LONG),
    "wide": lambda: table([Cell(a, str(j), 1.0 + j) for a in "ab" for j in range(40)]),
    "large": lambda: table([Cell(f"{LONG} {i}", f"{LONG} {j}", 1.0 + i * j) for i in range(30) for j in range(30)]),
    "exploded cells": lambda: table([Cell("1", str(j), 10.0**j, 10.0**j) for j in range(12)]),
    "long notes": lambda: table([*(Cell("1", str(j), None, note=LONG) for j in range(5)), Cell("2", "1", 2.0)]),
    "log values": lambda: parameter({str(10.0**-i): 2.0 + i / 9 for i in range(1, 12)}),
    "thirty sizes": lambda: parameter({str(i): 2.0 for i in range(100_000, 100_030)}),
    "values that are missing": lambda: parameter({"1": NAN, "2": 2.0, "3": None, "4": 1e30, "5": INF}),
    "nasty values": lambda: parameter({label: 2.0 + i for i, label in enumerate(LABELS)}, parameter=LONG, what=LONG),
    "values near references": lambda: parameter({"1": 1.1, "2": 1.3}, references=CLOSE_REFERENCES),
    "many words": lambda: parameter({f"{i} {LONG}": 2.0 for i in range(20)}, parameter=UNBROKEN),
    "ranked": lambda: ranked_settings([result(f"{i} {LONG}", 2.0 + i / 9) for i in range(40)], what=LONG),
    "ranked nasty": lambda: ranked_settings([result(s, 1e3**i, 1.0) for i, s in enumerate(LABELS)], what=MATHS),
    "many effects": lambda: effects(
        [Effect(s, tuple(result(f"{s} {i}", 2.0 + i) for i in range(9))) for s in (*LABELS, "seventh")], what=LONG
    ),
    "fifteen in bins": lambda: frequency_bins(BINS, [BinLosses(f"{i} {LONG}", [9.0, 5.0, 2.0]) for i in range(15)]),
    "nasty bins": lambda: frequency_bins(
        [FrequencyBin(10**i, 10 ** (i + 1), 10**i) for i in range(9)],
        [BinLosses(label, [None, NAN, INF, 1e30, 2.0]) for label in LABELS],
    ),
}

EMPTY: dict[str, Callable[[], Figure]] = {
    "speeds": lambda: speed_plot([], machine=LONG),
    "speeds, no number": lambda: speed_plot([Panel(LONG, "s", (Speed(LONG, NAN),))], machine=LONG),
    "learning": lambda: learning(curve(VALIDATION, []), curve(TRAINING, [])),
    "learning, no number": lambda: learning(curve(VALIDATION, [NAN, INF, -INF])),
    "error": lambda: metric_curves(curve(VALIDATION, [NAN]), along="steps", name=ERRORS),
    "validity": lambda: metric_curves(curve(MATHS, [INF]), along="steps", name=MATHS, highest=True),
    "sweep": lambda: sweep([], parameter=LONG),
    "sweep, no number": lambda: sweep([curve("1", [NAN]), curve("2", [])]),
    "norms": lambda: gradient_norms(curve("before", [math.nan]), along="steps"),
    "trials": lambda: best_so_far([NAN, INF], what=LONG, importance={"a": 1.0}),
    "heat map": lambda: table([]),
    "heat map, no number": lambda: table([Cell("a", "b", None, note="failed"), Cell("b", "b", NAN)]),
    "parameter": lambda: parameter({}),
    "parameter, no number": lambda: parameter({"1": NAN, "2": INF, "3": None}, what=CONTROLS),
    "ranked": lambda: ranked_settings([], what=MATHS),
    "effects": lambda: effects([Effect("a", ()), Effect("b", (result("1", None),))], what=LOSS),
    "bins": lambda: frequency_bins([], []),
    "bins, no number": lambda: frequency_bins(BINS, [BinLosses("a", [None, NAN])]),
}
