"""Curves of a sweep over one another."""

from __future__ import annotations

import math
import time

import numpy as np
from figure_checks import has_line, markers_at, text_of
from matplotlib.collections import FillBetweenPolyCollection, LineCollection
from matplotlib.figure import Figure

from lmlab.reporting.figures.data import Curve
from lmlab.reporting.figures.saving import png, svg
from lmlab.reporting.figures.style import luminance
from lmlab.reporting.figures.sweep_curves import sweep_curves

X = [1.0, 2.0, 3.0]


def curve(label: str, end: float, **changes: object) -> Curve:
    return Curve(label, X, [3.0, 2.5, end], **changes)  # type: ignore[arg-type]


def colour_of(figure: Figure, end: float) -> str:
    lines = [line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 3 and line.get_ydata()[2] == end]
    return str(lines[0].get_color())


def test_lines_are_the_data_and_the_best_is_marked() -> None:
    figure = sweep_curves([curve("0.1", 2.2), curve("0.01", 1.7), curve("0.001", 1.9)], parameter="optimizer.lr")
    for end in (2.2, 1.7, 1.9):
        assert has_line(figure.drawing, X, [3.0, 2.5, end])
    assert markers_at(figure.drawing, 3.0, 1.7)
    assert not markers_at(figure.drawing, 3.0, 1.9)
    assert "0.01: 1.7000 best" in text_of(figure.drawing)
    assert "lowest for 0.01 with 1.7000 nats a token at 3 tokens, highest for 0.1 with 2.2000" in figure.alt


def test_colours_of_numbers_follow_their_order_not_that_of_the_jobs() -> None:
    figure = sweep_curves([curve("1024", 1.7), curve("9", 2.2), curve("256", 1.9)], parameter="h").drawing
    assert luminance(colour_of(figure, 2.2)) < luminance(colour_of(figure, 1.9)) < luminance(colour_of(figure, 1.7))


def test_words_have_colours_that_differ() -> None:
    figure = sweep_curves([curve("rnn", 2.2), curve("gru", 1.7), curve("lstm", 1.9)], parameter="model").drawing
    assert len({colour_of(figure, end) for end in (2.2, 1.7, 1.9)}) == 3


def test_seeds_are_a_band_around_their_mean() -> None:
    low, high = [2.9, 2.4, 1.6], [3.1, 2.6, 1.8]
    figure = sweep_curves([curve("a", 1.7, low=low, high=high), curve("b", 2.0)], parameter="p", seeds=3).drawing
    bands = [c for c in figure.axes[0].collections if isinstance(c, FillBetweenPolyCollection)]
    assert len(bands) == 1
    corners = {(float(x), float(y)) for x, y in np.round(bands[0].get_paths()[0].vertices, 9)}
    assert {*zip(X, low, strict=True), *zip(X, high, strict=True)} <= corners
    assert "means over up to 3 seeds" in text_of(figure)


def test_of_many_settings_the_best_the_middle_and_the_worst_are_named() -> None:
    figure = sweep_curves([curve(str(i), 2.0 + i / 100) for i in range(41)], parameter="p")
    shown = text_of(figure.drawing)
    for label in ("0: 2.0000 best", "1: 2.0100", "2: 2.0200", "20: 2.2000", "40: 2.4000"):
        assert f"| {label}" in shown
    assert "| 3: " not in shown
    assert "Of 41 settings" in shown
    grey = [c for c in figure.drawing.axes[0].collections if isinstance(c, LineCollection)]
    assert sum(len(c.get_segments()) for c in grey) == 36


def test_up_to_twelve_are_all_named() -> None:
    shown = text_of(sweep_curves([curve(f"s{i}", 2.0 + i / 100) for i in range(12)], parameter="p").drawing)
    assert all(f"s{i}: " in shown for i in range(12))
    assert "grey" not in shown


def test_runs_that_explode_do_not_squash_the_others_even_where_they_are_most() -> None:
    bad = [Curve(f"bad {i}", X, [3.0, 10.0**i, math.inf]) for i in range(4, 10)]
    figure = sweep_curves([curve("good", 1.7), *bad], parameter="p")
    assert figure.drawing.axes[0].get_ylim()[1] < 8
    shown = text_of(figure.drawing)
    assert "▲ Above the picture: bad 4 (up to 10,000, a value that is no finite number)" in shown
    assert "good: 1.7000 best" in shown


def test_runs_without_any_number_are_told() -> None:
    shown = text_of(sweep_curves([curve("a", 1.7), Curve("lost", X, [math.nan] * 3)], parameter="p").drawing)
    assert "Without any finite number: lost." in shown


def test_five_hundred_runs_take_little_time() -> None:
    steps = [float(i) for i in range(60)]
    curves = [Curve(str(i), steps, [2.0 + i / 1000 + math.exp(-s) for s in steps]) for i in range(500)]
    started = time.process_time()
    figure = sweep_curves(curves, parameter="p")
    content = png(figure)
    assert time.process_time() - started < 2
    assert len(content) < 600_000
    assert len(svg(figure)) < 1_500_000
