"""Properties of samples by sampling temperature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from lmlab.reporting.figures.axes import finite, number, tick_texts, ticks_between
from lmlab.reporting.figures.data import Curve, Figure
from lmlab.reporting.figures.layout import (
    NAME_ABOVE,
    Layout,
    Row,
    below,
    empty_figure,
    left_margin,
    name_axes,
    set_ticks,
)
from lmlab.reporting.figures.lines import FEW
from lmlab.reporting.figures.style import FAINT, WIDTH, Stroke, strokes, styled
from lmlab.reporting.figures.text import brief, clean, height, wrapped

_PLOT = 1.35  # inches
_MOST_RUNS = 7
_HALF = 50.0  # per cent
_BETWEEN = 0.25  # inches between panels side by side


@dataclass(frozen=True)
class Quality:
    """A property of samples by temperature.

    Args:
        name: of the property, with its unit: `distinct pairs of tokens, per cent`.
        curves: one for each run; `x` are temperatures.
        share: whether the values are shares, which are shown in per cent.
    """

    name: str
    curves: Sequence[Curve]
    share: bool = True


@styled()
def temperature_panels(qualities: Sequence[Quality], *, title: str = "Samples by temperature") -> Figure:
    """Draws a small panel for each property of samples, two side by side.

    Args:
        qualities: in reading order; the curves of a run have the same label in each.
        title: of the figure.
    """
    known = [quality for quality in qualities if any(curve.last is not None for curve in quality.curves)]
    if not known:
        return empty_figure(title, "No samples at several temperatures were judged.")
    runs = list(dict.fromkeys(curve.label for quality in known for curve in quality.curves))[:_MOST_RUNS]
    looks = dict(zip(runs, strokes(len(runs), ordered=False), strict=True))
    temperatures = sorted({x for quality in known for curve in quality.curves for x in finite(curve.x)})
    start, end = _range(temperatures)
    rows = math.ceil(len(known) / 2)
    views = [_limits(quality, runs) for quality in known]
    ticks = [ticks_between(low, high, 4) for low, high in views]
    left = max(left_margin(tick_texts(places)) for places in ticks)
    half = (WIDTH - 0.2) / 2
    key = [(look, brief(run)) for run, look in looks.items()] if len(runs) > 1 else []
    names = [wrapped(quality.name, half - 0.2, lines=2) for quality in known]
    layout = Layout(title, [_row(names, row) for row in range(rows)], _notes(known, runs), key)
    for i, (quality, (low, high), places) in enumerate(zip(known, views, ticks, strict=True)):
        before = i % 2 * half
        axes = layout.axes(i // 2, left=left + before, right=WIDTH - half - before + _BETWEEN - 0.2)
        axes.set_xlim(start, end)
        axes.set_ylim(low, high)
        set_ticks(axes, "x", temperatures, [f"{t:g}" for t in temperatures])
        set_ticks(axes, "y", places, tick_texts(places), grid=True)
        right = 0.1 if i % 2 else half + 0.2
        name_axes(
            axes, x="temperature" if i + 2 >= len(known) else "", y=quality.name, left=left, right=right, y_lines=2
        )
        _draw(axes, quality, looks)
    return layout.finish(_described(known, runs))


def _row(names: Sequence[str], row: int) -> Row:
    """Returns a row as high as the names of its panels need; the lowest panel of each column names the axis."""
    lines = max(name.count("\n") + 1 for name in names[2 * row : 2 * row + 2])
    above = NAME_ABOVE + height(lines) - height(1)
    return Row(_PLOT, above, below(named=2 * row + 3 >= len(names)))


def _range(temperatures: Sequence[float]) -> tuple[float, float]:
    low, high = temperatures[0], temperatures[-1]
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def _values(quality: Quality, curve: Curve) -> list[float]:
    scale = 100 if quality.share else 1
    return [scale * y if math.isfinite(y) else math.nan for y in curve.y]


def _limits(quality: Quality, runs: Sequence[str]) -> tuple[float, float]:
    """Returns the limits of the vertical axis; shares that reach far are shown on a range up to 100."""
    known = finite(y for curve in quality.curves if curve.label in runs for y in _values(quality, curve))
    low, high = min(known, default=0.0), max(known, default=1.0)
    if quality.share and high > _HALF:
        return 0.0, 105.0
    return min(0.0, 1.1 * low), 1.1 * high if high > 0 else 1.0


def _draw(axes: Axes, quality: Quality, looks: dict[str, Stroke]) -> None:
    if axes.get_xlim()[0] < 1 < axes.get_xlim()[1]:
        axes.axvline(1, color=FAINT, linewidth=1, linestyle=":")
    for curve in quality.curves:
        if curve.label in looks:
            look = looks[curve.label]
            axes.plot(
                curve.x,
                _values(quality, curve),
                color=look.colour,
                linestyle=look.dash,
                linewidth=1.8,
                marker=look.marker if len(curve.x) <= FEW else "",
                markersize=5,
            )


def _notes(qualities: Sequence[Quality], runs: Sequence[str]) -> list[str]:
    notes = ["Dotted: temperature 1, where a model draws from its own probabilities; lower is more cautious."]
    count = len({curve.label for quality in qualities for curve in quality.curves})
    if count > len(runs):
        notes.append(f"{count - len(runs)} more runs are not shown.")
    return notes


def _described(qualities: Sequence[Quality], runs: Sequence[str]) -> str:
    parts = []
    for quality in qualities:
        curve = next((c for c in quality.curves if c.label == runs[0] and c.last is not None), None)
        if curve is None:
            continue
        known = [(x, y) for x, y in zip(curve.x, _values(quality, curve), strict=True) if math.isfinite(y)]
        ends = (f"{number(y, 1)} at {x:g}" for x, y in dict.fromkeys([known[0], known[-1]]))
        parts.append(f"{clean(quality.name)}: {', '.join(ends)}")
    whose = f" of {brief(runs[0])}" if len(runs) > 1 else ""
    return f"Samples{whose} by temperature. {'; '.join(parts)}."
