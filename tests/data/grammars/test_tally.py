"""Counts of valid, distinct and new strings."""

from __future__ import annotations

from lmlab.data.grammars.brackets import Brackets
from lmlab.data.grammars.tally import Tally, tally, tally_by

WRITTEN = ["()", "()", "(())", "(())", "(()())", "(", ")(", ")(", "(()"]


def test_each_count_is_its_own():
    assert tally(WRITTEN, Brackets(), known={"()", "(("}) == Tally(strings=9, valid=5, distinct=3, novel=2)
    assert tally(WRITTEN, Brackets(), known=set()) == Tally(strings=9, valid=5, distinct=3, novel=3)
    assert tally([], Brackets(), known={"()"}) == Tally(0, 0, 0, 0)


def test_strings_may_come_from_an_iterator():
    assert tally(iter(WRITTEN), Brackets(), known={"()"}) == tally(WRITTEN, Brackets(), known={"()"})


def test_groups_are_in_order_and_hold_every_string_once():
    by_depth = tally_by(reversed(WRITTEN), Brackets(), known={"()"}, key=Brackets().max_depth)
    assert list(by_depth) == [0, 1, 2]
    assert by_depth[1] == Tally(strings=3, valid=2, distinct=1, novel=0)
    assert by_depth[2] == Tally(strings=4, valid=3, distinct=2, novel=2)
    by_length = tally_by(WRITTEN, Brackets(), known={"()"}, key=len)
    assert {length: t.strings for length, t in by_length.items()} == {1: 1, 2: 4, 3: 1, 4: 2, 6: 1}
