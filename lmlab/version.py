"""The version of lmlab."""

from __future__ import annotations

from importlib import metadata


def own_version() -> str:
    """Returns the version of the installed lmlab; `checkout` if it is not installed."""
    try:
        return metadata.version("lmlab")
    except metadata.PackageNotFoundError:
        return "checkout"
