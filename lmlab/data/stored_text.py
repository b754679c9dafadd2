"""Texts that stay on the disk: files that are decoded block by block each time they are read."""

from __future__ import annotations

import codecs
import io
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from lmlab.data.opening import open_file, require_path
from lmlab.data.pieces import Text
from lmlab.errors import UserError
from lmlab.terminal import Progress

# Bytes that are decoded at once. Their characters and words fit into a processor's cache.
BLOCK = 1 << 18


class DecodedFile:
    """The characters of a file with ``\\n`` as line end, decoded anew each time they are read.

    Where each block of bytes begins, in characters, and the decoder's state there are found once, so that reading can
    begin at any character. Some 200 bytes of memory for each block.

    Args:
        path: a regular file.
        encoding: the name of an encoding with an incremental decoder.
        observe: called with the bytes of each block and their characters before line ends are converted.
        errors: as for `bytes.decode`.

    Raises:
        UserError: it is not a regular file, or cannot be read.
        UnicodeError: it is not in this encoding.
    """

    def __init__(
        self, path: Path, encoding: str, observe: Callable[[bytes, str], None], *, errors: str = "strict"
    ) -> None:
        self.path = path
        self._make = codecs.getincrementaldecoder(encoding)
        self._encoding = encoding, errors
        self._starts: list[int] = [0]
        self._states: list[Any] = [None]
        decoder, lines = self._decoders(None)
        size = require_path(path).st_size
        with open_file(path) as file, closing(Progress(f"reading {path.name}", size)) as progress:
            self._known = _size_and_time(file)
            left = self._known[0]
            while left and (data := file.read(min(BLOCK, left))):
                left -= len(data)
                text = decoder.decode(data, not left)
                observe(data, text)
                self._starts.append(self._starts[-1] + len(lines.decode(text, not left)))
                self._states.append((decoder.getstate(), lines.getstate()))
                progress.move(len(data))
            self._check_unchanged(file)

    def _decoders(self, state: Any) -> tuple[codecs.IncrementalDecoder, io.IncrementalNewlineDecoder]:
        """Returns the decoders of characters and of line ends in a state; None for the first."""
        decoder, lines = self._make(self._encoding[1]), io.IncrementalNewlineDecoder(None, translate=True)
        if state is not None:
            decoder.setstate(state[0])
            lines.setstate(state[1])
        return decoder, lines

    def __len__(self) -> int:
        return self._starts[-1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DecodedFile) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[Any, ...]:
        return self.path, self._encoding, self._known

    def blocks(self, start: int, stop: int) -> Iterator[str]:
        """Yields the characters from `start` to `stop` in blocks.

        Raises:
            UserError: the file has changed since it was read first.
        """
        number = bisect_right(self._starts, start) - 1
        decoder, lines = self._decoders(self._states[number])
        with open_file(self.path) as file:
            self._check_unchanged(file)
            file.seek(number * BLOCK)
            for position in self._starts[number:-1]:
                if position >= stop:
                    break
                data = file.read(BLOCK)
                at_end = file.tell() == self._known[0]
                text = lines.decode(decoder.decode(data, at_end), at_end)
                yield text[max(0, start - position) : stop - position]
            # So that ids are not kept under the digest of what the text was before.
            self._check_unchanged(file)

    def _check_unchanged(self, file: IO[bytes]) -> None:
        if _size_and_time(file) != self._known:
            raise UserError("data.path", self.path, "changed while it was read", "repeat the command")


def _size_and_time(file: IO[bytes]) -> tuple[int, int]:
    """Returns size and time of the last change of an open file."""
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns


@dataclass(frozen=True)
class _Stretch:
    """Characters `start` to `stop` of a file."""

    file: DecodedFile
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, chosen: slice) -> _Stretch:
        start, stop, _ = chosen.indices(len(self))
        return _Stretch(self.file, self.start + start, self.start + max(start, stop))

    def blocks(self) -> Iterator[str]:
        return self.file.blocks(self.start, self.stop)


@dataclass(frozen=True)
class StoredText:
    """A text that is not in memory: parts of files, and short strings between them.

    Texts of the same parts are equal; ``str()`` reads all of it into memory.
    """

    parts: tuple[_Stretch | str, ...]

    @cached_property
    def _length(self) -> int:
        return sum(map(len, self.parts))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, chosen: slice) -> StoredText:
        start, stop, _ = chosen.indices(len(self))
        parts: list[_Stretch | str] = []
        for part in self.parts:
            if start < len(part) and stop > 0:
                parts.append(part[max(0, start) : stop])
            start, stop = start - len(part), stop - len(part)
        return StoredText(tuple(parts))

    def blocks(self) -> Iterator[str]:
        """Yields the text in pieces of at most some hundred thousand characters, cut anywhere."""
        names = [part.file.path.name for part in self.parts if isinstance(part, _Stretch)]
        with closing(Progress(f"reading {names[0] if names else 'text'}", len(self))) as progress:
            for part in self.parts:
                for block in [part] if isinstance(part, str) else part.blocks():
                    yield block
                    progress.move(len(block))

    def endswith(self, suffix: str) -> bool:
        """Returns whether the text ends in a string."""
        return str(self[max(0, len(self) - len(suffix)) :]) == suffix

    def __str__(self) -> str:
        return "".join(self.blocks())


def whole_file(file: DecodedFile) -> StoredText:
    """Returns all characters of a file."""
    return StoredText((_Stretch(file, 0, len(file)),))


def concatenated(texts: Sequence[Text]) -> Text:
    """Returns the texts as one; a string if all of them are strings."""
    if all(isinstance(text, str) for text in texts):
        return "".join(map(str, texts))
    parts: list[_Stretch | str] = []
    for text in texts:
        parts += text.parts if isinstance(text, StoredText) else [str(text)]
    return StoredText(tuple(parts))
