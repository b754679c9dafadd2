"""What every figure must hold, read off the canvas that drew it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis, Tick
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from lmlab.reporting.figures.data import Figure as Described
from lmlab.reporting.figures.style import render

# Boxes have empty edges: letters touch where their boxes overlap by more pixels than these.
SLACK = 1.0


class Drawn(NamedTuple):
    text: str
    box: Bbox
    artist: Text


def visible(artist: Artist) -> Iterator[Artist]:
    """The artist and its parts, as far as they are drawn."""
    if not artist.get_visible():
        return
    yield artist
    for part in artist.get_children():
        if isinstance(artist, Axes) and not artist.axison and isinstance(part, Axis):
            continue
        if isinstance(artist, Axis) and isinstance(part, Tick):
            low, high = sorted(artist.get_view_interval())
            if not low <= part.get_loc() <= high:
                continue
        yield from visible(part)


def drawn_texts(figure: Figure) -> list[Drawn]:
    """All visible texts of a figure with their boxes in pixels, once it is drawn."""
    figure.canvas.draw()
    found = [part for part in visible(figure) if isinstance(part, Text) and part.get_text().strip()]
    return [Drawn(text.get_text(), text.get_window_extent(), text) for text in found]


def problems(figure: Figure) -> list[str]:
    """Texts that overlap, leave the page, are too small or too pale to be read."""
    texts = drawn_texts(figure)
    width, height = figure.canvas.get_width_height()
    found = [f"{text!r} is too small" for text, _, artist in texts if artist.get_fontsize() < 9]
    found += [
        f"{text!r} is too pale"
        for text, _, artist in texts
        if not on_colour(artist) and contrast(artist.get_color(), "white") < 4.5
    ]
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


def on_colour(text: Text) -> bool:
    return text.axes is not None and any(isinstance(part, QuadMesh) for part in text.axes.collections)


def contrast(one: object, other: object) -> float:
    """Of two colours, from 1 to 21 (WCAG 2.2)."""
    dark, light = sorted(_luminance(colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: object) -> float:
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def text_of(figure: Figure) -> str:
    """All its texts, lines put together."""
    return " | ".join(" ".join(drawn.text.split()) for drawn in drawn_texts(figure))


def drawn_numbers(figure: Figure) -> np.ndarray:
    """All numbers of lines, bars and cells."""
    found: list[float] = []
    for part in visible(figure):
        if isinstance(part, Line2D):
            found += [*np.asarray(part.get_xdata(), float), *np.asarray(part.get_ydata(), float)]
        elif isinstance(part, LineCollection):
            found += [value for segment in part.get_segments() for value in segment.flat]
        elif isinstance(part, QuadMesh):
            found += list(np.ma.filled(part.get_array(), np.nan).flat)
        elif isinstance(part, Rectangle):
            found.append(part.get_width())
    return np.array(found)


def rendered(figure: Described, kind: str) -> bytes:
    file = io.BytesIO()
    render(figure, kind, file)
    return file.getvalue()


def share_of_height(figure: Figure, low: float, high: float) -> float:
    """How much of the height of the first axes lies between two values."""
    bottom, top = figure.axes[0].get_ylim()
    return (min(high, top) - max(low, bottom)) / (top - bottom)
