"""Counts what a text has by accident: control characters, wrong encodings, lone carriage returns."""

from __future__ import annotations

import re
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np

from lmlab.data.kinds import SEARCHED, markup

# Control characters that no text needs; form feed, escape and the like do occur in real ones.
CONTROL_RANGES = (range(0x00, 0x07), range(0x0E, 0x1B))
CONTROLS = bytes(chain(*CONTROL_RANGES))
# Characters that are counted to find the one that a text mainly consists of.
_SAMPLE = 10_000
_REPLACEMENT, MARK = "\ufffd", "\ufeff"
# What two and three bytes of UTF-8 are as Windows-1252: an accented letter, a quotation mark or dash.
_TWICE = re.compile("[ÂÃ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹Œ]|â€[\u0080-\u00bf˜™œžŸ“”¢¦]")


class TextStatistics:
    """What is counted of a text, which is given in one or more blocks, line ends as they are in the file.

    Attributes:
        num_characters: of the whole text.
        controls: number of control characters that no text needs.
        has_nul: whether NUL is among them.
        is_blank: whether there is nothing but white space.
        num_lines: number of line feeds.
        num_lone_returns: number of carriage returns without a line feed.
    """

    def __init__(self) -> None:
        self.num_characters = 0
        self.controls = 0
        self.has_nul = False
        self.is_blank = True
        self.num_lines = 0
        self.num_lone_returns = 0
        self._head = ""
        self._marks, self._first_mark = 0, 0
        self._twice, self._first_twice = 0, ""
        self._lost = 0
        # By character that is the most common one of a block: how often that block and those after it have it.
        self._most: Counter[str] = Counter()
        self._end = ""  # the last characters, with which what the next block begins may belong together

    def add(self, text: str) -> None:
        """Counts a block of the text."""
        if not text:
            return
        # In UTF-8 a character of ASCII is a byte of its own, and numpy counts bytes faster than Python characters.
        data = np.frombuffer(text.encode("utf-8", errors="surrogatepass"), dtype=np.uint8)
        self.has_nul |= "\x00" in text
        self.controls += sum(int(np.count_nonzero(data - np.uint8(c.start) < len(c))) for c in CONTROL_RANGES)
        self.is_blank &= text.isspace()
        if len(self._head) < SEARCHED:
            self._head += text
        if num_returns := int(np.count_nonzero(data == ord("\r"))):
            self.num_lone_returns += num_returns - text.count("\r\n")
        if self._end.endswith("\r") and text.startswith("\n"):
            self.num_lone_returns -= 1
        sample = _SAMPLE if not self.num_characters else _SAMPLE // 10
        (most, _), *_ = Counter(text[:: max(1, len(text) // sample)]).most_common(1)
        for character in {most, *self._most}:
            here = np.count_nonzero(data == ord(character)) if character.isascii() else text.count(character)
            self._most[character] += int(here)
        if text.isascii():
            self._end = text[-1]
        else:
            self._add_beyond_ascii(text)
        self.num_characters += len(text)
        self.num_lines += int(np.count_nonzero(data == ord("\n")))

    def _add_beyond_ascii(self, text: str) -> None:
        marks = text.count(MARK)
        if marks and not self._marks:
            self._first_mark = self.num_lines + text.count("\n", 0, text.index(MARK)) + 1
        self._marks += marks
        self._lost += text.count(_REPLACEMENT)
        joined, end = self._end + text, 0
        for match in _TWICE.finditer(joined):
            self._first_twice = self._first_twice or match[0]
            self._twice, end = self._twice + 1, match.end()
        self._end = joined[max(end, len(joined) - 2) :]

    def warnings(self, path: Path, *, known_wrong: bool) -> list[str]:
        """Returns warnings of characters that a text has by accident, and of a text that mainly consists of one.

        Args:
            path: the file.
            known_wrong: whether a warning says already that it is in another encoding.
        """
        found, total = [], self.num_characters
        language = markup(self._head)
        if language:
            what = f"{path.name}: looks like {language}, whose markup is read like all of the text"
            found.append(f"{what}; save it as plain text if it is not meant")
        if self._marks:
            what = f"{self._marks:,} byte order marks inside the text, the first in line {self._first_mark:,}"
            found.append(f"{path.name}: {what}, are kept as characters; were files joined?")
        if self._twice > 2 and not known_wrong:
            what = f"{self._twice:,} places, the first {self._first_twice!r}"
            found.append(f"{path.name}: {what}, look like UTF-8 that was read as Windows-1252; fetch the file again")
        if self._lost * 1000 > total:
            what = "of the characters are U+FFFD, which replaces lost characters"
            found.append(f"{path.name}: {self._lost / total:.1%} {what}")
        (most, count), *_ = self._most.most_common(1) or [("", 0)]
        share = count / max(1, total)
        if most and share > 0.5 and total > 1 and most != _REPLACEMENT:
            found.append(f"{path.name}: {share:.0%} of the characters are {most!r}; is it a text?")
        return found
