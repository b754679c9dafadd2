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
from lmlab.metric_spec import MetricSpec, added_to, compact
from lmlab.reporting.exports import warnings
from lmlab.runs.comparison import Comparison, compare
from lmlab.runs.discovery import num_bytes, written
from lmlab.runs.formatting import listing, number, perplexity, plural
from lmlab.runs.records import RunRecord, job_folders, planned_jobs, setting
from lmlab.runs.settings import short_names
from lmlab.runs.statistics import Estimate
from lmlab.runs.summary import BITS, DAMAGED, DONE, EXCESS, NATS, PARTIAL

# If more jobs than this failed for the same reason, they share one line.
SAME_REASON = 3
# Rows shown; results.csv has all.
MOST_ROWS = 40
_RUNS = ("run", "status", "data", "model", "nats/token", "perplexity", "epochs", "size", "last written")


def aligned(rows: Sequence[Sequence[str]], *, left: int) -> list[str]:
    """Aligns columns: the first `left` to the left, the rest to the right.

    Args:
        rows: the header first; all of equal length.
        left: number of columns with words.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return lines


def sweep_table(comparison: Comparison) -> list[str]:
    """Returns the lines of a sweep's ranked table with its diagnostics and failures."""
    lines = _ranked(comparison) if comparison.conditions or comparison.partial else []
    notes = [f"the jobs were {comparison.note}" if comparison.metric is None else comparison.note, *_notes(comparison)]
    return [*lines, *(f"note: {note}" for note in notes if note), *_unfinished(comparison)]


def _ranked(comparison: Comparison) -> list[str]:
    conditions = [*comparison.conditions, *comparison.partial]
    repeated = any(len(condition.runs) > 1 for condition in conditions)
    known = any(math.isfinite(condition.mean(EXCESS).mean) for condition in conditions)
    added = {n: spec for c in conditions for run in c.runs for n, spec in added_to(run.summary).items()}
    rows = []
    for condition in conditions[:MOST_ROWS]:
        nats = condition.nats
        row = {"": PARTIAL if condition in comparison.partial else f"{condition.place}." if condition.place else ""}
        row |= {comparison.short[name]: value for name, value in condition.settings.items()}
        row |= {"seeds": str(len(condition.runs))} if repeated else {}
        row |= {"nats/token": with_interval(nats)}
        row |= {"above source": _cell("+.4f", condition.mean(EXCESS).mean)} if known else {}
        row |= {"perplexity": perplexity(nats.mean), "bits/char": _cell(".4f", condition.mean(BITS).mean)}
        row |= {spec.words: _cell(spec, condition.mean(f"val/{name}").mean) for name, spec in added.items()}
        row |= {"parameters": compact(condition.mean("num_parameters").mean)}
        row |= {"tokens/s": compact(condition.mean("tokens_per_second").mean)}
        row |= {"memory": f"{compact(condition.mean('peak_memory_bytes').mean)}B"}
        rows.append(row | {"best epoch": f"{condition.mean('best_epoch').mean:.3g}"})
    lines = aligned([list(rows[0]), *(list(row.values()) for row in rows)], left=1 + len(comparison.names))
    more = len(conditions) - MOST_ROWS
    return [*lines, f"and {more} more in results.csv"] if more > 0 else lines


def _cell(how: str | MetricSpec, value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return format(value, how) if isinstance(how, str) else how.shown(value)


def with_interval(value: Estimate) -> str:
    """Formats a value: 1.2345, or 1.2345 ± 0.0067 over several seeds."""
    return number(value.mean) if value.half_width is None else f"{number(value.mean)} ± {number(value.half_width)}"


def _notes(comparison: Comparison) -> list[str]:
    """Returns what a reader should know before trusting the ranks."""
    notes = []
    best, *others = comparison.conditions or (None,)
    if any(len(condition.runs) > 1 for condition in comparison.conditions):
        notes.append("nats/token is the mean over seeds ± the half width of its 95% interval; perplexity is exp(mean)")
    if best is not None and others and others[0].gap_to_best and others[0].gap_to_best.significant is False:
        notes.append("the first two differ by less than the 95% interval of their difference: it may be chance")
    for diagnostic in of_comparison(comparison):
        if diagnostic.level != "note" and diagnostic.kind not in ("failed", "unfinished", "not-begun"):
            where = diagnostic.where(len(comparison.records))
            said = f", in {where}" if where else f": {diagnostic.words('finding')}"
            notes.append(f"{diagnostic.rule.title.lower()}{said}")
    return notes


def _unfinished(comparison: Comparison) -> list[str]:
    """Returns a line for each job that failed, was interrupted or is damaged; many with the same reason share one."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for record in comparison.records:
        if record.status in ("failed", "interrupted", DAMAGED):
            reason = record.reason or "interrupted; it can be resumed where it stopped"
            by_reason.setdefault((record.status, reason), []).append(record.folder.name)
    lines = []
    for (status, reason), names in by_reason.items():
        for group in [[name] for name in names] if len(names) <= SAME_REASON else [names]:
            more = f" and {len(group) - 1} more" if len(group) > 1 else ""
            lines.append(f"{status:<8}  {group[0]}{more}: {reason}")
    return lines


def job_line(job: RunRecord, *, settings: dict[str, str], total: int | None, best: bool) -> str:
    """Returns the line for a job that has ended.

    Args:
        job: with its summary.
        settings: those that the sweep varies, as typed.
        total: number of jobs of the sweep; None if unknown.
        best: whether it is the best so far.
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
    rows = [_row(folder, groups[folder], times[folder]) for folder in sorted(times, key=lambda f: (times[f], f))]
    total = f"{plural(len(records), 'run')}, {human(sum(map(num_bytes, groups)))}"
    notes = [f"note: {shown(record.folder)}: {damage}" for record in records for damage in record.damages]
    return [*aligned([_RUNS, *rows], left=4), total, *notes]


def human(size: int) -> str:
    """Formats a number of bytes: 4.02MB."""
    return f"{compact(size)}B"


def _row(folder: Path, records: Sequence[RunRecord], when: float) -> list[str]:
    sweep = folder != records[0].folder
    best = compare(records).best_run if sweep else records[0]
    nats = None if best is None else best.metric(NATS)
    done = sum(record.status in DONE for record in records)
    figures = ["-", "-"] if nats is None else [number(nats), perplexity(nats)]
    status = f"{done} of {max(planned_jobs(folder) or 0, len(records))} jobs done" if sweep else records[0].status
    names = (_names(records, group) for group in ("data", "model"))
    size, written_at = human(num_bytes(folder)), f"{datetime.fromtimestamp(when):%Y-%m-%d %H:%M}"
    return [shown(folder), status, *names, *figures, _epochs(best or records[0]), size, written_at]


def _names(records: Sequence[RunRecord], group: str) -> str:
    found = dict.fromkeys(setting(record.config, f"{group}.name") or record.overrides.get(group) for record in records)
    return listing([printable(name, longest=20) for name in found if name]) or "-"


def _epochs(record: RunRecord) -> str:
    epoch = record.history[-1].get("epoch") if record.history else record.metric("best_epoch")
    return "-" if epoch is None else f"{epoch:.3g}"
