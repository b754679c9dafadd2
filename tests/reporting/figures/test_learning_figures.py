"""Learning curves and error rates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from figure_checks import drawn_texts, has_line, markers_at, text_of
from nasty_data import curve

from lmlab.reporting.figures.data import TRAINING, VALIDATION, Curve, Reference
from lmlab.reporting.figures.learning import error_rates, learning_curves

TOKENS = [250_000.0 * i for i in range(1, 9)]
VALID = [2.6, 2.1, 1.8, 1.6, 1.5, 1.55, 1.6, 1.7]
TRAIN = [3.0, 2.4, 1.9, 1.6, 1.4, 1.3, 1.2, 1.1]
EPOCHS = [0.5 * i for i in range(1, 9)]


def run(**changes: object) -> Curve:
    return Curve(**{"label": VALIDATION, "x": TOKENS, "y": VALID, **changes})  # type: ignore[arg-type]


def test_lines_are_the_data() -> None:
    figure = learning_curves(run(), Curve(TRAINING, TOKENS, TRAIN)).drawing
    assert has_line(figure, TOKENS, VALID)
    assert has_line(figure, TOKENS, TRAIN)


def test_values_that_are_no_numbers_leave_gaps() -> None:
    figure = learning_curves(run(y=[2.6, math.nan, 1.8, math.inf, 1.5, 1.5, 1.5, 1.5])).drawing
    assert has_line(figure, TOKENS, [2.6, math.nan, 1.8, math.nan, 1.5, 1.5, 1.5, 1.5])
    assert "2 values that are no finite number" in text_of(figure)


def test_the_best_evaluation_is_marked_and_named_with_its_epoch() -> None:
    figure = learning_curves(run(), epochs=EPOCHS)
    assert markers_at(figure.drawing, TOKENS[4], 1.5)
    assert "best: 1.5000 after epoch 2.5" in text_of(figure.drawing)
    assert "best 1.5000 after epoch 2.5, 1.7000 at the end" in figure.alt


def test_another_index_may_be_called_the_best() -> None:
    figure = learning_curves(run(best_index=6)).drawing
    assert markers_at(figure, TOKENS[6], 1.6)
    assert not markers_at(figure, TOKENS[4], 1.5)
    assert "best: 1.6000 at 1.75M tokens" in text_of(figure)


def test_a_best_that_is_no_number_is_not_marked() -> None:
    figure = learning_curves(run(y=[math.nan, 2.0], x=[1.0, 2.0], best_index=0)).drawing
    assert markers_at(figure, 2.0, 2.0)


@pytest.mark.parametrize(
    ("along", "name", "scale"),
    [
        ("tokens", "training so far, tokens", 1),
        ("steps", "training so far, steps (updates of the weights)", 1),
        ("epochs", "training so far, epochs (passes over the training text)", 1),
        ("seconds", "time since the start, hours", 3600),
    ],
)
def test_the_axis_along_training_has_its_unit(along: str, name: str, scale: float) -> None:
    figure = learning_curves(run(), along=along).drawing  # type: ignore[arg-type]
    assert figure.axes[0].get_xlabel() == name
    assert has_line(figure, [x / scale for x in TOKENS], VALID)


def test_the_other_axis_has_its_unit_and_training_says_what_it_is() -> None:
    figure = learning_curves(run(), Curve(TRAINING, TOKENS, TRAIN)).drawing
    assert figure.axes[0].get_ylabel() == "loss, nats a token"
    assert "training (dropout on, average since the last evaluation)" in text_of(figure)


def horizontal(figure: object) -> list[float]:
    lines = figure.axes[0].get_lines()  # type: ignore[attr-defined]
    return [float(line.get_ydata()[0]) for line in lines if list(line.get_xdata()) == [0, 1]]


def test_near_baselines_are_lines_and_far_ones_are_told() -> None:
    references = [Reference("Kneser-Ney", 1.63), Reference("unigram", 3.1), Reference("uniform", 40.0)]
    figure = learning_curves(run(), references=references)
    assert sorted(horizontal(figure.drawing)) == pytest.approx([1.63, 3.1])
    shown = text_of(figure.drawing)
    assert "Kneser-Ney: 1.6300" in shown
    assert "would squash the picture: uniform 40.000" in shown
    assert "uniform 40.000" in figure.alt


def test_the_curves_keep_most_of_the_height_whatever_the_baselines() -> None:
    for value in np.linspace(-20, 20, 41):
        axes = learning_curves(run(), references=[Reference("b", float(value))]).drawing.axes[0]
        low, high = axes.get_ylim()
        assert (max(VALID) - min(VALID)) / (high - low) > 0.5


def test_the_floor_is_drawn_from_further_away() -> None:
    drawn = [
        bool(horizontal(learning_curves(run(), references=[Reference("f", -0.2, f)]).drawing)) for f in (True, False)
    ]
    assert drawn == [True, False]


def test_what_exploded_is_told_and_does_not_squash_the_rest() -> None:
    figure = learning_curves(run(y=[*VALID[:5], 50.0, 1e6, 1e9]))
    assert figure.drawing.axes[0].get_ylim()[1] < 10
    assert "▲ Above the picture: validation (up to 1.00e+09)" in text_of(figure.drawing)
    triangles = [line for line in figure.drawing.axes[0].get_lines() if line.get_marker() == "^"]
    assert [list(line.get_xdata()) for line in triangles] == [[TOKENS[5]]]


def test_without_data_the_figure_says_so() -> None:
    figure = learning_curves(Curve(VALIDATION, [], []), title="Run 7")
    assert text_of(figure.drawing) == "Run 7 | No evaluation left a finite number."
    assert not figure.drawing.axes


def test_error_rates_are_per_cent() -> None:
    figure = error_rates(run(y=[0.9, 0.5, 0.41234], x=[1.0, 2.0, 3.0]), along="epochs")
    assert has_line(figure.drawing, [1, 2, 3], [90, 50, 41.234])
    assert "per cent" in figure.drawing.axes[0].get_ylabel()
    assert "best: 41.23 % after epoch 3" in text_of(figure.drawing)


def test_labels_are_the_colours_of_their_lines() -> None:
    figure = learning_curves(curve(VALIDATION), curve("training")).drawing
    colours = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert colours[VALIDATION] != colours["training"]
    assert drawn_texts(figure)
