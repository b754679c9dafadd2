"""The name that was probably meant, for errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

# Names that an error lists.
MOST_LISTED = 12
_NO_OTHERS: Mapping[str, str] = {}
# What other tools call run=, which is no setting of a run.
RESUMING = dict.fromkeys(("resume", "resume_from", "resume_from_checkpoint", "ckpt_path", "checkpoint"), "run")


def did_you_mean(word: str, known: Iterable[str], others: Mapping[str, str] = _NO_OTHERS) -> str:
    """Returns a question with the most similar name; empty if none is similar.

    Args:
        word: as typed.
        known: names, with dots; earlier ones come first where several are equally similar.
        others: names by which other tools call them.
    """
    # A setting of a part within a part takes its value from the shorter name; a group that the word is in says nothing.
    names = sorted(
        (name for name in dict.fromkeys(known) if not f"{word}.".startswith(f"{name}.")),
        key=lambda name: name.count("."),
    )
    found = meant(word, names, others) or _similar(word, names)
    return f"did you mean {found}?" if found else ""


def choose_one(group: str, word: str, options: Sequence[str]) -> str:
    """Returns the options of a group, and which of them was probably meant; of many that one alone.

    Args:
        group: of which an option was typed that there is not.
        word: as typed.
        options: those that there are.
    """
    close = did_you_mean(word, options)
    if close and len(options) > MOST_LISTED:
        return f"{close} python -m lmlab.list {group} shows all"
    listed = f"choose one of {', '.join(options) or 'none'}"
    return f"{listed}; {close}" if close else listed


def meant(word: str, names: Iterable[str], others: Mapping[str, str]) -> str:
    """Returns the name that differs from a word in case, group or _ alone, or that others call so; empty for none."""
    names = list(names)
    last, lower = word.rpartition(".")[2].lower(), word.lower()
    found = [name for name in names if name.lower() == lower]
    other = others.get(last.replace("-", "_"))
    if other in names:
        found.append(other)
    if "." not in word:
        found += [name for name in names if name.rpartition(".")[2].lower() == last]
    found += [name for name in names if _letters(name) == _letters(word)]
    return found[0] if found else ""


def _letters(name: str) -> str:
    """Returns a name without case and what divides its words."""
    return name.lower().replace("_", "").replace("-", "")


def _similar(word: str, names: list[str]) -> str:
    group, _, last = word.lower().rpartition(".")
    lasts = {name: name.rpartition(".")[2].lower() for name in names}
    # Names of one group are similar by that alone, so their last words count.
    inside = {lasts[name]: name for name in reversed(names) if group and name.rpartition(".")[0].lower() == group}
    found = [inside[close] for close in get_close_matches(last, list(inside), n=1, cutoff=0.65)]
    others = [name for name in names if name not in inside.values()]
    found += get_close_matches(word.lower(), others, n=1, cutoff=0.7)
    found += [name for name in names if lasts[name] == last]
    return found[0] if found else ""
