"""Checkpoint files: plain containers and tensors, with a digest that is verified whenever they are read."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
from pathlib import Path
from typing import Any, BinaryIO

import torch

from lmlab.errors import UserError, printable
from lmlab.files import replace, sync_folder, write_atomically
from lmlab.runs.contents import TOKENIZER_SCHEMA
from lmlab.runs.files import OBJECT, TEXT, WHOLE, Schema, fault

# Version of a checkpoint's contents; increased if an older lmlab cannot read them.
# 2: no digest, no position of training. 3: with a digest and the position of training.
FORMAT = 3
OLDEST_FORMAT = 2

# torch writes a zip file, and a zip file may end with a comment. Here it is the SHA-256 of all bytes before it, so that
# file and digest are replaced together and torch.load reads the file like any other.
_SEAL = b"lmlab-sha256:"
_SEAL_LENGTH = len(_SEAL) + 64
# The end record of a zip file without a comment; its last two bytes are the length of the comment.
_END_RECORD = b"PK\x05\x06"
_END_LENGTH = 22
_CHUNK = 1 << 20


# What a model is loaded from, and its figures are verified by; a checkpoint to go on from has more.
_MODEL: Schema = {
    "state_dict": OBJECT,
    "global_step": WHOLE,
    "callbacks?": {"Recorder?": {"rows": [OBJECT]}},
    "lmlab": {
        "tokenizer": TOKENIZER_SCHEMA,
        "config": OBJECT,
        "plugins?": OBJECT,
        "train_fingerprint?": TEXT,
        "text_fingerprints?": OBJECT,
    },
}


class OtherVersion(UserError):
    """A checkpoint that is whole, but of a version of lmlab that this one cannot read."""


class _Sealing:
    """A file for torch to write to; holds back the last bytes, which have the length of the comment."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._tail = b""
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        """Writes data, holding back as many bytes as the end record has."""
        both = self._tail + bytes(data)
        keep = max(0, len(both) - _END_LENGTH)
        self._put(both[:keep])
        self._tail = both[keep:]
        return len(data)

    def flush(self) -> None:
        """Does nothing; the file is flushed when it is complete."""

    def seal(self) -> None:
        """Writes the end record with the comment's length, and the comment."""
        if not self._tail.startswith(_END_RECORD) or self._tail[-2:] != b"\x00\x00":
            raise ValueError("torch.save no longer ends its files as a zip file without comment does")
        self._put(self._tail[:-2] + _SEAL_LENGTH.to_bytes(2, "little"))
        self._file.write(_SEAL + self._digest.hexdigest().encode("ascii"))

    def _put(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:  # torch would replace it by a RuntimeError without a reason
            self.error = error
            raise
        self._digest.update(data)


def save_checkpoint(checkpoint: dict[str, Any], path: Path, *, keep_previous: Path | None = None) -> None:
    """Saves plain containers and tensors with a digest; a crash while saving leaves the previous file unchanged.

    Args:
        checkpoint: its key ``lmlab`` has the part that is lmlab's own.
        path: the target; its folder is created.
        keep_previous: path under which the previous file is kept; None to discard it.

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
    """Gives a file a second name, so that it exists at every moment."""
    if previous.exists() and previous.samefile(path):  # left by an earlier attempt that failed after this point
        return
    beside = previous.with_name(f".{previous.name}.{os.getpid()}.part")
    beside.unlink(missing_ok=True)
    try:
        os.link(path, beside)
    except OSError:  # file systems without links
        shutil.copyfile(path, beside)
    replace(beside, previous)
    sync_folder(previous.parent)


def read_checkpoint(path: Path, *, map_location: Any = "cpu") -> dict[str, Any]:
    """Returns the contents of a checkpoint of lmlab.

    Raises:
        UserError: the file is damaged, made by another program, or has more in it than tensors and plain containers.
        OtherVersion: it is of a newer lmlab, or of a very old one.
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
        raise OtherVersion("run", path, "was written by another version of lmlab", "use that one, or train it again")
    if found >= 3 and not sealed:
        raise _damaged(path)
    return dict(loaded)


def read_model(path: Path) -> dict[str, Any]:
    """Returns the contents of a checkpoint that has all parts of a model: weights, tokenizer, configuration, step.

    Raises:
        UserError: see `read_checkpoint`; or a part is missing, or of another kind.
    """
    saved = read_checkpoint(path)
    if problem := fault(saved, _MODEL):
        problem = f"has parts missing, or of another kind: {printable(problem, longest=200)}"
        raise UserError("run", path, problem, "restore it from a copy, or train again")
    return saved


def load_weights(module: torch.nn.Module, weights: Any, path: Path, *, prefix: str = "") -> None:
    """Loads a checkpoint's weights into a module.

    Args:
        module: the module, which is changed.
        weights: tensors by name.
        path: the checkpoint's path, for the error.
        prefix: only weights whose names begin with it are used.

    Raises:
        UserError: a weight is missing, unexpected, or of another shape or type; names the first one.
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
    """Returns whether a checkpoint has a digest of its bytes; those of older versions do not.

    Raises:
        UserError: it has a digest that does not match.
    """
    return _verified(path)


def _verified(path: Path) -> bool:
    """Returns True if the digest matches, False if the file ends like one without a digest.

    Raises:
        UserError: the digest does not match or is incomplete.
    """
    if path.exists() and not path.is_file():  # reading from a named pipe would block forever
        raise UserError("run", path, "is not a file", "use the run's other checkpoint, or train again")
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            end = _read_end(file, size)
            if end is None:
                return False
            if not end.startswith(_SEAL):  # without reading all of it, which may be endless
                raise _damaged(path)
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
    """Returns the last bytes, where the digest should be; None if the file ends with an end record without comment."""
    file.seek(max(0, size - _SEAL_LENGTH - _END_LENGTH))
    last = file.read()
    plain_end = last[-_END_LENGTH:]
    if plain_end.startswith(_END_RECORD) and plain_end.endswith(b"\x00\x00"):
        return None
    return last[-_SEAL_LENGTH:]


def _damaged(path: Path) -> UserError:
    problem = "is damaged: its bytes are not those that were written (SHA-256)"
    return UserError("run", path, problem, "restore it from a copy, use the run's other checkpoint, or train again")
