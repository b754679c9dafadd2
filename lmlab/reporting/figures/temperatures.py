"""Properties of samples by sampling temperature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.lines import Line2D

from lmlab.reporting.figures.axes import set_losses
from lmlab.reporting.figures.data import Curve, Figure, View
from lmlab.reporting.figures.labels import empty_figure, finish
from lmlab.reporting.figures.style import WIDTH, canvas, looks, styled
from lmlab.reporting.figures.text import brief, few, number, shortened


@dataclass(frozen=True)
class Quality:
    """A property of samples with its unit, a curve along the temperatures for each run, and whether it is a share."""

    name: str
    curves: Sequence[Curve]
    share: bool = True


@styled()
def temperature_panels(qualities: Sequence[Quality]) -> Figure:
    """Draws a small panel for each property, two side by side, for at most 7 runs; shares are in per cent."""
    known = [quality for quality in qualities if any(curve.known for curve in quality.curves)]
    if not known:
        return empty_figure("Samples by temperature", "No samples at several temperatures were judged.")
    runs = list(dict.fromkeys(curve.label for quality in known for curve in quality.curves))[:7]
    by_run = dict(zip(runs, looks(runs), strict=True))
    rows, columns = math.ceil(len(known) / 2), min(2, len(known))
    drawing, panels = canvas(0.5 + 1.8 * rows, rows, columns)
    places, told = sorted({curve.x[i] for quality in known for curve in quality.curves for i in curve.known}), []
    for axes, quality in zip(panels, known, strict=False):
        scale = 100 if quality.share else 1
        for curve in quality.curves:
            y = [scale * value if math.isfinite(value) else math.nan for value in curve.y]
            if curve.label in by_run:
                axes.plot(curve.x, y, **by_run[curve.label])
            if curve.known:
                ends = few([f"{number(y[i], 1)} at {curve.x[i]:g}" for i in curve.known], 8)
                told.append(f"{brief(quality.name)}, {brief(curve.label)}: {ends}".replace(", :", ":"))
        high = max([0.0, *(scale * curve.y[i] for curve in quality.curves for i in curve.known)]) or 1.0
        view = View(-0.04 * high, 105.0 if quality.share and high > 50 else 1.08 * high)
        set_losses(axes, view, quality.name, WIDTH / columns - 0.35)
        axes.set_xticks(places, labels=[f"{place:g}" for place in places])
    for i, axes in enumerate(panels):
        axes.set_visible(i < len(known))
        axes.set_xlabel("temperature" if i + columns >= len(known) else "")
    if len(runs) > 1:
        handles = [Line2D([], [], **look) for look in by_run.values()]
        drawing.legend(handles, [shortened(run, 2.3) or "-" for run in runs], loc="outside lower left", ncols=2)
    return finish(drawing, f"Samples by temperature. {few(told, 8)}.")
