"""A command line with one generated word in it, or one damaged file, and what is expected of the command."""

from __future__ import annotations

import enum
import os
import re
import shlex
from dataclasses import dataclass, field
from typing import Any

# The work folder of every case has these; see files.py.
TEXT, SPLITS, SENTENCES, REVIEWS, VECTORS, ZIPPED, RUN = (
    "book.txt", "splits", "sentences.tsv", "reviews.csv", "vectors.txt", "vectors.zip", "outputs/text-lstm/run",
)  # fmt: skip


class Expect(enum.Enum):
    """What may become of a case; neither a traceback, a second line, a hang nor a file left behind ever may."""

    REFUSED = "must be refused"
    EITHER = "may be accepted, and then means what was typed"
    ACCEPTED = "must be accepted, or refused naming another setting that it does not fit"


@dataclass(frozen=True)
class Damage:
    """What is done to a file or folder before the command runs.

    Args:
        file: its path in the work folder.
        how: its name in `files.DAMAGES`.
        seed: where, for those that draw it.
    """

    file: str
    how: str
    seed: int = 0


@dataclass(frozen=True)
class Case:
    """A command line of which at most one word is at fault.

    Args:
        command: `train`, `generate`...
        about: what was generated, in a few words, to group failures by.
        expect: see `Expect`.
        words: the generated ones.
        context: words before these that make the setting exist (`optimizer=sgd`); all of them right.
        fields: a refusal begins with one of these; empty for anything that is not in `context`.
        value: the value as typed, which a refusal shows; None where there is none.
        remedy: a part of the remedy; empty for any.
        setting: by its dotted name, what has another value if the case is accepted.
        meanings: the values that it may have then; empty for any.
        damage: what is done to a file.
        whole: whether the command does its work; else it ends when its settings are complete.
    """

    command: str
    about: str
    expect: Expect
    words: tuple[str, ...]
    context: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    value: str | None = None
    remedy: str = ""
    setting: str = ""
    meanings: tuple[Any, ...] = field(default=(), compare=False)
    damage: Damage | None = None
    whole: bool = False

    @property
    def arguments(self) -> list[str]:
        return [*self.context, *self.words]

    def __str__(self) -> str:
        """The command line, to be pasted into a shell."""
        before = "" if self.damage is None else f"[{self.damage.how} {self.damage.seed}: {self.damage.file}] "
        return f"{before}python -m lmlab.{self.command} {' '.join(map(in_shell, self.arguments))}"


def in_shell(word: str) -> str:
    """Returns a word of a command line as bash reads it, also with bytes that are no text."""
    long = re.search(r"(.)\1{99,}", word)
    if long:
        before, after = (in_shell(part) if part else "" for part in (word[: long.start()], word[long.end() :]))
        return f"{before}$(printf '{shlex.quote(long[1])}%.0s' {{1..{len(long[0])}}}){after}"
    if word.isascii() and word.isprintable():
        return shlex.quote(word)
    escaped = (
        chr(byte) if chr(byte) not in "'\\" and 32 <= byte < 127 else f"\\x{byte:02x}" for byte in os.fsencode(word)
    )
    return f"$'{''.join(escaped)}'"
