"""Chooses the figures of a report and collects their data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean, stdev
from typing import NamedTuple

import pandas as pd

from lmlab.metric_spec import added_to
from lmlab.reporting import texts
from lmlab.reporting.figures import curves, results
from lmlab.reporting.figures.data import TRAINING, VALIDATION, Along, Curve, Figure, Reference, Result
from lmlab.runs.comparison import Comparison, Condition
from lmlab.runs.contents import TRAIN
from lmlab.runs.formatting import baseline_words, is_number, unit
from lmlab.runs.records import RunRecord, setting
from lmlab.runs.statistics import Estimate, estimate
from lmlab.runs.summary import BITS, NATS, finite

# Names of all possible figures; the last two are of older reports.
FIGURES = (
    "effects", "search", "heat_map", "parameter", "ranking", "curves", "frequency_bands", "learning_curves",
    "error_rate", "gradient_norm", "validity", "gap", "temperatures",
)  # fmt: skip
_COLUMN = {"tokens": "tokens", "steps": "step", "epochs": "epoch", "seconds": "seconds"}  # of metrics.csv
MOST_SIDE_BY_SIDE = 12  # runs in figures that have a line of text for each
LEAST_TRIALS = 8  # fewer are no search, and too much of their differences goes with any setting by chance
_DROPOUTS = ("dropout", "input_dropout", "output_dropout", "embedding_dropout", "weight_dropout")


class ReportFigure(NamedTuple):
    """A figure of a report: the name of its files, a heading, and what to look for, in a sentence or two."""

    name: str
    title: str
    caption: str
    figure: Figure


def report_figures(comparison: Comparison, *, along: Along) -> list[ReportFigure]:
    """Returns the figures for which the runs, at least one, have data; that which shows the answer comes first."""
    ranked = len(comparison.conditions) > 1 and comparison.metric
    found = list(_of_all(comparison, ranked, along)) if ranked else []
    return found + (list(_of_one(comparison, comparison.shown, along)) if comparison.shown else [])


def _of_all(comparison: Comparison, metric: str, along: Along) -> Iterator[ReportFigure]:
    what, names, conditions = f"validation loss, {unit(metric)}", comparison.names, comparison.conditions
    short = [comparison.short[name] for name in names]
    # The settings of each condition and its loss, without those that have none.
    known = [condition for condition in conditions if condition.values(metric)]
    losses = pd.DataFrame([{**condition.settings, "loss": condition.mean(metric).mean} for condition in known])
    found = _effects(comparison, losses) if len(names) > 2 else []
    if found:
        caption = "For each value the mean loss, and how far it spreads among runs that are equal in all other "
        caption += "settings. Lower is better; a setting whose means hardly differ matters little."
        yield ReportFigure("effects", "What each setting does", caption, results.effects(found, what=what))
    # A search has drawn its values; the runs of a grid, or a few, have not.
    values = [len({condition.settings[name] for condition in conditions}) for name in names]
    if len(conditions) >= LEAST_TRIALS and math.prod(values) > 2 * len(conditions):
        trials = [r.metric(metric) if r.status == "finished" else None for r in comparison.records]
        importance, caption = _importance(comparison, losses), "Each run in the order of the search."
        caption += (
            " The bars say which share of the differences goes with a setting alone (its squared rank correlation "
            "with the loss, or for words the correlation ratio)."
        ) * bool(importance)
        losses_of_trials = [math.nan if loss is None else loss for loss in trials]
        figure = curves.best_so_far(losses_of_trials, what=what, importance=importance)
        yield ReportFigure("search", "The best so far", caption, figure)
    elif len(names) == 2:
        figure = results.heat_map(_grid(comparison, metric), row_name=short[0], column_name=short[1], what=what)
        yield ReportFigure("heat_map", f"{short[0]} against {short[1]}", "Lower is better.", figure)
    if len(names) == 1:
        shown = comparison.shown  # its lines hold for all: the same text and vocabulary
        references = [] if shown is None or metric == BITS else _references_of(shown)
        bars = [_result(condition, condition.settings[names[0]], metric) for condition in conditions]
        figure = results.parameter_plot(bars, parameter=short[0], what=what, references=references)
        caption = "The best validation loss of each setting; the table says which differences are real."
        yield ReportFigure("parameter", f"Best loss by {short[0]}", caption, figure)
    else:
        bars = [_result(condition, condition.label, metric) for condition in conditions]
        caption = "The best validation loss of each setting, the best at the top."
        yield ReportFigure("ranking", "Settings in order", caption, results.ranked_settings(bars, what=what))
    lines = [line for condition in conditions if (line := _mean_curve(condition, metric, along)) is not None]
    if lines:
        parameter, seeds = ", ".join(short) or "run", max(len(condition.runs) for condition in conditions)
        figure = curves.sweep_curves(lines, parameter=parameter, along=along, unit=unit(metric), seeds=seeds)
        caption = "Lower is better. Where a line turns up again, the cautions say whether it overfitted."
        yield ReportFigure("curves", f"Validation loss along training, by {parameter}", caption, figure)
    yield from _frequency_bins(comparison, [condition.runs[0] for condition in conditions[:MOST_SIDE_BY_SIDE]])


def _effects(comparison: Comparison, frame: pd.DataFrame) -> list[results.Effect]:
    """Returns the mean loss at each value of each setting, that with the largest effect first.

    Runs that are equal in all other settings are put around the mean of all runs, as far as they have every value:
    otherwise a value would seem good because it was tried with good others. Of a search, where hardly any are equal,
    the losses stay as they are.
    """
    found = []
    for name in comparison.names if len(frame) else ():
        others = [other for other in frame.columns if other not in (name, "loss")]
        size = frame.groupby(others)[name].transform("size")
        whole = frame[size == size.max()]
        shift = whole["loss"].mean() - whole.groupby(others)["loss"].transform("mean") if size.max() > 1 else 0.0
        losses = {str(v): list(g) for v, g in (whole["loss"] + shift).groupby(whole[name], sort=False)}
        order = sorted(losses, key=float) if all(map(is_number, losses)) else list(losses)
        if 1 < len(order) <= MOST_SIDE_BY_SIDE:
            spreads = {value: stdev(given) if len(given) > 1 else None for value, given in losses.items()}
            means = [Result(value, fmean(losses[value]), spreads[value], tuple(losses[value])) for value in order]
            effect = max(one.mean for one in means) - min(one.mean for one in means)
            found.append((effect, results.Effect(comparison.short[name], tuple(means))))
    return [effect for _, effect in sorted(found, key=lambda item: -item[0])]


def _importance(comparison: Comparison, frame: pd.DataFrame) -> dict[str, float]:
    """Returns which share of the variance of the (ranked) loss goes with each setting alone."""
    ranks, found = frame["loss"].rank(), {}
    for name in comparison.names if len(frame) >= LEAST_TRIALS else ():
        if all(map(is_number, frame[name])):
            numbers = frame[name].astype(float).rank()
        elif 2 * frame[name].nunique() <= len(frame):
            numbers = ranks.groupby(frame[name]).transform("mean")  # each word stands for the mean rank of its runs
        else:  # which of words that are all different says nothing
            continue
        if ranks.nunique() > 1 and numbers.nunique() > 1:
            found[comparison.short[name]] = float(numbers.corr(ranks)) ** 2
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _of_one(comparison: Comparison, record: RunRecord, along: Along) -> Iterator[ReportFigure]:
    alone, rows = len(comparison.records) == 1, record.history
    of = "" if alone else f" of {comparison.label(record)}"
    known_source = record.metric("val/source_nats_per_token") is not None

    def curve(label: str, column: str) -> Curve:
        x, y = ([row.get(name, math.nan) for row in rows] for name in (_COLUMN[along], column))
        return Curve(label, x, y)

    if sum(NATS in row for row in rows) > 1:
        off = all(setting(record.config, f"model.{name}") in ("0.0", "0", "") for name in _DROPOUTS)
        label = "training (average since the last evaluation)" if off and record.config else TRAINING
        lines, references = (curve(VALIDATION, NATS), curve(label, TRAIN)), _references_of(record)
        figure = curves.learning_curves(*lines, along=along, references=references, unit=unit(NATS))
        caption = "The training figure is an average over the time before, when the weights were older"
        caption += ", with dropout on, so it may lie above validation." if label == TRAINING else "."
        caption += (
            " The source's line is of the validation strings, and no honest model ends below it but by chance; the "
            "training strings are others, so the training line may."
        ) * known_source
        yield ReportFigure("learning_curves", f"Learning curves{of}", caption, figure)
        if any("val/error_rate" in row for row in rows):
            lines = curve(VALIDATION, "val/error_rate"), curve(label, "train/error_rate")
            caption = "The share of tokens that were not ranked first."
            caption += " What the source decides by chance nobody predicts, so this does not fall to 0." * known_source
            figure = curves.metric_curves(*lines, along=along, name="error rate, per cent of tokens")
            yield ReportFigure("error_rate", f"Error rate{of}", caption, figure)
    for name, spec in added_to(record.summary).items():
        if sum(f"val/{name}" in row for row in rows) > 1:
            what = f"{spec.words}, per cent" if spec.format == "%" else spec.heading
            line, highest = curve(VALIDATION, f"val/{name}"), spec.direction == "higher"
            figure = curves.metric_curves(line, along=along, name=what, highest=highest)
            yield ReportFigure(f"metric_{name}", f"Validation {spec.words}{of}", spec.definition or what, figure)
    if sum("grad_norm" in row for row in rows) > 1:
        clip = setting(record.config, "trainer.gradient_clip_val")
        clip_at, clipped = float(clip) if is_number(clip) else None, curve("clipped steps", "clip_fraction")
        lines = curve("before clipping", "grad_norm"), curve("after clipping", "grad_norm_clipped")
        figure = curves.gradient_norms(*lines, clip_at=clip_at, clipped=clipped, along=along)
        caption = "Where nearly every step is clipped, the learning rate or the limit is wrong."
        yield ReportFigure("gradient_norm", f"Gradient norm{of}", caption, figure)
    valid = texts.validity(record)
    if len(valid) > 1:
        line, what = Curve("in the language", *zip(*valid, strict=True)), "samples in the language, per cent"
        figure = curves.metric_curves(line, along="steps", name=what, highest=True)
        caption = "The share of the samples along training that are strings of the language."
        yield ReportFigure("validity", f"Valid samples{of}", caption, figure)
    if alone:
        yield from _frequency_bins(comparison, [record])


def _frequency_bins(comparison: Comparison, records: Sequence[RunRecord]) -> Iterator[ReportFigure]:
    alike = texts.frequency_bins(records)
    if alike:
        drawn = [curves.FrequencyBin(one["from"], one.get("to"), one["tokens"]) for one in alike[0][1]]
        losses = [(comparison.label(record), [one["nats_per_token"] for one in known]) for record, known in alike]
        figure = curves.frequency_bins(drawn, [curves.BinLosses(*one) for one in losses])
        caption = "Rare words are the hardest; if pretrained vectors help, it should be there."
        caption += " Below 0 a setting is better than the mean of all at such words." if len(losses) > 1 else ""
        yield ReportFigure("frequency_bands", "Loss by how often a word occurs in the training text", caption, figure)


def _mean_curve(condition: Condition, metric: str, along: Along) -> Curve | None:
    """Returns the mean over the seeds with its interval, up to the last evaluation that all seeds have."""
    histories = [record.history for record in condition.runs if len(record.history) > 1]
    if not histories:
        return None
    points = list(zip(*histories, strict=False))
    x, values = ([[row.get(name, math.nan) for row in rows] for rows in points] for name in (_COLUMN[along], metric))
    means = [Estimate(math.nan, None) if None in map(finite, v) else estimate(v) for v in values]
    ends = [[found.mean + sign * (found.half_width or 0.0) for found in means] for sign in (-1, 1)]
    return Curve(
        condition.label, list(map(fmean, x)), [found.mean for found in means], *(ends if len(histories) > 1 else ())
    )


def _result(condition: Condition, label: str, metric: str) -> Result:
    mean, seeds = condition.mean(metric), condition.values(metric)
    value = mean.mean if math.isfinite(mean.mean) else None
    return Result(label, value, mean.half_width, tuple(seeds) if len(seeds) > 1 else ())


def _grid(comparison: Comparison, metric: str) -> list[results.Cell]:
    found = {}
    for record in comparison.unfinished:
        place = tuple(comparison.settings_of(record)[name] for name in comparison.names)
        found[place] = results.Cell(place[0], place[1], None, None, record.status)
    for condition in comparison.conditions:
        place, one = tuple(condition.settings.values()), _result(condition, "", metric)
        found[place] = results.Cell(place[0], place[1], one.value, one.half_width, "no number" * (one.value is None))
    return list(found.values())


def _references_of(record: RunRecord) -> list[Reference]:
    known = {str(name): finite(value) for name, value in record.table("val/baselines").items()}
    found = [Reference(baseline_words(name), value) for name, value in known.items() if value is not None]
    source = record.metric("val/source_nats_per_token")
    return found if source is None else [*found, Reference("the source itself on these strings", source, floor=True)]
