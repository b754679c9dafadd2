"""Labels at the ends of lines, notes under a figure, and its layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from lmlab.reporting.figures.data import Figure
from lmlab.reporting.figures.style import MUTED, SMALL, WIDTH, canvas
from lmlab.reporting.figures.text import brief, wrapped

_LINE, _GAP, _ROOM = SMALL * 1.25 / 72, 0.05, 1.8  # inches: a line of text, between labels, and the width of labels


class EndLabel(NamedTuple):
    """A label at the end of a line: its name and more lines on it, where it ends, a sample, and whether it is best."""

    name: str
    more: str
    y: float
    sample: Line2D
    bold: bool = False


def label_ends(drawing: MatplotlibFigure, axes: Axes, labels: Sequence[EndLabel]) -> None:
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
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places, end = list(wanted), 0.0
    for i in order:
        places[i] = max(wanted[i], end + heights[i] / 2)
        end = places[i] + heights[i] / 2
    end = room
    for i in reversed(order):
        places[i] = min(places[i], end - heights[i] / 2)
        end = places[i] - heights[i] / 2
    return places


def finish(
    drawing: MatplotlibFigure, alt: str, notes: Sequence[str] = (), ends: tuple[Axes, Sequence[EndLabel]] | None = None
) -> Figure:
    """Writes notes under a figure and labels at the ends of lines, lays the figure out and returns it."""
    text = "\n".join(wrapped(note, WIDTH - 0.2, lines=5) for note in notes)
    if text:
        drawing.supxlabel(text, x=0.015, ha="left", fontsize=SMALL, color=MUTED, linespacing=1.1)
        drawing.set_figheight(drawing.get_figheight() + (1 + text.count("\n")) * _LINE)
    if ends:
        label_ends(drawing, *ends)
    drawing.draw_without_rendering()
    for axis in (axis for axes in drawing.axes for axis in (axes.xaxis, axes.yaxis)):
        _thin_out(axis)
    drawing.draw_without_rendering()
    drawing.set_layout_engine("none")
    return Figure(drawing, alt)


def _thin_out(axis: Axis) -> None:
    """Hides names of ticks that would touch."""
    kept: Bbox | None = None
    for label in reversed(axis.get_ticklabels()):
        box = label.get_window_extent().padded(1.5)
        if kept is not None and box.overlaps(kept):
            label.set_visible(False)
        elif label.get_text():
            kept = box


def empty_figure(what: str, why: str) -> Figure:
    """Returns a figure that only says why there is nothing to show."""
    drawing, (axes,) = canvas(1.2)
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, ha="center", va="center", color=MUTED, transform=axes.transAxes)
    return finish(drawing, f"{brief(what)}: {why}")
