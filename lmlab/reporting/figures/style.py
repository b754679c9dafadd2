"""Colours, line styles and sizes of all figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import matplotlib
from matplotlib.colors import to_hex, to_rgb

# Inches. A report's column is about 720 pixels wide and a phone 380, where letters are still 8 pixels high.
WIDTH = 7.2
DPI = 150
TITLE, BODY, SMALL = 13.0, 11.0, 10.0  # points
FONT = "DejaVu Sans"  # part of matplotlib, so that all machines draw the same

INK, MUTED, GRID, FAINT, PAPER = "#1f2328", "#57606a", "#e4e7eb", "#b4bac2", "#ffffff"
# Least contrast of readable text according to WCAG 2.
CONTRAST = 4.5

# Source: Okabe & Ito 2008, Color Universal Design; without yellow, which is invisible on white. The first five are
# easiest to distinguish for protanopes and deuteranopes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#000000", "#56B4E9", "#E69F00", "#CC79A7")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
Dash = Literal["-"] | tuple[float, tuple[float, ...]]
DASHES: tuple[Dash, ...] = ("-", (0, (6, 2)), (0, (6, 1.5, 1.5, 1.5)), (0, (2, 1.5)))
SEQUENTIAL = "viridis"
# Part of the sequential colours that is dark enough for lines.
_DARK_ENOUGH = 0.82

_RC: dict[str, Any] = {
    "font.family": [FONT],
    "font.size": BODY,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.labelsize": BODY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "axes.autolimit_mode": "data",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": BODY,
    "ytick.labelsize": BODY,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "hatch.color": FAINT,
    "hatch.linewidth": 1.0,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "path",
    "svg.hashsalt": "lmlab",
}


@contextmanager
def styled() -> Iterator[None]:
    """Applies matplotlib's settings for these figures and restores the user's own afterwards."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        cast(Any, matplotlib.rcParams).update(_RC)
        yield


@dataclass(frozen=True)
class Stroke:
    """The style of a line, which can be recognised without colour too."""

    colour: str
    dash: Dash = "-"
    marker: str = "o"

    @property
    def text_colour(self) -> str:
        """The line's colour, darkened so that text in it is readable."""
        return readable(self.colour)


VALIDATION_STROKE = Stroke(COLOURS[0], "-", "o")
TRAINING_STROKE = Stroke(COLOURS[1], DASHES[1], "s")


def strokes(count: int, *, ordered: bool) -> list[Stroke]:
    """Returns strokes for several lines.

    Args:
        count: number of lines.
        ordered: use colours from dark to light, for values with an order.
    """
    markers = [MARKERS[i % len(MARKERS)] for i in range(count)]
    if ordered:
        scale = matplotlib.colormaps[SEQUENTIAL]
        return [
            Stroke(to_hex(scale(_DARK_ENOUGH * i / max(1, count - 1))), "-", marker) for i, marker in enumerate(markers)
        ]
    return [
        Stroke(COLOURS[i % len(COLOURS)], DASHES[(i // len(COLOURS) + i) % len(DASHES)], marker)
        for i, marker in enumerate(markers)
    ]


def luminance(colour: str) -> float:
    """Returns the relative luminance of a colour, 0 to 1.

    Source: WCAG 2.2, relative luminance.
    """
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: str, other: str) -> float:
    """Returns the contrast of two colours, from 1 for equal ones to 21 for black on white.

    Source: WCAG 2.2, contrast ratio.
    """
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def readable(colour: str, paper: str = PAPER) -> str:
    """Darkens a colour until text in it is readable on the paper."""
    while contrast(colour, paper) < CONTRAST:
        red, green, blue = to_rgb(colour)
        colour = to_hex((0.9 * red, 0.9 * green, 0.9 * blue))
    return colour


def ink_on(colour: str) -> str:
    """Returns white or dark, whichever is more readable on a colour."""
    return max((PAPER, "#111111"), key=lambda ink: contrast(ink, colour))
