"""The stored analysis of a run: samples at several temperatures, a passage with its losses, next-token predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lmlab.reporting.formatting import occurrences
from lmlab.runs.records import RunRecord
from lmlab.runs.summary import finite

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
    """What a run generates at one sampling temperature.

    Args:
        temperature: of the softmax; 0 for the most probable token.
        prompt: that the sample continues.
        text: one sample; empty if there is none.
        num_samples: from which `figures` were computed; None if there are no figures.
        figures: the known ones of `SAMPLE_FIGURES`.
    """

    temperature: float
    prompt: str
    text: str
    num_samples: int | None
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """The most probable next tokens of a checkpoint after a prompt.

    Args:
        name: of the checkpoint.
        step: number of optimizer steps of the checkpoint; None if unknown.
        next: tokens as text with their probabilities, the most probable first.
    """

    name: str
    step: int | None
    next: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class FrequencyBin:
    """The loss on the tokens whose number of occurrences in the training text lies in a range.

    Args:
        least: smallest number of occurrences.
        most: largest number of occurrences; None for no limit.
        num_tokens: number of evaluated tokens.
        nats_per_token: their mean loss.
    """

    least: int
    most: int | None
    num_tokens: int
    nats_per_token: float

    @property
    def name(self) -> str:
        """The range in words."""
        return occurrences(self.least, self.most)


def temperatures(record: RunRecord) -> list[Temperature]:
    """Returns what a run generates at each temperature, in ascending order.

    These are the samples of the stored analysis or, without one, those that were generated during training. They are
    not mixed, because their prompts and lengths differ. The figures at temperature 1 from the summary are added to a
    sample at that temperature, or stand alone if there is none.
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
    """Returns the prompt and what each checkpoint predicts after it, by step; no checkpoints if none were analysed."""
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
    """Returns a passage of the validation text as tokens with their nats; empty if none was stored."""
    given = record.analysis.get("passage")
    pairs = _pairs(given.get("tokens")) if isinstance(given, dict) else ()
    return [(token, nats) for token, nats in pairs if nats >= 0]


def frequency_bins(record: RunRecord) -> list[FrequencyBin]:
    """Returns the loss by frequency of the token in the training text, the rarest first, without empty bins."""
    found = []
    for entry in _mappings(record.analysis.get("frequency_bands")):
        least, most = finite(entry.get("from")), finite(entry.get("to"))
        count, nats = finite(entry.get("tokens")), finite(entry.get("nats_per_token"))
        if least is not None and nats is not None and count:
            found.append(FrequencyBin(int(least), None if most is None else int(most), int(count), nats))
    return sorted(found, key=lambda group: group.least)


def comparable_bins(records: Sequence[RunRecord]) -> list[tuple[RunRecord, list[FrequencyBin]]]:
    """Returns the bins of all runs that were evaluated on the same tokens as the first run with bins.

    Bins of other sizes belong to another text or vocabulary and are left out.
    """
    found = [(record, known) for record in records if (known := frequency_bins(record))]
    sizes = [[(group.least, group.most, group.num_tokens) for group in known] for _, known in found]
    return [pair for pair, size in zip(found, sizes, strict=True) if size == sizes[0]]


def last_samples(record: RunRecord) -> list[dict[str, Any]]:
    """Returns the samples that were generated at the last step."""
    return [sample for sample in record.samples if sample.get("step") == record.samples[-1].get("step")]


def one_a_prompt(samples: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the first sample of each prompt."""
    by_prompt: dict[str, dict[str, Any]] = {}
    for sample in samples:
        by_prompt.setdefault(str(sample.get("prompt", "")), sample)
    return list(by_prompt.values())


def ending(sample: Mapping[str, Any]) -> str:
    """Returns whether a text ended by itself or was cut off, in words; empty if unknown."""
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
    """Returns the figures of the samples in the summary, which are stored without text."""
    given = record.summary.get("samples")
    if not isinstance(given, dict):
        return None
    language = given.get("language")
    return _temperature({**given, **(language if isinstance(language, dict) else {})})


def _of_samples(record: RunRecord) -> Iterable[Temperature]:
    """Returns the last text for each temperature that was sampled during training."""
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
