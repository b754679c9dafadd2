"""Tables for the terminal: of a sweep, of runs, and the line of a job that has ended."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from lmlab.diagnostics.diagnose import of_comparison
from lmlab.errors import printable
from lmlab.files import shown
from lmlab.metric_spec import added_to, compact
from lmlab.reporting.exports import warnings
from lmlab.reporting.tables import cell
from lmlab.runs.comparison import Comparison, Condition, compare
from lmlab.runs.discovery import num_bytes, written
from lmlab.runs.formatting import listing, number, perplexity, plural
from lmlab.runs.records import RunRecord, job_folders, planned_jobs, setting
from lmlab.runs.settings import short_names
from lmlab.runs.summary import BITS, DAMAGED, DONE, EXCESS, NATS, PARTIAL

# Rows shown, of which results.csv has all, and lines of jobs that failed for the same reason; more share one.
MOST_ROWS, SAME_REASON = 40, 3


def aligned(rows: Sequence[Sequence[str]], *, left: int) -> list[str]:
    """Aligns the first `left` columns, with words, to the left, and the rest to the right; all rows are as long."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = ([f"{cell:{'<' if i < left else '>'}{widths[i]}}" for i, cell in enumerate(row)] for row in rows)
    return ["  ".join(row).rstrip() for row in cells]


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
    lines = aligned([list(rows[0]), *(list(row.values()) for row in rows)], left=1 + len(comparison.names))
    more = len(conditions) - MOST_ROWS
    return [*lines, f"and {more} more in results.csv"] if more > 0 else lines


def job_line(job: RunRecord, *, settings: dict[str, str], total: int | None, best: bool) -> str:
    """Returns the line for a job that has ended: its number of the `total`, if known, and the varied settings as typed.

    It is marked if it is the `best` so far.
    """
    done = (job.number or 0) + 1
    counted = f"{done}/{total}".rjust(2 * len(str(total)) + 1) if total else str(done)
    short = short_names(list(settings))
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
    notes = [f"note: {shown(record.folder)}: {damage}" for record in records for damage in record.damages]
    return [*aligned(rows, left=4), total, *notes]


def human(size: float) -> str:
    """Formats a number of bytes: 4.02MB."""
    return f"{compact(size)}B"


def _names(records: Sequence[RunRecord], group: str) -> str:
    found = dict.fromkeys(setting(record.config, f"{group}.name") or record.overrides.get(group) for record in records)
    return listing([printable(name, longest=20) for name in found if name]) or "-"
