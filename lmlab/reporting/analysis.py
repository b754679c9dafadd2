"""What a run shows of itself: texts at several temperatures, a passage with its surprises, what it expects next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lmlab.reporting.formatting import occurrences
from lmlab.reporting.records import RunRecord, finite

# Figures of samples: names in files, and in tables with their units.
SAMPLE_FIGURES = {
    "distinct_1": "distinct tokens (share)",
    "distinct_2": "distinct pairs of tokens (share)",
    "distinct_3": "distinct triples of tokens (share)",
    "repetition": "repeated (share)",
    "unknown_words": "words unknown to the training text (share)",
    "ended": "ended by the end token (share)",
    "mean_tokens": "mean length (tokens)",
    "longest_copy_characters": "longest copy from the training text (characters)",
    "valid": "in the language (share)",
    "novel": "of these not in the training text (share)",
    "distinct": "of these different (share)",
}


@dataclass(frozen=True)
class Temperature:
    """What a run writes at one temperature.

    Args:
        temperature: of the softmax; 0 for the most probable token.
        prompt: that the text goes on from.
        text: one sample; empty where there is none.
        num_samples: that the figures are of; None where there are no figures.
        figures: those of `SAMPLE_FIGURES` that are known.
    """

    temperature: float
    prompt: str
    text: str
    num_samples: int | None
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """What a checkpoint expects after a prompt.

    Args:
        name: of the checkpoint.
        step: its optimizer steps; None where that is not known.
        next: tokens as text with their probabilities, the most probable first.
    """

    name: str
    step: int | None
    next: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class FrequencyBin:
    """The loss on tokens that occur equally often in the training text.

    Args:
        least: occurrences of the rarest.
        most: occurrences of the most frequent; None for no limit.
        num_tokens: evaluated.
        nats_per_token: their mean loss.
    """

    least: int
    most: int | None
    num_tokens: int
    nats_per_token: float

    @property
    def name(self) -> str:
        """In words."""
        return occurrences(self.least, self.most)


def temperatures(record: RunRecord) -> list[Temperature]:
    """By rising temperature: those put aside at the end of training, else those that were sampled while it went on.

    Not both: the latter have other prompts and lengths.
    The figures at temperature 1 in the summary are there as well, with such a text where there is one.
    """
    listed = record.analysis.get("temperatures")
    found = [row for entry in _mappings(listed) if (row := _temperature(entry)) is not None]
    known = {row.temperature for row in found}
    measured = _of_summary(record)
    for row in _of_samples(record) if not found else ():
        if row.temperature not in known:
            same = measured is not None and measured.temperature == row.temperature
            of, figures = (measured.num_samples, measured.figures) if measured and same else (None, {})
            found.append(Temperature(row.temperature, row.prompt, row.text, of, figures))
    if measured is not None and measured.temperature not in {row.temperature for row in found}:
        found.append(measured)
    return sorted(found, key=lambda row: row.temperature)


def predictions(record: RunRecord) -> tuple[str, list[Prediction]]:
    """The prompt, and what each checkpoint expects after it, by step; no checkpoints where nothing was put aside."""
    given = record.analysis.get("predictions")
    if not isinstance(given, dict):
        return "", []
    found = []
    for entry in _mappings(given.get("checkpoints")):
        pairs = tuple(_pairs(entry.get("next")))
        step = finite(entry.get("step"))
        if pairs:
            found.append(Prediction(str(entry.get("name", "")), None if step is None else int(step), pairs))
    return str(given.get("prompt", "")), found


def passage(record: RunRecord) -> list[tuple[str, float]]:
    """A stretch of the validation text, token by token with its nats; empty where none was put aside."""
    given = record.analysis.get("passage")
    pairs = _pairs(given.get("tokens")) if isinstance(given, dict) else ()
    return [(token, nats) for token, nats in pairs if nats >= 0]


def frequency_bins(record: RunRecord) -> list[FrequencyBin]:
    """The loss by how often a token occurs in the training text, the rarest first; bins without tokens left out."""
    found = []
    for entry in _mappings(record.analysis.get("frequency_bands")):
        least, most = finite(entry.get("from")), finite(entry.get("to"))
        count, nats = finite(entry.get("tokens")), finite(entry.get("nats_per_token"))
        if least is not None and nats is not None and count:
            found.append(FrequencyBin(int(least), None if most is None else int(most), int(count), nats))
    return sorted(found, key=lambda group: group.least)


def comparable_bins(records: Sequence[RunRecord]) -> list[tuple[RunRecord, list[FrequencyBin]]]:
    """The bins of the runs that read the same tokens as the first that has any, for others are of another text."""
    found = [(record, known) for record in records if (known := frequency_bins(record))]
    sizes = [[(group.least, group.most, group.num_tokens) for group in known] for _, known in found]
    return [pair for pair, size in zip(found, sizes, strict=True) if size == sizes[0]]


def last_samples(record: RunRecord) -> list[dict[str, Any]]:
    """The samples written at the last step."""
    return [sample for sample in record.samples if sample.get("step") == record.samples[-1].get("step")]


def one_a_prompt(samples: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first sample of each prompt."""
    by_prompt: dict[str, dict[str, Any]] = {}
    for sample in samples:
        by_prompt.setdefault(str(sample.get("prompt", "")), sample)
    return list(by_prompt.values())


def ending(sample: Mapping[str, Any]) -> str:
    """Whether a text ended by itself or was cut; empty where that is not known."""
    return {"end": "ended by itself", "length": "cut at its greatest length"}.get(str(sample.get("stop_reason")), "")


def _temperature(entry: Mapping[str, Any]) -> Temperature | None:
    value, size = finite(entry.get("temperature")), finite(entry.get("num_samples"))
    if value is None:
        return None
    prompt, text = (entry.get(key) for key in ("prompt", "text"))
    return Temperature(
        value,
        prompt if isinstance(prompt, str) else "",
        text if isinstance(text, str) else "",
        None if size is None else int(size),
        _figures(entry),
    )


def _of_summary(record: RunRecord) -> Temperature | None:
    """The figures of the summary's samples, which have no text."""
    given = record.summary.get("samples")
    if not isinstance(given, dict):
        return None
    language = given.get("language")
    return _temperature({**given, **(language if isinstance(language, dict) else {})})


def _of_samples(record: RunRecord) -> Iterable[Temperature]:
    """The last text of each temperature that was sampled while training."""
    latest: dict[float, Temperature] = {}
    for sample in record.samples:
        row = _temperature({**sample, "num_samples": None})
        if row is not None:
            latest[row.temperature] = row
    return latest.values()


def _figures(entry: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name in SAMPLE_FIGURES if (value := finite(entry.get(name))) is not None}


def _mappings(given: object) -> Iterable[Mapping[str, Any]]:
    return (entry for entry in given if isinstance(entry, dict)) if isinstance(given, list) else ()


def _pairs(given: object) -> Iterable[tuple[str, float]]:
    for pair in given if isinstance(given, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str):
            value = finite(pair[1])
            if value is not None:
                yield pair[0], value
