"""Saves figures as files; the same figure always gives the same bytes."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import BinaryIO

from lmlab.files import write_atomically
from lmlab.reporting.figures.data import Figure
from lmlab.reporting.figures.style import DPI, styled


def png(figure: Figure) -> bytes:
    """Returns the figure as PNG, 1,080 pixels wide, with its description as metadata."""
    return _drawn(figure, "png", {"Software": None, "Description": figure.alt})


def svg(figure: Figure) -> bytes:
    """Returns the figure as SVG with letters as outlines, so that it does not depend on installed fonts."""
    return _drawn(figure, "svg", {"Date": None, "Creator": None, "Description": figure.alt})


def _drawn(figure: Figure, kind: str, metadata: dict[str, str | None]) -> bytes:
    file = io.BytesIO()
    with styled():
        figure.drawing.savefig(file, format=kind, dpi=DPI, metadata=metadata)
    return file.getvalue()


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Writes `<name>.png` and `<name>.svg` atomically.

    Args:
        figure: to be saved.
        folder: created if missing.
        name: of the files, without the extension.

    Returns:
        Both paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.png", folder / f"{name}.svg"
    for path, content in zip(paths, (png(figure), svg(figure)), strict=True):
        write_atomically(path, partial(_write, content=content))
    return paths


def _write(file: BinaryIO, *, content: bytes) -> None:
    file.write(content)
