"""Checkpoint files: plain containers and tensors, sealed by a digest that every reading verifies."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
from pathlib import Path
from typing import Any, BinaryIO

import torch

from lmlab.errors import UserError
from lmlab.files import sync_folder, write_atomically

# What a checkpoint of ours looks like inside; raised when an older lmlab could not read it.
# 2: no digest, no position of its own. 3: sealed; says itself where training stands.
FORMAT = 3
OLDEST_FORMAT = 2
# Of a run whose last evaluation, behind its end, was the best: the best weights before that.
BEST_BEFORE_END = "best-before-end.ckpt"

# torch writes a zip file, and a zip file may end with a comment: ours is the SHA-256 of all bytes before it. So file
# and digest are replaced together, and torch.load reads the file as any other.
_SEAL = b"lmlab-sha256:"
_SEAL_LENGTH = len(_SEAL) + 64
# The end record of a zip file without comment, whose last two bytes are the comment's length.
_END_RECORD = b"PK\x05\x06"
_END_LENGTH = 22
_CHUNK = 1 << 20


class _Sealing:
    """A file that torch writes to; keeps the last bytes back, for the length of the comment stands in them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._tail = b""
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        """Writes all but the end record's length."""
        both = self._tail + bytes(data)
        keep = max(0, len(both) - _END_LENGTH)
        self._put(both[:keep])
        self._tail = both[keep:]
        return len(data)

    def flush(self) -> None:
        """The file is flushed when it is whole."""

    def seal(self) -> None:
        """Writes the end record with the comment's length, and the comment."""
        if not self._tail.startswith(_END_RECORD) or self._tail[-2:] != b"\x00\x00":
            raise ValueError("torch.save no longer ends its files as a zip file without comment does")
        self._put(self._tail[:-2] + _SEAL_LENGTH.to_bytes(2, "little"))
        self._file.write(_SEAL + self._digest.hexdigest().encode("ascii"))

    def _put(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:  # torch would make a RuntimeError without a reason of it
            self.error = error
            raise
        self._digest.update(data)


def save_checkpoint(checkpoint: dict[str, Any], path: Path, *, keep_previous: Path | None = None) -> None:
    """Saves plain containers and tensors, sealed; a crash while saving leaves the file before.

    Args:
        checkpoint: with our own part under ``lmlab``.
        path: the target; its folder is made.
        keep_previous: where the file before stays readable; None forgets it.

    Raises:
        OSError: the disk is full or the folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)

    def write(file: BinaryIO) -> None:
        sealing: Any = _Sealing(file)
        try:
            torch.save(checkpoint, sealing)
        except Exception:
            if sealing.error is not None:
                raise sealing.error from None
            raise
        sealing.seal()
        if keep_previous is not None and path.is_file():
            _keep(path, keep_previous)

    write_atomically(path, write)


def _keep(path: Path, previous: Path) -> None:
    """Gives a file a second name, so that there is never a moment without it."""
    if previous.exists() and previous.samefile(path):  # its replacement failed after this, once before
        return
    beside = previous.with_name(f".{previous.name}.{os.getpid()}.part")
    beside.unlink(missing_ok=True)
    try:
        os.link(path, beside)
    except OSError:  # file systems without links
        shutil.copyfile(path, beside)
    os.replace(beside, previous)
    sync_folder(previous.parent)


def read_checkpoint(path: Path, *, map_location: Any = "cpu") -> dict[str, Any]:
    """A checkpoint of ours, as it was written.

    Raises:
        UserError: damaged, made by something else, or with more in it than tensors and plain containers.
    """
    sealed = _verified(path)
    try:
        loaded = torch.load(path, map_location=map_location, weights_only=True)
        ours = loaded["lmlab"]
        found = ours["format"]
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, LookupError, ValueError, TypeError) as error:
        problem = "damaged, or not a checkpoint of lmlab (weights_only loading refused it)"
        raise UserError("run", path, problem, "use the run's other checkpoint, or train again") from error
    if not isinstance(found, int) or not OLDEST_FORMAT <= found <= FORMAT:
        raise UserError("run", path, "was written by another version of lmlab", "train it again with this one")
    if found >= 3 and not sealed:
        raise _damaged(path)
    return dict(loaded)


def load_weights(module: torch.nn.Module, weights: Any, path: Path, *, prefix: str = "") -> None:
    """Puts a checkpoint's weights into a module that they were made for.

    Args:
        module: to be filled.
        weights: tensors by name.
        path: where they are from, for the error.
        prefix: of the names that are meant; the others are left out.

    Raises:
        UserError: naming the first weight that is missing, too many, or of another shape or type.
    """
    named = weights.items() if isinstance(weights, dict) else ()
    found = {name.removeprefix(prefix): value for name, value in named if str(name).startswith(prefix)}
    expected = module.state_dict()
    for name in [*expected, *(name for name in found if name not in expected)]:
        ours, theirs = expected.get(name), found.get(name)
        if _kind(theirs) != _kind(ours):
            problem = f"its weight {prefix}{name} is {_kind(theirs)}, where its configuration makes {_kind(ours)}"
            raise UserError("run", path, problem, "restore it from a copy, or train again")
    module.load_state_dict(found)


def _kind(weight: Any) -> str:
    if not isinstance(weight, torch.Tensor):
        return "none" if weight is None else "no tensor"
    return f"{tuple(weight.shape)} {str(weight.dtype).removeprefix('torch.')}"


def has_digest(path: Path) -> bool:
    """Whether a checkpoint carries the digest of its bytes; those of older versions do not.

    Raises:
        UserError: it does, and the bytes are others.
    """
    return _verified(path)


def _verified(path: Path) -> bool:
    """True where the digest fits, False where the file ends as one without any.

    Raises:
        UserError: the digest does not fit, or something of one is there.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            end = _read_end(file, size)
            if end is None:
                return False
            digest = hashlib.sha256()
            file.seek(0)
            left = size - _SEAL_LENGTH
            while left > 0:
                data = file.read(min(_CHUNK, left))
                if not data:
                    raise _damaged(path)
                digest.update(data)
                left -= len(data)
    except OSError as error:
        problem = error.strerror or "cannot be read"
        raise UserError("run", path, problem, "use the run's other checkpoint, or train again") from None
    if end != _SEAL + digest.hexdigest().encode("ascii"):
        raise _damaged(path)
    return True


def _read_end(file: BinaryIO, size: int) -> bytes | None:
    """The last bytes, where the digest should be; None where the file ends with an end record of no comment."""
    file.seek(max(0, size - _SEAL_LENGTH - _END_LENGTH))
    last = file.read()
    plain_end = last[-_END_LENGTH:]
    if plain_end.startswith(_END_RECORD) and plain_end.endswith(b"\x00\x00"):
        return None
    return last[-_SEAL_LENGTH:]


def _damaged(path: Path) -> UserError:
    problem = "is damaged: its bytes are not those that were written (SHA-256)"
    return UserError("run", path, problem, "restore it from a copy, use the run's other checkpoint, or train again")
