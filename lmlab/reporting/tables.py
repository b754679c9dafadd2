"""The tables of results as frames of formatted text, whose first column names the rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from lmlab.diagnostics.diagnose import of_run
from lmlab.metric_spec import (
    BITS_PER_CHAR,
    NATS_PER_TOKEN,
    NUM_TOKENS,
    OF_RUNS,
    OF_SOURCES,
    PERPLEXITY,
    UNK_RATE,
    MetricSpec,
    added_to,
    exp,
    heading,
    percent,
    spec_of,
)
from lmlab.runs.comparison import Comparison, Condition
from lmlab.runs.contents import TRAIN
from lmlab.runs.formatting import baseline_words, count, number
from lmlab.runs.records import RunRecord
from lmlab.runs.statistics import Estimate
from lmlab.runs.summary import BITS, EXCESS, NATS, finite

Show = Callable[[float], str]
# Shown instead of a missing value.
NOTHING = "–"
MOST_EVALUATIONS = 30
_SPLITS = {"val": "validation", "test": "test"}
_LAST_COLUMNS = ("train/error_rate", "grad_norm", "clip_fraction", "lr")


def results_table(comparison: Comparison) -> pd.DataFrame:
    """Returns the conditions with the figures that decide, the best first; unordered if they cannot be ranked."""
    by_bits = comparison.metric == BITS
    names = (BITS,) if by_bits else (NATS, "val/perplexity", EXCESS, "test/perplexity")
    added = dict.fromkeys(f"val/{name}" for record in comparison.finished for name in added_to(record.summary))
    rows, repeated = [], any(len(condition.runs) > 1 for condition in comparison.conditions)
    for condition in comparison.conditions:
        row: dict[str, str] = {} if comparison.metric is None else {"place": str(condition.place)}
        row["setting"] = condition.label
        row |= {"seeds": str(len(condition.runs))} if repeated else {}
        row |= _figures(comparison, condition, [*names, *added])
        if comparison.metric is not None and len(comparison.conditions) > 1:
            row |= _behind(condition, "one seed" if repeated else "one seed each")
        rows.append({**row, "remarks": _remarks(condition)})
    return _without_empty(pd.DataFrame(rows))


def figures_of_settings(comparison: Comparison) -> pd.DataFrame:
    """Returns all figures of each condition, means over its seeds."""
    evaluated = [f"val/{name}" for name in comparison.specs if name != NUM_TOKENS.name]
    of_runs = (name for name in OF_RUNS if name not in ("best_step", "vocabulary_size"))
    names = [NATS, *evaluated, "test/nats_per_token", *of_runs]
    if comparison.metric == BITS:  # the tokens of the runs differ, so figures of tokens do not compare
        names = [name for name in names if name in (BITS, f"val/{UNK_RATE.name}", *OF_RUNS)]
    rows = []
    for condition in comparison.conditions:
        settings = {comparison.short[name]: condition.settings.get(name, "") for name in comparison.names}
        figures = _figures(comparison, condition, list(dict.fromkeys(names)))
        rows.append((settings or {"runs": condition.label}) | figures | _training(condition))
    return _without_empty(pd.DataFrame(rows))


def figures_of_run(record: RunRecord) -> pd.DataFrame:
    """Returns the validation and test figures of one run with those of its baselines."""
    rows: list[tuple[str, dict[str, float | None], MetricSpec]] = []
    for name in dict.fromkeys([*record.specs, *OF_SOURCES]):
        values = {split: record.metric(f"{split}/{name}") for split in _SPLITS}
        rows.append((heading(name, record.specs), values, spec_of(name, record.specs)))
    for name in dict.fromkeys(str(name) for split in _SPLITS for name in record.table(f"{split}/baselines")):
        values = {split: finite(record.table(f"{split}/baselines").get(name)) for split in _SPLITS}
        rows.append((f"{baseline_words(name)}, to compare ({NATS_PER_TOKEN.unit})", values, NATS_PER_TOKEN))
    cells = [
        {"figure": name, **{_SPLITS[split]: cell(value, spec.shown) for split, value in values.items()}}
        for name, values, spec in rows
        if any(value is not None for value in values.values())
    ]
    return _without_empty(pd.DataFrame(cells))


def unfinished_table(comparison: Comparison) -> pd.DataFrame:
    """Returns the runs without a result and the reasons."""
    header = ("run", "status", "reason", "best so far (nats per token)")
    rows = [
        (comparison.label(r), r.status, r.reason or NOTHING, cell((r.best_row or {}).get(NATS), number))
        for r in comparison.unfinished
    ]
    return pd.DataFrame(rows, columns=header)


def evaluation_table(record: RunRecord) -> pd.DataFrame:
    """Returns the evaluations of a run; if there are many, only some, with the best and the last among them."""
    rows, best = record.history, record.best_row
    evaluated = (f"val/{name}" for name in record.specs if name not in (NUM_TOKENS.name, UNK_RATE.name))
    names = dict.fromkeys(["step", "tokens", TRAIN, NATS, "val/perplexity", *evaluated, *_LAST_COLUMNS])
    step = max(1.0, (len(rows) - 1) / (MOST_EVALUATIONS - 2))
    kept = {round(i * step) for i in range(MOST_EVALUATIONS - 1)} | {len(rows) - 1}
    cells = [
        {"epoch": f"{row.get('epoch', math.nan):.4g}{' (best)' if row is best else ''}"}
        | {heading(name, record.specs): cell(row.get(name), spec_of(name, record.specs).shown) for name in names}
        for i, row in enumerate(rows)
        if i in kept or row is best
    ]
    return _without_empty(pd.DataFrame(cells))


def language_tables(record: RunRecord) -> dict[str, pd.DataFrame]:
    """Returns the tables of a model of a formal language by title: loss above the source, validity of samples."""
    given = [record.table("samples").get(name) for name in ("language", "closing")]
    judged, closing = (found if isinstance(found, dict) else {} for found in given)
    valid = {"samples": ("count", count), "in the language": ("valid", percent), "different": ("distinct", percent)}
    above = {"how many": ("strings", count), "above the source (nats per symbol)": ("excess_nats_per_token", _signed)}
    closed = {
        "within": f"closing brackets at depths that training had (up to {cell(closing.get('trained_depth'), count)})",
        "beyond": "closing brackets deeper than that",
        "end": "ends of strings",
    }
    right = {
        words: {"n": closing.get(f"{n}_count"), "right": closing[n]} for n, words in closed.items() if n in closing
    }
    tables = {
        "Above the source on validation strings": _frame("strings", record.table("val/by_length"), above),
        "Samples by length (characters)": _frame("length", judged.get("by_length"), valid),
        "Samples by depth (brackets open at once)": _frame("depth", judged.get("by_depth"), valid),
        "Closing brackets predicted on validation strings": _frame(
            "what comes", right, {"how many": ("n", count), "ranked first": ("right", percent)}
        ),
    }
    return {title: frame for title, frame in tables.items() if len(frame)}


def _frame(first: str, found: object, columns: Mapping[str, tuple[str, Show]]) -> pd.DataFrame:
    """Returns stored rows, by the names of their columns: the key and the format of each."""
    rows = found.items() if isinstance(found, Mapping) else ()
    return pd.DataFrame(
        {first: str(name)} | {words: cell(row.get(key), show) for words, (key, show) in columns.items()}
        for name, row in rows
        if isinstance(row, Mapping)
    )


def cell(value: object, show: Show) -> str:
    """Formats a number; what is none, or not finite, becomes a dash."""
    known = finite(value)
    return NOTHING if known is None else show(known)


def _signed(value: float) -> str:
    return f"{value:+.4f}"


def _figures(comparison: Comparison, condition: Condition, names: Sequence[str]) -> dict[str, str]:
    """Returns the means over the seeds; for perplexity exp of the mean nats, not the mean of perplexities."""
    cells = {}
    for name in names:
        split, _, word = name.partition("/")
        spec, value = spec_of(name, comparison.specs), condition.mean(name)
        if word == PERPLEXITY.name:
            value = Estimate(exp(condition.mean(f"{split}/nats_per_token").mean), None, len(condition.runs))
        width = value.half_width if spec.unit in (NATS_PER_TOKEN.unit, BITS_PER_CHAR.unit) else None
        cells[heading(name, comparison.specs)] = cell(value.mean, spec.shown) + (f" ± {number(width)}" if width else "")
    return cells


def _behind(condition: Condition, seeds: str) -> dict[str, str]:
    """Returns how far a condition is behind the best, and whether that is more than chance explains."""
    gap = condition.gap_to_best
    if gap is None:
        return {"behind the best": "the best" if condition.place == 1 else NOTHING, "is that real?": NOTHING}
    width = f" ± {number(gap.half_width)}" if gap.half_width is not None else ""
    real = {True: "yes", False: "not significant", None: f"not significant: {seeds}"}[gap.significant]
    return {"behind the best": number(gap.mean) + width, "is that real?": real}


def _remarks(condition: Condition) -> str:
    """Returns in a word or two what went wrong, with the number of runs if there are several."""
    found = [d.rule.short for record in condition.runs for d in of_run(record) if d.rule.short]
    size = len(condition.runs)
    return ", ".join(f"{w} ({found.count(w)} of {size})" if size > 1 else w for w in dict.fromkeys(found)) or NOTHING


def _training(condition: Condition) -> dict[str, str]:
    """Returns the mean training loss at the best evaluations, and how far validation lies above it.

    A gap that widens while training still falls is overfitting. Training loss is measured with dropout on.
    """
    losses = [(record.best_row or {}).get(TRAIN, math.nan) for record in condition.runs]
    training = math.fsum(losses) / len(losses)
    shown = {"training loss then": cell(training, number)}
    return shown | {"gap to validation": cell(condition.nats.mean - training, number)}


def _without_empty(frame: pd.DataFrame) -> pd.DataFrame:
    """Drops the columns without any value, and that of unknown words if there are none."""
    unknown = heading(f"val/{UNK_RATE.name}")
    empty = [n for n in frame.columns if set(frame[n]) <= {NOTHING, "", "0.0%" if n == unknown else ""}]
    return frame.drop(columns=empty)
