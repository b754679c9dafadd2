"""Gaps, gradients, frequency bins and temperatures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from figure_checks import has_line, markers_at, text_of
from matplotlib.figure import Figure

from lmlab.reporting.figures.data import Curve
from lmlab.reporting.figures.frequency_bins import BinLosses, FrequencyBin, frequency_bins
from lmlab.reporting.figures.generalization_gap import GeneralizationGap, generalization_gap
from lmlab.reporting.figures.gradients import gradient_norms
from lmlab.reporting.figures.temperatures import Quality, temperature_panels

X = [100.0, 200.0, 300.0]


def horizontal(figure: Figure, axes: int = 0) -> list[float]:
    return [float(line.get_ydata()[0]) for line in figure.axes[axes].get_lines() if list(line.get_xdata()) == [0, 1]]


# Gaps

GAPS = [
    GeneralizationGap("fits", 1.5, 1.4, 1.45, 1.41),
    GeneralizationGap("overfits", 1.2, 1.3, 0.8, 1.9, "overfitting"),
    GeneralizationGap("lost", None, None, None, None),
]


def test_a_gap_goes_from_training_to_validation_twice() -> None:
    figure = generalization_gap(GAPS).drawing
    lines = [tuple(line.get_xdata()) for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 2]
    assert {(1.2, 1.3), (0.8, 1.9), (1.5, 1.4), (1.45, 1.41)} <= set(lines)


def test_settings_with_a_gap_come_best_first_with_their_verdict() -> None:
    figure = generalization_gap(GAPS)
    assert [t.get_text() for t in figure.drawing.axes[0].get_yticklabels()] == ["overfits", "fits"]
    shown = text_of(figure.drawing)
    assert "last 1.9000 overfitting" in shown
    assert "best 1.4000" in shown
    assert "Without a result: 1." in shown
    assert "rose most after its best for overfits: by 0.6000" in figure.alt
    assert "overfits (overfitting)" in figure.alt


def test_marks_at_the_last_evaluation_are_hollow() -> None:
    figure = generalization_gap(GAPS).drawing
    first, last = ([line for line in figure.axes[0].get_lines() if list(line.get_xdata()) == [x]] for x in (1.3, 1.9))
    assert first[0].get_markerfacecolor() == first[0].get_markeredgecolor()
    assert last[0].get_markerfacecolor() != last[0].get_markeredgecolor()


# Gradients


def norms(y: list[float], **changes: object) -> Figure:
    return gradient_norms(Curve("before", X, y), **changes).drawing  # type: ignore[arg-type]


def test_norms_are_the_data_and_the_clip_line_is_labelled() -> None:
    after, clipped = Curve("after", X, [2.0, 1.5, 1.2]), Curve("", X, [1.0, 0.25, 0.0])
    figure = gradient_norms(Curve("before", X, [6.0, 2.5, 1.2]), after, clip_at=2.0, clipped=clipped)
    assert has_line(figure.drawing, X, [6.0, 2.5, 1.2])
    assert has_line(figure.drawing, X, [2.0, 1.5, 1.2])
    assert 2.0 in horizontal(figure.drawing)
    assert "clipped at 2" in text_of(figure.drawing)
    assert has_line(figure.drawing, X, [100.0, 25.0, 0.0], axes=1)
    assert "41.7 % of the steps" in figure.alt


def test_norms_far_apart_have_a_logarithmic_axis() -> None:
    assert norms([1000.0, 10.0, 1.0]).axes[0].get_yscale() == "log"
    assert norms([3.0, 2.0, 1.0]).axes[0].get_yscale() == "linear"


def test_without_clipping_there_is_neither_line_nor_panel() -> None:
    figure = norms([3.0, 2.0, 1.0], clipped=Curve("", X, [0.0, 0.0, 0.0]))
    assert len(figure.axes) == 1
    assert horizontal(figure) == []


def test_clipping_most_steps_is_said() -> None:
    often = norms([3.0, 2.0, 1.0], clip_at=1.0, clipped=Curve("", X, [1.0, 1.0, 0.5]))
    assert "sets the length of most steps" in text_of(often)
    seldom = norms([3.0, 2.0, 1.0], clip_at=1.0, clipped=Curve("", X, [0.1, math.nan, 0.0]))
    assert "sets the length of most steps" not in text_of(seldom)
    assert "on 5.0 % of the steps" in text_of(seldom)


# Frequency bins

BINS = [FrequencyBin(0, 0, 120), FrequencyBin(1, 9, 4211), FrequencyBin(10, None, 181_233)]


def test_bins_say_how_often_and_how_many() -> None:
    figure = frequency_bins(BINS, [BinLosses("random", [11.0, 8.0, 3.0])]).drawing
    labels = [" ".join(t.get_text().split()) for t in figure.axes[0].get_xticklabels()]
    assert has_line(figure, [0.0, 1.0, 2.0], [11.0, 8.0, 3.0])
    assert "against" not in text_of(figure)
    assert labels == ["never 120 tokens", "1 to 9 4.21k tokens", "10 or more 181k tokens"]


def test_dots_of_a_bin_stand_beside_each_other_and_against_their_mean() -> None:
    runs = [BinLosses("random", [11.0, 8.0, 3.0]), BinLosses("glove", [10.0, None, 3.1])]
    figure = frequency_bins(BINS, runs)
    # Means: 10.5; 8.0, for only one has tokens there; 3.05.
    assert has_line(figure.drawing, [-0.125, 0.875, 1.875], [0.5, 0.0, -0.05])
    assert has_line(figure.drawing, [0.125, 1.125, 2.125], [-0.5, math.nan, 0.05])
    assert "against the mean of all shown" in text_of(figure.drawing)
    assert "never 10.0 (glove)" in figure.alt
    assert "1 to 9 8.00 (random)" in figure.alt


def test_more_runs_than_can_be_told_apart_are_counted() -> None:
    shown = text_of(frequency_bins(BINS, [BinLosses(f"r{i}", [9.0, 8.0, 3.0]) for i in range(15)]).drawing)
    assert "3 more runs are not shown" in shown


# Temperatures

TEMPERATURES = [0.5, 1.0, 2.0]


def panel(name: str, y: list[float], *, share: bool = True) -> Quality:
    return Quality(name, [Curve("lstm", TEMPERATURES, y)], share)


def test_each_figure_of_samples_has_a_panel_with_its_name() -> None:
    figure = temperature_panels(
        [panel("valid, per cent", [0.9, 0.8, 0.1]), panel("copy, characters", [60, 30, 9], share=False)]
    )
    assert [axes.get_ylabel() for axes in figure.drawing.axes] == ["valid, per cent", "copy, characters"]
    assert has_line(figure.drawing, TEMPERATURES, [90.0, 80.0, 10.0])
    assert has_line(figure.drawing, TEMPERATURES, [60, 30, 9], axes=1)
    assert all(list(axes.get_xticks()) == TEMPERATURES for axes in figure.drawing.axes)
    assert "valid, per cent: 90 at 0.5, 10 at 2" in figure.alt


@pytest.mark.parametrize("count", range(1, 6))
def test_the_lowest_panel_of_each_column_names_the_axis(count: int) -> None:
    figure = temperature_panels([panel(str(i), [0.1, 0.2, 0.3]) for i in range(count)]).drawing
    named = [axes.get_xlabel() == "temperature" for axes in figure.axes]
    assert named == [i + 2 >= count for i in range(count)]


def test_panels_without_data_are_left_out() -> None:
    figure = temperature_panels([panel("a", [math.nan] * 3), panel("b", [0.1, math.nan, 0.2])]).drawing
    assert [axes.get_ylabel() for axes in figure.axes] == ["b"]
    assert has_line(figure, TEMPERATURES, [10.0, np.nan, 20.0])


def test_several_runs_have_a_key_and_one_has_none() -> None:
    curves = [Curve(name, TEMPERATURES, [0.1, 0.2, 0.3]) for name in ("lstm", "gru")]
    assert "gru" in text_of(temperature_panels([Quality("valid", curves)]).drawing)
    assert "lstm" not in text_of(temperature_panels([Quality("valid", curves[:1])]).drawing)


def test_a_mark_stands_at_the_best() -> None:
    assert markers_at(generalization_gap([GeneralizationGap("a", 1.5, 1.4, 1.45, 1.41)]).drawing, 1.4, 0.13)
