"""Saves figures as files; the same figure always gives the same bytes."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import BinaryIO

from lmlab.files import write_atomically
from lmlab.reporting.figures.data import Figure
from lmlab.reporting.figures.style import styled


@styled()
def rendered(figure: Figure, kind: str) -> bytes:
    """Returns the figure as `png` or `svg`, with its description; letters of the SVG are outlines and need no font."""
    metadata = {"Description": figure.alt} | ({"Software": None} if kind == "png" else {"Date": None, "Creator": None})
    file = io.BytesIO()
    figure.drawing.savefig(file, format=kind, metadata=metadata)
    return file.getvalue()


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Writes `<name>.png` and `<name>.svg` atomically into a folder, created if missing, and returns both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.png", folder / f"{name}.svg"
    for path in paths:
        content = rendered(figure, path.suffix[1:])
        write_atomically(path, partial(_write, content=content))
    return paths


def _write(file: BinaryIO, *, content: bytes) -> None:
    file.write(content)
