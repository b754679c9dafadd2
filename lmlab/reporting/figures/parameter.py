"""The results for each value of one parameter, on the parameter's own scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.transforms import offset_copy

from lmlab.reporting.figures.axes import (
    View,
    as_numbers,
    counted,
    is_geometric,
    number,
    results_view,
    tick_texts,
    ticks_between,
    with_half_width,
)
from lmlab.reporting.figures.data import Figure, Reference, Result, best_result
from lmlab.reporting.figures.labels import EndLabel, draw, fit
from lmlab.reporting.figures.layout import (
    Layout,
    Row,
    below,
    empty_figure,
    left_margin,
    name_axes,
    numbered,
    set_ticks,
)
from lmlab.reporting.figures.lines import mark_best
from lmlab.reporting.figures.references import around, draw_references, fitting, in_words, label, left_out_note
from lmlab.reporting.figures.style import FAINT, PAPER, VALIDATION_STROKE, WIDTH, Stroke, styled
from lmlab.reporting.figures.text import brief, clean, wrapped

Scale = Literal["linear", "log", "words"]
_PLOT = 3.3  # inches
_MOST_TOLD = 8
_STROKE = VALIDATION_STROKE


class _Scaled(NamedTuple):
    results: list[Result]
    places: list[float]
    scale: Scale
    steps: bool  # numbers that are evenly spaced, because 0 has no place on a logarithmic scale

    def limits(self) -> tuple[float, float]:
        """Returns the limits of the axis, with some room."""
        low, high = min(self.places), max(self.places)
        if self.scale == "log":
            room = (high / low) ** 0.06
            return low / room, high * room
        room = 0.6 if self.scale == "words" else 0.06 * (high - low) or 0.5
        return low - room, high + room


@styled()
def parameter_plot(
    results: Sequence[Result],
    *,
    parameter: str,
    what: str = "validation loss, nats a token",
    references: Sequence[Reference] = (),
    title: str | None = None,
) -> Figure:
    """Draws the result of each value of a parameter: mean, interval and each seed.

    Numbers lie on a linear scale, or on a logarithmic one if they look like a geometric sequence; words are evenly
    spaced. The interval of the best is drawn across the figure. References that would squash the values are left out
    and named in a note.

    Args:
        results: one for each value of the parameter.
        parameter: that differs.
        what: what the values are, with their unit; lower is better.
        references: baselines and the source's entropy.
        title: of the figure.
    """
    title = title or f"{what.partition(',')[0].capitalize()} by {brief(parameter)}"
    best = best_result(results)
    if best is None:
        return empty_figure(title, "No run left a finite number.")
    scaled = _scaled(results)
    view = results_view(end for result in results for end in result.ends)
    shown, left_out = fitting(references, view)
    view = around(view, shown)
    value = best.value or 0.0
    reached = with_half_width(value, best.half_width)
    place = scaled.places[scaled.results.index(best)]
    labels = [EndLabel(f"best is {best.label}", None, value, Stroke(_STROKE.colour), reached, bold=True)]
    fitted = fit([*labels, *map(label, shown)])
    left = left_margin(tick_texts(ticks_between(view.low, view.high)))
    names = [clean(brief(result.label)) for result in scaled.results]
    if scaled.scale == "words":
        room = (WIDTH - left - fitted.margin) / (len(names) + 0.2) - 0.1
        names = [wrapped(name, max(room, 0.5), lines=3) for name in names]
    tick_lines = max(name.count("\n") + 1 for name in names)
    row = Row(max(_PLOT, fitted.total_height), below=below(tick_lines))
    layout = Layout(title, [row], _notes(results, best, view) + left_out_note(left_out))
    axes = layout.axes(0, left=left, right=fitted.margin)
    if scaled.scale == "log":
        axes.set_xscale("log")
    axes.set_xlim(*scaled.limits())
    axes.set_ylim(view.low, view.high)
    set_ticks(axes, "x", scaled.places, names)
    numbered(axes, "y", view.low, view.high)
    kind = {"log": " (log scale)", "linear": "", "words": " (equal steps)" if scaled.steps else ""}[scaled.scale]
    name_axes(axes, x=f"{brief(parameter)}{kind}", y=what, left=left, tick_lines=tick_lines)
    draw_references(axes, shown)
    _draw_results(axes, scaled, view)
    _draw_best(axes, place, best)
    draw(axes, fitted)
    return layout.finish(_described(scaled.results, best, parameter, what, references))


def _scaled(results: Sequence[Result]) -> _Scaled:
    values = as_numbers([result.label for result in results])
    if values is None:
        return _Scaled(list(results), [float(i) for i in range(len(results))], "words", False)
    order = sorted(range(len(results)), key=lambda i: values[i])
    ordered, numbers = [results[i] for i in order], [values[i] for i in order]
    if is_geometric(numbers):
        return _Scaled(ordered, numbers, "log", False)
    if numbers[0] == 0 and len(set(numbers)) > 3 and is_geometric([n for n in numbers if n]):
        return _Scaled(ordered, [float(i) for i in range(len(numbers))], "words", True)
    return _Scaled(ordered, numbers, "linear", False)


def _draw_results(axes: Axes, scaled: _Scaled, view: View) -> None:
    known = [(x, r, r.value or 0.0) for x, r in zip(scaled.places, scaled.results, strict=True) if r.finite]
    inside = [part for part in known if part[2] <= view.high]
    places, means = [x for x, *_ in inside], [mean for *_, mean in inside]
    if scaled.scale != "words" or scaled.steps:
        line = [mean if mean <= view.high else float("nan") for *_, mean in known]
        axes.plot([x for x, *_ in known], line, color=_STROKE.colour, linewidth=1.2, alpha=0.5, zorder=2)
    for x, result, _ in inside:
        if len(result.seeds) > 1:
            axes.plot(
                [x] * len(result.seeds),
                result.seeds,
                "o",
                color=FAINT,
                markersize=4,
                transform=offset_copy(axes.transData, axes.get_figure(root=True), x=9, units="points"),
                zorder=2,
            )
    halves = [r.half_width or 0.0 for _, r, _ in inside]
    axes.errorbar(
        places,
        means,
        yerr=halves if any(halves) else None,
        fmt="o",
        color=_STROKE.colour,
        markersize=7,
        markeredgecolor=PAPER,
        elinewidth=1.8,
        capsize=4,
        zorder=3,
    )
    beyond = [x for x, _, mean in known if mean > view.high]
    axes.plot(
        beyond,
        [0.975] * len(beyond),
        "^",
        color=_STROKE.colour,
        markersize=8,
        transform=axes.get_xaxis_transform(),
        zorder=4,
    )


def _draw_best(axes: Axes, x: float, best: Result) -> None:
    value = best.value or 0.0
    axes.axhline(value, color=_STROKE.colour, linewidth=1, linestyle=":", zorder=1.5)
    if best.half_width:
        axes.axhspan(
            value - best.half_width, value + best.half_width, color=_STROKE.colour, alpha=0.1, linewidth=0, zorder=1
        )
    mark_best(axes, x, value, _STROKE)


def _notes(results: Sequence[Result], best: Result, view: View) -> list[str]:
    notes = []
    if any(result.half_width is not None for result in results):
        notes.append("Bars: 95% intervals of the means; grey dots: single seeds; shaded: the interval of the best.")
    above = [f"{brief(r.label)} ({number(r.value or 0.0)})" for r in results if r.finite and (r.value or 0) > view.high]
    if above:
        notes.append(f"▲ Above the picture: {_few(above)}.")
    lost = [brief(result.label) for result in results if not result.finite]
    if lost:
        notes.append(f"Without a result: {_few(lost)}.")
    return notes


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _described(
    results: Sequence[Result], best: Result, parameter: str, what: str, references: Sequence[Reference]
) -> str:
    known = [result for result in results if result.finite]
    description = (
        f"{what.capitalize()}, for {counted(len(results), 'value')} of {brief(parameter)}: lowest for "
        f"{brief(best.label)} with {with_half_width(best.value or 0.0, best.half_width)}"
    )
    others = [f"{brief(r.label)} {with_half_width(r.value or 0.0, r.half_width)}" for r in known if r is not best]
    if others and len(others) < _MOST_TOLD:
        description += f"; the others: {', '.join(others)}"
    elif others:
        worst = max(known, key=lambda result: result.value or 0.0)
        description += f"; highest for {brief(worst.label)} with {number(worst.value or 0.0)}"
    description += f". {len(results) - len(known)} without a result" if len(known) < len(results) else ""
    description += f". For comparison: {', '.join(map(in_words, references))}" if references else ""
    return f"{description}."
