"""What every figure must hold: its texts read off the canvas that drew it."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

# Boxes have empty edges: letters touch where their boxes overlap by more pixels than these.
SLACK = 1.0


class Drawn(NamedTuple):
    text: str
    box: Bbox
    points: float


def drawn_texts(figure: Figure) -> list[Drawn]:
    """All visible texts of a figure with their boxes in pixels, once it is drawn."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    return [
        Drawn(text.get_text(), text.get_window_extent(renderer), text.get_fontsize())
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip()
    ]


def problems(figure: Figure) -> list[str]:
    """Texts that overlap, leave the page or are too small to be read."""
    texts = drawn_texts(figure)
    width, height = figure.canvas.get_width_height()
    found = [f"{text!r} has {points} points" for text, _, points in texts if points < 9]
    found += [
        f"{text!r} leaves the page: {box.extents.round(1)} of {width} x {height}"
        for text, box, _ in texts
        if box.x0 < -SLACK or box.y0 < -SLACK or box.x1 > width + SLACK or box.y1 > height + SLACK
    ]
    for (one, a, _), (other, b, _) in combinations(texts, 2):
        across, up = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        if across > SLACK and up > SLACK:
            found.append(f"{one!r} overlaps {other!r} by {across:.1f} x {up:.1f} pixels")
    return found


def text_of(figure: Figure) -> str:
    """All its texts, lines put together."""
    return " | ".join(" ".join(drawn.text.split()) for drawn in drawn_texts(figure))


def has_line(figure: Figure, x: list[float], y: list[float], *, axes: int = 0) -> bool:
    """Whether some line of its axes goes through exactly these points."""
    return any(
        len(line.get_xdata()) == len(x)
        and np.allclose(np.asarray(line.get_xdata(), float), x, equal_nan=True)
        and np.allclose(np.asarray(line.get_ydata(), float), y, equal_nan=True)
        for line in figure.axes[axes].get_lines()
    )


def markers_at(figure: Figure, x: float, y: float, *, axes: int = 0) -> list[Line2D]:
    """Lines of one point there."""
    return [
        line
        for line in figure.axes[axes].get_lines()
        if len(line.get_xdata()) == 1 and np.isclose(line.get_xdata()[0], x) and np.isclose(line.get_ydata()[0], y)
    ]
