"""Loss by frequency of the token in the training text, for several runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from lmlab.reporting.figures.axes import count, finite, number, results_view, tick_texts, ticks_between
from lmlab.reporting.figures.data import Figure
from lmlab.reporting.figures.labels import MOST_LABELS, EndLabel, draw, fit
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
from lmlab.reporting.figures.style import MUTED, WIDTH, Stroke, strokes, styled
from lmlab.reporting.figures.text import brief, widest, wrapped
from lmlab.reporting.formatting import occurrences

_PLOT = 3.5  # inches
_REACH = 10.0  # as in `results_view`: losses of rare tokens are far above those of frequent ones
_DODGE = 0.5  # share of a bin's width over which the dots of several runs are spread


@dataclass(frozen=True)
class FrequencyBin:
    """The tokens whose number of occurrences in the training text lies in a range.

    Args:
        first: smallest number of occurrences.
        last: largest number; None for no limit.
        tokens: number of tokens of the evaluated text in the bin.
    """

    first: int
    last: int | None
    tokens: int

    @property
    def name(self) -> str:
        """The range in words."""
        return occurrences(self.first, self.last)


@dataclass(frozen=True)
class BinLosses:
    """The losses of a run in each bin.

    Args:
        label: of the run.
        losses: one for each bin; None if the bin has no tokens.
    """

    label: str
    losses: Sequence[float | None]


@styled()
def frequency_bins(
    bins: Sequence[FrequencyBin],
    runs: Sequence[BinLosses],
    *,
    unit: str = "nats a token",
    title: str = "Loss by how often the token occurs in the training text",
) -> Figure:
    """Draws a dot for each run in each bin and joins the dots of a run by a line.

    If there are several runs, the dots are differences from their mean in the bin: rare tokens are so much harder than
    frequent ones that the runs would otherwise look alike.

    Args:
        bins: from rare to frequent.
        runs: to compare. At most 12 are drawn; a note says how many are left out.
        unit: of the loss.
        title: of the figure.
    """
    known = [run for run in runs if finite(run.losses)]
    if not bins or not known:
        return empty_figure(title, "No losses by frequency were recorded.")
    shown = known[:MOST_LABELS]
    several = len(shown) > 1
    if several:
        shown = _against_the_mean(shown, len(bins))
    looks = strokes(len(shown), ordered=False)
    view = results_view((loss for run in shown for loss in run.losses), reach=_REACH)
    shifts = [_DODGE * ((i + 0.5) / len(shown) - 0.5) for i in range(len(shown))]
    labels = [
        EndLabel(run.label, *_end(run, shift), look) for run, shift, look in zip(shown, shifts, looks, strict=True)
    ]
    fitted = fit(labels)
    left = left_margin(tick_texts(ticks_between(view.low, view.high)))
    room = (WIDTH - left - fitted.margin) / len(bins) - 0.1
    names = _names(bins, max(room, 0.5))
    tick_lines = max(name.count("\n") + 1 for name in names)
    notes = [f"{len(known) - len(shown)} more runs are not shown."] if len(shown) < len(known) else []
    notes += _above(bins, shown, view.high)
    layout = Layout(title, [Row(max(_PLOT, fitted.total_height), below=below(tick_lines))], notes)
    axes = layout.axes(0, left=left, right=fitted.margin)
    axes.set_xlim(-0.5, len(bins) - 0.5)
    axes.set_ylim(view.low, view.high)
    set_ticks(axes, "x", range(len(bins)), names)
    numbered(axes, "y", view.low, view.high)
    name = "times the token occurs in the training text; below, tokens evaluated"
    what = "validation loss against the mean of all shown" if several else "validation loss"
    name_axes(axes, x=name, y=f"{what}, {unit}", left=left, tick_lines=tick_lines)
    if several:
        axes.axhline(0, color=MUTED, linewidth=0.8, zorder=1)
    for run, shift, look in zip(shown, shifts, looks, strict=True):
        _draw_run(axes, run, shift, look, view.high)
    draw(axes, fitted)
    return layout.finish(_described(bins, known[:MOST_LABELS], unit))


def _against_the_mean(runs: Sequence[BinLosses], num_bins: int) -> list[BinLosses]:
    """Subtracts from each loss the mean of the runs that have one in the same bin."""
    means = []
    for i in range(num_bins):
        losses = finite(run.losses[i] for run in runs if i < len(run.losses))
        means.append(math.fsum(losses) / len(losses) if losses else math.nan)
    return [
        BinLosses(
            run.label,
            [
                loss - mean if loss is not None and math.isfinite(loss) else None
                for loss, mean in zip(run.losses, means, strict=False)
            ],
        )
        for run in runs
    ]


def _names(bins: Sequence[FrequencyBin], room: float) -> list[str]:
    amounts = [_tokens(group) for group in bins]
    if widest(amounts) > room:
        amounts = [amount.replace(" ", "\n") for amount in amounts]
    return [f"{wrapped(b.name, room, lines=2)}\n{amount}" for b, amount in zip(bins, amounts, strict=True)]


def _tokens(group: FrequencyBin) -> str:
    return f"{count(group.tokens)} token{'' if group.tokens == 1 else 's'}"


def _end(run: BinLosses, shift: float) -> tuple[float, float]:
    """Returns where a run's line ends."""
    return next(
        (i + shift, loss)
        for i, loss in reversed(list(enumerate(run.losses)))
        if loss is not None and math.isfinite(loss)
    )


def _draw_run(axes: Axes, run: BinLosses, shift: float, look: Stroke, high: float) -> None:
    inside = [loss if loss is not None and loss <= high else math.nan for loss in run.losses]
    places = [i + shift for i in range(len(inside))]
    axes.plot(places, inside, color=look.colour, linestyle=look.dash, linewidth=1.0, alpha=0.55, zorder=2)
    axes.plot(places, inside, look.marker, color=look.colour, markersize=8, zorder=3)
    beyond = [i + shift for i, loss in enumerate(run.losses) if loss is not None and loss > high]
    axes.plot(beyond, [0.975] * len(beyond), "^", color=look.colour, markersize=8, transform=axes.get_xaxis_transform())


def _above(bins: Sequence[FrequencyBin], runs: Sequence[BinLosses], high: float) -> list[str]:
    parts = [
        f"{brief(run.label)}, {group.name} ({number(loss, 2)})"
        for run in runs
        for group, loss in zip(bins, run.losses, strict=False)
        if loss is not None and loss > high
    ]
    more = f" and {len(parts) - 6} more" if len(parts) > 6 else ""
    return [f"▲ Above the picture: {'; '.join(parts[:6])}{more}."] if parts else []


def _described(bins: Sequence[FrequencyBin], runs: Sequence[BinLosses], unit: str) -> str:
    parts = []
    for i, group in enumerate(bins):
        reached = [(run.losses[i], run) for run in runs if i < len(run.losses) and finite([run.losses[i]])]
        if reached:
            best, run = min(reached, key=lambda pair: pair[0] or 0.0)
            whose = f" ({brief(run.label)})" if len(runs) > 1 else ""
            parts.append(f"{group.name} {number(best or 0.0, 2)}{whose}")
    lowest = "the lowest of each band" if len(runs) > 1 else brief(runs[0].label)
    return f"Validation loss by occurrences of the token in the training text, {unit}, {lowest}: {', '.join(parts)}."
