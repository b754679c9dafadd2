"""How well a model has learned a formal language: validity of its strings, prediction of closing brackets."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from lmlab.data.grammars.brackets import Brackets
from lmlab.data.grammars.grammar import Grammar

# Upper limits, in characters, of the rows of the table by length except the last, and the names of all rows.
_MOST = (0, 10, 20, 50, 100, 200)
_RANGES = ("0", "1-10", "11-20", "21-50", "51-100", "101-200", "over 200")

# A string and whether it is valid.
_Judged = tuple[str, bool]


def leaves_at(string: str, stop_reason: str, grammar: Grammar) -> int | None:
    """Returns where a generated string leaves the language, see `Grammar.leaves`; None for a valid string.

    Args:
        string: without start and end tokens.
        stop_reason: ``end``; or ``length`` for a string that did not end by itself, so that it is incomplete even if it
            is in the language so far.
        grammar: the language.
    """
    at = grammar.leaves(string)
    return len(string) if at is None and stop_reason != "end" else at


def language_quality(
    strings: Sequence[str], stop_reasons: Sequence[str], grammar: Grammar, training: Collection[str]
) -> dict[str, Any]:
    """Evaluates the strings that a model generated in a formal language.

    Args:
        strings: without start and end tokens.
        stop_reasons: ``end`` or ``length`` for each. A string that did not end by itself is not valid, even if it is in
            the language so far.
        grammar: the language.
        training: the training strings.

    Returns:
        Plain containers, ready for JSON; a share of nothing is None.

        - ``samples``: number of strings.
        - ``valid``: share of strings that are in the language and ended by themselves.
        - ``novel``: share of valid strings that are not training strings; repeated strings count each time.
        - ``distinct``: number of different valid strings / number of valid strings.
        - ``by_length``: rows by range of characters, ``1-10`` to ``over 200`` (``0`` for the empty string), each with
          ``count``, ``valid`` and ``distinct`` as above; ranges without strings are left out.
        - ``by_depth``, for brackets only: the same by largest number of brackets open at once, ``"1"`` and so on.

    Raises:
        ValueError: there is not one stop reason, ``end`` or ``length``, for each string.
    """
    if len(strings) != len(stop_reasons):
        raise ValueError(f"{len(strings)} strings have {len(stop_reasons)} stop reasons: one is needed for each")
    unknown_reasons = set(stop_reasons) - {"end", "length"}
    if unknown_reasons:
        raise ValueError(f"stop reasons are 'end' and 'length', not {sorted(unknown_reasons)}")
    judged = [(s, leaves_at(s, r, grammar) is None) for s, r in zip(strings, stop_reasons, strict=True)]
    valid = [string for string, is_valid in judged if is_valid]
    known = set(training)
    row = _row(judged)
    quality: dict[str, Any] = {
        "samples": row["count"],
        "valid": row["valid"],
        "novel": _share(sum(string not in known for string in valid), len(valid)),
        "distinct": row["distinct"],
        "by_length": _table(judged, key=lambda string: bisect_left(_MOST, len(string)), name=_RANGES.__getitem__),
    }
    if isinstance(grammar, Brackets):
        quality["by_depth"] = _table(judged, key=grammar.max_depth, name=str)
    return quality


def trained_depth(strings: Iterable[str]) -> int:
    """Returns the largest number of brackets open at once in any string, 0 without strings; accepts any strings."""
    depth = Brackets().max_depth
    # Each different string is evaluated once: most are short and occur often.
    return max(map(depth, set(strings)), default=0)


def closing_accuracy(
    strings: Sequence[str], right: Sequence[Sequence[bool]], *, trained_depth: int
) -> dict[str, float | int]:
    """Evaluates whether a model predicts closing brackets, also deeper than in its training strings.

    Args:
        strings: held-out strings of brackets, in the language.
        right: for each string, whether the model's most probable token was the right one, at each bracket and at the
            end token.
        trained_depth: the largest depth in the training strings, see `trained_depth`.

    Returns:
        ``within`` and ``beyond``: the accuracy at each ``)`` that closes at a depth up to `trained_depth`, and at a
        larger depth; the depth of a ``)`` is the number of brackets open before it. ``end``: the accuracy at end
        tokens. Each has a ``..._count`` and is NaN if that is 0.

    Raises:
        ValueError: a string is not in the language, or does not have one flag for each bracket and the end token.
    """
    if len(strings) != len(right):
        raise ValueError(f"{len(strings)} strings have flags for {len(right)}")
    brackets = Brackets()
    flags: dict[str, list[bool]] = {"within": [], "beyond": [], "end": []}
    for string, of_string in zip(strings, right, strict=True):
        if len(of_string) != len(string) + 1:
            needed = f"{len(string) + 1} are needed, one for each bracket and one for the end token"
            raise ValueError(f"{string[:40]!r} has {len(of_string)} flags: {needed}")
        for position, depth in brackets.closings(string):
            flags["within" if depth <= trained_depth else "beyond"].append(bool(of_string[position]))
        flags["end"].append(bool(of_string[-1]))
    found: dict[str, float | int] = {}
    for name, of_name in flags.items():
        found[name] = sum(of_name) / len(of_name) if of_name else math.nan
        found[f"{name}_count"] = len(of_name)
    return found


def _table(
    judged: Sequence[_Judged], *, key: Callable[[str], int], name: Callable[[int], str]
) -> dict[str, dict[str, float | None]]:
    """Returns a row for each existing key, in ascending order."""
    groups: defaultdict[int, list[_Judged]] = defaultdict(list)
    for string, is_valid in judged:
        groups[key(string)].append((string, is_valid))
    return {name(group): _row(groups[group]) for group in sorted(groups)}


def _row(judged: Sequence[_Judged]) -> dict[str, float | None]:
    valid = [string for string, is_valid in judged if is_valid]
    return {
        "count": len(judged),
        "valid": _share(len(valid), len(judged)),
        "distinct": _share(len(set(valid)), len(valid)),
    }


def _share(count: int, total: int) -> float | None:
    return count / total if total else None
