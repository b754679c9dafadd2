"""Short labels of conditions and runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lmlab.runs.settings import Values
from lmlab.runs.summary import SEED

# Pseudo-setting that distinguishes repetitions of the same settings and seeds in different folders.
RUN = "run"
# Settings whose values are clear without the setting's name.
_SPEAKING = frozenset({"model", "data", "optimizer", "experiment", RUN})
# A label with more settings than this has only those that are needed to distinguish the runs.
_MOST_IN_LABEL = 4


def setting_labels(settings: Sequence[Values], short: dict[str, str]) -> list[str]:
    """Returns a short label for each run or condition: ``gru, hidden_size 128``.

    If many settings differ, a label has only as many of them as are needed to distinguish the labels.
    """
    names = [name for name in (settings[0] if settings else {}) if name != SEED]
    if len(names) > _MOST_IN_LABEL:
        names = _distinguishing(names, settings)
    words = ([_word(name, values.get(name, ""), short) for name in names] for values in settings)
    return [", ".join(filter(None, parts)) for parts in words]


def _word(name: str, value: str, short: dict[str, str]) -> str:
    """Returns the part of a label for one setting; empty if the run does not have it."""
    if name.endswith("path"):
        value = Path(value).name or value
    if name in _SPEAKING:
        return value if value != "null" else ""
    return value and f"{short.get(name, name)} {value}"


def _distinguishing(names: Sequence[str], settings: Sequence[Values]) -> list[str]:
    """Returns a few settings that distinguish as many runs as all settings together.

    Settings whose values need no name come first, then the others one by one, the most distinguishing first.
    """

    def num_distinct(chosen: Sequence[str]) -> int:
        return len({tuple(values.get(name, "") for name in chosen) for values in settings})

    found = [name for name in names if name in _SPEAKING and name != RUN]
    for left in (
        [name for name in names if name != RUN],
        list(names),
    ):  # the folder's name only if nothing else distinguishes the runs
        while num_distinct(found) < num_distinct(left):
            found.append(max(left, key=lambda name: num_distinct([*found, name])))
    return [name for name in names if name in found]


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Returns the last part of each setting's name if that is unambiguous: `hidden_size` for `model.hidden_size`."""
    last = [name.rpartition(".")[2] for name in names]
    return {name: word if last.count(word) == 1 else name for name, word in zip(names, last, strict=True)}
