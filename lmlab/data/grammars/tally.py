"""Counts how many strings of a model are in the language, distinct and new."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from lmlab.data.grammars.grammar import Grammar


@dataclass(frozen=True)
class Tally:
    """Counts of strings.

    Args:
        strings: number of all strings counted.
        valid: number of those in the language.
        distinct: number of different strings among the valid ones.
        novel: number of distinct ones that are not among the known strings, usually the training strings.
    """

    strings: int
    valid: int
    distinct: int
    novel: int


def tally(strings: Iterable[str], grammar: Grammar, *, known: Set[str]) -> Tally:
    """Counts valid, distinct and novel strings.

    Args:
        strings: as a model wrote them, without start and end tokens.
        grammar: the language that they should be in.
        known: strings that do not count as novel.
    """
    judged = list(strings)
    valid = [string for string in judged if grammar.accepts(string)]
    distinct = set(valid)
    return Tally(len(judged), len(valid), len(distinct), len(distinct - known))
