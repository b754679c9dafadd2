"""Measured speeds and times, each beside what it was compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from lmlab.reporting.figures.axes import empty_figure, finish
from lmlab.reporting.figures.data import Figure, finite
from lmlab.reporting.figures.style import BLUE, FAINT, MUTED, PAPER, SMALL, WIDTH, canvas, styled
from lmlab.reporting.figures.text import listed, number, shortened, wrapped

_ROW, _FRAME, _LABELS = 0.24, 0.75, 2.5  # inches: a row, what is around the rows of a panel, their labels
_DIGITS = 2


class Speed(NamedTuple):
    """A measured value, that of what it was compared with, and the ratio of their times; None for no comparison."""

    label: str
    value: float
    baseline: float | None = None
    ratio: float | None = None

    @property
    def told(self) -> str:
        """The value and the ratio as text."""
        return number(self.value, _DIGITS) + ("" if self.ratio is None else f"  ({number(self.ratio, _DIGITS)})")


class Panel(NamedTuple):
    """Speeds of the same unit."""

    name: str
    unit: str
    speeds: tuple[Speed, ...]

    @property
    def title(self) -> str:
        """Name and unit."""
        return f"{self.name}, {self.unit}"


@styled()
def speed_plot(panels: Sequence[Panel], *, machine: str) -> Figure:
    """Draws a panel for each part: a line for each case, with a filled dot for lmlab and a hollow one to compare with.

    Args:
        panels: those without a finite value are left out.
        machine: a sentence on what was measured.
    """
    shown = [panel for panel in panels if any(math.isfinite(speed.value) for speed in panel.speeds)]
    if not shown:
        return empty_figure("Speeds", "No speed was measured.")
    rows = [len(panel.speeds) for panel in shown]
    heights = [_FRAME + _ROW * count for count in rows]
    drawing, every = canvas(sum(heights), len(shown), gridspec_kw={"height_ratios": heights})
    for axes, panel in zip(every, shown, strict=True):
        _draw(axes, panel)
    notes = ["Right: lmlab and, in brackets, the ratio of times: below 1, lmlab is faster.", machine]
    marks = [("lmlab", BLUE), ("compared with", PAPER)]
    samples = [Line2D([], [], linestyle="", marker="o", color=MUTED, markerfacecolor=colour) for _, colour in marks]
    drawing.legend(samples, [name for name, _ in marks], loc="outside upper left", ncols=2)
    told = [f"{panel.title}: {listed([(speed.label, speed.told) for speed in panel.speeds], 30)}." for panel in shown]
    return finish(drawing, " ".join(told), notes)


def _draw(axes: Axes, panel: Panel) -> None:
    speeds = panel.speeds
    places = range(len(speeds))
    values = [value for speed in speeds for value in finite((speed.value, speed.baseline)) if value > 0]
    axes.set_ylim(len(speeds) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.set_xlim(min(values, default=1.0) / 1.3, max(values, default=1.0) * 1.3)
    axes.set_title(wrapped(panel.title, WIDTH - 2.4, 2, points=10))
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(lambda value, _: number(value, 0 if value >= 1 else _DIGITS))
    axes.minorticks_off()
    axes.set_yticks(places, labels=[shortened(speed.label, _LABELS) for speed in speeds])
    axes.grid(True, axis="both")
    for place, speed in zip(places, speeds, strict=True):
        if speed.baseline is not None:
            axes.plot([speed.value, speed.baseline], [place, place], color=FAINT, linewidth=1.5, zorder=1.5)
            axes.plot([speed.baseline], [place], "o", color=MUTED, markerfacecolor=PAPER, markersize=6)
        axes.plot([speed.value], [place], "o", color=BLUE, markersize=6)
        axes.text(1.03, place, speed.told, transform=axes.get_yaxis_transform(), va="center", size=SMALL)
