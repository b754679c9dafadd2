"""Labels at the ends of lines instead of a legend, moved apart so that they do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from lmlab.reporting.figures.layout import inches
from lmlab.reporting.figures.style import DPI, INK, MUTED, PAPER, Stroke
from lmlab.reporting.figures.text import ELLIPSIS, clean, shortened, size, widest, width, wrapped

# Inches: from the axes to the label's marker, from there to its text, from the text to the figure's edge.
_LEADER, _MARKER, _EDGE = 0.22, 0.12, 0.08
_BETWEEN = 0.04  # between labels
_NEAR_THE_EDGE = 0.97  # share of the axes' width; lines that end before it are joined to their label by dots
WIDEST = 2.3
# Widths in inches and numbers of lines that are tried in turn until no label is shortened and all together are at most
# this high.
_SHAPES = ((1.85, 3), (WIDEST, 2))
_ROOMY = 3.0
# More lines than this cannot be distinguished.
MOST_LABELS = 12


@dataclass(frozen=True)
class EndLabel:
    """The label of a line.

    Args:
        text: name of the line.
        x: where the line ends, in the units of the axes; None if it crosses them entirely.
        y: vertical position of that end.
        stroke: of the line, whose marker is drawn before the text; None for a reference line.
        value: a number after the name.
        bold: whether the label stands out.
        colour: of the text; empty for the stroke's.
    """

    text: str
    x: float | None
    y: float
    stroke: Stroke | None
    value: str = ""
    bold: bool = False
    colour: str = ""

    def lines(self, room: float, most: int) -> str:
        """Wraps the label into lines without breaking its value."""
        name, tail = (f"{clean(self.text)}:", f" {self.value}") if self.value else (self.text, "")
        return wrapped(name, room, lines=most, bold=self.bold, tail=tail)


@dataclass(frozen=True)
class Fitted:
    """Wrapped labels and the room that they need, in inches."""

    labels: Sequence[EndLabel]
    texts: Sequence[str]
    heights: Sequence[float]
    header: str
    margin: float

    @property
    def total_height(self) -> float:
        """The least height of axes at which all labels fit beside them."""
        return sum(self.heights)


def fit(labels: Sequence[EndLabel], *, header: str = "") -> Fitted:
    """Wraps labels, into a few narrow lines if possible, and measures them.

    Args:
        labels: in any order.
        header: text above them.
    """
    texts: list[str] = []
    for room, lines in _SHAPES:
        texts = [label.lines(room, lines) for label in labels]
        if not any(ELLIPSIS in text for text in texts) and sum(size(text)[1] for text in texts) <= _ROOMY:
            break
    heights = [size(text, bold=label.bold)[1] + _BETWEEN for text, label in zip(texts, labels, strict=True)]
    widths = [widest(text.split("\n"), bold=label.bold) for text, label in zip(texts, labels, strict=True)]
    header = shortened(header, WIDEST)
    margin = _LEADER + _MARKER + max([*widths, width(header) if header else 0.0], default=0.0) + _EDGE
    return Fitted(labels, texts, heights, header, margin if labels else 0.4)


def spread(wanted: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Moves labels as little as possible so that they do not overlap (least squares).

    Labels keep their order. If all together are higher than the room, they are centred on it and exceed both ends.

    Args:
        wanted: preferred centres.
        heights: of the labels.
        low: lower end of the room.
        high: upper end of the room.

    Returns:
        The centres of the labels.

    Source: Best & Chakravarti 1990, pool adjacent violators for isotonic regression; bounds are applied by clipping.
    """
    if not wanted:
        return []
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    total = sum(heights)
    if total > high - low:
        low, high = (low + high - total) / 2, (low + high + total) / 2
    # Relative to the total height of all labels below, centres of labels that do not overlap are an ascending sequence.
    offsets, pile = [], 0.0
    for i in order:
        offsets.append(pile + heights[i] / 2)
        pile += heights[i]
    pools: list[list[float]] = []  # sum, count
    for i, offset in zip(order, offsets, strict=True):
        pools.append([wanted[i] - offset, 1])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            above = pools.pop()
            pools[-1] = [pools[-1][0] + above[0], pools[-1][1] + above[1]]
    free = [pool_sum / number for pool_sum, number in pools for _ in range(int(number))]
    placed = [0.0] * len(wanted)
    for i, offset, value in zip(order, offsets, free, strict=True):
        placed[i] = min(max(value, low), high - total) + offset
    return placed


def draw(axes: Axes, fitted: Fitted) -> None:
    """Draws labels to the right of axes, whose limits must be set before."""
    across, up = inches(axes)
    corner = axes.transAxes.inverted()
    if fitted.header:
        axes.text(1 + _LEADER / across, 1 + 0.1 / up, fitted.header, transform=axes.transAxes, va="bottom", color=MUTED)
    ends = []
    for label in fitted.labels:
        x = axes.get_xlim()[1] if label.x is None else label.x
        place = corner.transform(axes.transData.transform((x, label.y)))
        ends.append((1.0 if label.x is None else min(1.0, float(place[0])), min(1.0, max(0.0, float(place[1])))))
    middles = spread([y * up for _, y in ends], fitted.heights, -0.12, up + 0.04)
    for label, text, (x, y), middle in zip(fitted.labels, fitted.texts, ends, middles, strict=True):
        at = 1 + _LEADER / across
        colour = label.stroke.colour if label.stroke else label.colour or INK
        axes.add_line(
            Line2D(
                [x, max(x, 1.0) + 0.04 / across, at],
                [y, y, middle / up],
                color=colour,
                linewidth=0.9,
                linestyle=(0, (1, 2)) if x < _NEAR_THE_EDGE else "-",
                transform=axes.transAxes,
                clip_on=False,
            )
        )
        if label.stroke:
            axes.add_line(
                Line2D(
                    [at],
                    [middle / up],
                    color=colour,
                    marker=label.stroke.marker,
                    markersize=5,
                    transform=axes.transAxes,
                    clip_on=False,
                )
            )
        axes.text(
            at + (_MARKER if label.stroke else 0.05) / across,
            middle / up,
            text,
            transform=axes.transAxes,
            va="center",
            fontweight="bold" if label.bold else "normal",
            color=label.colour or (label.stroke.text_colour if label.stroke else INK),
        )


def annotate(axes: Axes, x: float, y: float, text: str, points: np.ndarray, *, colour: str = INK) -> None:
    """Writes beside a point, where the text covers the fewest other points.

    Args:
        axes: with limits set.
        x: horizontal position of the point, in the units of the axes.
        y: vertical position of the point.
        text: of one or more lines.
        points: (N, 2), what should stay visible, in the units of the axes.
        colour: of the text.
    """
    across, up = inches(axes)
    wide, high = size(text, bold=True)
    to_inches = axes.transData + axes.transAxes.inverted()
    px, py = to_inches.transform((x, y)) * (across, up)
    others = to_inches.transform(points) * (across, up) if len(points) else np.zeros((0, 2))
    best, place = float("inf"), (0.0, 0.0)
    for distance in (0.14, 0.3, 0.5, 0.8, 1.2):
        for toward_x, toward_y in ((0, -1), (0.5, -1), (-0.5, -1), (0, 1), (0.5, 1), (-0.5, 1), (1, 0), (-1, 0)):
            left = px + toward_x * (wide / 2 + (distance if not toward_y else 0)) - wide / 2
            base = py + toward_y * (high / 2 + distance) - high / 2
            left = min(max(left, 0.03), max(0.03, across - wide - 0.03))
            base = min(max(base, 0.03), max(0.03, up - high - 0.03))
            near = (others > (left - 0.05, base - 0.05)) & (others < (left + wide + 0.05, base + high + 0.05))
            covers = left - 0.06 < px < left + wide + 0.06 and base - 0.06 < py < base + high + 0.06
            cost = float(near.all(axis=1).sum()) + 1000.0 * covers + distance
            if cost < best:
                best, place = cost, (left, base)
    axes.text(
        place[0] / across,
        place[1] / up,
        text,
        transform=axes.transAxes,
        color=colour,
        fontweight="bold",
        path_effects=[withStroke(linewidth=3, foreground=PAPER)],
    )


def along_line(axes: Axes, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns (N, 2) densely spaced points along a line, so that text can be kept away from it."""
    known = np.isfinite(x) & np.isfinite(y)
    bottom, top = axes.get_ylim()
    x, y = x[known], np.clip(y[known], bottom, top)
    if len(x) < 2:
        return np.stack([x, y], axis=1)
    to_pixels = axes.transData
    dots = to_pixels.transform(np.stack([x, y], axis=1))
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(dots, axis=0).T))])
    at = np.linspace(0.0, length[-1], int(min(2000, length[-1] / (0.05 * DPI) + 2)))
    dense = np.stack([np.interp(at, length, dots[:, 0]), np.interp(at, length, dots[:, 1])], axis=1)
    return np.asarray(to_pixels.inverted().transform(dense))
