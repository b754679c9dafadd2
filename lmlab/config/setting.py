"""What is known of a setting: help, range, choices."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_META = "lmlab"
# Of a text or list whose setting says nothing else: longer than any path.
LONGEST = 4_000


@dataclass(frozen=True)
class Range:
    """The numbers that a setting accepts; never NaN and infinity.

    Your own class can declare it in its signature: `leak: Annotated[float, lmlab.Range(at_least=0, below=1)]`.

    Args:
        at_least: the smallest number.
        at_most: the largest number.
        above: all numbers are larger than this.
        below: all numbers are smaller than this.
        special: a number that is allowed although it is outside, such as -1 for no limit.
    """

    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None
    special: float | None = None

    def problem(self, value: float) -> str | None:
        """Returns what is wrong with a number, None for nothing."""
        if value == self.special:
            return None
        if self.at_least is not None and not value >= self.at_least:
            return f"is less than {_number(self.at_least)}"
        if self.above is not None and not value > self.above:
            return f"is not above {_number(self.above)}"
        if self.at_most is not None and not value <= self.at_most:
            return f"is more than {_number(self.at_most)}"
        if self.below is not None and not value < self.below:
            return f"is not less than {_number(self.below)}"
        return None

    def __str__(self) -> str:
        low = f"from {_number(self.at_least)}" if self.at_least is not None else ""
        low = f"above {_number(self.above)}" if self.above is not None else low
        high = f"to {_number(self.at_most)}" if self.at_most is not None else ""
        high = f"below {_number(self.below)}" if self.below is not None else high
        special = f"or {_number(self.special)}" if self.special is not None else ""
        return " ".join(filter(None, (low, high, special)))


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


@dataclass(frozen=True)
class Setting:
    """What is known of a setting in addition to its name and type.

    Args:
        help: a line of help.
        range: of a number, or of the numbers of a list.
        choices: the allowed texts.
        longest: the largest number of characters of a text, or of entries of a list.
        free: whether a text may be empty and have line ends: a prompt, a description.
        is_path: whether a text is a file or folder.
        fewest: the smallest number of entries of a list.
        also: what other tools call it, for suggestions.
        remedy: what to do about a value out of range; empty for a generated example.
        before: the value assumed for runs older than this setting; None with `is_newer` False for none.
        is_newer: whether `before` counts.
        typed_only: whether it concerns the command alone and so is never taken from a stored configuration.
    """

    help: str
    range: Range | None = None
    choices: tuple[str, ...] | None = None
    longest: int = LONGEST
    free: bool = False
    is_path: bool = False
    fewest: int = 0
    also: tuple[str, ...] = ()
    remedy: str = ""
    before: Any = None
    is_newer: bool = False
    typed_only: bool = False


class _Unset:
    """Marks the absence of a value, because None is a value."""


def setting(
    help: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    special: float | None = None,
    choices: Sequence[str] | None = None,
    longest: int = LONGEST,
    free: bool = False,
    is_path: bool = False,
    fewest: int = 0,
    also: Sequence[str] = (),
    remedy: str = "",
    before: Any = _Unset,
    typed_only: bool = False,
    default: Any = _Unset,
) -> Any:
    """Returns a dataclass field for a setting.

    Args:
        help: a line of help.
        at_least: see `Range`.
        at_most: see `Range`.
        above: see `Range`.
        below: see `Range`.
        special: see `Range`.
        choices: see `Setting`.
        longest: see `Setting`.
        free: see `Setting`.
        is_path: see `Setting`.
        fewest: see `Setting`.
        also: see `Setting`.
        remedy: what to do about a value out of range; empty for a generated example.
        before: the value assumed for runs older than this setting.
        typed_only: whether a stored configuration must not have a value.
        default: only for settings that a YAML file may leave out.
    """
    limits = (at_least, at_most, above, below, special)
    known = Setting(
        help,
        Range(*limits) if any(limit is not None for limit in limits) else None,
        None if choices is None else tuple(choices),
        longest,
        free,
        is_path,
        fewest,
        tuple(also),
        remedy,
        None if before is _Unset else before,
        before is not _Unset,
        typed_only,
    )
    if default is _Unset:
        return dataclasses.field(metadata={_META: known})
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata={_META: known})
    return dataclasses.field(default=default, metadata={_META: known})


def known_of(field: dataclasses.Field[Any]) -> Setting:
    """Returns what is known of a dataclass field as a setting."""
    found: Setting = field.metadata.get(_META, Setting(""))
    return found


def as_field_metadata(known: Setting) -> dict[str, Setting]:
    """Returns the metadata of a dataclass field that is created elsewhere."""
    return {_META: known}
