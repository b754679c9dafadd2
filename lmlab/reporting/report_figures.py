"""Chooses the figures of a report and collects their data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import pandas as pd

from lmlab.reporting import texts
from lmlab.reporting.figures.curves import (
    BinLosses,
    FrequencyBin,
    best_so_far,
    error_rates,
    frequency_bins,
    gradient_norms,
    learning_curves,
    sweep_curves,
    validity,
)
from lmlab.reporting.figures.data import TRAINING, VALIDATION, Along, Curve, Figure, Reference, Result
from lmlab.reporting.figures.results import Cell, Effect, effects, heat_map, parameter_plot, ranked_settings
from lmlab.runs.comparison import Comparison, Condition
from lmlab.runs.contents import TRAIN, Row
from lmlab.runs.formatting import baseline_words, is_number, unit
from lmlab.runs.records import RunRecord, setting
from lmlab.runs.statistics import Estimate, estimate
from lmlab.runs.summary import BITS, NATS, finite

# Names of all possible figures; the last two are of older reports.
FIGURES = (
    "effects", "search", "heat_map", "parameter", "ranking", "curves", "frequency_bands", "learning_curves",
    "error_rate", "gradient_norm", "validity", "gap", "temperatures",
)  # fmt: skip
# The column of metrics.csv for each kind of horizontal axis.
_COLUMN = {"tokens": "tokens", "steps": "step", "epochs": "epoch", "seconds": "seconds"}
# Most runs in figures that have a line of text for each.
MOST_SIDE_BY_SIDE = 12
# Fewer are no search, and too much of their differences goes with any setting by chance.
LEAST_TRIALS = 8
_DROPOUTS = ("dropout", "input_dropout", "output_dropout", "embedding_dropout", "weight_dropout")


@dataclass(frozen=True)
class ReportFigure:
    """A figure of a report: the name of its files, a heading, and what to look for, in a sentence or two."""

    name: str
    title: str
    caption: str
    figure: Figure


def report_figures(comparison: Comparison, *, along: Along) -> list[ReportFigure]:
    """Returns the figures for which the runs have data, that which shows the answer first.

    Args:
        comparison: of at least one run.
        along: the horizontal axis of learning curves.
    """
    found: list[ReportFigure] = []
    if len(comparison.conditions) > 1 and comparison.metric:
        found += [*_answers(comparison, comparison.metric), *_of_all(comparison, comparison.metric, along)]
    record = comparison.shown
    return [*found, *(_of_one(comparison, record, along) if record is not None else [])]


def _answers(comparison: Comparison, metric: str) -> Iterator[ReportFigure]:
    what, names, short = f"validation loss, {unit(metric)}", comparison.names, comparison.short
    found, grid = _effects(comparison, metric) if len(names) > 2 else [], _is_grid(comparison)
    if found:
        caption = "For each value the mean loss, and how far it spreads among runs that are equal in all other "
        caption += "settings. Lower is better; a setting whose means hardly differ matters little."
        yield ReportFigure("effects", "What each setting does", caption, effects(found, what=what))
    if not grid:
        known = [r.metric(metric) if r.status == "finished" else None for r in comparison.records]
        losses = [math.nan if loss is None else loss for loss in known]
        importance = _importance(comparison, metric)
        caption = "Each run in the order of the search." + (
            " The bars say which share of the differences goes with a setting alone (its squared rank correlation "
            "with the loss, or for words the correlation ratio)."
        ) * bool(importance)
        figure = best_so_far(losses, what=what, importance=importance)
        yield ReportFigure("search", "The best so far", caption, figure)
    elif len(names) == 2:
        figure = heat_map(_grid(comparison, metric), row_name=short[names[0]], column_name=short[names[1]], what=what)
        yield ReportFigure("heat_map", f"{short[names[0]]} against {short[names[1]]}", "Lower is better.", figure)
    if len(names) == 1:
        results = [_result(condition, condition.settings[names[0]], metric) for condition in comparison.conditions]
        shown = comparison.shown  # its lines hold for all: the same text and vocabulary
        references = [] if shown is None or metric == BITS else _references_of(shown)
        figure = parameter_plot(results, parameter=short[names[0]], what=what, references=references)
        caption = "The best validation loss of each setting; the table says which differences are real."
        yield ReportFigure("parameter", f"Best loss by {short[names[0]]}", caption, figure)
    else:
        results = [_result(condition, condition.label, metric) for condition in comparison.conditions]
        caption = "The best validation loss of each setting, the best at the top."
        yield ReportFigure("ranking", "Settings in order", caption, ranked_settings(results, what=what))


def _losses(comparison: Comparison, metric: str) -> pd.DataFrame:
    """Returns the settings of each condition and its `loss`, without those that have none."""
    known = [condition for condition in comparison.conditions if condition.values(metric)]
    return pd.DataFrame([{**condition.settings, "loss": condition.mean(metric).mean} for condition in known])


def _effects(comparison: Comparison, metric: str) -> list[Effect]:
    """Returns the mean loss at each value of each setting, that with the largest effect first."""
    frame, found = _losses(comparison, metric), []
    for name in comparison.names if len(frame) else ():
        losses = _at_equal_others(frame, name)
        order = sorted(losses, key=float) if all(map(is_number, losses)) else list(losses)
        if 1 < len(order) <= MOST_SIDE_BY_SIDE:
            means = {value: fmean(losses[value]) for value in order}
            spreads = {value: stdev(given) if len(given) > 1 else None for value, given in losses.items()}
            results = (Result(value, means[value], spreads[value], tuple(losses[value])) for value in order)
            effect = max(means.values()) - min(means.values())
            found.append((effect, Effect(comparison.short[name], tuple(results))))
    return [effect for _, effect in sorted(found, key=lambda item: -item[0])]


def _at_equal_others(frame: pd.DataFrame, name: str) -> dict[str, list[float]]:
    """Returns the losses by value of a setting, without what the other settings do.

    Runs that are equal in all others are put around the mean of all runs, as far as they have every value: otherwise
    a value would seem good because it was tried with good others. Of a search, where hardly any are equal, the losses
    stay as they are.
    """
    others = [other for other in frame.columns if other not in (name, "loss")]
    size = frame.groupby(others)[name].transform("size")
    whole = frame[size == size.max()]
    shift = whole["loss"].mean() - whole.groupby(others)["loss"].transform("mean") if size.max() > 1 else 0.0
    return {str(v): list(g) for v, g in (whole["loss"] + shift).groupby(whole[name], sort=False)}


def _is_grid(comparison: Comparison) -> bool:
    """Returns whether the runs are a grid, or few, and not drawn by a search."""
    size = len(comparison.conditions)
    values = [len({condition.settings[name] for condition in comparison.conditions}) for name in comparison.names]
    return size < LEAST_TRIALS or math.prod(values) <= 2 * size


def _importance(comparison: Comparison, metric: str) -> dict[str, float]:
    """Returns which share of the variance of the (ranked) loss goes with each setting alone."""
    frame = _losses(comparison, metric)
    ranks, found = frame["loss"].rank(), {}
    for name in comparison.names:
        if all(map(is_number, frame[name])):
            numbers = frame[name].astype(float).rank()
        else:  # each word stands for the mean rank of its runs, which of words that are all different says nothing
            numbers = (
                ranks.groupby(frame[name]).transform("mean") if 2 * frame[name].nunique() <= len(frame) else ranks * 0
            )
        if len(frame) >= LEAST_TRIALS and ranks.nunique() > 1 and numbers.nunique() > 1:
            found[comparison.short[name]] = float(numbers.corr(ranks)) ** 2
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _of_all(comparison: Comparison, metric: str, along: Along) -> Iterator[ReportFigure]:
    parameter = ", ".join(comparison.short[name] for name in comparison.names) or "run"
    curves = [c for condition in comparison.conditions if (c := _mean_curve(condition, metric, along)) is not None]
    if curves:
        seeds = max(len(condition.runs) for condition in comparison.conditions)
        figure = sweep_curves(curves, parameter=parameter, along=along, unit=unit(metric), seeds=seeds)
        caption = "Lower is better. Where a line turns up again, the cautions say whether it overfitted."
        yield ReportFigure("curves", f"Validation loss along training, by {parameter}", caption, figure)
    runs = [condition.runs[0] for condition in comparison.conditions[:MOST_SIDE_BY_SIDE]]
    yield from _frequency_bins(comparison, runs)


def _of_one(comparison: Comparison, record: RunRecord, along: Along) -> Iterator[ReportFigure]:
    alone, rows = len(comparison.records) == 1, record.history
    of = "" if alone else f" of {comparison.label(record)}"
    known_source = record.metric("val/source_nats_per_token") is not None
    if sum(NATS in row for row in rows) > 1:
        off = all(setting(record.config, f"model.{name}") in ("0.0", "0", "") for name in _DROPOUTS)
        label = "training (average since the last evaluation)" if off and record.config else TRAINING
        validation, training = _curve(VALIDATION, rows, NATS, along), _curve(label, rows, TRAIN, along)
        references = _references_of(record)
        figure = learning_curves(validation, training, along=along, references=references, unit=unit(NATS))
        caption = "The training figure is an average over the time before, when the weights were older"
        caption += ", with dropout on, so it may lie above validation." if label == TRAINING else "."
        caption += (
            " The source's line is of the validation strings, and no honest model ends below it but by chance; the "
            "training strings are others, so the training line may."
        ) * known_source
        yield ReportFigure("learning_curves", f"Learning curves{of}", caption, figure)
        if any("val/error_rate" in row for row in rows):
            validation = _curve(VALIDATION, rows, "val/error_rate", along)
            figure = error_rates(validation, _curve(label, rows, "train/error_rate", along), along=along)
            caption = "The share of tokens that were not ranked first."
            caption += " What the source decides by chance nobody predicts, so this does not fall to 0." * known_source
            yield ReportFigure("error_rate", f"Error rate{of}", caption, figure)
    if sum("grad_norm" in row for row in rows) > 1:
        clip = setting(record.config, "trainer.gradient_clip_val")
        figure = gradient_norms(
            _curve("before clipping", rows, "grad_norm", along),
            _curve("after clipping", rows, "grad_norm_clipped", along),
            clip_at=float(clip) if is_number(clip) else None,
            clipped=_curve("clipped steps", rows, "clip_fraction", along),
            along=along,
        )
        caption = "Where nearly every step is clipped, the learning rate or the limit is wrong."
        yield ReportFigure("gradient_norm", f"Gradient norm{of}", caption, figure)
    valid = texts.validity(record)
    if len(valid) > 1:
        curve = Curve("in the language", [step for step, _ in valid], [share for _, share in valid])
        caption = "The share of the samples along training that are strings of the language."
        yield ReportFigure("validity", f"Valid samples{of}", caption, validity(curve, along="steps"))
    if alone:
        yield from _frequency_bins(comparison, [record])


def _frequency_bins(comparison: Comparison, records: Sequence[RunRecord]) -> Iterator[ReportFigure]:
    alike = texts.frequency_bins(records)
    if alike:
        drawn = [FrequencyBin(one["from"], one.get("to"), one["tokens"]) for one in alike[0][1]]
        losses = [BinLosses(comparison.label(r), [one["nats_per_token"] for one in known]) for r, known in alike]
        caption = "Rare words are the hardest; if pretrained vectors help, it should be there."
        caption += " Below 0 a setting is better than the mean of all at such words." if len(losses) > 1 else ""
        title = "Loss by how often a word occurs in the training text"
        yield ReportFigure("frequency_bands", title, caption, frequency_bins(drawn, losses))


def _curve(label: str, rows: Sequence[Row], column: str, along: Along) -> Curve:
    x = [row.get(_COLUMN[along], math.nan) for row in rows]
    return Curve(label, x, [row.get(column, math.nan) for row in rows])


def _mean_curve(condition: Condition, metric: str, along: Along) -> Curve | None:
    """Returns the mean over the seeds with its interval, up to the last evaluation that all seeds have."""
    histories = [record.history for record in condition.runs if len(record.history) > 1]
    if not histories:
        return None
    points = list(zip(*histories, strict=False))
    x = [fmean(row.get(_COLUMN[along], math.nan) for row in rows) for rows in points]
    values = [[row.get(metric, math.nan) for row in rows] for rows in points]
    means = [Estimate(math.nan, None, 0) if None in map(finite, v) else estimate(v) for v in values]
    ends = [[found.mean + sign * (found.half_width or 0.0) for found in means] for sign in (-1, 1)]
    return Curve(condition.label, x, [found.mean for found in means], *(ends if len(histories) > 1 else ()))


def _result(condition: Condition, label: str, metric: str) -> Result:
    mean, seeds = condition.mean(metric), condition.values(metric)
    value = mean.mean if math.isfinite(mean.mean) else None
    return Result(label, value, mean.half_width, tuple(seeds) if len(seeds) > 1 else ())


def _grid(comparison: Comparison, metric: str) -> list[Cell]:
    rows, columns = comparison.names
    found = {}
    for record in comparison.unfinished:
        values = comparison.settings_of(record)
        found[values[rows], values[columns]] = Cell(values[rows], values[columns], None, None, record.status)
    for condition in comparison.conditions:
        result, place = _result(condition, "", metric), (condition.settings[rows], condition.settings[columns])
        found[place] = Cell(*place, result.value, result.half_width, "" if result.value is not None else "no number")
    return list(found.values())


def _references_of(record: RunRecord) -> list[Reference]:
    known = {str(name): finite(value) for name, value in record.table("val/baselines").items()}
    found = [Reference(baseline_words(name), value) for name, value in known.items() if value is not None]
    source = record.metric("val/source_nats_per_token")
    return found if source is None else [*found, Reference("the source itself on these strings", source, floor=True)]
