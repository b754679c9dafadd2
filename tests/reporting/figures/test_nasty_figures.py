"""Every figure with data that figures break on: texts keep clear of each other and stay on the page."""

from __future__ import annotations

import warnings

import matplotlib
import pytest
from figure_checks import drawn_texts, problems, text_of
from matplotlib import _pylab_helpers
from matplotlib.text import Text
from nasty_curves import LEARNING, NORMS, SWEEPS
from nasty_data import MATHS, curve
from nasty_settings import HEAT_MAPS, OTHERS, RESULTS

from lmlab.reporting.figures.data import Reference
from lmlab.reporting.figures.learning import learning_curves
from lmlab.reporting.figures.saving import png
from lmlab.reporting.figures.sweep_curves import sweep_curves

FAMILIES = {
    "learning": LEARNING,
    "sweep": SWEEPS,
    "norms": NORMS,
    "heat map": HEAT_MAPS,
    "results": RESULTS,
    "other": OTHERS,
}
ALL = {f"{family}: {name}": make for family, cases in FAMILIES.items() for name, make in cases.items()}


@pytest.mark.parametrize("name", ALL)
def test_texts_keep_clear_of_each_other_and_stay_on_the_page(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = ALL[name]()
        assert problems(figure.drawing) == []


@pytest.mark.parametrize("name", ALL)
def test_each_has_a_title_and_a_description_and_is_a_column_wide(name: str) -> None:
    figure = ALL[name]()
    assert figure.alt.strip()
    assert figure.alt[-1] == "."
    assert figure.alt.isprintable()
    assert "nan" not in figure.alt.lower().split()
    assert figure.drawing.get_size_inches()[0] == pytest.approx(7.2)
    assert drawn_texts(figure.drawing)


def test_names_are_never_read_as_formulas() -> None:
    figure = learning_curves(curve(MATHS), title=MATHS, unit="$\\alpha$", references=[Reference("$y_1$", 2.0)])
    for text in figure.drawing.findobj(Text):
        assert not text.get_parse_math(), text
    shown = text_of(figure.drawing)
    assert shown.count("a_$x^2$_{b}\\frac") == 2
    assert "$\\alpha$" in shown
    assert "$y_1$: 2.0000" in shown


def test_settings_of_the_user_change_nothing_and_are_kept() -> None:
    usual = png(learning_curves(curve("a")))
    with matplotlib.rc_context(
        {"font.size": 40.0, "axes.facecolor": "red", "text.parse_math": True, "lines.linewidth": 9}
    ):
        before = matplotlib.rcParams.copy()
        assert png(learning_curves(curve("a"))) == usual
        assert matplotlib.rcParams.copy() == before


def test_no_window_is_opened_for_a_figure() -> None:
    sweep_curves([curve("1"), curve("2")], parameter="p")
    assert not _pylab_helpers.Gcf.figs
