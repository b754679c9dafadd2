"""Loss by frequency of the token in the training text, for several runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import EngFormatter

from lmlab.reporting.figures.axes import sensible_view, set_losses
from lmlab.reporting.figures.curves import MOST_LINES
from lmlab.reporting.figures.data import Figure, finite
from lmlab.reporting.figures.labels import EndLabel, beyond, brief, empty_figure, few, finish, number, wrapped
from lmlab.reporting.figures.style import WIDTH, canvas, looks, styled
from lmlab.runs.formatting import occurrences


@dataclass(frozen=True)
class FrequencyBin:
    """Tokens by their occurrences in the training text, and how many of the evaluated text are among them.

    Args:
        first: smallest number of occurrences.
        last: largest number; None for no limit.
        tokens: number of tokens of the evaluated text.
    """

    first: int
    last: int | None
    tokens: int


@dataclass(frozen=True)
class BinLosses:
    """The losses of a run, one for each bin; None if the bin has no tokens."""

    label: str
    losses: Sequence[float | None]


@styled()
def frequency_bins(bins: Sequence[FrequencyBin], runs: Sequence[BinLosses]) -> Figure:
    """Draws a mark for each run in each bin and joins the marks of a run by a line.

    Several runs are drawn as differences from their mean in the bin: rare tokens are so much harder than frequent ones
    that the runs would otherwise look alike.

    Args:
        bins: from rare to frequent.
        runs: to compare; the first 12 are drawn.
    """
    known = [run for run in runs if finite(run.losses[: len(bins)])]
    shown = known[:MOST_LINES]
    if not shown:
        return empty_figure("Loss by how often a token occurs", "No losses by frequency were recorded.")
    losses = np.full((len(shown), len(bins)), np.nan)
    for row, run in zip(losses, shown, strict=True):
        given = np.array(run.losses[: len(bins)], dtype=float)
        row[: len(given)] = np.where(np.isfinite(given), given, np.nan)
    drawn = losses
    if len(shown) > 1:
        drawn = losses - np.nansum(losses, axis=0) / np.maximum(1, np.isfinite(losses).sum(axis=0))
    drawing, (axes,) = canvas()
    view = sensible_view(drawn.flat, reach=8, part=0.6)
    set_losses(axes, view, "validation loss" + " against the mean of all" * (len(shown) > 1) + ", nats per token")
    room = max(0.5, (WIDTH - 2.8) / len(bins) - 0.08)
    names, amount = [occurrences(one.first, one.last) for one in bins], EngFormatter(sep="", places=0)
    ticks = [f"{wrapped(name, room)}\n({amount(one.tokens)})" for name, one in zip(names, bins, strict=True)]
    axes.set_xticks(range(len(bins)), labels=ticks)
    axes.set_xlim(-0.5, len(bins) - 0.5)
    axes.set_xlabel("times the token is in the training text (tokens evaluated)")
    ends, above = [], []
    for i, (run, row, look) in enumerate(zip(shown, drawn, looks([run.label for run in shown]), strict=True)):
        places = np.arange(len(bins)) + 0.5 * ((i + 0.5) / len(shown) - 0.5)
        (line,) = axes.plot(places, row, **look.line, linewidth=1.0, markersize=6)
        ends.append(EndLabel(run.label, "", float(row[np.isfinite(row)][-1]), line))
        above += [(f"{run.label} at {names[j]}", row[j]) for j in np.flatnonzero(np.isfinite(row))]
    notes = beyond(above, view.high)
    notes += [f"{len(known) - len(shown)} more runs are not shown."] if len(shown) < len(known) else []
    told = [
        f"{name} {number(losses[i, j], 2)} ({brief(shown[i].label)})"
        for j, name in enumerate(names)
        for i in [int(np.argmin(np.where(np.isfinite(losses[:, j]), losses[:, j], np.inf)))]
        if np.isfinite(losses[i, j])
    ]
    alt = f"Lowest validation loss by occurrences of the token in the training text, nats per token: {few(told, 8)}."
    return finish(drawing, alt, notes, (axes, ends))
