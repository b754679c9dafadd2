"""From a text to its ids: vocabulary and ids of words and of characters."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from lmlab.benchmarks.measurement import Measurement, rate
from lmlab.data.random_text import write_random_text
from lmlab.data.tokenizers.base import END, Ids, Tokenizer
from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.data.tokenizers.word import WordTokenizer
from lmlab.timing import in_turn

PART = "tokenizers"


def line_by_line(text: str) -> Tensor:
    """Returns the ids (N,) of the words and line ends of a text by the algorithm that is common in examples.

    Source: the class `Corpus` of PyTorch's example of a word language model: a dictionary is filled in a first pass,
    and in a second each line becomes a tensor.
    """
    index: dict[str, int] = {}
    for line in io.StringIO(text):
        for entry in [*line.split(), END]:
            if entry not in index:
                index[entry] = len(index)
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
    """Yields the megabytes of a made text per second, from the text in memory to its ids.

    Args:
        megabytes: size of the text.
        repetitions: number of timed calls of each.
    """
    text = random_text(round(megabytes * 1e6))
    size = len(text) / 1e6
    cpu = torch.device("cpu")

    def ids(tokenizer: Tokenizer) -> Ids:
        tokenizer.fit([text])
        return tokenizer.encode(text)

    timing = in_turn(
        lambda: ids(word_tokenizer()), lambda: line_by_line(text), repetitions=repetitions, units=size, device=cpu
    )
    yield rate(PART, f"words of {size:g} MB", "MB/s", timing, "line by line")
    timing = in_turn(lambda: ids(CharTokenizer(end_token=None)), None, repetitions=repetitions, units=size, device=cpu)
    yield rate(PART, f"characters of {size:g} MB", "MB/s", timing)
