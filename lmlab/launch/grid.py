"""The grid of a sweep: every combination of the values of its settings, counted before any of them is made."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, RangeSweep

from lmlab.errors import UserError

# Maximum number of jobs: all of them are composed, in about 0.1 s each, before the first is trained.
MAX_JOBS = 10_000
# Hydra iterates over a range with 28 digits, and never ends if a step is too small to change such a number.
_LARGEST = 1e15


@dataclass(frozen=True)
class Grid:
    """The grid of a sweep.

    Args:
        words: for each setting its words on a job's command line, one for each of its values.
        swept: names of the settings with several values.
    """

    words: dict[str, list[str]]
    swept: frozenset[str]

    @classmethod
    def parse(cls, arguments: Sequence[str], loader: ConfigLoader) -> Grid:
        """Returns the grid of the words of a command line; the last of several words for a setting counts.

        Args:
            arguments: overrides, quoted for Hydra.
            loader: lists the options of groups, for ``glob(...)``.

        Raises:
            UserError: values that cannot be counted, are none or too many, or would differ when the sweep is resumed.
        """
        words: dict[str, list[str]] = {}
        swept: set[str] = set()
        for parsed in OverridesParser.create(config_loader=loader).parse_overrides(list(arguments)):
            key = parsed.get_key_element()
            if parsed.is_sweep_override():
                words[key] = [f"{key}={value}" for value in _values(parsed)]
                swept.add(key)
            else:
                words[key] = [f"{key}={parsed.get_value_element_as_str()}"]
                swept.discard(key)
        grid = cls(words, frozenset(key.lstrip("+~") for key in swept))
        if grid.num_jobs > MAX_JOBS:
            problem = f"{grid.num_jobs:,} jobs are more than {MAX_JOBS:,}"
            raise UserError("sweep", None, problem, f"give fewer values of {', '.join(sorted(grid.swept))}")
        return grid

    @property
    def num_jobs(self) -> int:
        """The number of jobs."""
        return math.prod(map(len, self.words.values()))

    def jobs(self) -> list[list[str]]:
        """Returns the words of each job, in the order of Hydra's own sweeper: the last setting varies fastest."""
        return [list(job) for job in itertools.product(*self.words.values())]


def _values(parsed: Override) -> list[str]:
    """Returns the values of a swept setting, as Hydra writes them on a job's command line."""
    name = parsed.key_or_group
    value: Any = parsed._value  # its declared type lacks Glob
    typed = (parsed.input_line or "").partition("=")[2]
    if parsed.is_interval_sweep():
        remedy = f"list values ({name}=0.1,0.3), or choose a sweeper that draws them (hydra/sweeper=...)"
        raise UserError(name, typed, "is an interval, which has no values to combine", remedy)
    if isinstance(value, RangeSweep):
        count = range_length(value)
        if count is None or count > MAX_JOBS:
            many = "is endless, or its numbers are too large" if count is None else f"has {count:,} values"
            raise UserError(name, typed, many, f"sweep over at most {MAX_JOBS:,} values")
    if isinstance(value, ChoiceSweep | RangeSweep) and value.shuffle:
        problem = "orders the jobs differently each time, so that the sweep could not be resumed"
        raise UserError(name, typed, problem, "leave shuffle out")
    values = list(parsed.sweep_string_iterator())
    if isinstance(value, Glob):  # as in the list of a group's options, without the files that options inherit from
        values = [option for option in values if not option.startswith("_")]
    if not values:
        raise UserError(name, typed, "has no value", f"list values: {name}=...,...")
    twice = next((value for value, count in Counter(values).items() if count > 1), None)
    if twice is not None:
        problem = "is given twice: the same run would be counted as two"
        raise UserError(name, twice, problem, "give each value once")
    return values


def range_length(sweep: RangeSweep) -> int | None:
    """Returns the number of values of a range; None if it is endless, or its numbers are too large to iterate over."""
    if sweep.start is None or sweep.stop is None:
        return None
    try:
        start, stop, step = float(sweep.start), float(sweep.stop), float(sweep.step)
        if max(abs(start), abs(stop)) > _LARGEST:
            return None
        length = max(0, math.ceil((stop - start) / step))
        return length if length > MAX_JOBS + 1 else sum(1 for _ in sweep.range())  # exact, because Hydra rounds
    except (ArithmeticError, ValueError):  # a step of zero, or values that are not numbers
        return None
