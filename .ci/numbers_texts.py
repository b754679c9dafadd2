"""Made-up texts for the runs that are compared."""

from __future__ import annotations

import random
import re
from pathlib import Path

_WORDS = """
the a his her old young quiet green stone river house winter garden letter captain window sister morning lamp road
answer said asked saw found left took gave knew told never always again slowly and but because while under over near
without café naïve don't won't o'clock well-known 1848 12 Anna Ben Clara Dublin
"""
WORDS = _WORDS.split()


def write_texts(folder: Path) -> None:
    """Made-up text with some structure, as a file, as books, tokenized, by sentences; and vectors of its words."""
    generator = random.Random(0)
    following = {word: generator.sample(WORDS, 5) for word in WORDS}
    for name in ("books", "tokens"):
        (folder / name).mkdir(parents=True)

    def text(count: int, *, separator: str) -> str:
        return separator.join(made_up_sentence(generator, following) for _ in range(count)) + "\n"

    paragraphs = [text(generator.randint(1, 6), separator=" ") for _ in range(160)]
    write(folder / "running.txt", "\n".join(paragraphs))
    for number in range(1, 11):
        write(folder / "books" / f"{number}.txt", text(generator.randint(20, 60), separator="\n"))
    write(folder / "sentences.txt", text(500, separator="\n"))
    for name, count in (("train", 400), ("valid", 60), ("test", 50)):
        tokens = re.sub(r"([.,?!])", r" \1", text(count, separator="\n")).replace("Dublin", "<unk>")
        write(folder / "tokens" / f"{name}.txt", tokens)
    # The first words have none.
    vectors = [[f"{generator.gauss(0, 0.4):.5f}" for _ in range(20)] for _ in WORDS[3:]]
    lines = (" ".join([word.lower(), *vector]) for word, vector in zip(WORDS[3:], vectors, strict=True))
    write(folder / "vectors.txt", "\n".join(lines) + "\n")


def made_up_sentence(generator: random.Random, following: dict[str, list[str]]) -> str:
    """A walk from word to word, each of which has a few that may follow."""
    words = [generator.choice(WORDS)]
    for _ in range(generator.randint(2, 14)):
        words.append(generator.choice(following[words[-1]]))
    if len(words) > 6:
        words[3] += ","
    return words[0].capitalize() + " " + " ".join(words[1:]) + generator.choice([".", ".", ".", "?", "!"])


def write(path: Path, text: str) -> None:
    """Writes a text as UTF-8."""
    path.write_text(text, encoding="utf-8", newline="\n")
