"""What settings are called beside each other, in few words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lmlab.reporting.settings import Values
from lmlab.reporting.sweeps import SEED

# A name that stands for a repetition of the same settings and seed in another folder.
RUN = "run"
# Settings whose values speak for themselves.
_SPEAKING = frozenset({"model", "data", "optimizer", "experiment", RUN})
# More settings than this make a label that nobody reads; it then has only those that tell the runs apart.
_MOST_IN_LABEL = 4


def setting_labels(settings: Sequence[Values], short: dict[str, str]) -> list[str]:
    """Each in few words: ``gru, hidden_size 128``; where many settings differ, those that tell them apart."""
    names = [name for name in (settings[0] if settings else {}) if name != SEED]
    if len(names) > _MOST_IN_LABEL:
        names = _telling(names, settings)
    words = ([_word(name, values.get(name, ""), short) for name in names] for values in settings)
    return [", ".join(filter(None, parts)) for parts in words]


def _word(name: str, value: str, short: dict[str, str]) -> str:
    """Nothing for a setting or an option that the run does not have."""
    if name.endswith("path"):
        value = Path(value).name or value
    if name in _SPEAKING:
        return value if value != "null" else ""
    return value and f"{short.get(name, name)} {value}"


def _telling(names: Sequence[str], settings: Sequence[Values]) -> list[str]:
    """Few names that tell as many apart as all do: those that speak for themselves, then one after the other."""

    def told(chosen: Sequence[str]) -> int:
        return len({tuple(values.get(name, "") for name in chosen) for values in settings})

    found = [name for name in names if name in _SPEAKING and name != RUN]
    for left in ([name for name in names if name != RUN], list(names)):  # a folder's name only where nothing else does
        while told(found) < told(left):
            found.append(max(left, key=lambda name: told([*found, name])))
    return [name for name in names if name in found]
