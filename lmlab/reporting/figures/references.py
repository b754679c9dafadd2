"""Horizontal lines for known values, left out where they would squash the data."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from lmlab.reporting.figures.axes import View, number
from lmlab.reporting.figures.data import Reference
from lmlab.reporting.figures.labels import EndLabel
from lmlab.reporting.figures.style import INK, MUTED
from lmlab.reporting.figures.text import brief

FLOOR = "source's entropy (no honest model goes below)"
# Least share of the height that the data keep beside baselines, and beside the floor, which is more important.
_LEAST_SHARE, _LEAST_SHARE_ABOVE_FLOOR = 0.6, 0.35


def fitting(references: Sequence[Reference], view: View) -> tuple[list[Reference], list[Reference]]:
    """Returns the references to draw, the floor first and then by distance, and those that would squash the data."""
    shown: list[Reference] = []
    left_out: list[Reference] = []
    own = view.high - view.low

    def distance(reference: Reference) -> float:
        return max(view.low - reference.value, reference.value - view.high, 0.0)

    known = [reference for reference in references if math.isfinite(reference.value)]
    for reference in sorted(known, key=lambda r: (not r.floor, distance(r))):
        wider = around(view, [*shown, reference])
        least = _LEAST_SHARE_ABOVE_FLOOR if any(r.floor for r in [*shown, reference]) else _LEAST_SHARE
        (shown if own >= least * (wider.high - wider.low) else left_out).append(reference)
    return shown, left_out


def around(view: View, references: Sequence[Reference]) -> View:
    """Returns the range extended to include the references."""
    room = 0.06 * (view.high - view.low)
    low = min([view.low, *(reference.value - room for reference in references)])
    high = max([view.high, *(reference.value + room for reference in references)])
    return View(low, high, view.clipped)


def left_out_note(left_out: Sequence[Reference]) -> list[str]:
    """Returns a sentence on the references that are not drawn; empty if all are."""
    return [f"Not drawn, as the lines would squash the picture: {', '.join(map(in_words, left_out))}."] * bool(left_out)


def in_words(reference: Reference) -> str:
    """Returns name and value of a reference."""
    return f"{brief(reference.label)} {number(reference.value)}"


def label(reference: Reference) -> EndLabel:
    """Returns the label at the end of a reference's line."""
    colour = INK if reference.floor else MUTED
    return EndLabel(reference.label, None, reference.value, None, number(reference.value), colour=colour)


def draw_references(axes: Axes, references: Sequence[Reference]) -> None:
    """Draws the lines of references without their labels."""
    for reference in references:
        axes.axhline(reference.value, color=INK if reference.floor else MUTED, linewidth=1.2, dashes=(4, 3), zorder=1.5)
