"""The digest at the end of a checkpoint, which tells that its bytes are those that were written; without torch."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from lmlab.errors import UserError

# torch writes a zip file, and a zip file may end with a comment. Here it is the SHA-256 of all bytes before it, so that
# file and digest are replaced together and torch.load reads the file like any other.
SEAL = b"lmlab-sha256:"
SEAL_LENGTH = len(SEAL) + 64
# The end record of a zip file without a comment; its last two bytes are the length of the comment.
END_RECORD = b"PK\x05\x06"
END_LENGTH = 22
_CHUNK = 1 << 20


def has_digest(path: Path) -> bool:
    """Returns whether a checkpoint has a digest of its bytes; those of older versions do not.

    Raises:
        UserError: it has a digest that does not match or is incomplete, or it cannot be read.
    """
    if path.exists() and not path.is_file():  # reading from a named pipe would block forever
        raise UserError("run", path, "is not a file", "use the run's other checkpoint, or train again")
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            end = _read_end(file, size)
            if end is None:
                return False
            if not end.startswith(SEAL):  # without reading all of it, which may be endless
                raise damaged(path)
            digest = hashlib.sha256()
            file.seek(0)
            left = size - SEAL_LENGTH
            while left > 0:
                data = file.read(min(_CHUNK, left))
                if not data:
                    raise damaged(path)
                digest.update(data)
                left -= len(data)
    except OSError as error:
        problem = error.strerror or "cannot be read"
        raise UserError("run", path, problem, "use the run's other checkpoint, or train again") from None
    if end != SEAL + digest.hexdigest().encode("ascii"):
        raise damaged(path)
    return True


def _read_end(file: BinaryIO, size: int) -> bytes | None:
    """Returns the last bytes, where the digest should be; None if the file ends with an end record without comment."""
    file.seek(max(0, size - SEAL_LENGTH - END_LENGTH))
    last = file.read()
    plain_end = last[-END_LENGTH:]
    if plain_end.startswith(END_RECORD) and plain_end.endswith(b"\x00\x00"):
        return None
    return last[-SEAL_LENGTH:]


def damaged(path: Path) -> UserError:
    """Returns the error of a checkpoint whose digest is not that of its bytes."""
    problem = "is damaged: its bytes are not those that were written (SHA-256)"
    return UserError("run", path, problem, "restore it from a copy, use the run's other checkpoint, or train again")
