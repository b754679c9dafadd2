"""What is counted of a text does not depend on the blocks in which it is given."""

from __future__ import annotations

import random
from pathlib import Path

from lmlab.data.text_statistics import TextStatistics

PARTS = [
    "\r",
    "\n",
    "\r\n",
    "\x01",
    "\x0e",
    "\x1b",
    "\x00",
    "\ufeff",
    "\ufffd",
    "Ã¤",
    "â€œ",
    "Ã",
    "â",
    "€",
    "“",
    "a",
    " ",
    "中",
]


def counted(blocks: list[str]) -> tuple[object, ...]:
    made = TextStatistics()
    for block in blocks:
        made.add(block)
    warnings = [text for text in made.warnings(Path("a.txt"), known_wrong=False) if "is it a text" not in text]
    numbers = made.num_characters, made.controls, made.num_lines, made.num_lone_returns
    return numbers, made.has_nul, made.is_blank, warnings


def test_blocks_change_nothing():
    generator = random.Random(0)
    for _ in range(300):
        text = "".join(generator.choice(PARTS) for _ in range(generator.randrange(60)))
        cuts = sorted(generator.randrange(len(text) + 1) for _ in range(5))
        blocks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert counted(blocks) == counted([text])


def test_counts_are_those_of_python():
    text = "a\r\nb\rc\x01\x06\x07\x0d\x0e\x1a\x1b\x00\n"
    (characters, controls, lines, returns), has_nul, is_blank, _ = counted([text])
    assert (characters, controls, lines, returns) == (len(text), 5, 2, 2)
    assert (has_nul, is_blank) == (True, False)
    assert counted([" \n\t"])[2]
