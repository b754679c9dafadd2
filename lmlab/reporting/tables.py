"""The tables of a report as frames of formatted text, whose first column names the rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pandas as pd

from lmlab.diagnostics.diagnose import of_run
from lmlab.metric_spec import OF_RUNS, OF_SOURCES, added_to, exp, heading, percent, spec_of
from lmlab.runs.comparison import Comparison, Condition
from lmlab.runs.contents import TRAIN
from lmlab.runs.formatting import baseline_words, count, number, unit
from lmlab.runs.records import RunRecord, setting
from lmlab.runs.settings import choices
from lmlab.runs.summary import BITS, EXCESS, NATS, finite

Show = Callable[[float], str]
# Shown instead of a missing value.
NOTHING = "–"
MOST_EVALUATIONS = 30
_SPLITS = {"val": "validation", "test": "test"}
_UNKNOWN, _COUNTED = "val/unk_rate", "val/num_tokens"
# The settings that are needed to repeat a run, or groups of options, in words. Those that a run does not have, or that
# are off, are left out.
_SETTINGS = {
    "text": "data", "tokens": "tokenizer", "vocabulary at most": "tokenizer.vocabulary_size", "batches": "batching",
    "rows in a batch": "data.batch_size", "tokens in a row": "data.sequence_length",
    "tokens in a batch at most": "data.tokens_per_batch", "model": "model", "layers": "model.num_layers",
    "units in a layer": "model.hidden_size", "tokens seen (context)": "model.context", "embedding": "embedding",
    "embedding units": "embedding.dim", "pretrained vectors": "embedding.path", "embedding frozen": "embedding.freeze",
    "tied weights": "model.tie_weights", "dropout between layers": "model.dropout",
    "dropout before the first layer": "model.input_dropout", "dropout after the last layer": "model.output_dropout",
    "one dropout mask for all steps": "model.locked_dropout",
    "dropout of hidden-to-hidden weights": "model.weight_dropout", "dropout of words": "model.embedding_dropout",
    "optimizer": "optimizer", "learning rate": "optimizer.lr", "momentum": "optimizer.momentum",
    "weight decay": "optimizer.weight_decay", "schedule of the learning rate": "scheduler",
    "averaging of the weights": "averaging", "gradient clipped at a norm of": "trainer.gradient_clip_val",
    "epochs at most": "trainer.max_epochs", "steps at most": "trainer.max_steps",
    "precision of training": "trainer.precision", "seed": "seed",
}  # fmt: skip
_OFF = ("", "null", "none", "false", "0.0", "0", "-1")
_WORDS = {"true": "yes", "32-true": "float32", "bf16-mixed": "bfloat16, weights in float32"}


def results_table(comparison: Comparison) -> pd.DataFrame:
    """Returns the conditions with the figures that decide, the best first; unordered if they cannot be ranked."""
    names = [BITS] if comparison.metric == BITS else [NATS, "val/perplexity", EXCESS, "test/perplexity"]
    names += dict.fromkeys(f"val/{name}" for record in comparison.finished for name in added_to(record.summary))
    rows, repeated = [], any(len(condition.runs) > 1 for condition in comparison.conditions)
    real = {True: "yes", False: "not significant", None: f"not significant: one seed{'' if repeated else ' each'}"}
    for condition in comparison.conditions:
        row: dict[str, str] = {} if comparison.metric is None else {"place": str(condition.place)}
        row |= {"setting": condition.label} | ({"seeds": str(len(condition.runs))} if repeated else {})
        row |= _figures(comparison, condition, names)
        if (gap := condition.gap_to_best) is not None:
            behind = f"{number(gap.mean)}{_plus_minus(gap.half_width)}"
            row |= {"behind the best": behind, "is that real?": real[gap.significant]}
        elif comparison.metric is not None and len(comparison.conditions) > 1:
            row |= {"behind the best": "the best" if condition.place == 1 else NOTHING, "is that real?": NOTHING}
        wrong, size = [d.rule.short for run in condition.runs for d in of_run(run) if d.rule.short], len(condition.runs)
        remarks = [f"{one} ({wrong.count(one)} of {size})" if size > 1 else one for one in dict.fromkeys(wrong)]
        rows.append(row | {"remarks": ", ".join(remarks) or NOTHING})
    return _frame(rows)


def figures_of_settings(comparison: Comparison) -> pd.DataFrame:
    """Returns all figures of each condition, means over its seeds.

    A gap to the training loss, measured with dropout on, that widens while that still falls is overfitting.
    """
    evaluated = [name for name in (f"val/{name}" for name in comparison.specs) if name != _COUNTED]
    of_runs = (name for name in OF_RUNS if name not in ("best_step", "vocabulary_size"))
    names = dict.fromkeys([NATS, *evaluated, "test/nats_per_token", *of_runs])
    if comparison.metric == BITS:  # the tokens of the runs differ, so figures of tokens do not compare
        names = {name: None for name in names if name in (BITS, _UNKNOWN, *OF_RUNS)}
    rows = []
    for condition in comparison.conditions:
        settings = {comparison.short[name]: condition.settings.get(name, "") for name in comparison.names}
        row = (settings or {"runs": condition.label}) | _figures(comparison, condition, names)
        losses = [(record.best_row or {}).get(TRAIN, math.nan) for record in condition.runs]
        training = math.fsum(losses) / len(losses)
        gap = cell(condition.nats.mean - training, number)
        rows.append(row | {"training loss then": cell(training, number), "gap to validation": gap})
    return _frame(rows)


def figures_of_run(record: RunRecord) -> pd.DataFrame:
    """Returns the validation and test figures of one run with those of its baselines."""
    rows: list[tuple[str, Show, dict[str, float | None]]] = []
    for name in dict.fromkeys([*record.specs, *OF_SOURCES]):
        values = {split: record.metric(f"{split}/{name}") for split in _SPLITS}
        rows.append((heading(name, record.specs), spec_of(name, record.specs).shown, values))
    for name in dict.fromkeys(str(name) for split in _SPLITS for name in record.table(f"{split}/baselines")):
        values = {split: finite(record.table(f"{split}/baselines").get(name)) for split in _SPLITS}
        rows.append((f"{baseline_words(name)}, to compare ({unit(NATS)})", number, values))
    return _frame(
        {"figure": words} | {_SPLITS[split]: cell(value, show) for split, value in values.items()}
        for words, show, values in rows
        if any(value is not None for value in values.values())
    )


def unfinished_table(comparison: Comparison) -> pd.DataFrame:
    """Returns the runs without a result and the reasons."""
    return pd.DataFrame(
        {"run": comparison.label(record), "status": record.status, "reason": record.reason or NOTHING}
        | {"best so far (nats per token)": cell((record.best_row or {}).get(NATS), number)}
        for record in comparison.unfinished
    )


def evaluation_table(record: RunRecord) -> pd.DataFrame:
    """Returns the evaluations of a run; if there are many, only some, with the best and the last among them."""
    rows, best = record.history, record.best_row
    evaluated = (name for name in (f"val/{name}" for name in record.specs) if name not in (_COUNTED, _UNKNOWN))
    names = ["step", "tokens", TRAIN, NATS, "val/perplexity", *evaluated]
    names = [*dict.fromkeys(names), "train/error_rate", "grad_norm", "clip_fraction", "lr"]
    step = max(1.0, (len(rows) - 1) / (MOST_EVALUATIONS - 2))
    kept = {round(i * step) for i in range(MOST_EVALUATIONS - 1)} | {len(rows) - 1}
    return _frame(
        {"epoch": f"{row.get('epoch', math.nan):.4g}{' (best)' if row is best else ''}"}
        | {heading(name, record.specs): cell(row.get(name), spec_of(name, record.specs).shown) for name in names}
        for i, row in enumerate(rows)
        if i in kept or row is best
    )


def language_tables(record: RunRecord) -> dict[str, pd.DataFrame]:
    """Returns the tables of a model of a formal language by title: loss above the source, validity of samples."""
    given = [record.table("samples").get(name) for name in ("language", "closing")]
    judged, closing = (found if isinstance(found, dict) else {} for found in given)
    depth = cell(closing.get("trained_depth"), count)
    closed = {"within": f"closing brackets at depths that training had (up to {depth})"}
    closed |= {"beyond": "closing brackets deeper than that", "end": "ends of strings"}
    right = {words: {"n": closing.get(f"{n}_count"), "is": closing[n]} for n, words in closed.items() if n in closing}
    valid = {"samples": ("count", count), "in the language": ("valid", percent), "different": ("distinct", percent)}
    ranked: dict[str, tuple[str, Show]] = {"how many": ("n", count), "ranked first": ("is", percent)}
    above = ("excess_nats_per_token", "{:+.4f}".format)

    def rows(first: str, found: object, columns: Mapping[str, tuple[str, Show]]) -> pd.DataFrame:
        return pd.DataFrame(
            {first: str(name)} | {words: cell(row.get(key), show) for words, (key, show) in columns.items()}
            for name, row in (found.items() if isinstance(found, dict) else ())
            if isinstance(row, dict)
        )

    length = {"how many": ("strings", count), "above the source (nats per symbol)": above}
    return {
        "Above the source on validation strings": rows("strings", record.table("val/by_length"), length),
        "Samples by length (characters)": rows("length", judged.get("by_length"), valid),
        "Samples by depth (brackets open at once)": rows("depth", judged.get("by_depth"), valid),
        "Closing brackets predicted on validation strings": rows("what comes", right, ranked),
    }


def prompts_table(comparison: Comparison) -> pd.DataFrame:
    """Returns the nats of the first tokens behind prompts, alone and in running text, of the runs that have them."""
    found = [(record, record.table("val/prompts")) for record in comparison.records]
    names = {"nats": "alone", "nats_in_text": "in text", "standard_error": "±"}

    def cells(table: Mapping[str, object]) -> dict[str, str]:
        lists = {words: table.get(name) for name, words in names.items()}
        known = {words: values for words, values in lists.items() if isinstance(values, list)}
        places = range(min(map(len, known.values()), default=0))
        return {f"token {i + 1}, {words}": cell(known[words][i], number) for i in places for words in known}

    return _frame(
        {"run": comparison.label(record), "prompts": cell(table.get("prompts"), count)} | cells(table)
        for record, table in found
        if table
    )


def architecture_table(record: RunRecord) -> pd.DataFrame:
    """Returns the layers of a run's model with their parameters; empty if the run has not stored them."""
    parts, total = list(record.summary.get("architecture") or ()), record.metric("num_parameters")
    parts += [{"part": "all", "parameters": total}] if parts and total is not None else []
    return pd.DataFrame(
        {"part": f"{part.get('part', NOTHING)}{' (frozen)' if part.get('trained') is False else ''}"}
        | {name: cell(part.get(name), count) for name in ("input", "output", "parameters")}
        for part in parts
    )


def setup_table(comparison: Comparison) -> pd.DataFrame:
    """Returns the settings that all runs share, and for a single run its cost too."""
    records, rows = [record for record in comparison.records if record.config], {}
    options = choices(records)
    for words, name in _SETTINGS.items():
        chosen = {o.get(name) or setting(r.config, name) for r, o in zip(records, options, strict=True)}
        if len(chosen) == 1 and (value := chosen.pop()) not in _OFF:
            rows[words] = _WORDS.get(value, Path(value).name)
    if len(comparison.records) == 1:
        costs = {name: comparison.records[0].metric(name) for name in OF_RUNS if name != "num_parameters"}
        rows |= {heading(name): spec_of(name).shown(value) for name, value in costs.items() if value is not None}
    return pd.DataFrame({"setting": [*rows], "value": [*rows.values()]})


def cell(value: object, show: Show, nothing: str = NOTHING) -> str:
    """Formats a number; what is none, or not finite, becomes a dash."""
    return nothing if (known := finite(value)) is None else show(known)


def _plus_minus(half_width: float | None) -> str:
    return "" if half_width is None else f" ± {number(half_width)}"


def _figures(comparison: Comparison, condition: Condition, names: Iterable[str]) -> dict[str, str]:
    """Returns the means over the seeds; for perplexity exp of the mean nats, not the mean of perplexities."""
    cells = {}
    for name in names:
        spec, (value, width) = spec_of(name, comparison.specs), condition.mean(name)
        if name.endswith("/perplexity"):
            value = exp(condition.mean(name.replace("perplexity", "nats_per_token")).mean)
        interval = _plus_minus(width or None if spec.unit in (unit(NATS), unit(BITS)) else None)
        cells[heading(name, comparison.specs)] = cell(value, spec.shown) + interval
    return cells


def _frame(rows: Iterable[Mapping[str, str]]) -> pd.DataFrame:
    """Returns rows without the columns that have no value, and without that of unknown words if there are none."""
    frame, unknown = pd.DataFrame(rows), heading(_UNKNOWN)
    return frame[[n for n in frame if not set(frame[n]) <= {NOTHING, "", "0.0%" if n == unknown else ""}]]
