"""The name that was probably meant, for errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

# Names that an error lists.
MOST_LISTED = 12


def did_you_mean(word: str, known: Iterable[str], other_names: Mapping[str, str] | None = None) -> str:
    """Returns a question with the most similar name; empty if none is similar.

    Args:
        word: as typed.
        known: names, with dots; earlier ones come first where several are equally similar.
        other_names: what other tools call some of these.
    """
    # A setting of a part within a part takes its value from the shorter name.
    names = sorted((name for name in dict.fromkeys(known) if name != word), key=lambda name: name.count("."))
    last, lower = word.rpartition(".")[2], word.lower()
    found = [name for name in names if name.lower() == lower]
    same = (other_names or {}).get(last.lower().replace("-", "_"))
    found += [] if same is None else [same]
    found += [name for name in names if name.rpartition(".")[2].lower() == last.lower()] if "." not in word else []
    found += get_close_matches(lower, names, n=1, cutoff=0.7)
    found += [name for name in names if name.rpartition(".")[2].lower() == last.lower()]
    if not found and "." in word:  # the group is right, and the name in it is nearly so
        group = word.rpartition(".")[0]
        inside = {name.rpartition(".")[2]: name for name in reversed(names) if name.rpartition(".")[0] == group}
        found += [inside[close] for close in get_close_matches(last, list(inside), n=1, cutoff=0.6)]
    return f"did you mean {found[0]}?" if found else ""
