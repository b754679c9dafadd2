"""Axes along training and of losses, and the marks that all figures share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator, ScalarFormatter

from lmlab.reporting.figures.data import Curve, Reference, View, finite
from lmlab.reporting.figures.labels import EndLabel
from lmlab.reporting.figures.style import BEST, MUTED, WIDTH
from lmlab.reporting.figures.text import brief, few, number, wrapped

Along = Literal["tokens", "steps", "epochs", "seconds"]
_STEPS = [1, 2, 2.5, 5, 10]  # of ticks


class Progress(NamedTuple):
    """The horizontal axis along training: the unit of its numbers, and this unit in units of the data."""

    unit: str
    scale: float

    def at(self, value: float) -> str:
        """Returns a place on the axis in words: `after epoch 3`, `at 1.5M tokens`."""
        if self.unit in ("tokens", "steps"):
            return f"at {EngFormatter(sep='')(float(f'{value:.3g}'))} {self.unit}"
        return f"after epoch {value:.4g}" if self.unit == "epochs" else f"after {value / self.scale:.3g} {self.unit}"


def progress(axes: Axes, curves: Sequence[Curve], along: Along) -> Progress:
    """Sets the horizontal axis of curves along training."""
    known = finite(x for curve in curves for x in curve.x)
    longer = ("hours", 3600.0) if max(known) >= 10_800 else ("minutes", 60.0)
    unit, scale = longer if along == "seconds" and max(known) >= 180 else (along, 1.0)
    low, high = min(known) / scale, max(known) / scale
    low = 0.0 if 0 <= low <= 0.5 * high or low == high > 0 else low
    axes.set_xlim(*((low, high + 0.02 * (high - low)) if high > low else (low - 0.5, high + 0.5)))
    counted = along in ("tokens", "steps")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=_STEPS, integer=counted))
    axes.xaxis.set_major_formatter(EngFormatter(sep="") if counted else ScalarFormatter())
    axes.set_xlabel(f"{'time' if along == 'seconds' else 'training'} so far, {unit}")
    return Progress(unit, scale)


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
    return drawn, ends, [f"Not drawn, as it would squash the rest: {compared(left_out)}."] if left_out else []


def compared(references: Sequence[Reference]) -> str:
    """Returns references and their values in words."""
    return few([f"{brief(one.label)}: {number(one.value)}" for one in references])


def mark_best(axes: Axes, x: float, y: float) -> None:
    """Draws a ring around the best value."""
    axes.plot([x], [y], "o", markersize=11, fillstyle="none", color=BEST, markeredgewidth=2, clip_on=False, zorder=5)
