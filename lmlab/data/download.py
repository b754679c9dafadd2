"""Downloads files into the cache and checks their SHA-256."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmlab.data.cache import cache_folder
from lmlab.errors import UserError
from lmlab.output_paths import check_writable

# Timeouts in seconds: to connect, and between two pieces of data.
_TIMEOUT = (10, 60)
# Some hosts refuse clients without a user agent.
_HEADERS = {"User-Agent": "lmlab (https downloads with a known SHA-256)"}


@dataclass(frozen=True)
class RemoteFile:
    """A published file with known contents.

    Args:
        name: file name in the cache.
        url: address of a copy that does not change.
        sha256: SHA-256 of its bytes.
        num_bytes: its size.
    """

    name: str
    url: str
    sha256: str
    num_bytes: int

    @property
    def size(self) -> str:
        """The size in words."""
        return f"{self.num_bytes / 1e6:,.0f} MB" if self.num_bytes >= 1e6 else f"{self.num_bytes / 1e3:,.0f} kB"


def texts_folder(name: str) -> Path:
    """Returns the folder in the cache for the files of a published text."""
    return cache_folder() / "texts" / name


def fetch(files: tuple[RemoteFile, ...], folder: Path, *, field: str, value: str, instead: str) -> list[Path]:
    """Returns the paths of files in the cache, downloading those that are missing.

    Args:
        files: the files.
        folder: their folder in the cache; created if it is missing.
        field: the setting that asked for them, for errors.
        value: the value of this setting.
        instead: the setting for using another copy, for errors.

    Raises:
        UserError: no network, no space, or unexpected contents. Says what to download by hand and where to put it.
    """
    missing = [file for file in files if not (folder / file.name).is_file()]
    for file in files:
        if file not in missing:
            _verify(folder / file.name, file)
    if missing and (place := os.environ.get("LMLAB_CACHE")):
        check_writable("LMLAB_CACHE", place)
    for i, file in enumerate(missing):
        others = len(missing) - i - 1
        rest = f" (and {others} more files, listed by python -m lmlab.list {field}={value})" if others else ""
        by_hand = f"fetch it by hand (SHA-256 {file.sha256}) and put it at {folder / file.name}{rest}, or set {instead}"
        # Printed to the terminal, also in a sweep, whose jobs log to their files only.
        print(f"downloading {file.url} ({file.size}) to {folder}", file=sys.stderr, flush=True)
        _download(file, folder, field=field, value=value, by_hand=by_hand)
    return [folder / file.name for file in files]


def _download(file: RemoteFile, folder: Path, *, field: str, value: str, by_hand: str) -> None:
    import pooch  # type: ignore[import-untyped]
    import requests

    pooch.get_logger().setLevel(logging.ERROR)
    downloader: Any = pooch.HTTPDownloader(progressbar=True, timeout=_TIMEOUT, headers=_HEADERS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(file.url, f"sha256:{file.sha256}", fname=file.name, path=folder, downloader=downloader)
    except requests.exceptions.RequestException as error:
        reason = "no such file there" if isinstance(error, requests.exceptions.HTTPError) else "no connection"
        raise UserError(field, value, f"{file.url} could not be downloaded ({reason})", by_hand) from error
    except ValueError as error:  # raised by pooch if the hash differs; it has removed the file
        problem = f"{file.url} gave other bytes than expected (a login page of the network?)"
        raise UserError(field, value, problem, by_hand) from error
    except OSError as error:
        remedy = "make room, or set LMLAB_CACHE to a folder you may write to"
        raise UserError(str(folder), None, error.strerror or "cannot be written", remedy) from error


def _verify(path: Path, file: RemoteFile) -> None:
    if path.stat().st_size != file.num_bytes or sha256_of(path) != file.sha256:
        problem = f"is not the file expected (SHA-256 {file.sha256}, {file.num_bytes:,} bytes)"
        raise UserError(str(path), None, problem, f"remove it; it is then fetched again from {file.url}")


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
