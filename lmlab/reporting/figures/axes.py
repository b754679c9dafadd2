"""What all figures share: axes of losses, marks, labels at the ends of lines, and the layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from lmlab.reporting.figures.data import Figure, Reference, View
from lmlab.reporting.figures.style import BEST, MUTED, SMALL, WIDTH, canvas
from lmlab.reporting.figures.text import brief, listed, number, wrapped

_LINE, _GAP, _ROOM = SMALL * 1.25 / 72, 0.05, 1.8  # inches: a line of text, between labels, and the width of labels


def set_losses(axes: Axes, view: View, name: str, room: float = WIDTH - 0.9) -> None:
    """Sets the vertical axis; its name is written above, where it needs not be turned."""
    axes.set_ylim(*view)
    axes.locator_params(axis="y", nbins=6)
    axes.set_title(wrapped(name, room, 2, points=10))


def draw_references(axes: Axes, view: View, references: Sequence[Reference]) -> tuple[View, list[Label], list[str]]:
    """Draws the references that leave the data most of the height; returns range, labels, and a note on the rest."""
    drawn, ends, left_out = view, [], []
    known = [one for one in references if math.isfinite(one.value)]
    for one in sorted(known, key=lambda r: (not r.floor, max(view.low - r.value, r.value - view.high))):
        room = 0.06 * (view.high - view.low)
        wider = View(min(drawn.low, one.value - room), max(drawn.high, one.value + room))
        if view.high - view.low < 0.55 * (wider.high - wider.low):
            left_out.append((one.label, number(one.value)))
            continue
        drawn, colour = wider, "black" if one.floor else MUTED
        line = axes.axhline(one.value, color=colour, linewidth=1.2, dashes=(4, 3), zorder=1.5)
        ends.append(Label(one.label, number(one.value), one.value, line))
    return drawn, ends, [f"Not drawn, as it would squash the rest: {listed(left_out)}."] if left_out else []


def compared(references: Sequence[Reference]) -> str:
    """Returns references and their values as a sentence that follows others; empty if there are none."""
    told = listed((one.label, number(one.value)) for one in references)
    return f" For comparison: {told}." if told else ""


def mark_best(axes: Axes, x: float, y: float) -> None:
    """Draws a ring around the best value."""
    axes.plot([x], [y], "o", markersize=11, fillstyle="none", color=BEST, markeredgewidth=2, clip_on=False, zorder=5)


class Label(NamedTuple):
    """A label at the end of a line: its name and more lines on it, where it ends, a sample, and whether it is best."""

    name: str
    more: str
    y: float
    sample: Line2D
    bold: bool = False


def _label_ends(drawing: MatplotlibFigure, axes: Axes, labels: Sequence[Label]) -> None:
    """Writes labels to the right of the axes, near their lines but apart; the figure grows if needed."""
    texts = ["\n".join(filter(None, [wrapped(label.name, _ROOM), label.more])) or "-" for label in labels]
    heights = [(1 + text.count("\n")) * _LINE + _GAP for text in texts]
    drawing.draw_without_rendering()
    lacking = sum(heights) - axes.get_window_extent().height / drawing.dpi
    drawing.set_figheight(drawing.get_figheight() + max(0.0, 1.5 * lacking))  # other axes grow too
    drawing.draw_without_rendering()
    room = axes.get_window_extent().height / drawing.dpi
    ends = [axes.transAxes.inverted().transform(axes.transData.transform((1, label.y)))[1] for label in labels]
    places = spread([min(1.0, max(0.0, float(end))) * room for end in ends], heights, room)
    for label, text, place in zip(labels, texts, places, strict=True):
        beside = (1.02, place / room)
        legend = Legend(axes, [label.sample], ["-"], loc="center left", bbox_to_anchor=beside, borderpad=0)
        legend.get_texts()[0].set(text=text, fontweight="bold" if label.bold else "normal", linespacing=1.1)
        axes.add_artist(legend).set_clip_on(False)  # what is clipped gets no room


def spread(wanted: Sequence[float], heights: Sequence[float], room: float) -> list[float]:
    """Returns the middles of labels of some heights, moved apart in their order, between 0 and the room."""
    order = np.argsort(wanted, kind="stable")
    tall, places = np.array(heights)[order], np.empty(len(order))
    stacked = np.cumsum(tall) - tall / 2  # their middles without gaps
    free = np.clip(np.maximum.accumulate(np.array(wanted)[order] - stacked), 0.0, max(0.0, room - tall.sum()))
    places[order] = stacked + free
    return list(places)


def finish(drawing: MatplotlibFigure, alt: str, notes: Sequence[str] = (), ends: Sequence[Label] = ()) -> Figure:
    """Writes notes under a figure and labels at the ends of its first lines, lays it out and returns it."""
    text = "\n".join(wrapped(note, WIDTH - 0.2, lines=5) for note in notes)
    if text:
        drawing.supxlabel(text, x=0.015, ha="left", fontsize=SMALL, color=MUTED, linespacing=1.1)
        drawing.set_figheight(drawing.get_figheight() + (1 + text.count("\n")) * _LINE)
    if ends:
        _label_ends(drawing, drawing.axes[0], ends)
    drawing.draw_without_rendering()
    for axis in (axis for axes in drawing.axes for axis in (axes.xaxis, axes.yaxis)):
        last = None  # name of a tick; one that would touch it is hidden
        for label in reversed(axis.get_ticklabels()):
            box = label.get_window_extent().padded(1.5)
            if last is not None and box.overlaps(last):
                label.set_visible(False)
            elif label.get_text():
                last = box
    drawing.draw_without_rendering()
    drawing.set_layout_engine("none")
    return Figure(drawing, alt)


def empty_figure(what: str, why: str) -> Figure:
    """Returns a figure that only says why there is nothing to show."""
    drawing, (axes,) = canvas(1.2)
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, ha="center", va="center", color=MUTED, transform=axes.transAxes)
    return finish(drawing, f"{brief(what)}: {why}")
