"""Runs listed outside the page: CSV files that spreadsheets do not interpret, and tables and lines for the terminal."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from lmlab.diagnostics.diagnose import of_comparison, stored
from lmlab.errors import printable
from lmlab.files import shown
from lmlab.layout import aligned, one_line
from lmlab.metric_spec import OF_RUNS, added_to, compact, heading, spec_of
from lmlab.reporting.tables import cell
from lmlab.reporting.texts import SAMPLE_FIGURES, Temperature, temperatures
from lmlab.runs.comparison import Comparison, Condition, compare
from lmlab.runs.discovery import num_bytes, written
from lmlab.runs.formatting import is_number, listing, number, perplexity, plural
from lmlab.runs.records import RunRecord, job_folders, planned_jobs, setting
from lmlab.runs.settings import RUN, short_names
from lmlab.runs.summary import BITS, DAMAGED, DONE, EXCESS, NATS, PARTIAL, SEED, finite
from lmlab.terminal import fitted, width

# First characters that make a spreadsheet interpret a cell as a formula, also in the full width of East Asian fonts.
# A tab or carriage return before them is ignored by spreadsheets.
_FORMULA = tuple("=+-@＝＋－＠\t\r")
# Columns of experiment_logs.csv with settings: name of the setting, and unit.
_SETTINGS = {
    "data": ("data.name", ""), "model": ("model.name", ""), "num_layers": ("model.num_layers", "layers"),
    "hidden_size": ("model.hidden_size", "units"), "embedding_dim": ("embedding.dim", "units"),
    "dropout": ("model.dropout", "share"), "learning_rate": ("optimizer.lr", ""),
    "batch_size": ("data.batch_size", "rows"), "sequence_length": ("data.sequence_length", "tokens"),
    "seed": (SEED, ""),
}  # fmt: skip
# Rows shown, of which results.csv has all, and lines of jobs that failed for the same reason; more share one.
MOST_ROWS, SAME_REASON = 40, 3


def results(comparison: Comparison) -> str:
    """Returns ``results.csv``: a row for each run with the exact numbers of the summaries; settings by full names.

    The best condition comes first, then runs that are unfinished or cannot be ranked. All seeds of a condition share
    its rank. If the runs cannot be compared with each other, the rank is empty and they are in the order of the sweep.
    """
    key, records = comparison.metric, comparison.records
    ranks = {
        record: condition.place
        for condition in comparison.conditions
        for record in sorted(condition.runs, key=lambda record: record.metric(key or NATS) or 0.0)
    }
    order = [*(ranks if key else sorted(ranks, key=records.index)), *(r for r in records if r not in ranks)]
    evaluated = [NATS, *(k for r in records for k, v in r.summary.items() if v is None or isinstance(v, int | float))]
    figures = dict.fromkeys(name for split in ("val/", "test/") for name in evaluated if name.startswith(split))
    names = (*figures, *OF_RUNS, "device", "precision", "fingerprint", "train_fingerprint")
    several = len({values[SEED] for values in comparison.settings}) > 1
    rows = []
    for record in order:
        varied = {name: value for name, value in comparison.settings_of(record).items() if name != SEED or several}
        row = {"rank": ranks.get(record), "job": record.label, **varied, "status": record.status}
        row |= {name: record.summary.get(name) for name in names}
        rows.append(row | {"num_warnings": len(warnings(record)), "error": record.reason})
    return as_csv(rows)


def warnings(record: RunRecord) -> list[str]:
    """Returns the titles of the diagnostics that a run itself has stored and that are more than a note."""
    return [diagnostic.rule.title for diagnostic in stored(record.summary) if diagnostic.level != "note"]


def experiment_logs(comparison: Comparison) -> str:
    """Returns ``experiment_logs.csv``: a row for each run and sampling temperature; one for a run without samples.

    Its columns have short names, which ``experiment_logs_columns.csv`` explains.
    """
    more, figures = _logged(comparison)
    rows = []
    for record in comparison.records:
        own = comparison.settings_of(record)
        row: dict[str, Any] = {"run": record.label, "status": record.status}
        for column, (name, _) in _SETTINGS.items():  # as it was typed if the run has stored no configuration
            typed = record.overrides.get(name) or record.overrides.get(name.removesuffix(".name"))
            row[column] = setting(record.config, name) or typed or ""
        row |= {name: own[name] for name in more}
        row |= {name.replace("/", "_"): record.summary.get(name) for name in figures}
        for drawn in temperatures(record) or [Temperature(math.nan, "", "", None, {})]:
            sample = {"temperature": drawn.temperature, "num_samples": drawn.num_samples}
            sample |= {f"samples_{name}": drawn.figures.get(name) for name in SAMPLE_FIGURES}
            rows.append(row | sample | {"prompt": drawn.prompt, "sample": drawn.text})
    return as_csv(rows)


def experiment_logs_columns(comparison: Comparison) -> str:
    """Returns ``experiment_logs_columns.csv``: name, unit and meaning of each column of ``experiment_logs.csv``."""
    more, figures = _logged(comparison)
    known = {"run": ("", "name of the run"), "status": ("", "whether it ended, and how")}
    known |= {column: (unit, f"setting {name}") for column, (name, unit) in _SETTINGS.items()}
    known |= {name: ("", f"setting {name}") for name in more}
    for name in figures:
        spec, words = spec_of(name, comparison.specs), heading(name, comparison.specs)
        known[name.replace("/", "_")] = spec.unit, f"{words}: {spec.definition}" if spec.definition else words
    known |= {"temperature": ("", "that the logits are divided by when the samples are drawn")}
    known |= {"num_samples": ("samples", "how many were drawn at this temperature")}
    for name, words in SAMPLE_FIGURES.items():
        meaning, _, unit = words.removesuffix(")").partition(" (")
        known[f"samples_{name}"] = unit, f"of the samples: {meaning}"
    known |= {"prompt": ("", "that they continue"), "sample": ("", "the first of them")}
    return as_csv([{"column": name, "unit": unit, "meaning": meaning} for name, (unit, meaning) in known.items()])


def _logged(comparison: Comparison) -> tuple[list[str], list[str]]:
    """Returns the settings beside `_SETTINGS` and the figures that experiment_logs.csv has columns for."""
    usual = (*(name for name, _ in _SETTINGS.values()), "model", "data", RUN)
    figures = [f"{split}/{name}" for split in ("val", "test") for name in comparison.specs]
    figures = [name for name in figures if any(record.metric(name) is not None for record in comparison.records)]
    return [name for name in comparison.names if name not in usual], [*figures, *OF_RUNS]


def history(comparison: Comparison) -> str:
    """Returns ``history.csv``: a row for each evaluation of each run, with the exact numbers of ``metrics.csv``."""
    names = dict.fromkeys(name for record in comparison.records for row in record.history for name in row)
    headings = {n: f"{n} ({spec_of(n).unit})" if n in ("tokens", "seconds", "epoch", "step") else n for n in names}
    rows = []
    for record in comparison.records:
        own = {name: value for name, value in comparison.settings_of(record).items() if name not in (RUN, SEED)}
        about = {"run": record.label, **own, SEED: record.seed}
        rows += [about | {headings[name]: _whole(row.get(name)) for name in names} for row in record.history]
    return as_csv(rows) if rows else f"run,{SEED}\n"


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns rows, cells by the names of their columns, as CSV.

    Text that looks like a formula gets an apostrophe before it; text that is a number (``-1``, ``1e-3``) does not.
    """
    safe = [{_safe(name): _safe(value) for name, value in row.items()} for row in rows]
    frame = pd.DataFrame(safe, dtype=object)
    text = str(frame.to_csv(index=False, lineterminator="\n"))
    # Cells with a line feed are quoted anyway, but not those with a carriage return alone.
    return str(frame.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)) if "\r" in text else text


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) and not is_number(value) else value


def _whole(value: float | None) -> float | int | None:
    """Returns whole numbers, such as steps and counts, without a decimal point."""
    known = finite(value)
    return int(known) if known is not None and known.is_integer() and abs(known) < 2**53 else value


def sweep_table(comparison: Comparison) -> list[str]:
    """Returns the lines of a sweep's ranked table with its diagnostics and failures."""
    conditions = [*comparison.conditions, *comparison.partial]
    lines = _ranked(comparison, conditions) if conditions else []
    notes = [f"the jobs were {comparison.note}" if comparison.metric is None else comparison.note]
    if any(len(condition.runs) > 1 for condition in comparison.conditions):
        notes.append("nats/token is the mean over seeds ± the half width of its 95% interval; perplexity is exp(mean)")
    if any(c.gap_to_best and c.gap_to_best.significant is False for c in comparison.conditions[1:2]):
        notes.append("the first two differ by less than the 95% interval of their difference: it may be chance")
    for diagnostic in of_comparison(comparison):
        if diagnostic.level != "note" and diagnostic.kind not in ("failed", "unfinished", "not-begun"):
            where = diagnostic.where(len(comparison.records))
            said = f", in {where}" if where else f": {diagnostic.words('finding')}"
            notes.append(f"{diagnostic.rule.title.lower()}{said}")
    lines += [f"note: {note}" for note in notes if note]
    by_reason: dict[tuple[str, str], list[str]] = {}
    for record in comparison.records:
        if record.status in ("failed", "interrupted", DAMAGED):
            reason = record.reason or "interrupted; it can be resumed where it stopped"
            by_reason.setdefault((record.status, reason), []).append(record.folder.name)
    for (status, reason), names in by_reason.items():
        if len(names) > SAME_REASON:
            names = [f"{names[0]} and {len(names) - 1} more"]
        lines += [f"{status:<8}  {name}: {reason}" for name in names]
    return lines


def _ranked(comparison: Comparison, conditions: Sequence[Condition]) -> list[str]:
    repeated = any(len(condition.runs) > 1 for condition in conditions)
    known = any(math.isfinite(condition.mean(EXCESS).mean) for condition in conditions)
    added = {n: spec for c in conditions for run in c.runs for n, spec in added_to(run.summary).items()}
    rows = []
    for condition in conditions[:MOST_ROWS]:
        nats = condition.nats
        row = {"": PARTIAL if condition in comparison.partial else f"{condition.place}." if condition.place else ""}
        row |= {comparison.short[name]: value for name, value in condition.settings.items()}
        row |= {"seeds": str(len(condition.runs))} if repeated else {}
        row["nats/token"] = number(nats.mean) + ("" if nats.half_width is None else f" ± {number(nats.half_width)}")
        row |= {"above source": cell(condition.mean(EXCESS).mean, "{:+.4f}".format, "-")} if known else {}
        row |= {"perplexity": perplexity(nats.mean), "bits/char": cell(condition.mean(BITS).mean, number, "-")}
        row |= {spec.words: cell(condition.mean(f"val/{name}").mean, spec.shown, "-") for name, spec in added.items()}
        row |= {"parameters": compact(condition.mean("num_parameters").mean)}
        row |= {"tokens/s": compact(condition.mean("tokens_per_second").mean)}
        row |= {"memory": human(condition.mean("peak_memory_bytes").mean)}
        rows.append(row | {"best epoch": f"{condition.mean('best_epoch').mean:.3g}"})
    table = [list(rows[0]), *(list(row.values()) for row in rows)]
    lines = aligned(table, left=1 + len(comparison.names), width=width())
    more = len(conditions) - MOST_ROWS
    return [*lines, f"and {more} more in results.csv"] if more > 0 else lines


def job_line(job: RunRecord, *, settings: dict[str, str], total: int | None, best: bool) -> str:
    """Returns the line for a job that has ended, with its varied settings as typed; `best` is the best so far."""
    done, short = (job.number or 0) + 1, short_names(list(settings))
    counted = f"{done}/{total}".rjust(2 * len(str(total)) + 1) if total else str(done)
    head = f"{counted}  {' '.join(f'{short[name]}={value}' for name, value in settings.items())}"
    if job.status in ("failed", DAMAGED):
        return f"{head}  {job.status}: {job.reason}"
    figures = f"val {job.nats:.4f} nats  perplexity {perplexity(job.nats)}"
    # Bits per character are not known of a part of the text.
    if BITS in job.summary or job.status != PARTIAL:
        figures += f"  bits/char {job.summary.get(BITS) or math.nan:.4f}"
    warned = f"  {plural(len(found), 'warning')}" if (found := warnings(job)) else ""
    mark = "  partial" if job.status == PARTIAL else "  *best" if best else ""
    seconds = job.metric("wall_seconds")
    return f"{head}  {figures}  {'-' if seconds is None else f'{seconds:.0f}'} s{warned}{mark}"


def run_table(records: Sequence[RunRecord]) -> list[str]:
    """Returns the lines of a table with a row for each run, the newest last, and a line for each damaged file.

    The jobs of a sweep share a row if all of them are there, unless nothing else is.
    """
    origins = Counter(record.origin for record in records)
    jobs = {origin: job_folders(origin) for origin in origins if len(origins) > 1}
    whole = {origin for origin, folders in jobs.items() if folders and len(folders) == origins[origin]}
    groups: dict[Path, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(record.origin if record.origin in whole else record.folder, []).append(record)
    times = {folder: max(written(record.folder) for record in group) for folder, group in groups.items()}
    rows = [["run", "status", "data", "model", "nats/token", "perplexity", "epochs", "size", "last written"]]
    for folder in sorted(times, key=lambda folder: (times[folder], folder)):
        group, (first, *_) = groups[folder], groups[folder]
        sweep, done = folder != first.folder, sum(record.status in DONE for record in group)
        best = compare(group).best_run if sweep else first
        nats, run = None if best is None else best.metric(NATS), best or first
        status = f"{done} of {max(planned_jobs(folder) or 0, len(group))} jobs done" if sweep else first.status
        epoch = run.history[-1].get("epoch") if run.history else run.metric("best_epoch")
        row = [shown(folder), status, _names(group, "data"), _names(group, "model")]
        row += ["-", "-"] if nats is None else [number(nats), perplexity(nats)]
        row += ["-" if epoch is None else f"{epoch:.3g}", human(num_bytes(folder))]
        rows.append([*row, f"{datetime.fromtimestamp(times[folder]):%Y-%m-%d %H:%M}"])
    total = f"{plural(len(records), 'run')}, {human(sum(map(num_bytes, groups)))}"
    damages = ((shown(record.folder), damage) for record in records for damage in record.damages)
    notes = [fitted(one_line(f"note: {place}: {damage}")) for place, damage in damages]
    return [*aligned(rows, left=4, width=width()), total, *notes]


def human(size: float) -> str:
    """Formats a number of bytes: 4.02MB."""
    return f"{compact(size)}B"


def _names(records: Sequence[RunRecord], group: str) -> str:
    found = dict.fromkeys(setting(record.config, f"{group}.name") or record.overrides.get(group) for record in records)
    return listing([printable(name, longest=20) for name in found if name]) or "-"
