"""Pictures as files: the same picture always as the same bytes."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import BinaryIO

from lmlab.files import write_atomically
from lmlab.reporting.figures.data import Picture
from lmlab.reporting.figures.style import DPI, styled


def png(picture: Picture) -> bytes:
    """As PNG, 1,080 pixels wide, with the description inside."""
    return _drawn(picture, "png", {"Software": None, "Description": picture.alt})


def svg(picture: Picture) -> bytes:
    """As SVG, with letters as outlines: it looks the same where the font is missing."""
    return _drawn(picture, "svg", {"Date": None, "Creator": None, "Description": picture.alt})


def _drawn(picture: Picture, kind: str, metadata: dict[str, str | None]) -> bytes:
    file = io.BytesIO()
    with styled():
        picture.figure.savefig(file, format=kind, dpi=DPI, metadata=metadata)
    return file.getvalue()


def save(picture: Picture, folder: Path, name: str) -> tuple[Path, Path]:
    """Writes `<name>.png` and `<name>.svg`, each whole or not at all.

    Args:
        picture: to be saved.
        folder: made where it is missing.
        name: without an ending.

    Returns:
        Both paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.png", folder / f"{name}.svg"
    for path, content in zip(paths, (png(picture), svg(picture)), strict=True):
        write_atomically(path, partial(_write, content=content))
    return paths


def _write(file: BinaryIO, *, content: bytes) -> None:
    file.write(content)
