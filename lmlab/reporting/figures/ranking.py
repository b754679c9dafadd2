"""Ranked conditions that differ in several parameters."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.transforms import offset_copy

from lmlab.reporting.figures.axes import View, number, results_view, with_half_width
from lmlab.reporting.figures.data import Figure, Result
from lmlab.reporting.figures.layout import Layout, Row, below, empty_figure, name_axes, numbered, set_ticks
from lmlab.reporting.figures.style import FAINT, GRID, INK, PAPER, SMALL, VALIDATION_STROKE, styled
from lmlab.reporting.figures.text import brief, size, widest, wrapped

MOST_SETTINGS = 30
_LABELS = 2.9  # inches
_ROW = 0.3
_COLOUR = VALIDATION_STROKE.colour


@styled()
def ranked_settings(
    results: Sequence[Result],
    *,
    what: str = "validation loss, nats a token",
    title: str | None = None,
    most: int = MOST_SETTINGS,
) -> Figure:
    """Draws a line for each condition, the best on top: mean, interval and each seed.

    The interval of the best is drawn down the figure.

    Args:
        results: one for each condition, in any order.
        what: what the values are, with their unit; lower is better.
        title: of the figure.
        most: number of conditions that are drawn.
    """
    known = sorted((result for result in results if result.finite), key=lambda result: result.value or 0.0)
    shown = known[:most]
    if title is None:
        of = f" of {len(known)}" if len(shown) < len(known) else ""
        title = f"{what.partition(',')[0].capitalize()}: the best {len(shown)}{of} settings"
        title = title if of else f"{what.partition(',')[0].capitalize()} by setting, the best on top"
    if not shown:
        return empty_figure(title, "No run left a finite number.")
    view = results_view(end for result in shown for end in result.ends)
    names = [
        wrapped(f"{place}. {brief(result.label)}", _LABELS, SMALL, lines=2, bold=place == 1)
        for place, result in enumerate(shown, 1)
    ]
    values = [with_half_width(result.value or 0.0, result.half_width) for result in shown]
    rows = [max(_ROW, size(name, SMALL)[1] + 0.08) for name in names]
    layout = Layout(title, [Row(sum(rows), above=0.0, below=below())], _notes(results, shown, known, view))
    left = 0.2 + widest([line for name in names for line in name.split("\n")], SMALL, bold=True)
    axes = layout.axes(0, left=left, right=0.2 + widest(values, SMALL, bold=True))
    middles = [sum(rows[:i]) + row / 2 for i, row in enumerate(rows)]
    axes.set_xlim(view.low, view.high)
    axes.set_ylim(sum(rows), 0)
    axes.spines["left"].set_visible(False)
    numbered(axes, "x", view.low, view.high, most=4)
    set_ticks(axes, "y", middles, names, points=SMALL)
    axes.tick_params(axis="y", pad=72 * (left - 0.1))
    for tick in axes.get_yticklabels():
        tick.set(ha="left", color=INK, linespacing=1.1)
    axes.get_yticklabels()[0].set_fontweight("bold")
    name_axes(axes, x=what)
    for place, (y, result, text) in enumerate(zip(middles, shown, values, strict=True)):
        _draw_setting(axes, y, result, view, best=place == 0)
        axes.annotate(
            text,
            (1, y),
            (7, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            fontweight="bold" if place == 0 else "normal",
        )
    best = shown[0]
    if best.half_width:
        value = best.value or 0.0
        axes.axvspan(value - best.half_width, value + best.half_width, color=_COLOUR, alpha=0.1, linewidth=0, zorder=1)
    return layout.finish(_described(shown, known, what))


def _draw_setting(axes: Axes, y: float, result: Result, view: View, *, best: bool) -> None:
    value = result.value or 0.0
    axes.axhline(y, color=GRID, linewidth=0.8, zorder=0.5)
    if len(result.seeds) > 1:
        below_line = offset_copy(axes.transData, axes.get_figure(root=True), y=-6, units="points")
        axes.plot(result.seeds, [y] * len(result.seeds), "o", color=FAINT, markersize=4, transform=below_line, zorder=2)
    if value > view.high:
        axes.plot([0.985], [y], ">", color=_COLOUR, markersize=8, transform=axes.get_yaxis_transform(), zorder=4)
        return
    axes.errorbar(
        [value],
        [y],
        xerr=[result.half_width] if result.half_width else None,
        fmt="D" if best else "o",
        color=_COLOUR,
        markersize=8 if best else 6.5,
        markeredgecolor=PAPER,
        elinewidth=1.6,
        capsize=3,
        zorder=3,
    )


def _notes(results: Sequence[Result], shown: Sequence[Result], known: Sequence[Result], view: View) -> list[str]:
    notes = []
    if any(result.half_width is not None for result in shown):
        notes.append("Bars: 95% intervals of the means; grey dots: single seeds; shaded: the interval of the best.")
    if any((result.value or 0.0) > view.high for result in shown):
        notes.append("▶ beyond the picture.")
    if len(shown) < len(known):
        notes.append(f"{len(known) - len(shown)} settings with higher values are not shown; results.csv has all.")
    if len(known) < len(results):
        notes.append(f"Without a result: {len(results) - len(known)}.")
    return notes


def _described(shown: Sequence[Result], known: Sequence[Result], what: str) -> str:
    first = [f"{brief(r.label)} with {with_half_width(r.value or 0.0, r.half_width)}" for r in shown[:3]]
    description = f"{what.capitalize()}, {len(known)} settings ranked, lower is better: {'; then '.join(first)}"
    if len(known) > len(first):
        description += f". The last of them: {brief(known[-1].label)} with {number(known[-1].value or 0.0)}"
    return f"{description}."
