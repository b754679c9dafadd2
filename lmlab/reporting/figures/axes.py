"""Axes along training and of losses, and the marks that all figures share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator

from lmlab.reporting.figures.data import Curve, Reference, View, finite
from lmlab.reporting.figures.labels import EndLabel
from lmlab.reporting.figures.style import BEST, MUTED, WIDTH
from lmlab.reporting.figures.text import listed, number, wrapped

Along = Literal["tokens", "steps", "epochs", "seconds"]
_STEPS = [1, 2, 2.5, 5, 10]  # of ticks


def place(value: float, along: Along) -> str:
    """Returns a place along training in words: `after epoch 3`, `at 1.5M tokens`."""
    text = f"{value:.4g}" if value < 1000 else EngFormatter(sep="")(float(f"{value:.3g}"))
    return f"after epoch {text}" if along == "epochs" else f"at {text} {along}"


def set_progress(axes: Axes, curves: Sequence[Curve], along: Along) -> None:
    """Sets the horizontal axis of curves along training."""
    known = finite(x for curve in curves for x in curve.x)
    low, high = min(known), max(known)
    low = 0.0 if 0 <= low <= 0.5 * high or low == high > 0 else low
    axes.set_xlim(*((low, high + 0.02 * (high - low)) if high > low else (low - 0.5, high + 0.5)))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=_STEPS, integer=along in ("tokens", "steps")))
    if high >= 1000:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel(f"training so far, {along}")


def set_losses(axes: Axes, view: View, name: str, room: float = WIDTH - 0.9) -> None:
    """Sets the vertical axis; its name is written above, where it needs not be turned."""
    axes.set_ylim(*view)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=_STEPS))
    axes.set_title(wrapped(name, room, 2, points=10))


def draw_references(axes: Axes, view: View, references: Sequence[Reference]) -> tuple[View, list[EndLabel], list[str]]:
    """Draws the references that leave the data most of the height; returns range, labels, and a note on the rest."""
    drawn, ends, left_out = view, [], []
    known = [one for one in references if math.isfinite(one.value)]
    for one in sorted(known, key=lambda r: (not r.floor, max(view.low - r.value, r.value - view.high))):
        room = 0.06 * (view.high - view.low)
        wider = View(min(drawn.low, one.value - room), max(drawn.high, one.value + room))
        if view.high - view.low < 0.55 * (wider.high - wider.low):
            left_out.append(one)
            continue
        drawn = wider
        line = axes.axhline(one.value, color="black" if one.floor else MUTED, linewidth=1.2, dashes=(4, 3), zorder=1.5)
        ends.append(EndLabel(one.label, number(one.value), one.value, line))
    return drawn, ends, [f"Not drawn, as it would squash the rest: {_told(left_out)}."] if left_out else []


def compared(references: Sequence[Reference]) -> str:
    """Returns references and their values as a sentence that follows others; empty if there are none."""
    return f" For comparison: {_told(references)}." if references else ""


def _told(references: Sequence[Reference]) -> str:
    return listed((one.label, number(one.value)) for one in references)


def mark_best(axes: Axes, x: float, y: float) -> None:
    """Draws a ring around the best value."""
    axes.plot([x], [y], "o", markersize=11, fillstyle="none", color=BEST, markeredgewidth=2, clip_on=False, zorder=5)
