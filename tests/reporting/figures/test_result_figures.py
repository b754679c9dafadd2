"""What settings reached: against a parameter, and ranked."""

from __future__ import annotations

import math

import numpy as np
import pytest
from figure_checks import drawn_texts, has_line, markers_at, text_of
from matplotlib.figure import Figure

from lmlab.reporting.figures.data import Reference, Result
from lmlab.reporting.figures.parameter import parameter_plot
from lmlab.reporting.figures.ranking import ranked_settings


def results(**values: float | None) -> list[Result]:
    return [Result(label.strip("_"), value) for label, value in values.items()]


def plot(values: dict[str, float | None]) -> Figure:
    return parameter_plot([Result(k, v) for k, v in values.items()], parameter="optimizer.lr").drawing


def tick_labels(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.axes[0].get_xticklabels()]


def test_factors_have_a_logarithmic_axis_and_ticks_where_runs_are() -> None:
    figure = plot({"0.1": 2.3, "0.0001": 2.4, "0.001": 1.8, "0.01": 1.7})
    axes = figure.axes[0]
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "optimizer.lr (log scale)"
    assert list(axes.get_xticks()) == [0.0001, 0.001, 0.01, 0.1]
    assert tick_labels(figure) == ["0.0001", "0.001", "0.01", "0.1"]
    assert has_line(figure, [0.0001, 0.001, 0.01, 0.1], [2.4, 1.8, 1.7, 2.3])


def test_a_label_without_room_leaves_its_tick() -> None:
    figure = plot({"0.1": 2.3, "0.0001": 2.4, "0.0099": 1.8, "0.01": 1.7})
    assert list(figure.axes[0].get_xticks()) == [0.0001, 0.0099, 0.01, 0.1]
    assert tick_labels(figure) == ["0.0001", "", "0.01", "0.1"]


def test_equal_steps_have_a_linear_axis() -> None:
    figure = plot({"50": 1.5, "100": 1.4, "150": 1.45})
    assert figure.axes[0].get_xscale() == "linear"
    assert list(figure.axes[0].get_xticks()) == [50, 100, 150]


def test_words_stand_beside_each_other_and_no_line_joins_them() -> None:
    figure = plot({"rnn": 2.1, "gru": 1.6, "lstm": 1.5})
    assert tick_labels(figure) == ["rnn", "gru", "lstm"]
    joined = [line for line in figure.axes[0].get_lines() if list(line.get_ydata()) == [2.1, 1.6, 1.5]]
    assert [line.get_linestyle() for line in joined] == ["None"]


def test_zero_among_factors_takes_a_step_of_its_own() -> None:
    figure = plot({"0": 2.1, "1e-6": 1.9, "1e-5": 1.8, "1e-4": 1.7})
    assert tick_labels(figure) == ["0", "1e-6", "1e-5", "1e-4"]
    assert figure.axes[0].get_xlabel() == "optimizer.lr (equal steps)"


def test_intervals_and_seeds_are_drawn() -> None:
    made = [Result("1", 1.5, 0.1, (1.45, 1.55)), Result("2", 1.8, 0.2, (1.7, 1.9)), Result("3", 2.0)]
    figure = parameter_plot(made, parameter="p").drawing
    axes = figure.axes[0]
    ends = {tuple(np.round(segment[:, 1], 9)) for c in axes.collections for segment in c.get_segments()}
    assert {(1.4, 1.6), (1.6, 2.0)} <= ends
    dots = [line for line in axes.get_lines() if list(line.get_ydata()) in ([1.45, 1.55], [1.7, 1.9])]
    assert len(dots) == 2
    assert "95% intervals" in text_of(figure)


def test_the_best_is_marked_named_and_its_interval_goes_across() -> None:
    figure = parameter_plot([Result("1", 1.5, 0.1), Result("2", 1.4, 0.05), Result("3", 2.0)], parameter="p")
    assert markers_at(figure.drawing, 2, 1.4)
    assert "best is 2: 1.4000 ± 0.0500" in text_of(figure.drawing)
    band = figure.drawing.axes[0].patches[0].get_extents().transformed(figure.drawing.axes[0].transData.inverted())
    assert (band.y0, band.y1) == pytest.approx((1.35, 1.45))
    assert "lowest for 2 with 1.4000 ± 0.0500; the others: 1 1.5000 ± 0.1000, 3 2.0000" in figure.alt


def test_what_failed_and_what_exploded_is_told() -> None:
    figure = plot({"1": 1.5, "2": 1.6, "3": 1e6, "4": None, "5": math.nan, "6": 1.4})
    shown = text_of(figure)
    assert "▲ Above the picture: 3 (1,000,000)." in shown
    assert "Without a result: 4, 5." in shown
    assert figure.axes[0].get_ylim()[1] < 3


def test_references_are_lines() -> None:
    figure = parameter_plot([Result("1", 1.5), Result("2", 1.7)], parameter="p", references=[Reference("unigram", 1.6)])
    assert "unigram: 1.6000" in text_of(figure.drawing)
    assert any(list(line.get_ydata()) == [1.6, 1.6] for line in figure.drawing.axes[0].get_lines())


def test_settings_are_ranked_from_the_best_down() -> None:
    figure = ranked_settings(
        [Result("worst", 2.0), Result("best", 1.4, 0.1), Result("middle", 1.5), Result("lost", None)]
    )
    axes = figure.drawing.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["1. best", "2. middle", "3. worst"]
    assert axes.yaxis_inverted()
    for place, value in zip(axes.get_yticks(), (1.4, 1.5, 2.0), strict=True):
        assert markers_at(figure.drawing, value, place)
    assert "1.4000 ± 0.1000" in text_of(figure.drawing)
    assert "Without a result: 1." in text_of(figure.drawing)
    assert "best with 1.4000 ± 0.1000; then middle with 1.5000" in figure.alt


def test_only_the_best_thirty_are_shown_and_the_rest_counted() -> None:
    figure = ranked_settings([Result(f"s{i}", 1.0 + i / 50) for i in range(37)])
    assert len(figure.drawing.axes[0].get_yticks()) == 30
    shown = text_of(figure.drawing)
    assert "the best 30 of 37 settings" in shown
    assert "7 settings with higher values are not shown" in shown


def test_ranks_stand_in_lines_of_their_own() -> None:
    figure = ranked_settings(
        [Result(f"model=lstm hidden_size=512 lr=0.005 dropout={i}", 1.0 + i / 50) for i in range(9)]
    ).drawing
    middles = [drawn.box.y0 for drawn in drawn_texts(figure) if drawn.text[:1].isdigit() and ". " in drawn.text]
    assert len(middles) == 9
    assert middles == sorted(middles, reverse=True)
