"""The tables of a report, as plain text for both Markdown and HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lmlab.metric_spec import (
    BITS_PER_CHAR,
    NATS_PER_TOKEN,
    NUM_TOKENS,
    OF_RUNS,
    OF_SOURCES,
    PERPLEXITY,
    UNK_RATE,
    MetricSpec,
    exp,
    heading,
    percent,
    spec_of,
)
from lmlab.reporting.analysis import SAMPLE_FIGURES, comparable_bins, predictions, temperatures
from lmlab.reporting.comparison import Comparison, Condition
from lmlab.reporting.curve_diagnostics import baseline_words
from lmlab.reporting.curves import TRAIN, diagnose_curve
from lmlab.reporting.formatting import count, interval, number
from lmlab.reporting.intervals import Estimate
from lmlab.runs.records import RunRecord
from lmlab.runs.summary import BITS, EXCESS, NATS, finite

# Shown instead of a missing value.
NOTHING = "–"
# Characters of a sample in a table.
_BEGINNING = 80
# Most surprising tokens that are listed, and the probability below which a token counts as surprising.
_MOST_SURPRISING, _SURPRISING = 8, 0.1
# Names of the columns for the predicted tokens, the most probable first.
_PLACES = ("1st", "2nd", "3rd", "4th", "5th")
_CURVES = {
    "overfitting": "overfitted",
    "failed optimisation": "failed to optimise",
    "unsteady": "unsteady",
    "last worse": "last epoch worse",
}


@dataclass(frozen=True)
class Table:
    """A table of plain text.

    Args:
        title: what it shows.
        header: names of the columns, with units.
        rows: as many cells as columns.
        words: number of columns on the left that contain words; the others contain numbers.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int


def settings_table(comparison: Comparison) -> Table:
    """Returns the results of all conditions, the best first; unordered if they cannot be ranked."""
    ranked = comparison.metric is not None
    names = comparison.names
    repeated = any(len(condition.runs) > 1 for condition in comparison.conditions)
    first, rest = _columns(comparison)
    specs = {name: spec_of(name, comparison.specs) for name in (*first, *rest)}
    compared = ranked and len(comparison.conditions) > 1
    header = [*(["place"] if ranked else []), *(comparison.short[name] for name in names)]
    header = header if names else [*header, "runs"]
    words = len(header)
    header += [*(["seeds"] if repeated else []), *(heading(name, comparison.specs) for name in first)]
    unit = (BITS_PER_CHAR if comparison.metric == BITS else NATS_PER_TOKEN).unit
    header += [f"behind the best ({unit})", "is that real?"] if compared else []
    trained = comparison.metric != BITS and any(
        TRAIN in row for record in comparison.finished for row in record.history[:1]
    )
    header += ["curve", *(["training loss then (nats per token)"] if trained else [])]
    header += [heading(name, comparison.specs) for name in rest]
    rows = []
    for condition in comparison.conditions:
        row = [str(condition.place)] if ranked else []
        row += [condition.settings.get(name, "") or NOTHING for name in names] if names else [condition.label]
        row += [str(len(condition.runs))] if repeated else []
        row += [_shown(specs[name], _over_seeds(condition, name)) for name in first]
        row += _gap_to_best(condition) if compared else []
        cells = [_shown(specs[name], _over_seeds(condition, name)) for name in rest]
        rows.append((*row, _curve(condition), *([_training(condition)] if trained else []), *cells))
    title = "Settings, the best first" if ranked else "Settings, not ranked"
    return Table(title, tuple(header), tuple(rows), words)


def unfinished_table(comparison: Comparison) -> Table:
    """Returns the runs without a result and the reasons."""
    rows = []
    for record in comparison.unfinished:
        best = record.best_row
        so_far = number(best[NATS]) if best is not None else NOTHING
        rows.append((comparison.label(record), record.status, record.reason or NOTHING, so_far))
    header = ("run", "status", "reason", "best so far (nats per token)")
    return Table("Runs without a result", header, tuple(rows), 3)


def figures_table(record: RunRecord) -> Table:
    """Returns the validation and test metrics of one run with those of its baselines."""
    splits = [split for split in ("val", "test") if record.metric(f"{split}/nats_per_token") is not None]
    rows = []
    for name in dict.fromkeys([*record.specs, *OF_SOURCES]):
        values, spec = [record.metric(f"{split}/{name}") for split in splits], spec_of(name, record.specs)
        if any(value is not None for value in values):
            rows.append((heading(name, record.specs), *(NOTHING if v is None else spec.shown(v) for v in values)))
    known = [record.summary.get(f"{split}/baselines") for split in splits]
    figures = [given if isinstance(given, dict) else {} for given in known]
    for name in dict.fromkeys(str(name) for given in figures for name in given):
        values = [finite(given.get(name)) for given in figures]
        words = f"{baseline_words(name)} (nats per token)"
        rows.append((words, *(NOTHING if value is None else number(value) for value in values)))
    headers = {"val": "validation", "test": "test"}
    return Table("Results", ("figure", *(headers[split] for split in splits)), tuple(rows), 1)


def temperature_table(record: RunRecord) -> Table:
    """Returns the sample figures at each temperature and the beginning of a sample."""
    drawn = temperatures(record)
    names = [name for name in SAMPLE_FIGURES if any(name in row.figures for row in drawn)]
    header = ("prompt", "sample begins", "temperature", *(SAMPLE_FIGURES[name] for name in names))
    rows = []
    for row in drawn:
        values = (row.figures.get(name) for name in names)
        cells = (NOTHING if v is None else _sample_figure(name, v) for name, v in zip(names, values, strict=True))
        rows.append((visible(row.prompt), beginning(row.text), f"{row.temperature:g}", *cells))
    return Table("Temperatures", header, tuple(rows), 2)


def checkpoint_table(record: RunRecord) -> Table:
    """Returns what each kept checkpoint predicts after the prompt, the most probable token first."""
    prompt, found = predictions(record)
    most = min(len(_PLACES), max((len(row.next) for row in found), default=0))
    header = ("checkpoint", "step", *_PLACES[:most])
    rows = []
    for row in found:
        tokens = [f"{visible(token)} {percent(share)}" for token, share in row.next[:most]]
        step = NOTHING if row.step is None else count(row.step)
        rows.append((row.name, step, *tokens, *[NOTHING] * (most - len(tokens))))
    return Table(f"What comes after “{visible(prompt)}”", header, tuple(rows), 1)


def frequency_bin_table(comparison: Comparison) -> Table:
    """Returns the loss by frequency of the word in the training text, for the first seed of each condition."""
    records = [condition.runs[0] for condition in comparison.conditions] or list(comparison.records)
    alike = comparable_bins(records if len(records) == 1 or comparison.metric is not None else [])
    rows = [
        (comparison.label(record) or record.label, *(number(group.nats_per_token) for group in found))
        for record, found in alike
    ]
    header = ("occurrences in the training text", *(group.name for group in (alike[0][1] if alike else ())))
    return Table("Loss by how often a word occurs (nats per token)", header, tuple(rows), 1)


def most_surprising(tokens: Sequence[tuple[str, float]]) -> str:
    """Returns the tokens of a passage with the lowest probabilities, each once, with the probability.

    Tokens with a probability of 10% or more are left out.
    """
    rare = sorted((pair for pair in tokens if math.exp(-pair[1]) < _SURPRISING), key=lambda pair: -pair[1])
    by_token: dict[str, float] = {}
    for token, nats in rare:
        by_token.setdefault(token, nats)
    most = list(by_token.items())[:_MOST_SURPRISING]
    return ", ".join(f"“{visible(token)}” ({percent(math.exp(-nats))})" for token, nats in most)


def visible(text: str) -> str:
    """Replaces white space and control characters by visible signs: a single space by `␣`, a line end by `⏎`."""
    if text and not text.strip(" "):
        return "␣" * len(text)
    shown = text.replace("\n", "⏎").replace("\t", "⇥")
    return "".join(c if c.isprintable() else "�" for c in shown)


def beginning(text: str) -> str:
    """Returns the first characters of a sample on one line."""
    return visible(text if len(text) <= _BEGINNING else f"{text[:_BEGINNING]}…") or NOTHING


# Columns of the table of settings: those that decide come first, because a narrow screen shows only the first ones.
_FIRST = (NATS, "val/perplexity", EXCESS, "test/perplexity")


def _columns(comparison: Comparison) -> tuple[list[str], list[str]]:
    """Returns the figures in the table of settings: those that decide, and the rest."""
    by_bits = comparison.metric == BITS
    evaluated = [f"val/{name}" for name in comparison.specs if name != NUM_TOKENS.name]
    if by_bits:  # the tokens of the runs differ, so figures of tokens do not compare
        evaluated = [name for name in evaluated if name in (BITS, f"val/{UNK_RATE.name}")]
    first = (BITS,) if by_bits else _FIRST
    tested = () if by_bits else (f"test/{NATS_PER_TOKEN.name}",)
    of_runs = (name for name in OF_RUNS if name not in ("best_step", "vocabulary_size"))
    names = dict.fromkeys([*first, *evaluated, *tested, *of_runs])
    known = [name for name in names if _is_known(comparison, name)]
    return [name for name in known if name in first], [name for name in known if name not in first]


def _is_known(comparison: Comparison, name: str) -> bool:
    """Returns whether a column has values; the column of unknown words is only shown if there are any."""
    known = [mean for condition in comparison.conditions if math.isfinite(mean := condition.mean(name).mean)]
    return any(known) if name == f"val/{UNK_RATE.name}" else bool(known)


def _over_seeds(condition: Condition, name: str) -> Estimate:
    """Returns the mean over the seeds; for perplexity exp of the mean nats, not the mean of perplexities."""
    split, _, word = name.partition("/")
    if word == PERPLEXITY.name:
        return Estimate(exp(condition.mean(f"{split}/nats_per_token").mean), None, len(condition.runs))
    return condition.mean(name)


def _shown(spec: MetricSpec, value: Estimate) -> str:
    """Formats a figure, with the half width of its interval where it is in nats or bits."""
    if not math.isfinite(value.mean):
        return NOTHING
    with_width = value.half_width is not None and spec.unit in (NATS_PER_TOKEN.unit, BITS_PER_CHAR.unit)
    return spec.shown(value.mean) + (f" ± {number(value.half_width or 0.0)}" if with_width else "")


def _gap_to_best(condition: Condition) -> Sequence[str]:
    gap_to_best = condition.gap_to_best
    if gap_to_best is None:
        return ("the best" if condition.place == 1 else NOTHING), NOTHING
    if gap_to_best.significant is None:
        return number(gap_to_best.mean), "not known: one seed"
    shown = f"{number(gap_to_best.mean)} ({interval(gap_to_best)})"
    return shown, "yes" if gap_to_best.significant else "no: inside the interval"


def _curve(condition: Condition) -> str:
    """Returns how the validation curves ended, with the number of runs if there are several."""
    kinds = [_CURVES[found.kind] for record in condition.runs if (found := diagnose_curve(record)) is not None]
    several = len(condition.runs) > 1
    counts = [
        (kind, f" ({kinds.count(kind)} of {len(condition.runs)})" if several else "") for kind in _CURVES.values()
    ]
    return ", ".join(f"{kind}{counted}" for kind, counted in counts if kind in kinds) or NOTHING


def _training(condition: Condition) -> str:
    """Returns the mean training loss at the best evaluations, which tells overfitting from underfitting."""
    rows = [record.best_row or {} for record in condition.runs]
    losses = [row[TRAIN] for row in rows if math.isfinite(row.get(TRAIN, math.nan))]
    return number(math.fsum(losses) / len(losses)) if len(losses) == len(rows) else NOTHING


def _sample_figure(name: str, value: float) -> str:
    return f"{value:,.1f}" if name in ("mean_tokens", "longest_copy_characters") else percent(value)
