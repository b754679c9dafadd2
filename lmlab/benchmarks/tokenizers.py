"""From a text to its ids: vocabulary and ids of words and of characters."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from lmlab.benchmarks.measurement import Measurement, rate
from lmlab.data.random_text import write_random_text
from lmlab.data.tokenizers.base import END, Tokenizer
from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.data.tokenizers.word import WordTokenizer
from lmlab.timing import in_turn

PART = "tokenizers"


def index_of(text: str) -> dict[str, int]:
    """Returns the numbers of the words of a text and of its line ends, in the order of their first occurrence.

    Source: the first pass of the class `Corpus` of PyTorch's example of a word language model.
    """
    index: dict[str, int] = {}
    for line in io.StringIO(text):
        for entry in [*line.split(), END]:
            if entry not in index:
                index[entry] = len(index)
    return index


def line_by_line(text: str, index: Mapping[str, int]) -> Tensor:
    """Returns the ids (N,) of the words and line ends of a text, of which each line becomes a tensor.

    Source: the second pass of the same class.
    """
    parts = []
    for line in io.StringIO(text):
        parts.append(torch.tensor([index[entry] for entry in [*line.split(), END]], dtype=torch.int64))
    return torch.cat(parts)


def word_tokenizer() -> WordTokenizer:
    """Returns a tokenizer of the same words: split at white space, with an end token for each line."""
    return WordTokenizer(end_token="line", lower=False, split="whitespace", min_frequency=1, max_size=None)


def random_text(num_bytes: int) -> str:
    """Returns a made text of so many characters, always the same."""
    with tempfile.TemporaryDirectory(prefix="lmlab_benchmark_") as place:
        path = Path(place) / "text.txt"
        write_random_text(path, num_bytes=num_bytes, seed=0)
        return path.read_text(encoding="ascii")


def measure_tokenizers(*, megabytes: float, repetitions: int) -> Iterator[Measurement]:
    """Yields the megabytes of a made text per second, from the text in memory to its ids, with the vocabulary or after.

    Args:
        megabytes: size of the text.
        repetitions: number of timed calls of each.
    """
    text = random_text(round(megabytes * 1e6))
    size = len(text) / 1e6
    index = index_of(text)
    kinds: tuple[tuple[str, Callable[[], Tokenizer], bool], ...] = (
        ("words", word_tokenizer, True),
        ("characters", lambda: CharTokenizer(end_token=None), False),
    )
    for kind, make, is_compared in kinds:
        fitted = make()
        fitted.fit([text])

        def both(make: Callable[[], Tokenizer] = make) -> None:
            tokenizer = make()
            tokenizer.fit([text])
            tokenizer.encode(text)

        cases: tuple[tuple[str, Callable[[], object], Callable[[], object]], ...] = (
            ("vocabulary and ids", both, lambda: line_by_line(text, index_of(text))),
            ("ids", partial(fitted.encode, text), lambda: line_by_line(text, index)),
        )
        for what, ours, theirs in cases:
            timing = in_turn(
                ours,
                theirs if is_compared else None,
                repetitions=repetitions,
                units=size,
                device=torch.device("cpu"),
            )
            yield rate(PART, f"{kind}, {what}", "MB/s", timing, "line by line")
