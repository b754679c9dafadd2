"""Colours, line styles and sizes of all figures, and how they are saved in this style."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MatplotlibFigure

from lmlab.files import write_atomically
from lmlab.reporting.figures.data import Figure

WIDTH, HEIGHT = 5.8, 3.4  # inches
FONT, SMALL = "DejaVu Sans", 9.0  # points
MUTED, FAINT, GRID, PAPER = "#57606a", "#b4bac2", "#e4e7eb", "#ffffff"
# Source: Okabe & Ito 2008, Color Universal Design; without the yellow that is invisible on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#000000", "#56B4E9", "#E69F00", "#CC79A7")
BLUE, BEST = COLOURS[:2]
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 1.5, 1.5, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
# Applies the style file to a function or a block, and restores the user's own settings afterwards.
styled = partial(matplotlib.style.context, Path(__file__).with_name("lmlab.mplstyle"), after_reset=True)


def looks(labels: Sequence[str]) -> list[dict[str, Any]]:
    """Returns a look for each of at most 12 labelled lines, by which they can be told apart without colours too.

    If all labels are of two settings, such as `gru, glove`, values of the first have colours, of the second dashes.
    """
    places = [(i % len(COLOURS), (i + 2 * (i // len(COLOURS))) % len(DASHES)) for i in range(len(labels))]
    pairs = [label.split(", ") for label in labels if label.count(", ") == 1]
    first, second = (list(dict.fromkeys(pair[k] for pair in pairs)) for k in (0, 1))
    if len(pairs) == len(labels) and len(first) <= len(COLOURS) and len(second) <= len(DASHES):
        places = [(first.index(one), second.index(other)) for one, other in pairs]
    marked = zip(places, MARKERS, strict=False)
    return [{"color": COLOURS[c], "linestyle": DASHES[d], "marker": marker} for (c, d), marker in marked]


def canvas(height: float = HEIGHT, rows: int = 1, columns: int = 1, **more: Any) -> tuple[MatplotlibFigure, list[Axes]]:
    """Returns an empty figure of some height in inches and its axes, row by row."""
    drawing = MatplotlibFigure(figsize=(WIDTH, height), layout="constrained")
    return drawing, list(drawing.subplots(rows, columns, squeeze=False, **more).flat)


@styled()
def render(figure: Figure, kind: str, file: BinaryIO) -> None:
    """Writes a figure with its description as `png` or `svg`; letters of the SVG are outlines, which need no font."""
    metadata = {"Description": figure.alt} | ({"Software": None} if kind == "png" else {"Date": None, "Creator": None})
    figure.drawing.savefig(file, format=kind, metadata=metadata)


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Writes `<name>.png` and `<name>.svg` atomically into a folder, made if it is missing, and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.png", folder / f"{name}.svg"
    for path in paths:
        write_atomically(path, partial(render, figure, path.suffix[1:]))
    return paths
