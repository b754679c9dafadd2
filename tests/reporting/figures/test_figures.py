"""Every figure, of ordinary data and of data that figures break on: readable, complete, and never a crash."""

from __future__ import annotations

import warnings
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from figure_cases import EMPTY, NASTY, NINE, ORDINARY, learning, parameter, sweep, table
from figure_checks import contrast, drawn_numbers, drawn_texts, problems, rendered, share_of_height, text_of
from matplotlib import _pylab_helpers
from matplotlib.legend import Legend
from matplotlib.text import Text
from nasty_data import INF, LONG, MATHS, curve

from lmlab.reporting.figures.axes import spread
from lmlab.reporting.figures.curves import best_so_far, gradient_norms
from lmlab.reporting.figures.data import VALIDATION, Reference
from lmlab.reporting.figures.results import Cell

ALL = {
    **{f"ordinary: {name}": case.make for name, case in ORDINARY.items()},
    **{f"nasty: {name}": make for name, make in NASTY.items()},
    **{f"empty: {name}": make for name, make in EMPTY.items()},
}
LENGTHS = [f"hidden_size {size}, sequence_length {length}" for size in (32, 64, 128, 256) for length in (25, 50, 100)]


@pytest.mark.parametrize("name", ALL)
def test_texts_are_readable_apart_and_on_the_page(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = ALL[name]()
        assert problems(figure.drawing) == []
    assert figure.alt.isprintable()
    assert figure.drawing.get_size_inches()[0] == pytest.approx(5.8)
    assert not any(text.get_parse_math() for text in figure.drawing.findobj(Text))


@pytest.mark.parametrize("name", ORDINARY)
def test_all_numbers_are_drawn_and_the_best_is_told(name: str) -> None:
    figure = ORDINARY[name].make()
    drawn = drawn_numbers(figure.drawing)
    assert [value for value in ORDINARY[name].numbers if not np.isclose(drawn, value).any()] == []
    assert ORDINARY[name].told in figure.alt


@pytest.mark.parametrize("name", EMPTY)
def test_where_nothing_is_known_words_say_so(name: str) -> None:
    figure = EMPTY[name]()
    (only,) = drawn_texts(figure.drawing)
    assert only.text.startswith("No ")
    assert only.text in figure.alt


@pytest.mark.parametrize("names", [LENGTHS, NINE, [str(2**i) for i in range(12)]])
def test_up_to_twelve_lines_have_their_whole_labels_in_order_of_their_ends(names: list[str]) -> None:
    figure = sweep([curve(name, [3.0, 2.0 + i / 100]) for i, name in enumerate(names)]).drawing
    legends = [part for part in figure.axes[0].artists if isinstance(part, Legend)]
    found = {" ".join(legend.get_texts()[0].get_text().split()): legend.get_window_extent().y0 for legend in legends}
    assert [text.rpartition(f" 2.{i:02}00")[0] for i, text in enumerate(sorted(found, key=found.__getitem__))] == names
    lines = [legend.get_lines()[0] for legend in legends]
    assert len({line.get_marker() for line in lines}) == len(names)
    assert len({(line.get_color(), line.get_linestyle(), str(line._unscaled_dash_pattern)) for line in lines}) == len(
        names
    )


def test_two_settings_have_colours_and_dashes() -> None:
    lines = sweep([curve(name) for name in NINE]).drawing.axes[0].get_lines()[:9]
    assert [line.get_color() for line in lines] == [lines[i // 3 * 3].get_color() for i in range(9)]
    assert len({line.get_color() for line in lines}) == 3
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == 3


def test_of_many_lines_the_rest_are_grey() -> None:
    figure = sweep([curve(f"setting {i}", [3.0, 2.0 + i / 100]) for i in range(40)]).drawing
    shown = text_of(figure)
    assert [i for i in range(40) if f"setting {i} " in shown] == [0, 1, 2, 20, 39]
    assert "Of 40 lines" in shown


def test_outliers_do_not_squash_and_are_named() -> None:
    healthy = [curve(str(i), [2.0, 1.5, 1.2 + i / 10]) for i in range(3)]
    figure = sweep([*healthy, curve("wild", [2.0, 90.0, 50.0])]).drawing
    assert share_of_height(figure, 1.2, 2.0) > 0.5
    assert "wild: 90.000" in text_of(figure)
    figure = parameter({"1": 1.5, "2": 1.6, "3": 1.7, "4": 40.0, "5": INF}).drawing
    assert share_of_height(figure, 1.5, 1.7) > 0.5
    assert "4: 40.000" in text_of(figure)
    figure = best_so_far([2.0, 1.5, 1.8, 1.7, 90.0], what="loss", importance={}).drawing
    assert share_of_height(figure, 1.5, 2.0) > 0.5
    assert "trial 5: 90.000" in text_of(figure)


def test_far_lines_do_not_squash_and_are_named() -> None:
    falling = [0.9, 0.5, 0.4]
    for clip_at in (5.0, 1e6):
        figure = gradient_norms(curve("before", falling), clip_at=clip_at, along="steps").drawing
        assert share_of_height(figure, 0.4, 0.9) > 0.5
        assert "Not drawn" in text_of(figure)
    near = gradient_norms(curve("before", falling), clip_at=0.7, along="steps").drawing
    assert "Not drawn" not in text_of(near)
    far = [Reference("uniform", 99.0), Reference("floor", -50.0, floor=True), Reference("unigram", 1.0)]
    figure = learning(curve(VALIDATION, falling), references=far).drawing
    assert share_of_height(figure, 0.4, 0.9) > 0.5
    assert np.isclose(drawn_numbers(figure), 1.0).any()
    assert "floor: −50.000; uniform: 99.000." in text_of(figure)


def test_labels_move_apart_but_stay_in_order_and_inside() -> None:
    for wanted in ([0.1, 0.1, 0.1, 2.9], [3.0, 3.0, 1.0], [0.0, 5.0, 2.0, 2.1, 1.9]):
        heights = [0.4 + i / 10 for i in range(len(wanted))]
        places = spread(wanted, heights, 5.0)
        order = sorted(range(len(wanted)), key=lambda i: wanted[i])
        assert sorted(order, key=lambda i: places[i]) == order
        ends = [(places[i] - heights[i] / 2, places[i] + heights[i] / 2) for i in order]
        assert all(low >= high - 1e-9 for (_, high), (low, _) in pairwise(ends))
        assert ends[0][0] >= -1e-9
        assert ends[-1][1] <= 5 + 1e-9


def test_names_are_never_read_as_formulas_and_long_ones_lose_their_middle() -> None:
    shown = text_of(learning(curve(MATHS), unit="$\\alpha$", references=[Reference(LONG, 2.0)]).drawing)
    assert "a_$x^2$_{b}\\frac" in shown.replace(" ", "")
    assert "$\\alpha$" in shown
    assert "…" in shown


def test_text_on_any_cell_is_readable() -> None:
    axes = table([Cell(str(i), str(j), i + j / 6) for i in range(20) for j in range(6)]).drawing.axes[0]
    (mesh,) = axes.collections
    colours = mesh.cmap(mesh.norm(mesh.get_array())).reshape(-1, 4)
    assert len(axes.texts) == len(colours) == 120
    assert all(contrast(text.get_color(), colour) >= 4.5 for text, colour in zip(axes.texts, colours, strict=True))


def test_settings_of_the_user_change_nothing_and_are_kept_and_no_window_opens() -> None:
    usual = rendered(learning(curve("a")), "png")
    with matplotlib.rc_context({"font.size": 40.0, "axes.facecolor": "red", "text.parse_math": True}):
        before = matplotlib.rcParams.copy()
        assert rendered(learning(curve("a")), "png") == usual
        assert matplotlib.rcParams.copy() == before
    assert not _pylab_helpers.Gcf.figs
