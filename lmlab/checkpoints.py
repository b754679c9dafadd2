"""Checkpoint files: plain containers and tensors, with a digest that is verified whenever they are read."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
from pathlib import Path
from typing import Any, BinaryIO

import torch

from lmlab.digests import END_LENGTH, END_RECORD, SEAL, SEAL_LENGTH, damaged, has_digest
from lmlab.errors import UserError, printable
from lmlab.files import replace, sync_folder, write_atomically
from lmlab.runs.contents import TOKENIZER_SCHEMA
from lmlab.runs.files import OBJECT, TEXT, WHOLE, Schema, fault

# Version of a checkpoint's contents; increased if an older lmlab cannot read them.
# 2: no digest, no position of training. 3: with a digest and the position of training.
FORMAT = 3
OLDEST_FORMAT = 2

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
        keep = max(0, len(both) - END_LENGTH)
        self._put(both[:keep])
        self._tail = both[keep:]
        return len(data)

    def flush(self) -> None:
        """Does nothing; the file is flushed when it is complete."""

    def seal(self) -> None:
        """Writes the end record with the comment's length, and the comment."""
        if not self._tail.startswith(END_RECORD) or self._tail[-2:] != b"\x00\x00":
            raise ValueError("torch.save no longer ends its files as a zip file without comment does")
        self._put(self._tail[:-2] + SEAL_LENGTH.to_bytes(2, "little"))
        self._file.write(SEAL + self._digest.hexdigest().encode("ascii"))

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
    sealed = has_digest(path)
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
        raise damaged(path)
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
