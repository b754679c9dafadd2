"""Chooses the figures of a report and collects their data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lmlab.reporting.analysis import comparable_bins, temperatures
from lmlab.reporting.comparison import Comparison, Condition
from lmlab.reporting.curve_diagnostics import baseline_words
from lmlab.reporting.curves import TRAIN, diagnose_curve
from lmlab.reporting.figures.axes import Along
from lmlab.reporting.figures.curves import error_rates, gradient_norms, learning_curves, sweep_curves
from lmlab.reporting.figures.data import TRAINING, VALIDATION, Curve, Figure, Reference, Result
from lmlab.reporting.figures.frequency_bins import BinLosses, FrequencyBin, frequency_bins
from lmlab.reporting.figures.gap import GeneralizationGap, generalization_gap
from lmlab.reporting.figures.heat_map import Cell, heat_map
from lmlab.reporting.figures.results import parameter_plot, ranked_settings
from lmlab.reporting.figures.temperatures import Quality, temperature_panels
from lmlab.reporting.formatting import unit
from lmlab.reporting.intervals import estimate
from lmlab.runs.history import Row
from lmlab.runs.records import RunRecord, setting
from lmlab.runs.summary import BITS, NATS

# Names of all possible figures.
FIGURES = (
    "curves", "heat_map", "parameter", "ranking", "gap", "frequency_bands", "learning_curves", "error_rate",
    "gradient_norm", "temperatures",
)  # fmt: skip
# The column of metrics.csv for each kind of horizontal axis.
_COLUMN = {"tokens": "tokens", "steps": "step", "epochs": "epoch", "seconds": "seconds"}
# The drawn figures of samples and their names.
QUALITIES = {
    "distinct_2": "distinct pairs of tokens, per cent",
    "repetition": "repeated, per cent",
    "unknown_words": "words unknown to the training text, per cent",
    "longest_copy_characters": "longest copy from the training text, characters",
    "valid": "strings in the language, per cent",
    "distinct": "of these different, per cent",
}
# Most runs in figures that have a line of text for each.
MOST_SIDE_BY_SIDE = 12


@dataclass(frozen=True)
class ReportFigure:
    """A figure of a report.

    Args:
        name: of its files, without the extension; one of `FIGURES`.
        title: a heading.
        caption: what to look for, a sentence or two.
        figure: the figure and its description.
    """

    name: str
    title: str
    caption: str
    figure: Figure


def report_figures(comparison: Comparison, *, along: Along) -> list[ReportFigure]:
    """Returns the figures for which the runs have data: of all runs together, then of the shown run.

    Args:
        comparison: of at least one run.
        along: the horizontal axis of learning curves.
    """
    found = list(_of_all(comparison, along)) if len(comparison.conditions) > 1 and comparison.metric else []
    record = comparison.shown
    return [*found, *(_of_one(comparison, record, along) if record is not None else [])]


def _of_all(comparison: Comparison, along: Along) -> Iterator[ReportFigure]:
    metric = comparison.metric or NATS
    words, short = f"validation loss, {unit(metric)}", comparison.short
    parameter = ", ".join(short[name] for name in comparison.names) or "run"
    curves = [
        curve for condition in comparison.conditions if (curve := _mean_curve(condition, metric, along)) is not None
    ]
    if curves:
        seeds = max(len(condition.runs) for condition in comparison.conditions)
        figure = sweep_curves(curves, parameter=parameter, along=along, unit=unit(metric), seeds=seeds)
        caption = "Lower is better. Where a line turns up again, the cautions say whether it overfitted."
        yield ReportFigure("curves", f"Validation loss along training, by {parameter}", caption, figure)
    names = comparison.names
    if len(names) == 2:
        figure = heat_map(_grid(comparison), row_name=short[names[0]], column_name=short[names[1]], what=words)
        yield ReportFigure("heat_map", f"{short[names[0]]} against {short[names[1]]}", "Darker is better.", figure)
    if len(names) == 1:
        results = [_result(condition, condition.settings[names[0]], metric) for condition in comparison.conditions]
        figure = parameter_plot(results, parameter=short[names[0]], what=words, references=_references(comparison))
        caption = "The best validation loss of each setting; the table says which differences are real."
        yield ReportFigure("parameter", f"Best loss by {short[names[0]]}", caption, figure)
    else:
        results = [_result(condition, condition.label, metric) for condition in comparison.conditions]
        caption = "The best validation loss of each setting, the best at the top."
        yield ReportFigure("ranking", "Settings in order", caption, ranked_settings(results, what=words))
    gaps = _generalization_gaps(comparison) if metric == NATS else []
    if gaps:
        caption = (
            "How far validation lies above training, at the best and at the last evaluation. A gap that widens while "
            "training still falls is overfitting. Training loss is measured with dropout on, so it may lie above."
        )
        yield ReportFigure("gap", "Which models overfitted", caption, generalization_gap(gaps))
    yield from _frequency_bins(
        comparison, [condition.runs[0] for condition in comparison.conditions[:MOST_SIDE_BY_SIDE]]
    )


def _of_one(comparison: Comparison, record: RunRecord, along: Along) -> Iterator[ReportFigure]:
    alone = len(comparison.records) == 1
    of = "" if alone else f" of {comparison.label(record)}"
    rows = record.history
    if any(NATS in row for row in rows):
        label = _training_label(record)
        validation, training = _curve(VALIDATION, rows, NATS, along), _curve(label, rows, TRAIN, along)
        figure = learning_curves(validation, training, along=along, references=_references_of(record), unit=unit(NATS))
        caption = "The training figure is an average over the time before, when the weights were older"
        caption += ", with dropout on, so it may lie above validation." if label == TRAINING else "."
        if record.metric("val/source_nats_per_token") is not None:
            caption += (
                " The source's line is of the validation strings, and no honest model ends below it but by chance; "
            )
            caption += "the training strings are others, so the training line may."
        yield ReportFigure("learning_curves", f"Learning curves{of}", caption, figure)
        validation = _curve(VALIDATION, rows, "val/error_rate", along)
        figure = error_rates(validation, _curve(label, rows, "train/error_rate", along), along=along)
        caption = "The share of tokens that were not ranked first."
        if record.metric("val/source_nats_per_token") is not None:
            caption += " What the source decides by chance nobody predicts, so this does not fall to 0."
        yield ReportFigure("error_rate", f"Error rate{of}", caption, figure)
    if any("grad_norm" in row for row in rows):
        clip = setting(record.config, "trainer.gradient_clip_val")
        figure = gradient_norms(
            _curve("before clipping", rows, "grad_norm", along),
            _curve("after clipping", rows, "grad_norm_clipped", along),
            clip_at=_number(clip),
            clipped=_curve("clipped steps", rows, "clip_fraction", along),
            along=along,
        )
        caption = "Where nearly every step is clipped, the learning rate or the limit is wrong."
        yield ReportFigure("gradient_norm", f"Gradient norm{of}", caption, figure)
    if alone:
        yield from _frequency_bins(comparison, [record])
    qualities = _qualities(record)
    if qualities:
        words = any(quality.name == QUALITIES["unknown_words"] for quality in qualities)
        caption = "Low temperatures repeat themselves" + (" and copy; high ones make up words." if words else ".")
        yield ReportFigure("temperatures", f"Samples by temperature{of}", caption, temperature_panels(qualities))


def _frequency_bins(comparison: Comparison, records: Sequence[RunRecord]) -> Iterator[ReportFigure]:
    alike = comparable_bins(records)
    if not alike:
        return
    drawn = [FrequencyBin(group.least, group.most, group.num_tokens) for group in alike[0][1]]
    losses = [BinLosses(comparison.label(r), [group.nats_per_token for group in known]) for r, known in alike]
    caption = "Rare words are the hardest; if pretrained vectors help, it should be there. "
    caption += "Below 0 a setting is better than the mean of all at such words." if len(losses) > 1 else ""
    title = "Loss by how often a word occurs in the training text"
    yield ReportFigure("frequency_bands", title, caption.strip(), frequency_bins(drawn, losses))


def _qualities(record: RunRecord) -> list[Quality]:
    """Returns the sample figures that are known at two temperatures or more."""
    rows = [row for row in temperatures(record) if row.figures]
    found = []
    for name, words in QUALITIES.items():
        known = [(row.temperature, row.figures[name]) for row in rows if name in row.figures]
        # A word tokenizer cannot generate unknown words.
        if len(known) > 1 and (name != "unknown_words" or any(value for _, value in known)):
            curve = Curve("", [t for t, _ in known], [value for _, value in known])
            found.append(Quality(words, (curve,), share=name != "longest_copy_characters"))
    return found


def _training_label(record: RunRecord) -> str:
    """Returns the label of the training curve, which says whether dropout was on."""
    names = ("dropout", "input_dropout", "output_dropout", "embedding_dropout", "weight_dropout")
    off = all(_number(setting(record.config, f"model.{name}")) in (0.0, None) for name in names)
    return "training (average since the last evaluation)" if off and record.config else TRAINING


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _curve(label: str, rows: Sequence[Row], column: str, along: Along) -> Curve:
    x = [row.get(_COLUMN[along], math.nan) for row in rows]
    return Curve(label, x, [row.get(column, math.nan) for row in rows])


def _mean_curve(condition: Condition, metric: str, along: Along) -> Curve | None:
    """Returns the mean over the seeds with its interval, up to the last evaluation that all seeds have."""
    histories = [record.history for record in condition.runs if record.history]
    if not histories:
        return None
    shortest = min(map(len, histories))
    x, y, low, high = [], [], [], []
    for rows in zip(*(history[:shortest] for history in histories), strict=True):
        values = [row.get(metric, math.nan) for row in rows]
        x.append(sum(row.get(_COLUMN[along], math.nan) for row in rows) / len(rows))
        found = estimate(values) if all(map(math.isfinite, values)) else None
        half = (found.half_width or 0.0) if found else math.nan
        y.append(found.mean if found else math.nan)
        low.append(y[-1] - half)
        high.append(y[-1] + half)
    several = len(histories) > 1
    return Curve(condition.label, x, y, low if several else None, high if several else None)


def _result(condition: Condition, label: str, metric: str) -> Result:
    mean = condition.mean(metric)
    seeds = [value for record in condition.runs if (value := record.metric(metric)) is not None]
    value = mean.mean if math.isfinite(mean.mean) else None
    return Result(label, value, mean.half_width, tuple(seeds) if len(seeds) > 1 else ())


def _grid(comparison: Comparison) -> list[Cell]:
    rows, columns = comparison.names
    metric = comparison.metric or NATS
    found = {}
    for record in comparison.unfinished:
        values = comparison.settings_of(record)
        found[values[rows], values[columns]] = Cell(values[rows], values[columns], None, None, record.status)
    for condition in comparison.conditions:
        mean = condition.mean(metric)
        value = mean.mean if math.isfinite(mean.mean) else None
        place = condition.settings[rows], condition.settings[columns]
        found[place] = Cell(*place, value, mean.half_width, "" if value is not None else "no number")
    return list(found.values())


def _references(comparison: Comparison) -> list[Reference]:
    """Returns the reference lines of the shown run if they hold for all runs: same text and vocabulary."""
    best = comparison.shown
    return [] if best is None or comparison.metric == BITS else _references_of(best)


def _references_of(record: RunRecord) -> list[Reference]:
    found = []
    baselines = record.summary.get("val/baselines")
    if isinstance(baselines, dict):
        values = ((str(name), value) for name, value in baselines.items() if isinstance(value, int | float))
        found = [Reference(baseline_words(name), float(value)) for name, value in values]
    source = record.metric("val/source_nats_per_token")
    if source is not None:
        found.append(Reference("floor: the source itself on these strings", source, floor=True))
    return found


def _generalization_gaps(comparison: Comparison) -> list[GeneralizationGap]:
    found = []
    for condition in comparison.conditions:
        record = condition.runs[0]
        rows = [row for row in record.history if math.isfinite(row.get(NATS, math.nan))]
        if not rows or record.best_row is None:
            continue
        best, last, diagnosis = record.best_row, rows[-1], diagnose_curve(record)
        kind = diagnosis.kind if diagnosis is not None and diagnosis.kind != "last worse" else ""
        found.append(GeneralizationGap(condition.label, best.get(TRAIN), best[NATS], last.get(TRAIN), last[NATS], kind))
    return found
