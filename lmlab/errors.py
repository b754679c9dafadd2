"""The errors that users see: one line that names the field, its value, the problem and the remedy."""

from __future__ import annotations

# The range of a 64-bit integer.
LARGEST_NUMBER = 2**63
_LONGEST_VALUE = 300


def printable(value: object, *, longest: int = 80) -> str:
    """Returns a value as text that is safe to print in one line on a terminal, also if it is from an untrusted file.

    Args:
        value: any value.
        longest: maximum number of characters; a path may have 300, for a part of it names no file.
    """
    if hasattr(value, "__fspath__"):  # pathlib takes time to import, and this file comes before all others
        value, longest = str(value), max(longest, _LONGEST_VALUE)
    if isinstance(value, int) and abs(value) >= LARGEST_NUMBER:
        return "(a very large number)"
    if value is not None and not isinstance(value, str | int | float):
        return f"({type(value).__name__})"
    text = "null" if value is None else str(value)
    cut = "".join(character if character.isprintable() else "\ufffd" for character in text[:longest])
    return f"{cut}..." if len(text) > longest else cut


class UserError(Exception):
    """An error that the user can correct.

    Args:
        field: the setting, file or argument at fault, as it is typed (``data.path``).
        value: its value, shown after an equals sign; ``None`` to show none.
        problem: what is wrong with it.
        remedy: what to do about it.
    """

    def __init__(self, field: str, value: object, problem: str, remedy: str) -> None:
        self.field = field
        self.value = value
        self.problem = problem
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        value = "" if self.value is None else f"={_shortened(str(self.value))}"
        line = f"{self.field}{value}: {self.problem}" + (f"; {self.remedy}" if self.remedy else "")
        return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(line.split()))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


class Refused(UserError):
    """A folder that contains something worth keeping or is used by another process; nothing was written to it."""


class Diverged(UserError):
    """Training gave a result that is not finite; the same run would do so again."""


class InterruptedRun(BaseException):
    """A signal ended the command.

    A ``BaseException``, so that it ends a sweep, which would otherwise continue with the next job.

    Args:
        signal_number: the signal that was received; the command's exit status is 128 plus this number.
        message: what is saved and how to resume, for the command's last line; empty for the usual line.
    """

    def __init__(self, signal_number: int, message: str = "") -> None:
        self.signal_number = signal_number
        self.message = message
        super().__init__(f"stopped by signal {signal_number}")
