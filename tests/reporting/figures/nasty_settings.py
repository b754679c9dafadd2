"""Figures of settings, bins and temperatures that are made from nasty data, by name."""

from __future__ import annotations

from collections.abc import Callable

from nasty_data import CLOSE_REFERENCES, INF, LABELS, LONG, MATHS, NAN, UNBROKEN, result

from lmlab.reporting.figures.data import Curve, Figure
from lmlab.reporting.figures.frequency_bins import BinLosses, FrequencyBin, frequency_bins
from lmlab.reporting.figures.generalization_gap import GeneralizationGap, generalization_gap
from lmlab.reporting.figures.grid import Cell
from lmlab.reporting.figures.heat_map import heat_map
from lmlab.reporting.figures.parameter import parameter_plot
from lmlab.reporting.figures.ranking import ranked_settings
from lmlab.reporting.figures.temperatures import Quality, temperature_panels

HEAT_MAPS: dict[str, Callable[[], Figure]] = {
    "plain": lambda: heat_map(
        [Cell(str(i), str(j), i + j / 7, 0.01) for i in range(4) for j in range(5)], row_name="lr", column_name="h"
    ),
    "one": lambda: heat_map([Cell("a", "b", 1.0)], row_name="r", column_name="c"),
    "none": lambda: heat_map([], row_name="r", column_name="c"),
    "all failed": lambda: heat_map(
        [Cell("a", "b", None, state="failed"), Cell("b", "b", NAN)], row_name="r", column_name="c"
    ),
    "nasty names": lambda: heat_map(
        [Cell(a, b, 1.0 + i + j) for i, a in enumerate(LABELS) for j, b in enumerate(LABELS)],
        row_name=LONG,
        column_name=MATHS,
        what=LONG,
    ),
    "wide": lambda: heat_map(
        [Cell(a, str(j), 1.0 + j) for a in "ab" for j in range(40)], row_name="r", column_name="c"
    ),
    "large": lambda: heat_map(
        [Cell(f"{LONG} {i}", f"{LONG} {j}", 1.0 + i * j) for i in range(30) for j in range(30)],
        row_name="r",
        column_name="c",
    ),
    "exploded": lambda: heat_map(
        [Cell("1", str(j), 10.0**j, 10.0**j) for j in range(12)], row_name="r", column_name="c"
    ),
    "long states": lambda: heat_map(
        [Cell("1", str(j), None, state=LONG) for j in range(5)] + [Cell("2", "1", 2.0)], row_name="r", column_name="c"
    ),
    "equal values": lambda: heat_map([Cell("1", str(j), 2.0) for j in range(3)], row_name="r", column_name="c"),
}
RESULTS: dict[str, Callable[[], Figure]] = {
    "log": lambda: parameter_plot([result(str(10.0**-i), 2.0 + i / 9) for i in range(1, 12)], parameter="optimizer.lr"),
    "thirty sizes": lambda: parameter_plot([result(str(i), 2.0) for i in range(100_000, 100_030)], parameter="size"),
    "close sizes": lambda: parameter_plot([result(x, 2.0) for x in ("1", "1.0001", "1000")], parameter="size"),
    "one": lambda: parameter_plot([result("1", 2.0, None)], parameter="p"),
    "zero": lambda: parameter_plot([result("0", 0.0, None), result("1", 0.0, 0.0)], parameter="p"),
    "none": lambda: parameter_plot([], parameter="p"),
    "not numbers": lambda: parameter_plot([result("1", NAN), result("2", INF), result("3", None)], parameter="p"),
    "some not": lambda: parameter_plot(
        [result("1", NAN), result("2", 2.0), result("3", None), result("4", 1e30)], parameter="p"
    ),
    "nasty names": lambda: parameter_plot(
        [result(label, 2.0 + i) for i, label in enumerate(LABELS)], parameter=LONG, what=LONG
    ),
    "close references": lambda: parameter_plot(
        [result("1", 1.1), result("2", 1.3)], parameter="p", references=CLOSE_REFERENCES
    ),
    "many words": lambda: parameter_plot([result(f"{i} {LONG}", 2.0) for i in range(20)], parameter=UNBROKEN),
    "ranked": lambda: ranked_settings([result(f"{i} {LONG}", 2.0 + i / 9) for i in range(40)]),
    "ranked nasty": lambda: ranked_settings([result(label, 10.0 ** (3 * i), 1.0) for i, label in enumerate(LABELS)]),
    "ranked one": lambda: ranked_settings([result("", 2.0, None)]),
    "ranked none": lambda: ranked_settings([result("a", None), result("b", NAN)]),
}
OTHERS: dict[str, Callable[[], Figure]] = {
    "gap": lambda: generalization_gap([GeneralizationGap(f"{i} {LONG}", 1.0, 1.1, 0.9, 1.3, LONG) for i in range(30)]),
    "gap nasty": lambda: generalization_gap(
        [GeneralizationGap(label, NAN, 1.0 + i, INF, 10.0 ** (5 * i), "overfitting") for i, label in enumerate(LABELS)]
    ),
    "gap missing": lambda: generalization_gap(
        [
            GeneralizationGap("a", None, 1.0, None, None),
            GeneralizationGap("b", None, None, None, None),
            GeneralizationGap("c", 1.0, NAN, 1.0, 1.0),
        ]
    ),
    "gap none": lambda: generalization_gap([]),
    "gap one": lambda: generalization_gap([GeneralizationGap("a", 1.0, 1.0, 1.0, 1.0)]),
    "bins": lambda: frequency_bins(
        [FrequencyBin(0, 0, 1), FrequencyBin(1, 9, 10**9), FrequencyBin(10, None, 0)],
        [BinLosses(f"{i} {LONG}", [9.0, 5.0, 2.0]) for i in range(15)],
    ),
    "bins nasty": lambda: frequency_bins(
        [FrequencyBin(10**i, 10 ** (i + 1), 10**i) for i in range(9)],
        [BinLosses(label, [None, NAN, INF, 1e30, 2.0]) for label in LABELS],
    ),
    "bins none": lambda: frequency_bins([], []),
    "bins empty": lambda: frequency_bins([FrequencyBin(0, 0, 0)], [BinLosses("a", [None])]),
    "thirty temperatures": lambda: temperature_panels(
        [
            Quality(
                f"{LONG} {i}",
                [Curve(label, [k / 10 for k in range(1, 31)], [k / 31 for k in range(30)]) for label in LABELS],
            )
            for i in range(5)
        ]
    ),
    "a temperature": lambda: temperature_panels([Quality("valid", [Curve("a", [1.0], [0.5])])]),
    "temperatures not numbers": lambda: temperature_panels(
        [Quality("valid", [Curve("a", [0.5, 1.0], [NAN, INF]), Curve("b", [NAN, 1.0], [0.1, 0.0])])]
    ),
    "no temperatures": lambda: temperature_panels([]),
}
