"""Counts of valid, distinct and new strings."""

from __future__ import annotations

from lmlab.data.grammars.brackets import Brackets
from lmlab.data.grammars.tally import Tally, tally

WRITTEN = ["()", "()", "(())", "(())", "(()())", "(", ")(", ")(", "(()"]


def test_each_count_is_its_own():
    assert tally(WRITTEN, Brackets(), known={"()", "(("}) == Tally(strings=9, valid=5, distinct=3, novel=2)
    assert tally(WRITTEN, Brackets(), known=set()) == Tally(strings=9, valid=5, distinct=3, novel=3)
    assert tally([], Brackets(), known={"()"}) == Tally(0, 0, 0, 0)


def test_strings_may_come_from_an_iterator():
    assert tally(iter(WRITTEN), Brackets(), known={"()"}) == tally(WRITTEN, Brackets(), known={"()"})
