"""The coloured table of two parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from figure_checks import drawn_texts, text_of
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lmlab.reporting.figures.grid import Cell
from lmlab.reporting.figures.heat_map import heat_map
from lmlab.reporting.figures.style import contrast, luminance

CELLS = [
    Cell("1024", "0.1", 2.5),
    Cell("1024", "0.01", 1.4, 0.02),
    Cell("64", "0.1", None, state="failed"),
    Cell("64", "0.01", 1.9, 0.03),
    Cell("256", "0.01", 1.6, 0.01),
]


def table(cells: list[Cell], **changes: Any) -> Figure:
    return heat_map(cells, **{"row_name": "model.hidden_size", "column_name": "optimizer.lr", **changes}).drawing


def ticks(axes: Axes) -> tuple[list[str], list[str]]:
    return [t.get_text() for t in axes.get_yticklabels()], [t.get_text() for t in axes.get_xticklabels()]


def mesh(axes: Axes) -> np.ma.MaskedArray:
    return next(c for c in axes.collections if isinstance(c, QuadMesh)).get_array()


def hatched(axes: Axes) -> list[tuple[float, float]]:
    return [p.get_xy() for p in axes.patches if isinstance(p, Rectangle) and p.get_hatch()]


def test_numbers_are_in_order_and_values_in_their_places() -> None:
    axes = table(CELLS).axes[0]
    assert ticks(axes) == (["64", "256", "1024"], ["0.01", "0.1"])
    values = mesh(axes)
    assert values[:, 0].tolist() == [1.9, 1.6, 1.4]
    assert values[2, 1] == 2.5
    assert values.mask.sum() == 2
    low, high = sorted(axes.get_ylim())
    assert (low, high) == (0, 3)
    assert axes.yaxis_inverted()


def test_words_keep_their_order() -> None:
    cells = [Cell(m, e, 1.0 + i) for i, m in enumerate(("rnn", "gru", "lstm")) for e in ("random", "glove")]
    assert ticks(table(cells).axes[0]) == (["rnn", "gru", "lstm"], ["random", "glove"])


def test_cells_say_their_values_and_intervals_and_what_is_missing() -> None:
    figure = table(CELLS)
    texts = [" ".join(drawn.text.split()) for drawn in drawn_texts(figure)]
    for text in ("1.4000 ± 0.0200", "1.9000 ± 0.0300", "2.5000", "failed", "not run"):
        assert text in texts
    assert sorted(hatched(figure.axes[0])) == [(1, 0), (1, 1)]


def test_the_best_cell_is_outlined_and_named() -> None:
    figure = heat_map(CELLS, row_name="model.hidden_size", column_name="optimizer.lr")
    axes = figure.drawing.axes[0]
    outlines = {p.get_xy() for p in axes.patches if isinstance(p, Rectangle) and not p.get_fill()}
    assert outlines == {(0, 2)}
    best = "model.hidden_size 1024 and optimizer.lr 0.01 with 1.4000 ± 0.0200"
    assert f"Outlined, the best: {best}." in text_of(figure.drawing)
    assert best in figure.alt
    assert "highest 2.5000" in figure.alt
    assert "2 pairs have no result" in figure.alt


def test_text_can_be_read_on_its_colour() -> None:
    cells = [Cell(str(i), str(j), 1.0 + 3 * i + j) for i in range(4) for j in range(3)]
    axes = table(cells).axes[0]
    drawn = next(c for c in axes.collections if isinstance(c, QuadMesh))
    for text in axes.texts:
        x, y = (int(part) for part in text.get_position())
        face = to_hex(drawn.to_rgba(mesh(axes)[y, x]))
        assert contrast(str(text.get_color()), face) > 4


def test_better_is_darker() -> None:
    drawn = next(c for c in table(CELLS).axes[0].collections if isinstance(c, QuadMesh))
    shades = [luminance(to_hex(drawn.to_rgba(value))) for value in (1.4, 1.6, 1.9, 2.5)]
    assert shades == sorted(shades)
    assert shades[0] < shades[-1]


def test_an_exploded_cell_leaves_colours_to_the_others() -> None:
    figure = table([*CELLS, Cell("256", "0.1", 1e5)])
    drawn = next(c for c in figure.axes[0].collections if isinstance(c, QuadMesh))
    assert drawn.get_clim()[1] < 5
    assert "Colours end at" in text_of(figure)
    assert "100,000" in text_of(figure)


def test_many_columns_go_down_instead() -> None:
    axes = table([Cell(m, str(2**i), 1.0 + i) for m in ("gru", "lstm") for i in range(12)]).axes[0]
    assert axes.get_ylabel() == "optimizer.lr"
    assert axes.get_xlabel() == "model.hidden_size"
    assert ticks(axes) == ([str(2**i) for i in range(12)], ["gru", "lstm"])


@pytest.mark.parametrize("count", [1, 30])
def test_cells_too_small_for_numbers_have_none_and_say_so(count: int) -> None:
    figure = table([Cell(str(i), str(j), 1.0 + i + j) for i in range(count) for j in range(count)])
    assert ("no room for numbers" in text_of(figure)) == (count == 30)
    assert bool(figure.axes[0].texts) == (count == 1)
