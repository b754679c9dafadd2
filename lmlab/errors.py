"""The one kind of error that people see: a line that names the field, its value and the remedy."""

from __future__ import annotations

# What a 64-bit integer holds.
LARGEST_NUMBER = 2**63


def printable(value: object, *, longest: int = 80) -> str:
    """Returns a value, perhaps from a stranger's file, as it may stand in one line on a terminal.

    Args:
        value: of any kind.
        longest: characters that are shown.
    """
    if isinstance(value, int) and abs(value) >= LARGEST_NUMBER:
        return "(a very large number)"
    if value is not None and not isinstance(value, str | int | float):
        return f"({type(value).__name__})"
    text = "null" if value is None else str(value)
    cut = "".join(character if character.isprintable() else "\ufffd" for character in text[:longest])
    return f"{cut}..." if len(text) > longest else cut


class UserError(Exception):
    """Something that the person at the keyboard can put right.

    Args:
        field: the setting, file or argument at fault, as it is typed (``data.path``).
        value: what it was set to; shown after an equals sign. ``None`` leaves it out.
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
        value = "" if self.value is None else f"={self.value}"
        line = (
            f"{self.field}{value}: {self.problem}; {self.remedy}"
            if self.remedy
            else f"{self.field}{value}: {self.problem}"
        )
        return " ".join(line.split())


class Refused(UserError):
    """A folder that holds something worth keeping, or that another process works on; nothing was written to it."""


class Diverged(UserError):
    """Training gave no numbers any more; the same run would do so again."""


class InterruptedRun(BaseException):
    """A signal ended the command.

    A ``BaseException``, so that a sweep ends with it instead of going on with the next job.

    Args:
        signal_number: the signal that was received; the command ends with 128 plus this number.
        message: what is saved and how to go on, for the line that the command ends with; empty: its usual one.
    """

    def __init__(self, signal_number: int, message: str = "") -> None:
        self.signal_number = signal_number
        self.message = message
        super().__init__(f"stopped by signal {signal_number}")
