"""Colours that can be told apart and read."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from lmlab.reporting.figures.style import COLOURS, INK, MUTED, PAPER, contrast, ink_on, luminance, readable, strokes

# Source: Viénot, Brettel & Mollon 1999, linear RGB as protanopes and deuteranopes see it.
PROTANOPIA = [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]]
DEUTERANOPIA = [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]


def as_seen(colour: str, matrix: list[list[float]]) -> np.ndarray:
    return np.clip(np.asarray(matrix) @ np.asarray(to_rgb(colour)) ** 2.2, 0, 1) ** (1 / 2.2)


@pytest.mark.parametrize("matrix", [PROTANOPIA, DEUTERANOPIA, np.eye(3).tolist()])
def test_first_colours_differ_for_every_eye(matrix: list[list[float]]) -> None:
    for one, other in combinations(COLOURS[:5], 2):
        assert np.linalg.norm(as_seen(one, matrix) - as_seen(other, matrix)) > 0.25, (one, other)


def test_twelve_lines_differ_without_colour() -> None:
    for ordered in (False, True):
        found = strokes(12, ordered=ordered)
        assert len({stroke.marker for stroke in found}) == 12
    assert len({(stroke.dash, stroke.marker) for stroke in strokes(12, ordered=False)}) == 12


def test_ordered_colours_run_from_dark_to_light() -> None:
    shades = [luminance(stroke.colour) for stroke in strokes(9, ordered=True)]
    assert all(a < b for a, b in pairwise(shades))
    assert shades[-1] < 0.65


@pytest.mark.parametrize("colour", [*COLOURS, "#ffffff", "#ffff00"])
def test_text_is_readable_in_each_colour(colour: str) -> None:
    assert contrast(readable(colour), PAPER) >= 4.5


def test_text_on_a_colour_has_the_better_ink() -> None:
    assert ink_on("#000000") == PAPER
    assert ink_on("#ffff00") != PAPER
    for colour in COLOURS:
        assert contrast(ink_on(colour), colour) >= 4.5


def test_contrast_is_wcags() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert min(contrast(INK, PAPER), contrast(MUTED, PAPER)) > 4.5
