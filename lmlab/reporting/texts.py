"""The texts of a report: samples side by side, a passage with its losses, predictions of the next token."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from lmlab.metric_spec import percent
from lmlab.reporting.tables import NOTHING, cell
from lmlab.runs.comparison import Comparison
from lmlab.runs.formatting import count, number, occurrences
from lmlab.runs.records import RunRecord
from lmlab.runs.summary import finite

# Figures of samples: names in files, and in tables with their units.
SAMPLE_FIGURES = {
    "distinct_1": "distinct tokens (share)", "distinct_2": "distinct pairs of tokens (share)",
    "distinct_3": "distinct triples of tokens (share)", "repetition": "repeated (share)",
    "unknown_words": "words unknown to the training text (share)", "ended": "ended by the end token (share)",
    "mean_tokens": "mean length (tokens)",
    "longest_copy_characters": "longest copy from the training text (characters)", "valid": "in the language (share)",
    "novel": "of these not in the training text (share)", "distinct": "of these different (share)",
}  # fmt: skip
# Least probability that a token was given, and its range in words, by CSS class; the smaller, the darker.
SURPRISE = {
    "s0": (0.5, "over 50%"), "s1": (0.1, "10 to 50%"), "s2": (0.01, "1 to 10%"), "s3": (0.001, "0.1 to 1%"),
    "s4": (0.0, "under 0.1%"),
}  # fmt: skip
# Most rows and columns of the table of texts; characters of a text at once, and with what is folded away.
MOST_ROWS, MOST_TEXTS, BEGINNING, WHOLE = 12, 6, 240, 2_000


class Sample(NamedTuple):
    """A generated text in parts: beginning, what is folded away, what follows where it left the formal language."""

    prompt: str
    text: str
    rest: str
    wrong: str
    note: str


class Temperature(NamedTuple):
    """What a run generates at a sampling temperature: a sample, and the known `SAMPLE_FIGURES` of `num_samples`."""

    temperature: float
    prompt: str
    text: str
    num_samples: int | None
    figures: dict[str, float]


def texts_side_by_side(comparison: Comparison) -> tuple[list[str], list[tuple[str, list[Sample | None]]]]:
    """Returns the prompts, and for each setting, the best first, its last text after each prompt.

    Those of all settings had the same sampling seeds. Of a single run the rows are steps of its training instead.
    """
    record, conditions = comparison.records[0], comparison.conditions
    if len(comparison.records) == 1:
        steps = list(dict.fromkeys(sample.get("step") for sample in record.samples))
        if len(steps) > MOST_ROWS:
            steps = [steps[round(i * (len(steps) - 1) / (MOST_ROWS - 1))] for i in range(MOST_ROWS)]
        rows = [(f"step {finite(step) or 0:,.0f}", record, step) for step in steps]
    else:
        runs = [(c.label, c.runs[0]) for c in conditions] or [(r.label, r) for r in comparison.records]
        rows = [(label, r, r.samples[-1].get("step")) for label, r in runs if r.samples][:MOST_ROWS]
    found = [(label, _of_step(record, step)) for label, record, step in rows]
    # The first sample of each prompt, then the second ones.
    known = dict.fromkeys(place for _, samples in found for place in samples)
    places = sorted(known, key=lambda place: place[0])[:MOST_TEXTS]
    return [prompt for _, prompt in places], [(label, [of.get(place) for place in places]) for label, of in found]


def _of_step(record: RunRecord, step: object) -> dict[tuple[int, str], Sample]:
    """Returns the samples of a step by their number among those of the same prompt, and the prompt."""
    found: dict[tuple[int, str], Sample] = {}
    for sample in (sample for sample in record.samples if sample.get("step") == step):
        prompt, text = str(sample.get("prompt") or ""), str(sample["text"])[:WHOLE]
        leaves, valid = finite(sample.get("leaves")), sample.get("valid")
        right = len(text) if leaves is None else max(0, int(leaves) - len(prompt))
        note = "it ended by itself" if sample.get("stop_reason") == "end" else ""
        if valid is not None:
            wrong = "incomplete" if right == len(sample["text"]) else "not in the language"
            note = "in the language" if valid else wrong
        parts = text[: min(right, BEGINNING)], text[BEGINNING:right], text[right:]
        found[sum(known == prompt for _, known in found), prompt] = Sample(prompt, *parts, note)
    return found


def validity(record: RunRecord) -> list[tuple[float, float]]:
    """Returns the share of samples in the formal language at each step at which there are any."""
    judged = ((finite(one.get("step")), one["valid"]) for one in record.samples if isinstance(one.get("valid"), bool))
    frame = pd.DataFrame(judged, columns=["step", "valid"], dtype=float)
    return list(frame.groupby("step", sort=False)["valid"].mean().items())


def temperatures(record: RunRecord) -> list[Temperature]:
    """Returns what the best model generates at each temperature, in ascending order, with the summary's at 1."""
    samples, language = record.table("samples"), record.table("samples").get("language")
    found = {}
    measured = {**samples, **(language if isinstance(language, dict) else {})}
    for entry in (measured, *(record.analysis.get("temperatures") or ())):
        value, size = finite(entry.get("temperature")), finite(entry.get("num_samples"))
        figures = {name: known for name in SAMPLE_FIGURES if (known := finite(entry.get(name))) is not None}
        prompt, text = (str(entry.get(key) or "") for key in ("prompt", "text"))
        if value is not None:
            found[value] = Temperature(value, prompt, text, None if size is None else int(size), figures)
    return sorted(found.values())


def temperature_table(record: RunRecord) -> pd.DataFrame:
    """Returns the sample figures at each temperature and the beginning of a sample."""
    rows = []
    for row in temperatures(record):
        begins = visible(row.prompt + row.text)
        about = {"temperature": f"{row.temperature:g}", "sample begins": begins[:80] + "…" * (len(begins) > 80)}
        shown = {name: percent if "share" in SAMPLE_FIGURES[name] else "{:,.1f}".format for name in row.figures}
        rows.append(about | {SAMPLE_FIGURES[name]: show(row.figures[name]) for name, show in shown.items()})
    return pd.DataFrame(rows).replace("", NOTHING).fillna(NOTHING)


def predictions_table(record: RunRecord) -> tuple[str, pd.DataFrame]:
    """Returns a prompt, and what each kept checkpoint predicts after it, the most probable token first."""
    given = record.analysis.get("predictions") or {}
    rows = []
    for entry in given.get("checkpoints", ()):
        pairs = (f"{visible(token)} {percent(share)}" for token, share in entry["next"])
        about = {"checkpoint": entry["name"], "step": cell(entry.get("step"), count)}
        rows.append(about | dict(zip(("1st", "2nd", "3rd", "4th", "5th"), pairs, strict=False)))
    return str(given.get("prompt") or ""), pd.DataFrame(rows).fillna(NOTHING)


def passage(record: RunRecord) -> list[tuple[str, float]]:
    """Returns a passage of the validation text as tokens with their nats; empty if none was stored."""
    tokens = (record.analysis.get("passage") or {}).get("tokens", ())
    return [(token, nats) for token, nats in tokens if nats >= 0]


def surprise(nats: float) -> str:
    """Returns the CSS class of a token by its loss."""
    return next(name for name, (least, _) in SURPRISE.items() if math.exp(-nats) >= least)


def most_surprising(tokens: Sequence[tuple[str, float]]) -> str:
    """Returns the 8 tokens of a passage with the lowest probabilities under 10%, each once, with the probability."""
    rare = {token: nats for token, nats in sorted(tokens, key=lambda pair: pair[1]) if math.exp(-nats) < 0.1}
    return ", ".join(f"“{visible(token)}” ({percent(math.exp(-nats))})" for token, nats in [*rare.items()][:-9:-1])


def frequency_bins(records: Iterable[RunRecord]) -> list[tuple[RunRecord, list[Mapping[str, Any]]]]:
    """Returns the loss by frequency in the training text, the rarest first, without empty bins.

    Bins of other sizes than those of the first run that has it belong to another text or vocabulary, and are left out.
    """
    found: list[tuple[RunRecord, list[Mapping[str, Any]]]] = []
    for record in records:
        given = record.analysis.get("frequency_bands") or ()
        known = [one for one in given if one["tokens"] and one.get("nats_per_token") is not None]
        found += [(record, sorted(known, key=lambda one: one["from"]))] if known else []
    sizes = [[(one["from"], one.get("to"), one["tokens"]) for one in bins] for _, bins in found]
    return [pair for pair, own in zip(found, sizes, strict=True) if own == sizes[0]]


def frequency_table(comparison: Comparison, records: Iterable[RunRecord]) -> pd.DataFrame:
    """Returns the loss (nats per token) by how often a token occurs in the training text."""
    return pd.DataFrame(
        {"occurrences in the training text": comparison.label(record)}
        | {occurrences(one["from"], one.get("to")): number(one["nats_per_token"]) for one in bins}
        for record, bins in frequency_bins(records)
    )


def visible(text: str) -> str:
    """Replaces white space and control characters by visible signs: a single space by `␣`, a line end by `⏎`."""
    if text and not text.strip(" "):
        return "␣" * len(text)
    return "".join(c if c.isprintable() else {"\n": "⏎", "\t": "⇥"}.get(c, "�") for c in text)
