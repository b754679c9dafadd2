"""How good the strings of a model are: in the language, different, new."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass

from lmlab.data.grammars.grammar import Grammar


@dataclass(frozen=True)
class Tally:
    """Counts of strings.

    Args:
        strings: all that were judged.
        valid: those in the language.
        distinct: different strings among the valid ones.
        novel: distinct ones that are not among the known, usually the training strings.
    """

    strings: int
    valid: int
    distinct: int
    novel: int


def tally(strings: Iterable[str], grammar: Grammar, *, known: Set[str]) -> Tally:
    """Judges strings.

    Args:
        strings: as a model wrote them, without start and end tokens.
        grammar: the language that they should be in.
        known: strings that are nothing new.
    """
    judged = list(strings)
    valid = [string for string in judged if grammar.accepts(string)]
    distinct = set(valid)
    return Tally(len(judged), len(valid), len(distinct), len(distinct - known))


def tally_by(
    strings: Iterable[str], grammar: Grammar, *, known: Set[str], key: Callable[[str], int]
) -> dict[int, Tally]:
    """Judges strings by group.

    Args:
        strings: as a model wrote them, without start and end tokens.
        grammar: the language that they should be in.
        known: strings that are nothing new.
        key: the group of a string, also of one outside the language: ``len``, `Brackets.max_depth`.

    Returns:
        A tally by key, in ascending order of keys.
    """
    groups: defaultdict[int, list[str]] = defaultdict(list)
    for string in strings:
        groups[key(string)].append(string)
    return {group: tally(groups[group], grammar, known=known) for group in sorted(groups)}
