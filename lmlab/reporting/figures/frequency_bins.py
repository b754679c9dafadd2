"""Loss by frequency of the token in the training text, for several runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import EngFormatter

from lmlab.reporting.figures.axes import set_losses
from lmlab.reporting.figures.curves import MOST_LINES
from lmlab.reporting.figures.data import Figure, finite, sensible_view
from lmlab.reporting.figures.labels import EndLabel, empty_figure, finish
from lmlab.reporting.figures.style import WIDTH, canvas, looks, styled
from lmlab.reporting.figures.text import beyond, brief, number, wrapped
from lmlab.runs.formatting import occurrences


class FrequencyBin(NamedTuple):
    """Tokens with so many occurrences in the training text, and how many of the evaluated text are among them."""

    first: int
    last: int | None
    tokens: int


class BinLosses(NamedTuple):
    """The losses of a run, one for each bin; None if the bin has no tokens."""

    label: str
    losses: Sequence[float | None]


@styled()
def frequency_bins(bins: Sequence[FrequencyBin], runs: Sequence[BinLosses]) -> Figure:
    """Draws a mark for each of the first 12 runs in each bin, and joins the marks of a run by a line.

    Several runs are drawn as differences from their mean in the bin: rare tokens are so much harder than frequent ones
    that the runs would otherwise look alike.
    """
    known = [run for run in runs if finite(run.losses[: len(bins)])]
    shown = known[:MOST_LINES]
    if not shown:
        return empty_figure("Loss by how often a token occurs", "No losses by frequency were recorded.")
    given = [[*run.losses, *[None] * len(bins)][: len(bins)] for run in shown]
    losses = np.ma.masked_invalid(np.array(given, dtype=float))
    drawn = losses - losses.mean(axis=0) if len(shown) > 1 else losses
    drawing, (axes,) = canvas()
    view = sensible_view(drawn.compressed())
    set_losses(axes, view, "validation loss" + " against the mean of all" * (len(shown) > 1) + ", nats per token")
    room = max(0.5, (WIDTH - 2.8) / len(bins) - 0.08)
    names, amount = [occurrences(one.first, one.last) for one in bins], EngFormatter(sep="", places=0)
    ticks = [f"{wrapped(name, room)}\n({amount(one.tokens)})" for name, one in zip(names, bins, strict=True)]
    axes.set_xticks(range(len(bins)), labels=ticks)
    axes.set_xlim(-0.5, len(bins) - 0.5)
    axes.set_xlabel("times the token is in the training text (tokens evaluated)")
    ends, above = [], []
    for i, (run, look) in enumerate(zip(shown, looks([run.label for run in shown]), strict=True)):
        places = np.arange(len(bins)) + 0.5 * ((i + 0.5) / len(shown) - 0.5)
        (line,) = axes.plot(places, drawn[i].filled(np.nan), **look, linewidth=1.0, markersize=6)
        ends.append(EndLabel(run.label, "", drawn[i].compressed()[-1], line))
        above += [(f"{run.label} at {names[j]}", drawn[i, j]) for j in np.flatnonzero(drawn[i] > view.high)]
    lowest = [(name, i, losses[i, j]) for j, (name, i) in enumerate(zip(names, losses.argmin(axis=0), strict=True))]
    told = [f"{name} {number(y, 2)} ({brief(shown[i].label)})" for name, i, y in lowest if y is not np.ma.masked]
    notes = beyond(above, view.high)
    notes += [f"{len(known) - len(shown)} more runs are not shown."] if len(shown) < len(known) else []
    alt = f"Lowest validation loss by occurrences of the token in the training text, nats per token: {'; '.join(told)}."
    return finish(drawing, alt, notes, (axes, ends))
