"""Saves figures as files; the same figure always gives the same bytes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import BinaryIO

from lmlab.files import write_atomically
from lmlab.reporting.figures.data import Figure
from lmlab.reporting.figures.style import styled


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
