"""Labels at the ends of lines."""

from __future__ import annotations

import random
from itertools import pairwise, product

import numpy as np
import pytest
from figure_checks import drawn_texts, problems

from lmlab.reporting.figures.labels import EndLabel, along_line, annotate, draw, fit, spread
from lmlab.reporting.figures.layout import Layout, Row
from lmlab.reporting.figures.style import Stroke, styled

STROKE = Stroke("#0072B2")


def cost(placed: list[float], wanted: list[float]) -> float:
    return sum((p - w) ** 2 for p, w in zip(placed, wanted, strict=True))


@pytest.mark.parametrize("seed", range(30))
def test_spread_labels_keep_their_order_never_overlap_and_stay_inside(seed: int) -> None:
    generator = random.Random(seed)
    count = generator.randint(1, 12)
    wanted = [generator.choice([generator.uniform(-1, 4), 1.0]) for _ in range(count)]
    heights = [generator.choice([0.17, 0.35]) for _ in range(count)]
    placed = spread(wanted, heights, 0.0, 4.5)
    order = sorted(range(count), key=lambda i: (wanted[i], placed[i]))
    for a, b in pairwise(order):
        assert placed[b] - placed[a] >= (heights[a] + heights[b]) / 2 - 1e-9
    for middle, height in zip(placed, heights, strict=True):
        assert middle - height / 2 >= -1e-9
        assert middle + height / 2 <= 4.5 + 1e-9


@pytest.mark.parametrize("seed", range(10))
def test_no_other_places_without_overlap_are_nearer(seed: int) -> None:
    generator = random.Random(seed)
    wanted = sorted(generator.uniform(0, 2) for _ in range(3))
    heights = [0.25, 0.5, 0.25]
    grid = np.arange(0, 2.0001, 0.0625)
    feasible = (
        [a, b, c]
        for a, b, c in product(grid, repeat=3)
        if a >= 0.125 and b - a >= 0.375 and c - b >= 0.375 and c <= 1.875
    )
    best = min(cost(places, wanted) for places in feasible)
    assert cost(spread(wanted, heights, 0.0, 2.0), wanted) <= best + 1e-9


def test_labels_that_are_apart_stay_where_they_are_wanted() -> None:
    assert spread([0.5, 2.0, 1.0], [0.2, 0.2, 0.2], 0.0, 3.0) == pytest.approx([0.5, 2.0, 1.0])


def test_too_many_labels_leave_the_room_at_both_ends() -> None:
    placed = spread([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], 0.0, 2.0)
    assert placed == pytest.approx([0.0, 1.0, 2.0])
    assert spread([], [], 0.0, 1.0) == []


def test_the_margin_is_as_wide_as_the_widest_label_needs() -> None:
    narrow, wide = fit([EndLabel("a", 1, 1, STROKE)]), fit([EndLabel("a" * 20, 1, 1, STROKE)])
    assert narrow.margin < wide.margin
    assert fit([EndLabel("a", 1, 1, STROKE)], header="lowest loss").margin > narrow.margin


def test_a_value_is_never_shortened() -> None:
    fitted = fit([EndLabel("a very long name " * 20, 1, 1, STROKE, "1.2345 best") for _ in range(12)])
    assert all(text.endswith("1.2345 best") and "…" in text for text in fitted.texts)


@styled()
def labelled(labels: list[EndLabel]) -> Layout:
    fitted = fit(labels)
    layout = Layout("Title", [Row(max(2.0, fitted.total_height))])
    axes = layout.axes(0, left=0.5, right=fitted.margin)
    axes.set_xticks([])
    axes.set_yticks([])
    draw(axes, fitted)
    return layout


def test_each_label_has_a_leader_to_its_line_and_its_marker() -> None:
    layout = labelled([EndLabel("one", 0.5, 0.5, Stroke("#0072B2", marker="s")), EndLabel("two", 1.0, 0.5, STROKE)])
    assert problems(layout.drawing) == []
    axes = layout.drawing.axes[0]
    leaders = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert sorted(line.get_xdata()[0] for line in leaders) == pytest.approx([0.5, 1.0])
    assert [line.get_ydata()[0] for line in leaders] == pytest.approx([0.5, 0.5])
    assert {line.get_marker() for line in axes.lines if len(line.get_xdata()) == 1} == {"s", "o"}


def test_a_label_of_a_line_that_left_the_view_stands_at_the_edge() -> None:
    layout = labelled([EndLabel("above", 1.0, 50.0, STROKE), EndLabel("below", 1.0, -50.0, STROKE)])
    boxes = {drawn.text: drawn.box for drawn in drawn_texts(layout.drawing)}
    axes = layout.drawing.axes[0].get_window_extent()
    assert boxes["above"].y1 == pytest.approx(axes.y1, abs=0.2 * 150)
    assert boxes["below"].y0 == pytest.approx(axes.y0, abs=0.2 * 150)


@styled()
def annotated(obstacles: np.ndarray, *, y: float = 0.5) -> tuple[float, float]:
    """The middle of a note for (0.5, y), in the units of the axes."""
    axes = Layout("", [Row(3.0)]).axes(0, left=1.0, right=1.0)
    annotate(axes, 0.5, y, "note", obstacles)
    box = axes.texts[0].get_window_extent(axes.figure.canvas.get_renderer())
    assert not box.contains(*axes.transData.transform((0.5, y)))
    middle = axes.transData.inverted().transform([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
    return float(middle[0]), float(middle[1])


def test_a_note_stands_where_nothing_else_is() -> None:
    everywhere = np.array(list(product(np.linspace(0, 1, 60), np.linspace(0, 1, 60))))
    lower, upper = everywhere[everywhere[:, 1] < 0.5], everywhere[everywhere[:, 1] > 0.5]
    assert annotated(lower)[1] > 0.5
    assert annotated(upper)[1] < 0.5
    assert abs(annotated(np.zeros((0, 2)))[1] - 0.5) < 0.2


def test_a_note_does_not_hide_its_own_point_at_the_edge() -> None:
    everywhere = np.array(list(product(np.linspace(0, 1, 60), np.linspace(0.15, 1, 60))))
    for y in (0.0, 0.05, 0.95, 1.0):
        middle = annotated(everywhere, y=y)  # fails itself where the note's box contains the point
        assert np.hypot(middle[0] - 0.5, middle[1] - y) > 0.02
        assert 0 <= middle[1] <= 1


def test_points_along_a_line_leave_no_gap_and_stop_at_the_edge() -> None:
    axes = Layout("", [Row(3.0)]).axes(0, left=1.0, right=1.0)
    points = along_line(axes, np.array([0.0, 1.0, np.nan]), np.array([0.0, 1e9, 1.0]))
    assert points[:, 1].max() <= 1.0 + 1e-9
    pixels = axes.transData.transform(points)
    assert np.hypot(*np.diff(pixels, axis=0).T).max() < 0.06 * 150
