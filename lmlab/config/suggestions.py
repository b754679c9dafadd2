"""The name that was probably meant, for errors."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from lmlab.config import typed
from lmlab.config.settings import COMMANDS, Settings

_known: dict[str, tuple[str, ...]] = {}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns a question with the most similar name; empty if none is similar.

    Args:
        word: as typed.
        known: names, with dots; earlier ones come first where several are equally similar.
    """
    # A setting of a part within a part takes its value from the shorter name.
    names = sorted((name for name in dict.fromkeys(known) if name != word), key=lambda name: name.count("."))
    last, lower = word.rpartition(".")[2], word.lower()
    found = [name for name in names if name.lower() == lower]
    found += [name for name in names if name.rpartition(".")[2].lower() == last.lower()] if "." not in word else []
    found += get_close_matches(lower, names, n=1, cutoff=0.7)
    found += [name for name in names if name.rpartition(".")[2].lower() == last.lower()]
    if not found and "." in word:  # the group is right, and the name in it is nearly so
        group = word.rpartition(".")[0]
        inside = {name.rpartition(".")[2]: name for name in reversed(names) if name.rpartition(".")[0] == group}
        found += [inside[close] for close in get_close_matches(last, list(inside), n=1, cutoff=0.6)]
    return f"did you mean {found[0]}?" if found else ""


def known_settings(kind: type[Settings]) -> tuple[str, ...]:
    """Returns every setting of a command, with dots: `model.hidden_size`; and its groups."""
    if kind.__name__ not in _known:
        words = [name.split(".") for name, *_ in typed.names(kind)]
        found = {".".join(parts[:count]) for parts in words for count in range(1, len(parts) + 1)}
        _known[kind.__name__] = tuple(sorted(found))
    return _known[kind.__name__]


def of_another_command(name: str, kind: type[Settings]) -> str:
    """Returns the commands other than this one that have a setting, for errors; empty if none has it."""
    commands = [command for command, other in COMMANDS.items() if other is not kind and name in known_settings(other)]
    return " and ".join(f"python -m lmlab.{command}" for command in commands[:2])
